/**
 * Leads with blocks that break a rule: a transaction twice, a wrong parent, another view's or another
 * proposer's facts, a time before the last block's, a body that is not the one it votes for.
 */

import { type BlockHash, ZERO_BLOCK_HASH } from '../../primitives/hashes.ts'
import { type CounterBlock, makeCounterBlock, openCounterBlock } from '../counter-block.ts'
import type { SeededRandom } from '../seeded-random.ts'
import type { Adversary, AdversaryTools } from './adversary.ts'

function spoil(block: CounterBlock, random: SeededRandom): CounterBlock {
  const { transactions } = block
  const elsewhere: BlockHash = block.hash
  switch (random.below(6)) {
    case 0:
      return makeCounterBlock(block, [...transactions, ...transactions, 7, 7])
    case 1:
      return makeCounterBlock({ ...block, parentHash: elsewhere }, transactions)
    case 2:
      return makeCounterBlock({ ...block, view: block.view + 1 }, transactions)
    case 3:
      return makeCounterBlock({ ...block, proposer: block.proposer + 1 }, transactions)
    case 4:
      return makeCounterBlock({ ...block, timeMs: 0 }, transactions)
    default:
      return makeCounterBlock({ ...block, parentHash: ZERO_BLOCK_HASH, height: 1 }, transactions)
  }
}

export function createInvalidProposer(tools: AdversaryTools): Adversary {
  return {
    distort(message) {
      if (message.kind !== 'propose' || message.leaderVote.signer !== tools.self) return [message]
      const block = openCounterBlock(message.block)
      if (block === undefined || tools.random.chance(0.2)) return [message]
      const wrong = spoil(block, tools.random)
      // One time in four the vote is for the good block and the body is the bad one.
      if (tools.random.chance(0.25)) return [{ ...message, block: wrong.bytes }]
      const { type, height, view } = message.leaderVote
      const leaderVote = tools.vote({ type, height, view, blockHash: wrong.hash })
      return [{ ...message, block: wrong.bytes, leaderVote }]
    },
  }
}
