/**
 * The state as one ordered map from keys to values. A key is a namespace byte and the record's own
 * key; everything that consensus depends on lives here, and the state root commits to all of it.
 *
 * `StateView` is how rules read it; `StateOverlay` collects a block's changes over a view without
 * touching it. The storage folder applies the resulting delta in one atomic batch.
 */

import { encodeOutPoint, type OutPoint } from '../bitcoin/transaction.ts'
import { bytesToHex, hexToBytes } from '../primitives/bytes.ts'
import { decodeAll, encodeWith } from '../primitives/codec.ts'
import { type Coin, type CoinView, decodeCoin, encodeCoin } from './coin.ts'

/** Lower-case hex of namespace byte ‖ record key. */
export type StateKey = string

/** Every namespace: byte in hex -> what it holds. Never reused. */
export const NAMESPACE = {
  /** outpoint (36 bytes) -> coin */
  coin: '63',
  /** L1 outpoint -> height of the block that minted it; never pruned */
  claimedDeposit: '64',
  /** L1 height (u32be) -> 80-byte header */
  l1Header: '68',
  /** key epoch (u32be) -> announcement */
  keyEpoch: '6b',
  /** single record -> peg books and cursors */
  pegBooks: '6d',
  /** release id (u32be) -> release, for ever */
  release: '72',
  /** release id (u32be) -> nothing: waiting for a batch */
  queuedRelease: '71',
  /** batch id (u32be) -> batch, for ever */
  batch: '62',
  /** batch id (u32be) -> nothing: not yet confirmed on L1 */
  openBatch: '6f',
  /** L1 outpoint -> reserve coin */
  reserve: '76',
  /** L1 script -> nothing: the federation's change address, or one that was paid into; never pruned */
  federationScript: '66',
} as const

/** The namespaces that rules walk through; small at all times, so a node keeps them in memory. */
export const RANGED_NAMESPACES = [
  NAMESPACE.queuedRelease,
  NAMESPACE.openBatch,
  NAMESPACE.reserve,
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

export function outPointStateKey(namespace: string, outPoint: OutPoint): StateKey {
  return namespace + bytesToHex(encodeOutPoint(outPoint))
}

/** u32 big-endian, so that keys sort as numbers. */
export function numberStateKey(namespace: string, value: number): StateKey {
  return namespace + value.toString(16).padStart(8, '0')
}

export function numberOfStateKey(key: StateKey): number {
  return Number.parseInt(key.slice(2), 16)
}

/** Changes over a view. Reads see them; the view beneath stays as it was. */
export class StateOverlay implements StateView {
  readonly #base: StateView
  readonly #changes = new Map<StateKey, Uint8Array | undefined>()

  constructor(base: StateView) {
    this.#base = base
  }

  get(key: StateKey): Uint8Array | undefined {
    return this.#changes.has(key) ? this.#changes.get(key) : this.#base.get(key)
  }

  put(key: StateKey, value: Uint8Array): void {
    this.#changes.set(key, value)
  }

  delete(key: StateKey): void {
    this.#changes.set(key, undefined)
  }

  *range(namespace: RangedNamespace): Iterable<readonly [StateKey, Uint8Array]> {
    const changed = [...this.#changes.keys()].filter((key) => key.startsWith(namespace)).toSorted()
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
    const value = this.#changes.get(key)
    if (value !== undefined) yield [key, value]
  }

  /** Changed records of a namespace: what the view beneath holds, and what this one does. */
  *changes(
    namespace: RangedNamespace,
  ): Iterable<readonly [Uint8Array | undefined, Uint8Array | undefined]> {
    for (const [key, value] of this.#changes) {
      if (key.startsWith(namespace)) yield [this.#base.get(key), value]
    }
  }

  /** What changed, leaving out records that came and went within the overlay. */
  delta(): StateDelta {
    const puts = new Map<StateKey, Uint8Array>()
    const deletes = new Set<StateKey>()
    for (const [key, value] of this.#changes) {
      if (value !== undefined) puts.set(key, value)
      else if (this.#base.get(key) !== undefined) deletes.add(key)
    }
    return { puts, deletes }
  }
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

export function putCoin(overlay: StateOverlay, outPoint: OutPoint, coin: Coin): void {
  overlay.put(outPointStateKey(NAMESPACE.coin, outPoint), encodeCoin(coin))
}

export function deleteCoin(overlay: StateOverlay, outPoint: OutPoint): void {
  overlay.delete(outPointStateKey(NAMESPACE.coin, outPoint))
}

// --- undo -----------------------------------------------------------------------------------

const KEY_BYTES_MAX = 64
const VALUE_BYTES_MAX = 4_000_000
const CHANGES_MAX = 1_000_000

/** The records that a delta replaces, as they were: enough to go back one block. */
export function encodeUndo(view: StateView, delta: StateDelta): Uint8Array {
  return encodeWith((writer) => {
    writer.list([...delta.puts.keys(), ...delta.deletes].toSorted(), (w, key) => {
      const before = view.get(key)
      w.varBytes(hexToBytes(key)).bool(before !== undefined)
      if (before !== undefined) w.varBytes(before)
    })
  })
}

/** The delta that leads back. @throws DecodeError */
export function decodeUndo(bytes: Uint8Array): StateDelta {
  const puts = new Map<StateKey, Uint8Array>()
  const deletes = new Set<StateKey>()
  decodeAll(bytes, (reader) =>
    reader.list(CHANGES_MAX, (r) => {
      const key = bytesToHex(r.varBytes(KEY_BYTES_MAX))
      if (r.bool()) puts.set(key, r.varBytes(VALUE_BYTES_MAX))
      else deletes.add(key)
    }),
  )
  return { puts, deletes }
}
