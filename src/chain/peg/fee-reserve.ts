/**
 * What of the fee reserve is free. A probe is begun only when the reserve holds the fee of the proof as
 * well; from then until the proof is built, the least that a proof costs is left in it, whatever L1 asks
 * for other batches: or a rise of fees would end a change of members that has been begun.
 */

import { pendingMemberSet } from '../member-sets.ts'
import type { ChainParams } from '../params.ts'
import type { StateView } from '../state.ts'
import { feeAtRate, outputBytes, plannedVsize } from './batch-transaction.ts'
import { openBatches } from './batches.ts'
import { getPegBooks } from './books.ts'

/** Of a proof: one input, one P2TR output. */
export const PROOF_VSIZE: number = plannedVsize(1, outputBytes(new Uint8Array(34)), 1)

/** What payments, replacements and upkeep may take, satoshis. */
export function freeFeeReserve(view: StateView, params: Pick<ChainParams, 'peg'>): bigint {
  const { feeReserve } = getPegBooks(view).totals
  const kept = awaitsProof(view) ? feeAtRate(PROOF_VSIZE, params.peg.feeRateFloor) : 0n
  return feeReserve > kept ? feeReserve - kept : 0n
}

/** A probe is out, and no proof. */
function awaitsProof(view: StateView): boolean {
  const set = pendingMemberSet(view)
  if (set?.status !== 'announced' || set.probeL1Height === 0) return false
  return !hasOpenProof(view, set.epoch)
}

export function hasOpenProof(view: StateView, epoch: number): boolean {
  for (const { kind, keyEpoch } of openBatches(view)) {
    if (kind === 'proof' && keyEpoch === epoch) return true
  }
  return false
}
