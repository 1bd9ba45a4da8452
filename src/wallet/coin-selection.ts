/**
 * Which coins pay. First branch and bound (Murch, "An Evaluation of Coin Selection Strategies",
 * 2016) for a set that needs no change; then largest first with change. All arithmetic is exact:
 * fees are compared in units of 1/4000 satoshi, the granularity of weight × sat/kvB.
 */

import { type Sats, sats } from '../primitives/units.ts'
import { type FeeRate, feeOfWeight } from './fee-rate.ts'
import { WalletError } from './wallet-error.ts'

export interface Candidate {
  readonly value: Sats
  /** Weight of the signed input that spends it, WU. */
  readonly inputWeight: number
}

export interface SelectionGoal {
  /** Sum of the recipients' outputs. */
  readonly target: Sats
  /** Weight of the transaction without inputs and without change, WU. */
  readonly baseWeight: number
  /** Weight of a change output, WU. */
  readonly changeWeight: number
  /** Weight of the input that will one day spend the change, WU. */
  readonly changeInputWeight: number
  /** Change below this is left to the fee. */
  readonly dust: Sats
  readonly feeRate: FeeRate
}

export interface Selection<C extends Candidate> {
  readonly coins: readonly C[]
  readonly fee: Sats
  /** 0 when there is no change output. */
  readonly change: Sats
}

/** Steps of branch and bound before it gives up: as in Bitcoin Core; some 10 ms. */
const MAX_TRIES = 100_000
/** Weight above which nodes do not relay a transaction (policy). */
const MAX_TRANSACTION_WEIGHT = 400_000
/** Exact fee arithmetic: satoshis × this = weight × sat/kvB. */
const UNITS_PER_SAT = 4_000n

interface Weighed<C extends Candidate> {
  readonly coin: C
  /** Value minus the cost of spending it, in 1/4000 satoshi; always positive. */
  readonly effective: bigint
}

/**
 * @throws WalletError `insufficient-funds` when all useful coins together cannot pay target and
 * fee; `too-large` when it would take a transaction that nodes do not relay.
 */
export function selectCoins<C extends Candidate>(
  candidates: readonly C[],
  goal: SelectionGoal,
): Selection<C> {
  const useful = weigh(candidates, goal.feeRate)
  const wanted =
    goal.target * UNITS_PER_SAT + BigInt(goal.baseWeight) * goal.feeRate + roundingReserve(goal)
  const exact = branchAndBound(useful, wanted, changeCost(goal))
  if (exact !== undefined && fits(exact, goal.baseWeight)) return withoutChange(exact, goal)
  return largestFirst(useful, goal)
}

/** All coins that are worth their own fee, for spending everything. Largest first. */
export function worthwhileCoins<C extends Candidate>(
  candidates: readonly C[],
  rate: FeeRate,
): readonly C[] {
  return weigh(candidates, rate).map(({ coin }) => coin)
}

/** @throws WalletError `too-large` when nodes would not relay a transaction of that weight. */
export function checkRelayWeight(weight: number): void {
  if (weight <= MAX_TRANSACTION_WEIGHT) return
  throw new WalletError(
    'too-large',
    `the payment needs a transaction of ${weight} WU and nodes relay at most ${MAX_TRANSACTION_WEIGHT}; send less, in several payments`,
  )
}

function weigh<C extends Candidate>(candidates: readonly C[], rate: FeeRate): Weighed<C>[] {
  return candidates
    .map((coin) => ({
      coin,
      effective: coin.value * UNITS_PER_SAT - BigInt(coin.inputWeight) * rate,
    }))
    .filter(({ effective }) => effective > 0n)
    .toSorted((a, b) => (a.effective < b.effective ? 1 : a.effective > b.effective ? -1 : 0))
}

/** Rounding weight up to whole vB and the fee up to whole satoshis costs less than this. */
function roundingReserve(goal: SelectionGoal): bigint {
  return 3n * goal.feeRate + UNITS_PER_SAT - 1n
}

/** What a change output costs: making it now and spending it later. */
function changeCost(goal: SelectionGoal): bigint {
  return BigInt(goal.changeWeight + goal.changeInputWeight) * goal.feeRate
}

/**
 * Depth-first search, taking a coin before leaving it out, for the set whose effective value lies
 * in [wanted, wanted + tolerance] with the least excess.
 */
function branchAndBound<C extends Candidate>(
  coins: readonly Weighed<C>[],
  wanted: bigint,
  tolerance: bigint,
): readonly C[] | undefined {
  const remaining = sumsFrom(coins)
  const taken: Weighed<C>[] = []
  const positions: number[] = []
  let sum = 0n
  let next = 0
  let best: readonly C[] | undefined
  let leastExcess = tolerance + 1n
  for (let tries = 0; tries < MAX_TRIES && leastExcess > 0n; tries++) {
    const excess = sum - wanted
    if (excess >= 0n && excess < leastExcess) {
      best = taken.map(({ coin }) => coin)
      leastExcess = excess
    }
    const coin = coins[next]
    const canReach = sum + (remaining[next] ?? 0n) >= wanted
    if (excess < 0n && canReach && coin !== undefined) {
      sum += coin.effective
      taken.push(coin)
      positions.push(next)
      next += 1
      continue
    }
    // A hit, too much, or out of reach: leave out the coin that was taken last.
    const last = positions.pop()
    if (last === undefined) break
    sum -= taken.pop()?.effective ?? 0n
    next = last + 1
  }
  return best
}

/** Element i is the sum of the effective values from coin i on. */
function sumsFrom(coins: readonly Weighed<Candidate>[]): bigint[] {
  const sums = [0n]
  for (const { effective } of coins.toReversed()) sums.push((sums.at(-1) ?? 0n) + effective)
  return sums.toReversed()
}

function weightOf(coins: readonly Candidate[], baseWeight: number): number {
  return coins.reduce((sum, { inputWeight }) => sum + inputWeight, baseWeight)
}

function valueOf(coins: readonly Candidate[]): bigint {
  return coins.reduce((sum, { value }) => sum + value, 0n)
}

function fits(coins: readonly Candidate[], baseWeight: number): boolean {
  return weightOf(coins, baseWeight) <= MAX_TRANSACTION_WEIGHT
}

function withoutChange<C extends Candidate>(
  coins: readonly C[],
  goal: SelectionGoal,
): Selection<C> {
  return { coins, fee: sats(valueOf(coins) - goal.target), change: sats(0) }
}

function largestFirst<C extends Candidate>(
  coins: readonly Weighed<C>[],
  goal: SelectionGoal,
): Selection<C> {
  const chosen: C[] = []
  let value = 0n
  let weight = goal.baseWeight
  for (const { coin } of coins) {
    chosen.push(coin)
    value += coin.value
    weight += coin.inputWeight
    const fee = feeOfWeight(goal.feeRate, weight)
    if (value < goal.target + fee) continue
    checkRelayWeight(weight + goal.changeWeight)
    const feeWithChange = feeOfWeight(goal.feeRate, weight + goal.changeWeight)
    const change = value - goal.target - feeWithChange
    if (change < goal.dust) return withoutChange(chosen, goal)
    return { coins: chosen, fee: feeWithChange, change: sats(change) }
  }
  const fee = feeOfWeight(goal.feeRate, weight)
  throw new WalletError(
    'insufficient-funds',
    `${goal.target + fee} sats are needed (${goal.target} and a fee of ${fee}); ${value} can be spent`,
  )
}
