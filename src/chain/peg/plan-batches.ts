/**
 * Building batches in the state transition, at the end of every block:
 *
 *   1. A batch is due when the oldest queued release has waited `batchIntervalMs`, or a full batch waits.
 *   2. Releases are taken in order, from the oldest thousand; one that the free reserves cannot cover,
 *      or that the fee would eat below L1's dust limit, stays queued.
 *   3. Free reserve coins are taken largest first (ties by outpoint) until they cover the releases.
 *   4. The fee at the block's rate is split evenly, rounded up; the surplus is the fee reserve's.
 *   5. Change returns to the federation's own address of the active key epoch; an amount too small
 *      to be an output is mended by another coin or made up from the fee shares, whichever is
 *      cheaper, and exactly zero needs no output.
 *
 * Left out: replacement of stuck batches, consolidation and splitting of reserves.
 */

import { encodeOutPoint, type TxOutput } from '../../bitcoin/transaction.ts'
import { compareBytes } from '../../primitives/bytes.ts'
import { type Sats, sats } from '../../primitives/units.ts'
import type { ChainParams } from '../params.ts'
import type { StateOverlay, StateView } from '../state.ts'
import { buildBatchTransaction, dustLimit, feeAtRate, signedVsize } from './batch-transaction.ts'
import { type Batch, countOpenBatches, putBatch } from './batches.ts'
import { adjustTotals, getPegBooks, putPegBooks } from './books.ts'
import { CHANGE_RECIPIENT } from './deposit-address.ts'
import { activeKeyEpoch, depositScriptOf } from './key-epochs.ts'
import { putRelease, queuedReleases, type Release } from './releases.ts'
import { putReserve, type ReserveCoin, reserveCoins } from './reserves.ts'

export interface BatchContext {
  readonly height: number
  readonly timeMs: number
  /** Satoshis per 1,000 virtual bytes. */
  readonly feeRate: number
}

/** Inputs of one batch, the most that one signing session carries; few are used when few suffice. */
export const BATCH_INPUTS_MAX = 100
/** Queued releases that are looked at for one batch: a long queue must not make every block slow. */
export const BATCH_LOOKAHEAD = 1_000
/** Virtual bytes of one signed input (57.5), rounded up. */
const INPUT_VSIZE = 58
/** Ids are u32 in keys and records. */
const BATCH_ID_MAX = 0xffff_ffff

/** When the queue as it stands makes a batch due, in milliseconds of block time; undefined when never. */
export function batchDueMs(view: StateView, params: ChainParams): number | undefined {
  if (activeKeyEpoch(view) === undefined) return undefined
  if (countOpenBatches(view) >= params.peg.openBatchesMax) return undefined
  let count = 0
  let oldest: number | undefined
  for (const release of queuedReleases(view)) {
    oldest ??= release.timeMs
    count += 1
    if (count >= params.peg.batchReleasesMax) return oldest
  }
  return oldest === undefined ? undefined : oldest + params.peg.batchIntervalMs
}

/** Builds every batch that is due. */
export function connectBatches(
  overlay: StateOverlay,
  params: ChainParams,
  context: BatchContext,
): void {
  for (let built = 0; built < params.peg.openBatchesMax; built++) {
    const due = batchDueMs(overlay, params)
    if (due === undefined || context.timeMs < due) return
    const plan = planBatch(overlay, params, context)
    if (plan === undefined) return
    bookBatch(overlay, plan)
  }
}

/** True when a block at this time would build a batch. */
export function wouldBuildBatch(
  view: StateView,
  params: ChainParams,
  context: BatchContext,
): boolean {
  const due = batchDueMs(view, params)
  return (
    due !== undefined && context.timeMs >= due && planBatch(view, params, context) !== undefined
  )
}

interface BatchPlan {
  readonly batch: Batch
  readonly releases: readonly Release[]
  readonly inputs: readonly ReserveCoin[]
  /** Fee shares beyond the fee itself. */
  readonly surplus: bigint
}

function planBatch(
  view: StateView,
  params: ChainParams,
  context: BatchContext,
): BatchPlan | undefined {
  const epoch = activeKeyEpoch(view)
  if (epoch === undefined || getPegBooks(view).nextBatchId >= BATCH_ID_MAX) return undefined
  const free = freeReserves(view)
  let candidates = takeCovered(view, params, free)
  const changeScript = depositScriptOf(params, epoch, CHANGE_RECIPIENT)
  // Each round drops the releases that the fee share would turn into dust; the share falls or the
  // list shrinks, so it ends.
  while (candidates.length > 0) {
    const draft = draftBatch(candidates, free, changeScript, context.feeRate)
    if (draft === undefined) return undefined
    const payable = candidates.filter((release) => isPayable(release, draft.feeShare))
    if (payable.length === candidates.length) {
      const books = getPegBooks(view)
      const batch: Batch = {
        id: books.nextBatchId,
        status: 'open',
        transaction: draft.transaction,
        releaseIds: candidates.map((release) => release.id),
        fee: draft.fee,
        feeShare: draft.feeShare,
        changeKeyEpoch: epoch.epoch,
        hasChange: draft.hasChange,
        height: context.height,
        timeMs: context.timeMs,
        afterL1Height: books.l1Height,
        l1Height: 0,
      }
      return { batch, releases: candidates, inputs: draft.inputs, surplus: draft.surplus }
    }
    candidates = payable
  }
  return undefined
}

