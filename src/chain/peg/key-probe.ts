/**
 * How a new key proves itself before anything depends on it: by spending a small coin.
 *
 *   1. Once it is announced, a *probe* (signed by the active key) pays `probeValue` to the new key's
 *      change address, the rest back to its own.
 *   2. When L1 has the probe, a *proof* spends that coin back to the new key's change address. Only the
 *      new members can sign it.
 *   3. When L1 has the proof, the new key is active from that block on, and its members are the validators
 *      from the next. Without a proof within `keyProbeTimeoutL1Blocks` of the probe the epoch is abandoned.
 *
 * Both fees come from the fee reserve, at twice the block's rate, since neither is ever replaced. Until
 * the reserve and a coin suffice there is no probe, and no time runs. At the end of every block, before
 * payments: what a change of members needs is little, and waits for nobody.
 */

import type { TxOutput } from '../../bitcoin/transaction.ts'
import { present } from '../../primitives/assert.ts'
import { sats } from '../../primitives/units.ts'
import {
  abandonPending,
  activatePending,
  getEpochBooks,
  type MemberSet,
  pendingMemberSet,
  putMemberSet,
} from '../member-sets.ts'
import type { ChainParams } from '../params.ts'
import type { StateOverlay, StateView } from '../state.ts'
import type { BatchContext } from './batch-plans.ts'
import {
  buildBatchTransaction,
  dustLimit,
  feeAtRate,
  outputBytes,
  plannedVsize,
  rateOfFee,
} from './batch-transaction.ts'
import { type Batch, putBatch } from './batches.ts'
import { adjustTotals, getPegBooks, putPegBooks } from './books.ts'
import { CHANGE_RECIPIENT } from './deposit-address.ts'
import { hasOpenProof, PROOF_VSIZE } from './fee-reserve.ts'
import { FreeCoins } from './free-coins.ts'
import { isFrozen } from './freeze.ts'
import { depositScriptOf, findKeyEpoch } from './key-epochs.ts'
import { putReserve, type ReserveCoin } from './reserves.ts'

/** A probe is worth at least this much. Consensus-critical, as everything here. */
export const KEY_PROBE_SATS = 2_000n
/** Above the block's rate: neither transaction is ever replaced. */
const RATE_FACTOR = 2
/** The proof's fee may have risen by this much when its time comes. */
const FEE_ROOM = 4n
const CHANGE_SCRIPT = new Uint8Array(34)
const CHANGE_DUST = dustLimit(CHANGE_SCRIPT)
const PROBE_VSIZE = plannedVsize(1, 2 * outputBytes(CHANGE_SCRIPT), 2)
const BATCH_ID_MAX = 0xffff_ffff

/** After the confirmations of a block: a proof among them makes its epoch the active one. */
export function connectKeyProofs(
  overlay: StateOverlay,
  confirmed: readonly Batch[],
  height: number,
): void {
  for (const { kind, keyEpoch } of confirmed) {
    const pending = pendingMemberSet(overlay)
    const isProof = kind === 'proof' && pending?.status === 'announced'
    if (isProof && keyEpoch === pending.epoch) activatePending(overlay, height)
  }
}

/** At the end of a block: the next step of the announced key, or its end. */
export function connectKeyProbe(
  overlay: StateOverlay,
  params: ChainParams,
  context: BatchContext,
): void {
  const set = pendingMemberSet(overlay)
  // A freeze stops the time for the proof as well.
  if (set?.status !== 'announced' || isFrozen(overlay)) return
  const { l1Height, nextBatchId } = getPegBooks(overlay)
  if (nextBatchId >= BATCH_ID_MAX) return
  if (set.probeL1Height === 0) {
    const probe = planProbe(overlay, params, set, context)
    if (probe === undefined) return
    bookProbe(overlay, probe)
    putMemberSet(overlay, { ...set, probeL1Height: l1Height })
  } else if (l1Height >= set.probeL1Height + params.peg.keyProbeTimeoutL1Blocks) {
    abandonPending(overlay)
  } else if (!hasOpenProof(overlay, set.epoch)) {
    const proof = planProof(overlay, params, set, context)
    if (proof !== undefined) bookProbe(overlay, proof)
  }
}

