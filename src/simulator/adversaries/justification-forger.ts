/**
 * Proposes what its justification does not allow: its own block where a notarized one binds it, with
 * the reason left out, with a gap, or with the justification of an earlier view; and out of its turn.
 */

import type { Justification } from '../../consensus/justification.ts'
import { makeCounterBlock, openCounterBlock } from '../counter-block.ts'
import type { SeededRandom } from '../seeded-random.ts'
import { type Adversary, type AdversaryTools, toEverybody } from './adversary.ts'

function forge(justification: Justification, random: SeededRandom): Justification {
  const { nulls } = justification
  switch (random.below(3)) {
    case 0:
      return { nulls }
    case 1: {
      const gap = random.below(nulls.length + 1)
      return { nulls: nulls.filter((_, i) => i !== gap) }
    }
    default:
      return { nulls: [] }
  }
}

export function createJustificationForger(tools: AdversaryTools): Adversary {
  const { self, random } = tools
  /** Of the newest block it has seen. */
  let timeMs = 0
  return {
    overhear(message) {
      if (message.kind !== 'propose') return
      timeMs = Math.max(timeMs, openCounterBlock(message.block)?.timeMs ?? 0)
    },
    distort(message) {
      if (message.kind !== 'propose' || message.leaderVote.signer !== self) return [message]
      const { type, height, view } = message.leaderVote
      const bound = openCounterBlock(message.block)
      if (bound === undefined || view === 0) return [message]
      const own = makeCounterBlock({ ...bound, view, proposer: self }, [])
      const leaderVote = tools.vote({ type, height, view, blockHash: own.hash })
      const justification = forge(message.justification, random)
      return [{ ...message, block: own.bytes, justification, leaderVote }]
    },
    speak() {
      const place = tools.place()
      if (place === undefined || place.leader === self) return []
      const { height, view, parentHash } = place
      timeMs++
      const block = makeCounterBlock({ height, view, proposer: self, parentHash, timeMs }, [])
      const leaderVote = tools.vote({ type: 'notarize', height, view, blockHash: block.hash })
      const justification = { nulls: [] }
      return toEverybody(tools, { kind: 'propose', block: block.bytes, justification, leaderVote })
    },
  }
}