function isPayable(release: Release, feeShare: bigint): boolean {
  return release.value - feeShare >= dustLimit(release.l1Script)
}

/** Reserve coins that no open batch spends, largest first. */
function freeReserves(view: StateView): readonly ReserveCoin[] {
  const free = [...reserveCoins(view)].filter((coin) => coin.batchId === undefined)
  return free
    .toSorted((a, b) => {
      if (a.value !== b.value) return a.value > b.value ? -1 : 1
      return compareBytes(encodeOutPoint(a.outPoint), encodeOutPoint(b.outPoint))
    })
    .slice(0, BATCH_INPUTS_MAX)
}

function takeCovered(
  view: StateView,
  params: ChainParams,
  free: readonly ReserveCoin[],
): readonly Release[] {
  let available = 0n
  for (const coin of free) available += coin.value
  const taken: Release[] = []
  let seen = 0
  for (const release of queuedReleases(view)) {
    seen += 1
    if (seen > BATCH_LOOKAHEAD) break
    if (taken.length >= params.peg.batchReleasesMax) break
    if (release.value > available) continue
    available -= release.value
    taken.push(release)
  }
  return taken
}

interface Draft {
  readonly transaction: Batch['transaction']
  readonly inputs: readonly ReserveCoin[]
  readonly fee: Sats
  readonly feeShare: Sats
  readonly surplus: bigint
  readonly hasChange: boolean
}

function draftBatch(
  releases: readonly Release[],
  free: readonly ReserveCoin[],
  changeScript: Uint8Array,
  feeRate: number,
): Draft | undefined {
  let owed = 0n
  for (const release of releases) owed += release.value
  const changeMin = dustLimit(changeScript)
  let total = 0n
  for (let count = 1; count <= free.length; count++) {
    total += free[count - 1]?.value ?? 0n
    if (total < owed) continue
    const rest = total - owed
    if (rest > 0n && rest < changeMin && isMended(rest, changeMin, free[count], feeRate)) continue
    return finishDraft(releases, free.slice(0, count), rest, changeScript, feeRate)
  }
  return undefined
}

/** Is one more coin a cheaper way to a possible change output than making it up from the shares? */
function isMended(
  rest: bigint,
  changeMin: bigint,
  next: ReserveCoin | undefined,
  feeRate: number,
): boolean {
  if (next === undefined || rest + next.value < changeMin) return false
  return feeAtRate(INPUT_VSIZE, feeRate) < changeMin - rest
}

function finishDraft(
  releases: readonly Release[],
  inputs: readonly ReserveCoin[],
  rest: bigint,
  changeScript: Uint8Array,
  feeRate: number,
): Draft {
  const count = BigInt(releases.length)
  const hasChange = rest > 0n
  const placeholder = { value: sats(0), script: changeScript }
  const payments = (share: bigint): TxOutput[] =>
    releases.map((release) => {
      const net = release.value - share
      return { value: sats(net > 0n ? net : 0n), script: release.l1Script }
    })
  const draft = buildBatchTransaction(inputs, payments(0n), hasChange ? placeholder : undefined)
  const fee = feeAtRate(signedVsize(draft), feeRate)
  const missing = hasChange ? maxOf(dustLimit(changeScript) - rest, 0n) : 0n
  const feeShare = (fee + missing + count - 1n) / count
  const surplus = feeShare * count - fee
  const change = hasChange ? { value: sats(rest + surplus), script: changeScript } : undefined
  return {
    transaction: buildBatchTransaction(inputs, payments(feeShare), change),
    inputs,
    // Without change the surplus has nowhere to go but to the miner.
    fee: sats(hasChange ? fee : fee + surplus),
    feeShare: sats(feeShare),
    surplus: hasChange ? surplus : 0n,
    hasChange,
  }
}

function maxOf(a: bigint, b: bigint): bigint {
  return a > b ? a : b
}

function bookBatch(overlay: StateOverlay, plan: BatchPlan): void {
  const { batch } = plan
  putBatch(overlay, batch)
  for (const coin of plan.inputs) putReserve(overlay, { ...coin, batchId: batch.id })
  for (const release of plan.releases) {
    const stage = { kind: 'batched', batchId: batch.id, fee: batch.feeShare } as const
    putRelease(overlay, { ...release, stage })
  }
  const books = getPegBooks(overlay)
  const totals = adjustTotals(books.totals, {
    pendingReleases: -(batch.feeShare * BigInt(plan.releases.length)),
    feeReserve: plan.surplus,
    inFlightFees: batch.fee,
  })
  putPegBooks(overlay, { ...books, totals, nextBatchId: batch.id + 1 })
}
