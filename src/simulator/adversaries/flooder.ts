/**
 * Sends as much as it can of everything that a node might keep: votes and proposals for this height,
 * the next and far ones, no two alike, bodies nobody asked for, and questions; in bursts of one kind
 * at one victim.
 */

import type { Message } from '../../consensus/messages.ts'
import { blockHashFromBytes } from '../../primitives/hashes.ts'
import { makeCounterBlock } from '../counter-block.ts'
import { type Adversary, type AdversaryTools, somebody } from './adversary.ts'

const MESSAGES = 40
const KINDS = 6
const FAR_HEIGHT = 1_000
const FAR_VIEW = 60

export function createFlooder(tools: AdversaryTools): Adversary {
  const { random } = tools
  const anyHash = () => blockHashFromBytes(Uint8Array.from({ length: 32 }, () => random.below(256)))

  const junk = (kind: number, height: number, view: number): Message => {
    const blockHash = anyHash()
    const facts = { height, view, proposer: tools.self, parentHash: blockHash }
    switch (kind) {
      case 0:
        return { kind: 'vote', vote: tools.vote({ type: 'finalize', height, view, blockHash }) }
      case 1:
        return { kind: 'vote', vote: tools.vote({ type: 'notarize', height, view, blockHash }) }
      case 2: {
        const first = tools.vote({ type: 'nullify', height, view })
        const second = tools.vote({ type: 'finalize', height, view, blockHash })
        return { kind: 'evidence', first, second }
      }
      case 3:
        return { kind: 'get-block', height, hash: blockHash }
      case 4: {
        const block = makeCounterBlock(facts, [])
        const leaderVote = tools.vote({ type: 'notarize', height, view, blockHash: block.hash })
        return { kind: 'propose', block: block.bytes, justification: { nulls: [] }, leaderVote }
      }
      default:
        return { kind: 'block', height, block: makeCounterBlock(facts, []).bytes }
    }
  }

  return {
    speak() {
      const place = tools.place()
      if (place === undefined) return []
      const kind = random.below(KINDS)
      const to = somebody(tools)
      const isNear = random.chance(0.7)
      return Array.from({ length: MESSAGES }, () => {
        const height = place.height + random.below(isNear ? 2 : FAR_HEIGHT)
        const view = random.chance(0.5) ? place.view : random.below(FAR_VIEW)
        return { to, message: junk(kind, height, view) }
      })
    },
  }
}
