/** A batch that is decided upon, and its entry in the state and the books. */

import type { TxOutput } from '../../bitcoin/transaction.ts'
import { present } from '../../primitives/assert.ts'
import { sats } from '../../primitives/units.ts'
import type { ChainParams } from '../params.ts'
import type { StateOverlay, StateView } from '../state.ts'
import { buildBatchTransaction, rateOfFee } from './batch-transaction.ts'
import {
  type Batch,
  type BatchVersion,
  changeOutputs,
  currentVersion,
  openBatches,
  putBatch,
} from './batches.ts'
import { adjustTotals, getPegBooks, putPegBooks } from './books.ts'
import { CHANGE_RECIPIENT } from './deposit-address.ts'
import type { FreeCoins } from './free-coins.ts'
import { depositScriptOf, type KeyEpoch } from './key-epochs.ts'
import { chargeOutflow } from './outflow.ts'
import { findRelease, netValue, putRelease, type Release } from './releases.ts'
import { putReserve, type ReserveCoin } from './reserves.ts'
import type { Settlement } from './settle-batch.ts'

/** The block that plans. */
export interface BatchContext {
  readonly height: number
  /** Milliseconds of block time. */
  readonly timeMs: number
  /** Satoshis per 1,000 virtual bytes. */
  readonly feeRate: number
}

export interface BatchPlan {
  readonly batch: Batch
  readonly inputs: readonly ReserveCoin[]
}

/** What a new batch is made of. */
export interface BatchParts {
  readonly kind: Batch['kind']
  /** Of the inputs. */
  readonly keyEpoch: number
  readonly inputs: readonly ReserveCoin[]
  readonly releases: readonly Release[]
  readonly settlement: Settlement
}

/** Parts of one change. */
const CHANGE_PARTS_MAX = 4
/** Ids are u32 in keys and records. */
const BATCH_ID_MAX = 0xffff_ffff

/** Change goes to the active key epoch. Undefined when batches have run out of numbers. */
export function newBatch(
  view: StateView,
  params: ChainParams,
  active: KeyEpoch,
  { height, timeMs }: BatchContext,
  parts: BatchParts,
): BatchPlan | undefined {
  const { nextBatchId, l1Height } = getPegBooks(view)
  if (nextBatchId >= BATCH_ID_MAX) return undefined
  const payments = parts.releases.map((release) => ({
    value: sats(netValue(release)),
    script: release.l1Script,
  }))
  const changeScript = depositScriptOf(params, active, CHANGE_RECIPIENT)
  const batch: Batch = {
    id: nextBatchId,
    kind: parts.kind,
    status: { kind: 'open' },
    keyEpoch: parts.keyEpoch,
    changeKeyEpoch: active.epoch,
    releaseIds: parts.releases.map(({ id }) => id),
    versions: [
      versionOf(parts.inputs, payments, changeScript, parts.settlement, { height, l1Height }),
    ],
    timeMs,
  }
  return { batch, inputs: parts.inputs }
}

export function versionOf(
  inputs: readonly ReserveCoin[],
  payments: readonly TxOutput[],
  changeScript: Uint8Array,
  settlement: Settlement,
  made: Pick<BatchVersion, 'height' | 'l1Height'>,
): BatchVersion {
  const change = settlement.change.map((value) => ({ value: sats(value), script: changeScript }))
  return {
    transaction: buildBatchTransaction(inputs, payments, change),
    fee: sats(settlement.fee),
    feeRate: rateOfFee(settlement.vsize, settlement.fee),
    ...made,
  }
}

/** So many parts of change bring the coins of an epoch to the number that is wanted. */
export function wantedParts(
  view: StateView,
  params: ChainParams,
  coins: FreeCoins,
  changeEpoch: number,
): number {
  let count = coins.count(changeEpoch)
  for (const batch of openBatches(view)) {
    if (batch.changeKeyEpoch === changeEpoch) {
      count += changeOutputs(batch, currentVersion(batch)).length
    }
  }
  return Math.min(CHANGE_PARTS_MAX, Math.max(1, params.peg.reserveCoinsMin - count + 1))
}

/** What was collected beyond the fee goes to the fee reserve; what it lacks comes from there. */
export function bookBatch(overlay: StateOverlay, { batch, inputs }: BatchPlan): void {
  putBatch(overlay, batch)
  for (const coin of inputs) putReserve(overlay, { ...coin, batchId: batch.id })
  const releases = batch.releaseIds.map((id) =>
    present(findRelease(overlay, id), 'release of a batch'),
  )
  chargeOutflow(overlay, releases)
  let collected = 0n
  for (const release of releases) {
    collected += release.fee
    putRelease(overlay, { ...release, stage: { kind: 'batched', batchId: batch.id } })
  }
  const { fee } = currentVersion(batch)
  const books = getPegBooks(overlay)
  const totals = adjustTotals(books.totals, {
    pendingReleases: -collected,
    feeReserve: collected - fee,
    inFlightFees: fee,
  })
  putPegBooks(overlay, { ...books, totals, nextBatchId: batch.id + 1 })
}

/** A version more of an open batch, which takes these free coins besides its own. */
export function bookVersion(
  overlay: StateOverlay,
  batch: Batch,
  version: BatchVersion,
  added: readonly ReserveCoin[],
): void {
  const more = version.fee - currentVersion(batch).fee
  putBatch(overlay, { ...batch, versions: [...batch.versions, version] })
  for (const coin of added) putReserve(overlay, { ...coin, batchId: batch.id })
  const books = getPegBooks(overlay)
  const totals = adjustTotals(books.totals, { feeReserve: -more, inFlightFees: more })
  putPegBooks(overlay, { ...books, totals })
}
