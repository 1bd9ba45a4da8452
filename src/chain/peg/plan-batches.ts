/**
 * What the federation does on L1, decided in the state transition at the end of every block:
 *
 *   1. Payments: a batch is due when the oldest queued release has waited `batchIntervalMs`, or a full
 *      batch waits. Releases are taken in order, from the oldest thousand, as long as the free coins of
 *      one key epoch cover them and their fees with the fee reserve pay L1's.
 *   2. Change returns to the federation's own address of the active key epoch, split while there are few
 *      reserve coins.
 */

import type { TxOutput } from '../../bitcoin/transaction.ts'
import { present } from '../../primitives/assert.ts'
import { sats } from '../../primitives/units.ts'
import type { ChainParams } from '../params.ts'
import type { StateOverlay, StateView } from '../state.ts'
import { buildBatchTransaction, rateOfFee } from './batch-transaction.ts'
import { type Batch, type BatchVersion, openBatches, putBatch } from './batches.ts'
import { adjustTotals, getPegBooks, putPegBooks } from './books.ts'
import { choosePayments, type PaymentChoice } from './choose-payments.ts'
import { CHANGE_RECIPIENT } from './deposit-address.ts'
import { FreeCoins } from './free-coins.ts'
import { activeKeyEpoch, depositScriptOf, findDepositEpoch } from './key-epochs.ts'
import { findRelease, netValue, putRelease, queuedReleases, type Release } from './releases.ts'
import { putReserve, type ReserveCoin } from './reserves.ts'
import type { Settlement } from './settle-batch.ts'

export interface BatchContext {
  readonly height: number
  readonly timeMs: number
  /** Satoshis per 1,000 virtual bytes. */
  readonly feeRate: number
}

/** Queued releases that are looked at for one batch: a long queue must not make every block slow. */
export const BATCH_LOOKAHEAD = 1_000
/** Ids are u32 in keys and records. */
const BATCH_ID_MAX = 0xffff_ffff
/** Parts of one change. */
const CHANGE_PARTS_MAX = 4

/** When the queue as it stands makes a batch due, in milliseconds of block time; undefined when never. */
export function batchDueMs(view: StateView, params: ChainParams): number | undefined {
  if (activeKeyEpoch(view) === undefined) return undefined
  if (countOpenPayments(view) >= params.peg.openBatchesMax) return undefined
  let count = 0
  let oldest: number | undefined
  for (const release of queuedReleases(view)) {
    oldest ??= release.timeMs
    count += 1
    if (count >= params.peg.batchReleasesMax) return oldest
  }
  return oldest === undefined ? undefined : oldest + params.peg.batchIntervalMs
}

function countOpenPayments(view: StateView): number {
  return [...openBatches(view)].filter(({ kind }) => kind === 'payment').length
}

/** Builds every batch that is due. */
export function connectBatches(
  overlay: StateOverlay,
  params: ChainParams,
  context: BatchContext,
): void {
  let coins: FreeCoins | undefined
  for (let built = 0; built < params.peg.openBatchesMax; built++) {
    const due = batchDueMs(overlay, params)
    if (due === undefined || context.timeMs < due) return
    coins ??= new FreeCoins(overlay)
    const plan = planPayment(overlay, params, context, coins)
    if (plan === undefined) return
    bookBatch(overlay, plan)
    coins.take(plan.batch.keyEpoch, plan.inputs)
  }
}

/** True when a block at this time would build a batch. */
export function wouldBuildBatch(
  view: StateView,
  params: ChainParams,
  context: BatchContext,
): boolean {
  const due = batchDueMs(view, params)
  if (due === undefined || context.timeMs < due) return false
  return planPayment(view, params, context, new FreeCoins(view)) !== undefined
}

export interface BatchPlan {
  readonly batch: Batch
  readonly inputs: readonly ReserveCoin[]
}

function planPayment(
  view: StateView,
  params: ChainParams,
  context: BatchContext,
  coins: FreeCoins,
): BatchPlan | undefined {
  const active = activeKeyEpoch(view)
  const books = getPegBooks(view)
  if (active === undefined || books.nextBatchId >= BATCH_ID_MAX) return undefined
  const queue: Release[] = []
  for (const release of queuedReleases(view)) {
    if (queue.length >= BATCH_LOOKAHEAD) break
    queue.push(release)
  }
  const { feeRateFloor, batchReleasesMax, reserveCoinsMin, splitCoinMinSats } = params.peg
  const terms = {
    feeRate: context.feeRate,
    feeRateLeast: feeRateFloor,
    changeParts: wantedParts(view, coins, active.epoch, reserveCoinsMin),
    changePartMin: splitCoinMinSats,
  }
  for (const epoch of coins.epochs()) {
    // A key that has not proved itself pays nobody.
    if (findDepositEpoch(view, epoch) === undefined) continue
    const choice = choosePayments(queue, coins.of(epoch), batchReleasesMax, {
      ...terms,
      feeReserve: books.totals.feeReserve,
    })
    if (choice !== undefined) return planOf(view, params, context, epoch, active.epoch, choice)
  }
  return undefined
}

/** So many parts of change bring the coins that this batch leaves to the wanted number. */
function wantedParts(
  view: StateView,
  coins: FreeCoins,
  changeEpoch: number,
  coinsMin: number,
): number {
  let count = coins.count(changeEpoch)
  for (const batch of openBatches(view)) {
    const { transaction } = present(batch.versions.at(-1), 'version of a batch')
    count += transaction.outputs.length - batch.releaseIds.length
  }
  return Math.min(CHANGE_PARTS_MAX, Math.max(1, coinsMin - count + 1))
}

function planOf(
  view: StateView,
  params: ChainParams,
  context: BatchContext,
  keyEpoch: number,
  changeKeyEpoch: number,
  choice: PaymentChoice,
): BatchPlan {
  const books = getPegBooks(view)
  const active = present(activeKeyEpoch(view), 'active key epoch')
  const changeScript = depositScriptOf(params, active, CHANGE_RECIPIENT)
  const batch: Batch = {
    id: books.nextBatchId,
    kind: 'payment',
    status: { kind: 'open' },
    keyEpoch,
    changeKeyEpoch,
    releaseIds: choice.releases.map(({ id }) => id),
    versions: [
      versionOf(choice.inputs, choice.releases.map(paymentOf), choice.settlement, changeScript, {
        height: context.height,
        l1Height: books.l1Height,
      }),
    ],
    timeMs: context.timeMs,
  }
  return { batch, inputs: choice.inputs }
}

export function paymentOf(release: Release): TxOutput {
  return { value: sats(netValue(release)), script: release.l1Script }
}

export function versionOf(
  inputs: readonly ReserveCoin[],
  payments: readonly TxOutput[],
  settlement: Settlement,
  changeScript: Uint8Array,
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

function bookBatch(overlay: StateOverlay, { batch, inputs }: BatchPlan): void {
  putBatch(overlay, batch)
  for (const coin of inputs) putReserve(overlay, { ...coin, batchId: batch.id })
  let collected = 0n
  for (const id of batch.releaseIds) {
    const release = present(findRelease(overlay, id), 'release of a batch')
    collected += release.fee
    putRelease(overlay, { ...release, stage: { kind: 'batched', batchId: batch.id } })
  }
  const { fee } = present(batch.versions.at(-1), 'version of a batch')
  const books = getPegBooks(overlay)
  const totals = adjustTotals(books.totals, {
    pendingReleases: -collected,
    feeReserve: collected - fee,
    inFlightFees: fee,
  })
  putPegBooks(overlay, { ...books, totals, nextBatchId: batch.id + 1 })
}
