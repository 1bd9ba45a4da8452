/** Shows each of its votes to a few peers only, and repairs nothing that others lack. */

import type { Adversary, AdversaryTools } from './adversary.ts'

export function createVoteWithholder(tools: AdversaryTools): Adversary {
  return {
    distort(message) {
      if (message.kind === 'enter' || message.kind === 'status') return []
      return message.kind === 'vote' && tools.random.chance(0.6) ? [] : [message]
    },
  }
}
