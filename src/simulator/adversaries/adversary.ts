/**
 * What a Byzantine validator may do. It runs the real core, so that its lies are plausible, and
 * changes what leaves it, listens to what comes in, or speaks unasked. It signs with its own key only.
 */

import type { Message } from '../../consensus/messages.ts'
import type { DecidedBlock } from '../../consensus/sync-messages.ts'
import type { Statement, Vote } from '../../consensus/votes.ts'
import type { BlockHash } from '../../primitives/hashes.ts'
import type { SeededRandom } from '../seeded-random.ts'

export interface Addressed {
  readonly to: number
  readonly message: Message
}

export interface Adversary {
  /** Where its key is; by default in one place, all the time. */
  readonly presence?: 'never' | 'late' | 'twice'
  /** What it sends to one peer instead of what its core would send. */
  distort?(message: Message, to: number): readonly Message[]
  /** Whatever comes in, verified or not. */
  overhear?(message: Message): void
  /** Called several times a second. */
  speak?(): readonly Addressed[]
  /** Blocks that it gives to one who is behind, instead of the ones asked for. */
  answerSync?(found: readonly DecidedBlock[]): readonly DecidedBlock[]
}

/** What an adversary has in its hands. */
export interface AdversaryTools {
  readonly self: number
  readonly validators: number
  readonly random: SeededRandom
  /** Signs anything with its own key. */
  vote(statement: Statement): Vote
  /** The same in another epoch. */
  voteOfEpoch(epoch: number, statement: Statement): Vote
  /** Where its core is; undefined while it does not run. */
  place(): Place | undefined
}

export interface Place {
  readonly height: number
  readonly view: number
  readonly parentHash: BlockHash
  readonly leader: number
}

export function toEverybody(tools: AdversaryTools, message: Message): Addressed[] {
  return Array.from({ length: tools.validators }, (_, to) => ({ to, message })).filter(
    ({ to }) => to !== tools.self,
  )
}

/** A peer, never itself. */
export function somebody(tools: AdversaryTools): number {
  return (tools.self + 1 + tools.random.below(tools.validators - 1)) % tools.validators
}
