/**
 * Lies about heights: its STATUS is from far ahead, far behind, or claims to lack everything; to those
 * who are behind it gives nothing, a gap, or other blocks than the certified ones.
 */

import type { Message, StatusMessage } from '../../consensus/messages.ts'
import type { DecidedBlock } from '../../consensus/sync-messages.ts'
import { makeCounterBlock, openCounterBlock } from '../counter-block.ts'
import type { SeededRandom } from '../seeded-random.ts'
import { type Adversary, type AdversaryTools, somebody } from './adversary.ts'

const FAR = 1_000

function emptyHanded(status: StatusMessage, validators: number): StatusMessage {
  const nothing = new Uint8Array(Math.ceil(validators / 8))
  const detail = {
    notarize: nothing,
    nullify: nothing,
    finalize: [],
    hasProposal: false,
    hasNotarization: false,
  }
  return { ...status, detail }
}

function otherBody(decided: DecidedBlock): DecidedBlock {
  const block = openCounterBlock(decided.block)
  if (block === undefined) return decided
  return { ...decided, block: makeCounterBlock(block, [...block.transactions, 9_999]).bytes }
}

function misanswer(found: readonly DecidedBlock[], random: SeededRandom): readonly DecidedBlock[] {
  switch (random.below(4)) {
    case 0:
      return []
    case 1:
      return found.slice(1)
    case 2:
      return found.map(otherBody)
    default:
      return found
  }
}

export function createHeightLiar(tools: AdversaryTools): Adversary {
  const { random, validators } = tools
  const lie = (status: StatusMessage): StatusMessage => {
    switch (random.below(4)) {
      case 0:
        return emptyHanded({ ...status, height: status.height + FAR, view: 0 }, validators)
      case 1:
        return emptyHanded({ ...status, height: Math.max(1, status.height - 1) }, validators)
      case 2:
        return emptyHanded({ ...status, view: random.below(1 << 30) }, validators)
      default:
        return emptyHanded(status, validators)
    }
  }
  return {
    distort: (message): readonly Message[] => {
      if (message.kind === 'status') return [lie(message)]
      if (message.kind !== 'decided') return [message]
      return [{ ...message, ...otherBody(message) }]
    },
    speak() {
      const place = tools.place()
      if (place === undefined) return []
      const { height, view } = place
      return [{ to: somebody(tools), message: lie({ kind: 'status', height, view }) }]
    },
    answerSync: (found) => misanswer(found, random),
  }
}
