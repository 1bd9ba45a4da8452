/** Votes for one block to some peers and for another one, that it has heard of, to the rest. */

import type { BlockHash } from '../../primitives/hashes.ts'
import type { Adversary, AdversaryTools } from './adversary.ts'

/** Hashes that it remembers. */
const HEARD_MAX = 8

export function createEquivocator(tools: AdversaryTools): Adversary {
  let heard: BlockHash[] = []
  const remember = (hash: BlockHash | undefined): void => {
    if (hash === undefined || heard.includes(hash)) return
    heard = [...heard, hash].slice(-HEARD_MAX)
  }
  return {
    overhear(message) {
      if (message.kind === 'vote') remember(message.vote.blockHash)
      if (message.kind === 'propose') remember(message.leaderVote.blockHash)
    },
    distort(message) {
      if (message.kind !== 'vote' || message.vote.signer !== tools.self) return [message]
      const { type, height, view, blockHash } = message.vote
      const others = heard.filter((hash) => hash !== blockHash)
      if (blockHash === undefined || others.length === 0) return [message]
      if (tools.random.chance(0.4)) return [message]
      const vote = tools.vote({ type, height, view, blockHash: tools.random.pick(others) })
      return tools.random.chance(0.5) ? [{ kind: 'vote', vote }] : [message, { kind: 'vote', vote }]
    },
  }
}
