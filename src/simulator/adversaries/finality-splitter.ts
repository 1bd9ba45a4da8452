/** Tells some peers that it finalizes and others that it nullifies, and leaves out the rest. */

import type { Adversary, AdversaryTools } from './adversary.ts'

export function createFinalitySplitter(tools: AdversaryTools): Adversary {
  return {
    distort(message) {
      if (message.kind !== 'vote' || message.vote.type === 'notarize') return [message]
      if (message.vote.signer !== tools.self) return [message]
      const { height, view } = message.vote
      const choice = tools.random.below(3)
      if (choice === 0) return []
      if (choice === 1) return [message]
      return [{ kind: 'vote', vote: tools.vote({ type: 'nullify', height, view }) }]
    },
  }
}
