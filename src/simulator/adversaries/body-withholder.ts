/** Shows its proposals to a peer or two, and nobody a body or a certificate that they ask for. */

import type { Adversary, AdversaryTools } from './adversary.ts'

export function createBodyWithholder(tools: AdversaryTools): Adversary {
  return {
    distort(message) {
      if (message.kind === 'block' || message.kind === 'enter') return []
      if (message.kind === 'decided') return []
      return message.kind === 'propose' && tools.random.chance(0.7) ? [] : [message]
    },
  }
}
