/** Reserve coins: proved L1 outputs that only the federation's key can spend. */

import { type OutPoint, readOutPoint, writeOutPoint } from '../../bitcoin/transaction.ts'
import { bytesToHex } from '../../primitives/bytes.ts'
import { type ByteReader, decodeAll, encodeWith } from '../../primitives/codec.ts'
import { decodeSats, type Sats } from '../../primitives/units.ts'
import { NAMESPACE, outPointStateKey, type StateOverlay, type StateView } from '../state.ts'

export interface ReserveCoin {
  readonly outPoint: OutPoint
  readonly value: Sats
  readonly script: Uint8Array
  readonly keyEpoch: number
  /** What the address was derived for: a script here, or empty for the federation's own change. */
  readonly recipient: Uint8Array
  readonly l1Height: number
  /** The open batch that spends it. */
  readonly batchId: number | undefined
}

const SCRIPT_BYTES_MAX = 42

export function putReserve(overlay: StateOverlay, coin: ReserveCoin): void {
  const bytes = encodeWith((writer) => {
    writeOutPoint(writer, coin.outPoint)
    writer
      .u64(coin.value)
      .varBytes(coin.script)
      .u32(coin.keyEpoch)
      .varBytes(coin.recipient)
      .u32(coin.l1Height)
      .bool(coin.batchId !== undefined)
    if (coin.batchId !== undefined) writer.u32(coin.batchId)
  })
  overlay.put(outPointStateKey(NAMESPACE.reserve, coin.outPoint), bytes)
}

export function deleteReserve(overlay: StateOverlay, outPoint: OutPoint): void {
  overlay.delete(outPointStateKey(NAMESPACE.reserve, outPoint))
}

function readReserve(reader: ByteReader): ReserveCoin {
  return {
    outPoint: readOutPoint(reader),
    value: decodeSats(reader.u64()),
    script: reader.varBytes(SCRIPT_BYTES_MAX),
    keyEpoch: reader.u32(),
    recipient: reader.varBytes(SCRIPT_BYTES_MAX),
    l1Height: reader.u32(),
    batchId: reader.bool() ? reader.u32() : undefined,
  }
}

export function findReserve(view: StateView, outPoint: OutPoint): ReserveCoin | undefined {
  const bytes = view.get(outPointStateKey(NAMESPACE.reserve, outPoint))
  return bytes === undefined ? undefined : decodeAll(bytes, readReserve)
}

/**
 * Records that were read before: a node keeps this namespace in memory, so their bytes are the same
 * objects in every block. Not consensus-critical.
 */
const read = new WeakMap<Uint8Array, ReserveCoin>()

/** All reserve coins, in outpoint order. */
export function* reserveCoins(view: StateView): Iterable<ReserveCoin> {
  for (const [, bytes] of view.range(NAMESPACE.reserve)) {
    const known = read.get(bytes)
    const coin = known ?? decodeAll(bytes, readReserve)
    if (known === undefined) read.set(bytes, coin)
    yield coin
  }
}

/** Some of the coins in outpoint order, from behind `after` on; `next` is the last when more follow. */
export function reservesPage(
  view: StateView,
  page: { readonly after?: OutPoint; readonly limit: number },
): { readonly coins: readonly ReserveCoin[]; readonly next: OutPoint | undefined } {
  const from = page.after === undefined ? '' : outPointStateKey(NAMESPACE.reserve, page.after)
  const coins: ReserveCoin[] = []
  for (const [key, bytes] of view.range(NAMESPACE.reserve)) {
    if (key <= from) continue
    if (coins.length === page.limit) return { coins, next: coins.at(-1)?.outPoint }
    coins.push(decodeAll(bytes, readReserve))
  }
  return { coins, next: undefined }
}

export function countReserves(view: StateView): number {
  let count = 0
  for (const _ of view.range(NAMESPACE.reserve)) count++
  return count
}

/** Satoshis that the overlay adds to the reserves of the view beneath it; negative when it takes. */
export function reservesChange(overlay: StateOverlay): bigint {
  let change = 0n
  for (const [before, after] of overlay.changes(NAMESPACE.reserve)) {
    if (before !== undefined) change -= decodeAll(before, readReserve).value
    if (after !== undefined) change += decodeAll(after, readReserve).value
  }
  return change
}

/** Remembers an L1 output script as the federation's own, for ever. */
export function putFederationScript(overlay: StateOverlay, script: Uint8Array): void {
  overlay.put(NAMESPACE.federationScript + bytesToHex(script), new Uint8Array())
}

/** True for change addresses, and for deposit addresses that have ever been minted from. */
export function isFederationScript(view: StateView, script: Uint8Array): boolean {
  return view.get(NAMESPACE.federationScript + bytesToHex(script)) !== undefined
}
