/**
 * Payments: releases that the limits let go (`release-limits.ts`), in order, as long as the free coins of
 * one key epoch cover them and their fees with the fee reserve pay L1's. The oldest epoch that can pay
 * something does.
 *
 * Nobody waits for ever behind younger ones: when the oldest has waited for long, it is paid first, alone
 * and slowly if need be; and when coins are all that it lacks, the younger ones leave them to it.
 */

import type { ChainParams } from '../params.ts'
import type { StateView } from '../state.ts'
import { type BatchContext, type BatchPlan, newBatch, wantedParts } from './batch-plans.ts'
import { BATCH_INPUTS_MAX, feeAtRate, outputBytes, plannedVsize } from './batch-transaction.ts'
import { getPegBooks } from './books.ts'
import { choosePayments, type PaymentChoice, type PaymentTerms } from './choose-payments.ts'
import { freeFeeReserve } from './fee-reserve.ts'
import type { FreeCoins } from './free-coins.ts'
import { activeKeyEpoch } from './key-epochs.ts'
import { payableReleases } from './release-limits.ts'
import { netValue, type Release } from './releases.ts'

/** L1 blocks since the burn after which younger releases do not overtake it. */
export const RELEASE_PATIENCE_L1_BLOCKS = 12
/** Of an upkeep batch with as many inputs as can be. */
const LARGEST_UPKEEP_VSIZE = plannedVsize(BATCH_INPUTS_MAX, outputBytes(new Uint8Array(34)), 1)

export function planPayment(
  view: StateView,
  params: ChainParams,
  context: BatchContext,
  coins: FreeCoins,
): BatchPlan | undefined {
  const active = activeKeyEpoch(view)
  if (active === undefined) return undefined
  const { feeRateFloor, splitCoinMinSats } = params.peg
  const feeReserve = freeFeeReserve(view, params)
  const found = choose(view, params, coins, {
    feeRate: context.feeRate,
    feeRateLeast: feeRateFloor,
    changeParts: wantedParts(view, params, coins, active.epoch),
    changePartMin: splitCoinMinSats,
    feeReserve,
  })
  if (found === undefined) return undefined
  const { keyEpoch, choice } = found
  return newBatch(view, params, active, context, { kind: 'payment', keyEpoch, ...choice })
}

interface Found {
  readonly keyEpoch: number
  readonly choice: PaymentChoice
}

function choose(
  view: StateView,
  params: ChainParams,
  coins: FreeCoins,
  terms: PaymentTerms,
): Found | undefined {
  const queue = [...payableReleases(view, params)]
  const [oldest] = queue
  if (oldest === undefined) return undefined
  const all = chooseFrom(queue, params, coins, terms)
  const waited = getPegBooks(view).l1Height - oldest.l1Height
  if (waited < RELEASE_PATIENCE_L1_BLOCKS || all?.choice.releases[0] === oldest) return all
  const alone = chooseFrom([oldest], params, coins, terms)
  if (alone !== undefined) return alone
  return lacksOnlyCoins(oldest, params, coins, terms.feeReserve) ? undefined : all
}

function chooseFrom(
  queue: readonly Release[],
  params: ChainParams,
  coins: FreeCoins,
  terms: PaymentTerms,
): Found | undefined {
  // Newest first: a batch of an old key that has lost too many members would be stuck with its releases.
  for (const keyEpoch of coins.epochs().toReversed()) {
    const choice = choosePayments(queue, coins.of(keyEpoch), params.peg.batchReleasesMax, terms)
    if (choice !== undefined) return { keyEpoch, choice }
  }
  return undefined
}

/**
 * True when no epoch's largest coins are worth as much, and upkeep, should it be what brings them
 * together, can be paid. Otherwise it is fees that it waits for, which younger releases bring.
 */
function lacksOnlyCoins(
  release: Release,
  { peg }: ChainParams,
  coins: FreeCoins,
  feeReserve: bigint,
): boolean {
  if (feeReserve < feeAtRate(LARGEST_UPKEEP_VSIZE, peg.feeRateFloor)) return false
  return coins.epochs().every((epoch) => coins.largest(epoch) <= netValue(release))
}
