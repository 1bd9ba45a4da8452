/**
 * What a release pays for its way to L1: fixed by its burn, for ever. The rate follows the blocks' L1
 * fee rates, but moves only with L1 headers, and a burn is charged the lower of the last two: what is
 * shown at one time is not exceeded before L1 has had at least one more block.
 *
 * What is collected beyond the fee of the batch is the fee reserve's, which pays for what no release
 * pays: many inputs, replacements, upkeep.
 */

import { type Sats, sats } from '../../primitives/units.ts'
import type { ChainParams } from '../params.ts'
import type { StateOverlay } from '../state.ts'
import { dustLimit, feeAtRate, outputBytes, plannedVsize } from './batch-transaction.ts'
import { getPegBooks, type PegBooks, putPegBooks } from './books.ts'

/** P2TR, as all of the federation's own outputs are. */
const CHANGE_SCRIPT = new Uint8Array(34)
/**
 * Virtual bytes that a release pays for besides its own output: a transaction with one change output
 * and two inputs, the coin that pays and the one that the change will once be.
 */
export const RELEASE_OVERHEAD_VSIZE: number = plannedVsize(2, outputBytes(CHANGE_SCRIPT), 2)

/**
 * The fee of a release to `l1Script` at a rate in satoshis per 1,000 virtual bytes: at least what
 * leaves, at the lowest rate, a change that L1 relays, since a coin must not get stuck on dust.
 */
export function releaseFee(
  params: { readonly peg: Pick<ChainParams['peg'], 'feeRateFloor'> },
  feeRate: number,
  l1Script: Uint8Array,
): Sats {
  const vsize = outputBytes(l1Script) + RELEASE_OVERHEAD_VSIZE
  const lowest = feeAtRate(vsize, params.peg.feeRateFloor) + dustLimit(CHANGE_SCRIPT)
  const fee = feeAtRate(vsize, feeRate)
  return sats(fee > lowest ? fee : lowest)
}

/** What a burn is charged by now. */
export function chargedFeeRate({ feeRates }: PegBooks): number {
  return Math.min(feeRates.current, feeRates.previous)
}

/** The most that a burn is charged by until two more blocks here have brought L1 headers. */
export function quotedFeeRate({ feeRates }: PegBooks): number {
  return feeRates.current
}

/** In a block that brings L1 headers, its fee rate becomes the current one. */
export function connectFeeRate(overlay: StateOverlay, feeRate: number): void {
  const books = getPegBooks(overlay)
  putPegBooks(overlay, {
    ...books,
    feeRates: { current: feeRate, previous: books.feeRates.current },
  })
}
