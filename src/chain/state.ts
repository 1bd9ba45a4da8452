/**
 * The state as one ordered map from keys to values. A key is a namespace byte and the record's own
 * key; everything that consensus depends on lives here, and the state root commits to all of it.
 *
 * `StateView` is how rules read it; `StateOverlay` collects a block's changes over a view without
 * touching it. The storage folder applies the resulting delta in one atomic batch.
 */

import type { OutPoint } from '../bitcoin/transaction.ts'
import { bytesToHex, isHex } from '../primitives/bytes.ts'
import {
  type ByteReader,
  type ByteWriter,
  DecodeError,
  decodeAll,
  encodeWith,
} from '../primitives/codec.ts'
import { toTxid } from '../primitives/hashes.ts'
import { type Coin, type CoinView, decodeCoin, encodeCoin } from './coin.ts'

/** Lower-case hex of namespace byte ‖ record key. */
export type StateKey = string

/** Every namespace: byte in hex -> what it holds. Never reused. */
export const NAMESPACE = {
  /** outpoint (36 bytes) -> coin */
  coin: '63',
  /** L1 outpoint -> height of the block that minted it; never pruned */
  claimedDeposit: '64',
  /** height (u32be) ‖ signer (u16be) -> height of the block that convicts it, and the key; never pruned */
  evidence: '65',
  /** L1 height (u32be) -> 80-byte header */
  l1Header: '68',
  /** key epoch (u32be) -> announcement */
  keyEpoch: '6b',
  /** epoch (u32be) -> member set: validators, and members of the epoch's key; never pruned */
  memberSet: '6e',
  /** single record -> which epochs are active, pending, next */
  epochBooks: '7b',
  /** single record -> peg books and cursors */
  pegBooks: '6d',
  /** release id (u32be) -> release, for ever */
  release: '72',
  /** release id (u32be) -> nothing: waiting for a batch */
  queuedRelease: '71',
  /** batch id (u32be) -> batch, for ever */
  batch: '62',
  /** batch id (u32be) -> kind of the batch: not yet confirmed on L1 */
  openBatch: '6f',
  /** L1 outpoint -> reserve coin */
  reserve: '76',
  /** L1 script -> nothing: the federation's change address, or one that was paid into; never pruned */
  federationScript: '66',
  /** L1 height (u32be) -> outflow charged and lowest reserves; within the outflow window */
  outflow: '77',
  /** release id (u32be) -> what has been saved for it under the outflow cap; while it waits */
  outflowSaving: '78',
  /** validator key (32 bytes) -> its standing freeze vote; never pruned */
  freezeVote: '79',
  /** single record -> since when the peg is frozen; while it is */
  freeze: '7a',
} as const

/** The namespaces that rules walk through; small at all times, so a node keeps them in memory. */
export const RANGED_NAMESPACES = [
  NAMESPACE.queuedRelease,
  NAMESPACE.openBatch,
  NAMESPACE.reserve,
  NAMESPACE.outflow,
] as const
export type RangedNamespace = (typeof RANGED_NAMESPACES)[number]

export interface StateView {
  get(key: StateKey): Uint8Array | undefined
  /** Records of a small namespace in ascending key order. */
  range(namespace: RangedNamespace): Iterable<readonly [StateKey, Uint8Array]>
}

export interface StateDelta {
  readonly puts: ReadonlyMap<StateKey, Uint8Array>
  readonly deletes: ReadonlySet<StateKey>
}

export const EMPTY_STATE: StateView = { get: () => undefined, range: () => [] }

/** Namespace, txid, output index. */
const OUTPOINT_KEY_BYTES = 37

/** Txid in display order, then the index as u32 big-endian: 36 bytes that cost no conversion. */
export function outPointStateKey(namespace: string, { txid, vout }: OutPoint): StateKey {
  return namespace + txid + hexOfU32(vout)
}

function hexOfU32(value: number): string {
  return LOW_U32_HEX[value] ?? value.toString(16).padStart(8, '0')
}

/** Most output indexes are small. */
const LOW_U32_HEX: readonly string[] = Array.from({ length: 256 }, (_, value) =>
  value.toString(16).padStart(8, '0'),
)

/** The inverse. @throws DecodeError for a key of another form. */
export function outPointOfStateKey(key: StateKey): OutPoint {
  if (!isHex(key, OUTPOINT_KEY_BYTES)) throw new DecodeError('not the key of an outpoint')
  return { txid: toTxid(key.slice(2, 66)), vout: Number.parseInt(key.slice(66), 16) }
}

/** u32 big-endian, so that keys sort as numbers. */
export function numberStateKey(namespace: string, value: number): StateKey {
  return namespace + hexOfU32(value)
}

export function numberOfStateKey(key: StateKey): number {
  return Number.parseInt(key.slice(2), 16)
}

/** What an overlay knows of a key. */
interface OverlayRecord {
  /** What the view beneath holds, once it is known. */
  before: Uint8Array | undefined
  isBeforeKnown: boolean
  /** What holds now, when it has changed. */
  after: Uint8Array | undefined
  isChanged: boolean
}

/** Changes over a view. Reads see them; the view beneath stays as it was, and is asked once per key. */
export class StateOverlay implements StateView {
  readonly #base: StateView
  readonly #records = new Map<StateKey, OverlayRecord>()
  /** The changed keys of the namespaces that rules walk through: few among a block's coins. */
  readonly #ranged = new Set<StateKey>()

  constructor(base: StateView) {
    this.#base = base
  }

  get(key: StateKey): Uint8Array | undefined {
    const record = this.#records.get(key)
    if (record?.isChanged === true) return record.after
    if (record?.isBeforeKnown === true) return record.before
    const before = this.#base.get(key)
    this.#records.set(key, { before, isBeforeKnown: true, after: undefined, isChanged: false })
    return before
  }

