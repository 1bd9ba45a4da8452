/**
 * The freeze: a quorum of validators can stop the payment of releases, and a quorum lets it go on.
 *
 * Every validator has one standing vote, the one with the highest serial. When n − f of the present
 * validators' votes say "freeze", the peg is frozen: no batch is built or replaced, no reserve coin is
 * moved, and members give no signature shares. It stays so, whatever happens to single votes, until
 * n − f say "go on". So f faulty validators can neither freeze the peg nor keep it frozen.
 *
 * Burns, deposits and confirmations go on: what is owed and what L1 has proved stays in the books. A
 * transaction that was signed before the freeze may still reach L1.
 */

import { quorumSize } from '../../consensus/quorum.ts'
import { bytesToHex } from '../../primitives/bytes.ts'
import { decodeAll, encodeWith } from '../../primitives/codec.ts'
import { hashToBytes, type XOnlyKey } from '../../primitives/hashes.ts'
import { ok, type Rejection, type Result, reject } from '../../primitives/result.ts'
import type { ChainParams } from '../params.ts'
import { NAMESPACE, type StateKey, type StateOverlay, type StateView } from '../state.ts'
import { currentValidators } from '../validators.ts'
import { getPegBooks } from './books.ts'
import {
  type FreezeVote,
  type FreezeWish,
  readFreezeVote,
  verifyFreezeVote,
  writeFreezeVote,
} from './freeze-vote.ts'

/** A vote in the state. */
export interface StandingVote extends FreezeVote {
  /** Of the block that carries it. */
  readonly height: number
}

/** Since when the peg is frozen. */
export interface Freeze {
  readonly height: number
  /** Block time, milliseconds. */
  readonly timeMs: number
  /** Last L1 header in the state then. */
  readonly l1Height: number
}

/** Where in the chain votes stand. */
export interface FreezeContext {
  readonly height: number
  readonly timeMs: number
}

export function freezeVoteKey(validator: XOnlyKey): StateKey {
  return NAMESPACE.freezeVote + bytesToHex(hashToBytes(validator))
}

export function findFreezeVote(view: StateView, validator: XOnlyKey): StandingVote | undefined {
  const bytes = view.get(freezeVoteKey(validator))
  if (bytes === undefined) return undefined
  return decodeAll(bytes, (reader) => {
    const height = reader.u32()
    return { ...readFreezeVote(reader), height }
  })
}

/** Undefined while releases are paid. */
export function findFreeze(view: StateView): Freeze | undefined {
  const bytes = view.get(NAMESPACE.freeze)
  if (bytes === undefined) return undefined
  return decodeAll(bytes, (reader) => ({
    height: reader.u32(),
    timeMs: reader.safeU64(),
    l1Height: reader.u32(),
  }))
}

export function isFrozen(view: StateView): boolean {
  return view.get(NAMESPACE.freeze) !== undefined
}

/** May a block on this state carry the vote? Says nothing about its signature. */
export function isNewFreezeVote(view: StateView, { validator, serial }: FreezeVote): boolean {
  if (!currentValidators(view).keys.includes(validator)) return false
  const standing = findFreezeVote(view, validator)
  return standing === undefined || serial > standing.serial
}

/** Records a block's votes and counts again, since the validators may have changed as well. */
export function connectFreezeVotes(
  overlay: StateOverlay,
  params: ChainParams,
  votes: readonly FreezeVote[],
  context: FreezeContext,
): Result<void, Rejection> {
  let before: XOnlyKey | undefined
  for (const vote of votes) {
    // Ascending and one of each, so that a set of votes has one encoding.
    if (before !== undefined && before >= vote.validator) return reject('bad-freeze-vote-order')
    before = vote.validator
    if (!isNewFreezeVote(overlay, vote)) return reject('bad-freeze-vote-known')
  }
  if (!votes.every((vote) => verifyFreezeVote(params.chainId, vote))) {
    return reject('bad-freeze-vote')
  }
  for (const vote of votes) {
    const bytes = encodeWith((writer) => writeFreezeVote(writer.u32(context.height), vote))
    overlay.put(freezeVoteKey(vote.validator), bytes)
  }
  settle(overlay, context)
  return ok(undefined)
}

/** What the standing votes lead to from now on. */
function isDecided(
  view: StateView,
  wishOf: (validator: XOnlyKey) => FreezeWish | undefined,
): 'freeze' | 'thaw' | undefined {
  const { keys } = currentValidators(view)
  const quorum = quorumSize(keys.length)
  const wished = !isFrozen(view)
  const count = keys.filter((key) => wishOf(key)?.freeze === wished).length
  if (count < quorum) return undefined
  return wished ? 'freeze' : 'thaw'
}

/** Would a block with these votes, each of them new, freeze the peg or end its freeze? */
export function decidesFreeze(view: StateView, votes: readonly FreezeVote[]): boolean {
  if (votes.length === 0) return false
  const fresh = new Map(votes.map((vote) => [vote.validator, vote]))
  const wishOf = (key: XOnlyKey) => fresh.get(key) ?? findFreezeVote(view, key)
  return isDecided(view, wishOf) !== undefined
}

function settle(overlay: StateOverlay, context: FreezeContext): void {
  const decided = isDecided(overlay, (key) => findFreezeVote(overlay, key))
  if (decided === 'thaw') overlay.delete(NAMESPACE.freeze)
  if (decided !== 'freeze') return
  const { l1Height } = getPegBooks(overlay)
  const bytes = encodeWith((writer) => {
    writer.u32(context.height).safeU64(context.timeMs).u32(l1Height)
  })
  overlay.put(NAMESPACE.freeze, bytes)
}
