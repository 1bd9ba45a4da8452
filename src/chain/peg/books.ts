/**
 * The peg's books: one record in the state with the totals, the L1 cursor and the counters. The
 * solvency equation is checked over it in every block:
 *
 *   supply + pending releases + fee reserve = reserves − in-flight fees
 */

import { present } from '../../primitives/assert.ts'
import { decodeAll, encodeWith } from '../../primitives/codec.ts'
import { type BlockHash, readBlockHash, writeReversed } from '../../primitives/hashes.ts'
import { sats } from '../../primitives/units.ts'
import { type PegTotals, readTotals, writeTotals } from '../extension.ts'
import { NAMESPACE, type StateOverlay, type StateView } from '../state.ts'

export interface PegBooks {
  readonly totals: PegTotals
  /** The last L1 header in the state. */
  readonly l1Height: number
  readonly l1Hash: BlockHash
  readonly nextReleaseId: number
  readonly nextBatchId: number
  readonly feeRates: ReleaseFeeRates
}

/** What burns are charged by, satoshis per 1,000 virtual bytes; they move with the L1 headers. */
export interface ReleaseFeeRates {
  readonly current: number
  readonly previous: number
}

const KEY = NAMESPACE.pegBooks

export const ZERO_TOTALS: PegTotals = {
  supply: sats(0),
  pendingReleases: sats(0),
  feeReserve: sats(0),
  inFlightFees: sats(0),
  reserves: sats(0),
}

export function getPegBooks(view: StateView): PegBooks {
  const bytes = present(view.get(KEY), 'peg books')
  return decodeAll(bytes, (reader) => ({
    totals: readTotals(reader),
    l1Height: reader.u32(),
    l1Hash: readBlockHash(reader),
    nextReleaseId: reader.u32(),
    nextBatchId: reader.u32(),
    feeRates: { current: reader.u32(), previous: reader.u32() },
  }))
}

export function putPegBooks(overlay: StateOverlay, books: PegBooks): void {
  const bytes = encodeWith((writer) => {
    writeTotals(writer, books.totals)
    writer.u32(books.l1Height)
    writeReversed(writer, books.l1Hash)
    writer.u32(books.nextReleaseId).u32(books.nextBatchId)
    writer.u32(books.feeRates.current).u32(books.feeRates.previous)
  })
  overlay.put(KEY, bytes)
}

/** Signed changes to the totals. @throws RangeError when a total would leave 0 … 21e14. */
export function adjustTotals(
  totals: PegTotals,
  change: Partial<Record<keyof PegTotals, bigint>>,
): PegTotals {
  return {
    supply: sats(totals.supply + (change.supply ?? 0n)),
    pendingReleases: sats(totals.pendingReleases + (change.pendingReleases ?? 0n)),
    feeReserve: sats(totals.feeReserve + (change.feeReserve ?? 0n)),
    inFlightFees: sats(totals.inFlightFees + (change.inFlightFees ?? 0n)),
    reserves: sats(totals.reserves + (change.reserves ?? 0n)),
  }
}

/** The equation that every block must keep, exactly. */
export function isSolvent(totals: PegTotals): boolean {
  const owed = totals.supply + totals.pendingReleases + totals.feeReserve
  return owed === totals.reserves - totals.inFlightFees
}
