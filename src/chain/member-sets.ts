/**
 * Member sets in the state: every set that the chain has ever named, by epoch, and where things stand.
 * One number counts both: the epoch of a validator set is that of the key its members make.
 *
 *     pending ──announced key──▶ announced ──proof by spending──▶ active ──the next one──▶ retired
 *        └────────a later change, or no proof in time────────▶ abandoned
 *
 * An abandoned epoch's number is never used again. Leaves out the rules that
 * decide when they move.
 */

import { MAX_VALIDATORS } from '../consensus/validator-set.ts'
import { present } from '../primitives/assert.ts'
import { DecodeError, decodeAll, encodeWith } from '../primitives/codec.ts'
import { hashToBytes, type XOnlyKey, xOnlyKeyFromBytes } from '../primitives/hashes.ts'
import type { ChainParams } from './params.ts'
import { NAMESPACE, numberStateKey, type StateOverlay, type StateView } from './state.ts'

const STATUSES = ['pending', 'announced', 'active', 'retired', 'abandoned'] as const
export type MemberSetStatus = (typeof STATUSES)[number]

export interface MemberSet {
  readonly epoch: number
  readonly status: MemberSetStatus
  /** FROST threshold of the epoch's key. */
  readonly threshold: number
  /** In order: validator indexes count from 0, FROST identifiers from 1. */
  readonly keys: readonly XOnlyKey[]
  /** Of the block that brought the change; 0 for the genesis set. */
  readonly approvedHeight: number
  /** L1 height in the state when its key's probe was made; 0 before. The time for the proof runs from then. */
  readonly probeL1Height: number
  /** First height that these validators agree on; meaningful when active or retired. */
  readonly activeFrom: number
  /** The set before; meaningful when active or retired, and the epoch itself for the genesis set. */
  readonly previousEpoch: number
}

/** Where the epochs stand. */
export interface EpochBooks {
  /** Epoch of the validators of the next block. */
  readonly validators: number
  /** Epoch of the key that receives deposits and change; undefined while the peg is closed. */
  readonly key: number | undefined
  /** Epoch of the set that is to take over: pending or announced. */
  readonly pending: number | undefined
  /** The number that the next change must have. */
  readonly next: number
}

export function putMemberSet(overlay: StateOverlay, set: MemberSet): void {
  const bytes = encodeWith((writer) => {
    writer.u32(set.epoch).u8(STATUSES.indexOf(set.status)).u8(set.threshold)
    writer.list(set.keys, (w, key) => w.bytes(hashToBytes(key)))
    writer.u32(set.approvedHeight).u32(set.probeL1Height).u32(set.activeFrom).u32(set.previousEpoch)
  })
  overlay.put(numberStateKey(NAMESPACE.memberSet, set.epoch), bytes)
}

export function findMemberSet(view: StateView, epoch: number): MemberSet | undefined {
  const bytes = view.get(numberStateKey(NAMESPACE.memberSet, epoch))
  if (bytes === undefined) return undefined
  return decodeAll(bytes, (reader) => {
    const number = reader.u32()
    const status = STATUSES[reader.u8()]
    if (status === undefined) throw new DecodeError('unknown status of a member set')
    return {
      epoch: number,
      status,
      threshold: reader.u8(),
      keys: reader.list(MAX_VALIDATORS, (r) => xOnlyKeyFromBytes(r.bytes(32))),
      approvedHeight: reader.u32(),
      probeL1Height: reader.u32(),
      activeFrom: reader.u32(),
      previousEpoch: reader.u32(),
    }
  })
}

export function getEpochBooks(view: StateView): EpochBooks {
  const bytes = present(view.get(NAMESPACE.epochBooks), 'epoch books')
  return decodeAll(bytes, (reader) => ({
    validators: reader.u32(),
    key: reader.bool() ? reader.u32() : undefined,
    pending: reader.bool() ? reader.u32() : undefined,
    next: reader.u32(),
  }))
}

export function putEpochBooks(overlay: StateOverlay, books: EpochBooks): void {
  const bytes = encodeWith((writer) => {
    writer.u32(books.validators).bool(books.key !== undefined)
    if (books.key !== undefined) writer.u32(books.key)
    writer.bool(books.pending !== undefined)
    if (books.pending !== undefined) writer.u32(books.pending)
    writer.u32(books.next)
  })
  overlay.put(NAMESPACE.epochBooks, bytes)
}

/** The set that waits to take over, if any: pending or announced. */
export function pendingMemberSet(view: StateView): MemberSet | undefined {
  const { pending } = getEpochBooks(view)
  return pending === undefined ? undefined : present(findMemberSet(view, pending), 'pending set')
}

/** Every set that the state names, oldest first. They are few: a person decides about each. */
export function* memberSets(view: StateView): Iterable<MemberSet> {
  const { next } = getEpochBooks(view)
  for (let epoch = 0; epoch < next; epoch++) {
    yield present(findMemberSet(view, epoch), `member set ${epoch}`)
  }
}

/** The records of block 0: the genesis validators, whose key is still to be made. */
export function putGenesisMembers(overlay: StateOverlay, params: ChainParams): void {
  putMemberSet(overlay, {
    epoch: 0,
    status: 'active',
    threshold: params.signingThreshold,
    keys: params.validators,
    approvedHeight: 0,
    probeL1Height: 0,
    activeFrom: 0,
    previousEpoch: 0,
  })
  putEpochBooks(overlay, { validators: 0, key: undefined, pending: undefined, next: 1 })
}

/** The set that was to take over will not. Whatever its key holds stays in the reserves. */
export function abandonPending(overlay: StateOverlay): void {
  const books = getEpochBooks(overlay)
  const set = pendingMemberSet(overlay)
  if (set === undefined) return
  putMemberSet(overlay, { ...set, status: 'abandoned' })
  putEpochBooks(overlay, { ...books, pending: undefined })
}

/**
 * The pending set takes over with the block after this height: its key receives deposits and change, and
 * its members are the validators.
 */
export function activatePending(overlay: StateOverlay, height: number): void {
  const books = getEpochBooks(overlay)
  const set = present(pendingMemberSet(overlay), 'a pending set')
  const before = present(findMemberSet(overlay, books.validators), 'the set before')
  const { epoch } = set
  putMemberSet(overlay, { ...before, status: 'retired' })
  const previousEpoch = before.epoch
  putMemberSet(overlay, { ...set, status: 'active', activeFrom: height + 1, previousEpoch })
  putEpochBooks(overlay, { ...books, validators: epoch, key: epoch, pending: undefined })
}