  put(key: StateKey, value: Uint8Array): void {
    this.#change(key, value)
  }

  /** Puts a record of which the caller knows that there was none: nobody needs to look. */
  create(key: StateKey, value: Uint8Array): void {
    this.#records.set(key, {
      before: undefined,
      isBeforeKnown: true,
      after: value,
      isChanged: true,
    })
    if (isRanged(key)) this.#ranged.add(key)
  }

  delete(key: StateKey): void {
    this.#change(key, undefined)
  }

  #change(key: StateKey, after: Uint8Array | undefined): void {
    const record = this.#records.get(key)
    if (record === undefined) {
      this.#records.set(key, { before: undefined, isBeforeKnown: false, after, isChanged: true })
    } else {
      record.after = after
      record.isChanged = true
    }
    if (isRanged(key)) this.#ranged.add(key)
  }

  #before(key: StateKey, record: OverlayRecord): Uint8Array | undefined {
    return record.isBeforeKnown ? record.before : this.#base.get(key)
  }

  *range(namespace: RangedNamespace): Iterable<readonly [StateKey, Uint8Array]> {
    const changed = [...this.#ranged].filter((key) => key.startsWith(namespace)).toSorted()
    let next = 0
    for (const record of this.#base.range(namespace)) {
      const [key] = record
      for (let at = changed[next]; at !== undefined && at < key; at = changed[++next]) {
        yield* this.#present(at)
      }
      if (changed[next] === key) {
        next += 1
        yield* this.#present(key)
      } else {
        yield record
      }
    }
    for (const key of changed.slice(next)) yield* this.#present(key)
  }

  /** A changed record, unless the change is its end. */
  *#present(key: StateKey): Iterable<readonly [StateKey, Uint8Array]> {
    const value = this.#records.get(key)?.after
    if (value !== undefined) yield [key, value]
  }

  /** Changed records of a namespace: what the view beneath holds, and what this one does. */
  *changes(
    namespace: RangedNamespace,
  ): Iterable<readonly [Uint8Array | undefined, Uint8Array | undefined]> {
    for (const key of this.#ranged) {
      const record = this.#records.get(key)
      if (record === undefined || !key.startsWith(namespace)) continue
      yield [this.#before(key, record), record.after]
    }
  }

  /** What changed, leaving out records that came and went within the overlay. */
  delta(): StateDelta {
    const puts = new Map<StateKey, Uint8Array>()
    const deletes = new Set<StateKey>()
    for (const [key, record] of this.#records) {
      if (!record.isChanged) continue
      if (record.after !== undefined) puts.set(key, record.after)
      else if (this.#before(key, record) !== undefined) deletes.add(key)
    }
    return { puts, deletes }
  }

  /** The delta that leads back. */
  undo(): StateDelta {
    const puts = new Map<StateKey, Uint8Array>()
    const deletes = new Set<StateKey>()
    for (const [key, record] of this.#records) {
      if (!record.isChanged) continue
      const before = this.#before(key, record)
      if (before !== undefined) puts.set(key, before)
      else if (record.after !== undefined) deletes.add(key)
    }
    return { puts, deletes }
  }
}

function isRanged(key: StateKey): boolean {
  for (const namespace of RANGED_NAMESPACES) if (key.startsWith(namespace)) return true
  return false
}

/** Coins, read out of a state. */
export function coinsOf(view: StateView): CoinView {
  return {
    findCoin(outPoint) {
      const bytes = view.get(outPointStateKey(NAMESPACE.coin, outPoint))
      return bytes === undefined ? undefined : decodeCoin(bytes)
    },
  }
}

/** A coin is made once: its txid commits to inputs that are spent once, a coinbase's to its height. */
export function putCoin(overlay: StateOverlay, outPoint: OutPoint, coin: Coin): void {
  overlay.create(outPointStateKey(NAMESPACE.coin, outPoint), encodeCoin(coin))
}

export function deleteCoin(overlay: StateOverlay, outPoint: OutPoint): void {
  overlay.delete(outPointStateKey(NAMESPACE.coin, outPoint))
}

// --- deltas as bytes ------------------------------------------------------------------------

const KEY_BYTES_MAX = 64
const VALUE_BYTES_MAX = 4_000_000
const CHANGES_MAX = 1_000_000

/** A delta as bytes: what is kept of each block to go back over it. */
export function encodeDelta({ puts, deletes }: StateDelta): Uint8Array {
  return encodeWith((writer) => {
    writer.compactSize(puts.size)
    for (const [key, value] of puts) {
      writeKey(writer, key)
      writer.varBytes(value)
    }
    writer.compactSize(deletes.size)
    for (const key of deletes) writeKey(writer, key)
  })
}

function writeKey(writer: ByteWriter, key: StateKey): void {
  writer.compactSize(key.length / 2).hex(key)
}

/** @throws DecodeError, also for a key that comes twice. */
export function decodeDelta(bytes: Uint8Array): StateDelta {
  return decodeAll(bytes, (reader) => {
    const put = reader.list(CHANGES_MAX, (r) => [readKey(r), r.varBytes(VALUE_BYTES_MAX)] as const)
    const deleted = reader.list(CHANGES_MAX, readKey)
    const puts = new Map(put)
    const deletes = new Set(deleted)
    const keys = new Set([...puts.keys(), ...deletes])
    if (keys.size !== put.length + deleted.length) throw new DecodeError('a key comes twice')
    return { puts, deletes }
  })
}

function readKey(reader: ByteReader): StateKey {
  return bytesToHex(reader.varBytes(KEY_BYTES_MAX))
}
