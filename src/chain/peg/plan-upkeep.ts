/**
 * Upkeep of the reserves: batches that pay nobody. One at a time for each key epoch, the first of these
 * that applies:
 *
 *   sweep        coins of an epoch that is no longer active move to the active one's change address
 *   refresh      coins that have lain for long move, so that the recovery leaf never opens on them
 *   gather       a release waits for more coins than one batch can spend: the coins just behind the
 *                largest become one
 *   consolidate  there are too many coins, and L1 is cheap: the smallest become one
 *
 * The fee reserve pays, at most what it holds. The first three do not wait for low rates; if they must,
 * they go at the rate that can be paid, or with fewer coins. As long as there are others a coin stays
 * free for releases.
 */

import type { ChainParams } from '../params.ts'
import type { StateView } from '../state.ts'
import { type BatchContext, type BatchPlan, newBatch, wantedParts } from './batch-plans.ts'
import { BATCH_INPUTS_MAX, feeAtRate } from './batch-transaction.ts'
import { openBatches } from './batches.ts'
import { getPegBooks } from './books.ts'
import { freeFeeReserve } from './fee-reserve.ts'
import type { FreeCoins } from './free-coins.ts'
import { activeKeyEpoch, type KeyEpoch } from './key-epochs.ts'
import { payableReleases } from './release-limits.ts'
import { netValue } from './releases.ts'
import type { ReserveCoin } from './reserves.ts'
import { type FeeTerms, type Owed, type Settlement, settle, settleLowered } from './settle-batch.ts'

/** Virtual bytes of one signed input (57.5), rounded up. */
const INPUT_VSIZE = 58
const NOTHING_OWED: Owed = { count: 0, bytes: 0, net: 0n }

interface Work {
  /** In the order of their importance: the last are left out when fees do not suffice. */
  readonly inputs: readonly ReserveCoin[]
  readonly changeParts: number
  /** May go slower than the block's rate, and with fewer coins. */
  readonly isUrgent: boolean
}

/** The next upkeep batch; undefined when there is none to do, or to pay for. */
export function planUpkeep(
  view: StateView,
  params: ChainParams,
  context: BatchContext,
  coins: FreeCoins,
): BatchPlan | undefined {
  const active = activeKeyEpoch(view)
  if (active === undefined) return undefined
  const busy = new Set<number>()
  for (const { kind, keyEpoch } of openBatches(view)) if (kind === 'upkeep') busy.add(keyEpoch)
  for (const keyEpoch of coins.epochs()) {
    if (busy.has(keyEpoch)) continue
    const work = workOf(view, params, context, coins, keyEpoch, active)
    if (work === undefined) continue
    const settled = settleWork(view, params, context, work)
    if (settled === undefined) continue
    const parts = { kind: 'upkeep', keyEpoch, releases: [], ...settled } as const
    return newBatch(view, params, active, context, parts)
  }
  return undefined
}

function workOf(
  view: StateView,
  params: ChainParams,
  context: BatchContext,
  coins: FreeCoins,
  keyEpoch: number,
  active: KeyEpoch,
): Work | undefined {
  // What costs more to move than it is worth stays where it is until L1 is cheaper.
  const inputFee = feeAtRate(INPUT_VSIZE, context.feeRate)
  const free = coins.of(keyEpoch).filter(({ value }) => value > inputFee)
  const parts = wantedParts(view, params, coins, active.epoch)
  if (keyEpoch !== active.epoch) return moving(free, free, coins, parts)
  const { l1Height } = getPegBooks(view)
  const { refreshAfterL1Blocks } = params.peg
  const old = free.filter((coin) => l1Height - coin.l1Height >= refreshAfterL1Blocks)
  return (
    moving(
      old.toSorted((a, b) => a.l1Height - b.l1Height),
      free,
      coins,
      parts,
    ) ??
    gathering(view, params, coins, keyEpoch) ??
    consolidating(params, context, free, coins.count(keyEpoch))
  )
}

/** Sweep and refresh: everything, except the largest coin while nothing else is left for releases. */
function moving(
  wanted: readonly ReserveCoin[],
  free: readonly ReserveCoin[],
  coins: FreeCoins,
  changeParts: number,
): Work | undefined {
  const isAll = coins.epochs().length === 1 && wanted.length === free.length
  const [largest] = free
  const inputs = isAll && free.length > 1 ? wanted.filter((coin) => coin !== largest) : wanted
  return inputs.length === 0 ? undefined : { inputs, changeParts, isUrgent: true }
}

function gathering(
  view: StateView,
  params: ChainParams,
  coins: FreeCoins,
  keyEpoch: number,
): Work | undefined {
  const free = coins.of(keyEpoch)
  if (free.length <= BATCH_INPUTS_MAX) return undefined
  const largest = coins.largest(keyEpoch)
  const total = free.reduce((sum, { value }) => sum + value, 0n)
  for (const release of payableReleases(view, params)) {
    const net = netValue(release)
    if (net < largest || net >= total) continue
    const inputs = free.slice(BATCH_INPUTS_MAX - 1, 2 * BATCH_INPUTS_MAX - 1)
    return { inputs, changeParts: 1, isUrgent: true }
  }
  return undefined
}

function consolidating(
  { peg }: ChainParams,
  { feeRate }: BatchContext,
  free: readonly ReserveCoin[],
  count: number,
): Work | undefined {
  const tooMany = count - peg.reserveCoinsMax
  if (tooMany <= 0 || feeRate > peg.upkeepFeeRateMax) return undefined
  const inputs = free.slice(-Math.min(BATCH_INPUTS_MAX, tooMany + 1))
  return inputs.length < 2 ? undefined : { inputs, changeParts: 1, isUrgent: false }
}

interface SettledWork {
  readonly inputs: readonly ReserveCoin[]
  readonly settlement: Settlement
}

function settleWork(
  view: StateView,
  params: ChainParams,
  { feeRate }: BatchContext,
  { inputs: all, changeParts, isUrgent }: Work,
): SettledWork | undefined {
  const { peg } = params
  const feeReserve = freeFeeReserve(view, params)
  const terms: FeeTerms = {
    feeRate,
    feeRateLeast: peg.feeRateFloor,
    // What can wait leaves half to what cannot.
    budget: isUrgent ? feeReserve : feeReserve / 2n,
    changeParts,
    changePartMin: peg.splitCoinMinSats,
  }
  for (const how of isUrgent ? [settle, settleLowered] : [settle]) {
    const settled = settleMost(all.slice(0, BATCH_INPUTS_MAX), how, terms)
    // Two coins more, or one that must move: less is not worth a transaction.
    if (settled !== undefined && (isUrgent || settled.inputs.length === all.length)) return settled
  }
  return undefined
}

/** As many of the coins as the fee reserve pays for. */
function settleMost(
  all: readonly ReserveCoin[],
  how: typeof settle,
  terms: FeeTerms,
): SettledWork | undefined {
  for (let count = all.length; count > 0; count = Math.floor(count / 2)) {
    const inputs = all.slice(0, count)
    const total = inputs.reduce((sum, { value }) => sum + value, 0n)
    const settlement = how(count, total, NOTHING_OWED, terms)
    if (settlement !== undefined) return { inputs, settlement }
  }
  return undefined
}
