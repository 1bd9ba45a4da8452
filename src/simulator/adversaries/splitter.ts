/**
 * Leads with two proposals under the same justification: one for each half of its peers, and both for
 * some.
 */

import { makeCounterBlock, openCounterBlock } from '../counter-block.ts'
import type { Adversary, AdversaryTools } from './adversary.ts'

export function createSplitter(tools: AdversaryTools): Adversary {
  return {
    distort(message, to) {
      if (message.kind !== 'propose' || to % 2 === 0) return [message]
      if (message.leaderVote.signer !== tools.self) return [message]
      const block = openCounterBlock(message.block)
      if (block === undefined || message.justification.base !== undefined) return [message]
      const other = makeCounterBlock({ ...block, timeMs: block.timeMs + 1 }, block.transactions)
      const { type, height, view } = message.leaderVote
      const leaderVote = tools.vote({ type, height, view, blockHash: other.hash })
      const second = { ...message, block: other.bytes, leaderVote }
      return tools.random.chance(0.3) ? [message, second] : [second]
    },
  }
}
