/**
 * Confirmations: a version of an open batch, proved on L1, closes the batch, pays its releases and
 * books what that version paid, whether or not it is the last one.
 */

import { outPointKey, transactionId } from '../../bitcoin/transaction.ts'
import { present } from '../../primitives/assert.ts'
import { encodeWith } from '../../primitives/codec.ts'
import { ok, type Rejection, type Result, reject } from '../../primitives/result.ts'
import type { L1TransactionProof } from '../l1-section.ts'
import { NAMESPACE, outPointStateKey, type StateOverlay } from '../state.ts'
import {
  type Batch,
  type BatchVersion,
  changeOutputs,
  currentVersion,
  findOpenBatchByTxid,
  putBatch,
  settledVersion,
} from './batches.ts'
import { adjustTotals, getPegBooks, putPegBooks } from './books.ts'
import { CHANGE_RECIPIENT } from './deposit-address.ts'
import { checkL1Proof } from './l1-proof.ts'
import { findRelease, netValue, putRelease } from './releases.ts'
import { deleteReserve, findReserve, putReserve } from './reserves.ts'

/** `height` is of the block here that brings the proofs. */
export function connectConfirmations(
  overlay: StateOverlay,
  proofs: readonly L1TransactionProof[],
  height: number,
): Result<readonly Batch[], Rejection> {
  const confirmed: Batch[] = []
  for (const proof of proofs) {
    const checked = checkL1Proof(overlay, proof)
    if (!checked.ok) return checked
    const found = findOpenBatchByTxid(overlay, transactionId(checked.value))
    if (found === undefined) return reject('confirmation-of-no-open-batch')
    const { batch, version } = found
    const closed: Batch = {
      ...batch,
      status: { kind: 'confirmed', version, l1Height: proof.l1Height },
    }
    confirmBatch(overlay, closed, proof.l1Height, height)
    confirmed.push(closed)
  }
  return ok(confirmed)
}

function confirmBatch(overlay: StateOverlay, batch: Batch, l1Height: number, height: number): void {
  putBatch(overlay, batch)
  const settled = settledVersion(batch)
  const spent = settleInputs(overlay, batch, settled)
  let paid = 0n
  for (const id of batch.releaseIds) {
    const release = present(findRelease(overlay, id), 'release of a batch')
    paid += netValue(release)
    putRelease(overlay, { ...release, stage: { kind: 'paid', batchId: batch.id, l1Height } })
  }
  const change = addChange(overlay, batch, settled, l1Height, height)
  const books = getPegBooks(overlay)
  // The books hold the current version's fee; what another one paid less comes back.
  const booked = currentVersion(batch).fee
  const totals = adjustTotals(books.totals, {
    pendingReleases: -paid,
    feeReserve: booked - settled.fee,
    inFlightFees: 0n - booked,
    reserves: change - spent,
  })
  putPegBooks(overlay, { ...books, totals })
}

/** Takes the coins that L1 has spent; frees those that only other versions would have. */
function settleInputs(overlay: StateOverlay, batch: Batch, settled: BatchVersion): bigint {
  const spent = new Set(settled.transaction.inputs.map(({ prevout }) => outPointKey(prevout)))
  let total = 0n
  // Every version spends all that the one before spends.
  for (const { prevout } of currentVersion(batch).transaction.inputs) {
    const coin = present(findReserve(overlay, prevout), 'reserve coin of an open batch')
    if (spent.has(outPointKey(prevout))) {
      total += coin.value
      deleteReserve(overlay, prevout)
    } else {
      putReserve(overlay, { ...coin, batchId: undefined })
    }
  }
  return total
}

function addChange(
  overlay: StateOverlay,
  batch: Batch,
  settled: BatchVersion,
  l1Height: number,
  height: number,
): bigint {
  const txid = transactionId(settled.transaction)
  let total = 0n
  for (const { vout, keyEpoch, output } of changeOutputs(batch, settled)) {
    const outPoint = { txid, vout }
    total += output.value
    putReserve(overlay, {
      outPoint,
      value: output.value,
      script: output.script,
      keyEpoch,
      recipient: CHANGE_RECIPIENT,
      l1Height,
      batchId: undefined,
    })
    // It pays an address that gifts are sent to: nobody may claim it as one.
    const claim = outPointStateKey(NAMESPACE.claimedDeposit, outPoint)
    overlay.put(
      claim,
      encodeWith((writer) => writer.u32(height)),
    )
  }
  return total
}
