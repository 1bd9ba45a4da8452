/** Release confirmations: a batch's transaction proved on L1 closes the batch and pays its releases. */

import { transactionId } from '../../bitcoin/transaction.ts'
import { present } from '../../primitives/assert.ts'
import { ok, type Rejection, type Result, reject } from '../../primitives/result.ts'
import type { L1TransactionProof } from '../l1-section.ts'
import type { StateOverlay } from '../state.ts'
import { type Batch, findOpenBatchByTxid, putBatch } from './batches.ts'
import { adjustTotals, getPegBooks, putPegBooks } from './books.ts'
import { CHANGE_RECIPIENT } from './deposit-address.ts'
import { checkL1Proof } from './l1-proof.ts'
import { findRelease, putRelease } from './releases.ts'
import { deleteReserve, findReserve, putReserve } from './reserves.ts'

export function connectConfirmations(
  overlay: StateOverlay,
  proofs: readonly L1TransactionProof[],
): Result<readonly Batch[], Rejection> {
  const confirmed: Batch[] = []
  for (const proof of proofs) {
    const checked = checkL1Proof(overlay, proof)
    if (!checked.ok) return checked
    const batch = findOpenBatchByTxid(overlay, transactionId(checked.value))
    if (batch === undefined) return reject('confirmation-of-no-open-batch')
    confirmed.push(confirmBatch(overlay, batch, proof.l1Height))
  }
  return ok(confirmed)
}

function confirmBatch(overlay: StateOverlay, batch: Batch, l1Height: number): Batch {
  const closed: Batch = { ...batch, status: 'confirmed', l1Height }
  putBatch(overlay, closed)

  let spent = 0n
  for (const input of batch.transaction.inputs) {
    spent += present(findReserve(overlay, input.prevout), 'reserve coin of an open batch').value
    deleteReserve(overlay, input.prevout)
  }
  let paid = 0n
  for (const id of batch.releaseIds) {
    const release = present(findRelease(overlay, id), 'release of a batch')
    paid += release.value - batch.feeShare
    putRelease(overlay, {
      ...release,
      stage: { kind: 'paid', batchId: batch.id, fee: batch.feeShare, l1Height },
    })
  }
  const change = addChange(overlay, batch, l1Height)
  const books = getPegBooks(overlay)
  const totals = adjustTotals(books.totals, {
    pendingReleases: -paid,
    inFlightFees: 0n - batch.fee,
    reserves: change - spent,
  })
  putPegBooks(overlay, { ...books, totals })
  return closed
}

function addChange(overlay: StateOverlay, batch: Batch, l1Height: number): bigint {
  if (!batch.hasChange) return 0n
  const vout = batch.transaction.outputs.length - 1
  const output = present(batch.transaction.outputs[vout], 'change output')
  putReserve(overlay, {
    outPoint: { txid: transactionId(batch.transaction), vout },
    value: output.value,
    script: output.script,
    keyEpoch: batch.changeKeyEpoch,
    recipient: CHANGE_RECIPIENT,
    l1Height,
    batchId: undefined,
  })
  return output.value
}