interface ProbePlan {
  readonly batch: Batch
  readonly coin: ReserveCoin
}

function wantedRate(params: ChainParams, feeRate: number): number {
  return Math.min(feeRate * RATE_FACTOR, params.peg.feeRateCeiling)
}

function planProbe(
  view: StateView,
  params: ChainParams,
  set: MemberSet,
  context: BatchContext,
): ProbePlan | undefined {
  const { key } = getEpochBooks(view)
  if (key === undefined) return undefined
  const rate = wantedRate(params, context.feeRate)
  const fee = feeAtRate(PROBE_VSIZE, rate)
  const proofFee = feeAtRate(PROOF_VSIZE, rate)
  // Nothing that could not be finished is begun.
  if (getPegBooks(view).totals.feeReserve < fee + proofFee) return undefined
  const wanted = CHANGE_DUST + FEE_ROOM * proofFee
  const value = wanted > KEY_PROBE_SATS ? wanted : KEY_PROBE_SATS
  const coin = new FreeCoins(view)
    .of(key)
    .findLast((free) => free.value >= value + fee + CHANGE_DUST)
  if (coin === undefined) return undefined
  const outputs = [
    { value: sats(value), script: changeScript(view, params, set.epoch) },
    { value: sats(coin.value - value - fee), script: changeScript(view, params, key) },
  ]
  return planOf(view, context, 'probe', coin, set.epoch, outputs, fee)
}

/** Spends the coin of the probe, once L1 has it. */
function planProof(
  view: StateView,
  params: ChainParams,
  set: MemberSet,
  context: BatchContext,
): ProbePlan | undefined {
  const [coin] = new FreeCoins(view).of(set.epoch)
  if (coin === undefined) return undefined
  const most = smallest(getPegBooks(view).totals.feeReserve, coin.value - CHANGE_DUST)
  const fee = smallest(feeAtRate(PROOF_VSIZE, wantedRate(params, context.feeRate)), most)
  if (fee < feeAtRate(PROOF_VSIZE, params.peg.feeRateFloor)) return undefined
  const script = changeScript(view, params, set.epoch)
  const outputs = [{ value: sats(coin.value - fee), script }]
  return planOf(view, context, 'proof', coin, set.epoch, outputs, fee)
}

function smallest(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}

function changeScript(view: StateView, params: ChainParams, epoch: number): Uint8Array {
  const key = present(findKeyEpoch(view, epoch), 'key epoch of a probe')
  return depositScriptOf(params, key, CHANGE_RECIPIENT)
}

function planOf(
  view: StateView,
  context: BatchContext,
  kind: 'probe' | 'proof',
  coin: ReserveCoin,
  changeKeyEpoch: number,
  outputs: readonly TxOutput[],
  fee: bigint,
): ProbePlan {
  const { nextBatchId, l1Height } = getPegBooks(view)
  const vsize = kind === 'probe' ? PROBE_VSIZE : PROOF_VSIZE
  const batch: Batch = {
    id: nextBatchId,
    kind,
    status: { kind: 'open' },
    keyEpoch: coin.keyEpoch,
    changeKeyEpoch,
    releaseIds: [],
    versions: [
      {
        transaction: buildBatchTransaction([coin], [], outputs),
        fee: sats(fee),
        feeRate: rateOfFee(vsize, fee),
        height: context.height,
        l1Height,
      },
    ],
    timeMs: context.timeMs,
  }
  return { batch, coin }
}

function bookProbe(overlay: StateOverlay, { batch, coin }: ProbePlan): void {
  putBatch(overlay, batch)
  putReserve(overlay, { ...coin, batchId: batch.id })
  const { fee } = present(batch.versions[0], 'version of a batch')
  const books = getPegBooks(overlay)
  const totals = adjustTotals(books.totals, { feeReserve: 0n - fee, inFlightFees: fee })
  putPegBooks(overlay, { ...books, totals, nextBatchId: batch.id + 1 })
}
