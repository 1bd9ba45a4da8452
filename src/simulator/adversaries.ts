/**
 * Byzantine validators. Each runs the real core and lies on the way out, so its lies are plausible.
 * A silent one is simply never started.
 */

import type { Message } from '../consensus/messages.ts'
import type { Statement, Vote } from '../consensus/votes.ts'
import { unreachable } from '../primitives/assert.ts'
import { makeCounterBlock, openCounterBlock } from './counter-block.ts'
import type { fakeContext } from './fake-signatures.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { Misbehaviour } from './simulated-node.ts'

export type AdversaryKind = 'silent' | 'equivocator' | 'splitter' | 'withholder' | 'usurper'

type Context = ReturnType<typeof fakeContext>

function resign(vote: Vote, statement: Statement, context: Context): Vote {
  return { ...statement, signer: vote.signer, signature: context.sign(vote.signer, statement) }
}

/** Proposes another block to every second peer, with the same justification. */
function equivocator(self: number, context: Context): Misbehaviour {
  return (message, to) => {
    if (message.kind !== 'propose' || to % 2 === 0) return [message]
    if (message.leaderVote.signer !== self) return [message]
    const block = openCounterBlock(message.block)
    if (block === undefined || message.justification.base !== undefined) return [message]
    const other = makeCounterBlock(block, block.transactions.slice(1))
    const { leaderVote } = message
    const { type, height, view } = leaderVote
    const statement = { type, height, view, blockHash: other.hash }
    return [{ ...message, block: other.bytes, leaderVote: resign(leaderVote, statement, context) }]
  }
}

/** Tells some peers that it finalizes and others that it nullifies, and leaves out the rest. */
function splitter(self: number, context: Context, random: SeededRandom): Misbehaviour {
  return (message) => {
    if (message.kind !== 'vote' || message.vote.type === 'notarize') return [message]
    const { vote } = message
    if (vote.signer !== self) return [message]
    const { height, view } = vote
    const nullify = resign(vote, { type: 'nullify', height, view }, context)
    const choice = random.below(3)
    if (choice === 0) return []
    return choice === 1 ? [message] : [{ kind: 'vote', vote: nullify }]
  }
}

/** Shows its proposals to one peer only, and nobody a body or a certificate that they ask for. */
function withholder(random: SeededRandom): Misbehaviour {
  return (message: Message) => {
    if (message.kind === 'block' || message.kind === 'enter' || message.kind === 'decided')
      return []
    return message.kind === 'propose' && random.chance(0.7) ? [] : [message]
  }
}

/** Where it is bound to a notarized block, it proposes its own and leaves the reason out. */
function usurper(self: number, context: Context): Misbehaviour {
  return (message) => {
    if (message.kind !== 'propose' || message.leaderVote.signer !== self) return [message]
    const bound = openCounterBlock(message.block)
    if (bound === undefined || message.justification.base === undefined) return [message]
    const { type, height, view } = message.leaderVote
    const own = makeCounterBlock({ ...bound, view, proposer: self }, [])
    const statement = { type, height, view, blockHash: own.hash }
    return [
      {
        ...message,
        block: own.bytes,
        justification: { nulls: message.justification.nulls },
        leaderVote: resign(message.leaderVote, statement, context),
      },
    ]
  }
}

export function createMisbehaviour(
  kind: Exclude<AdversaryKind, 'silent'>,
  self: number,
  context: Context,
  random: SeededRandom,
): Misbehaviour {
  switch (kind) {
    case 'equivocator':
      return equivocator(self, context)
    case 'splitter':
      return splitter(self, context, random)
    case 'withholder':
      return withholder(random)
    case 'usurper':
      return usurper(self, context)
    default:
      return unreachable(kind)
  }
}
