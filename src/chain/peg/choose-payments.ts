/**
 * Which queued releases one batch pays, and with which coins of one key epoch. Releases are added in
 * order, one at a time, as long as the largest coins cover all of them at the wanted fee rate; one that
 * does not fit is passed over. When none fits, the first that the coins cover is paid alone, at a rate
 * that can be afforded.
 */

import { BATCH_INPUTS_MAX, outputBytes } from './batch-transaction.ts'
import { netValue, type Release } from './releases.ts'
import type { ReserveCoin } from './reserves.ts'
import { type FeeTerms, type Owed, type Settlement, settle, settleLowered } from './settle-batch.ts'

export interface PaymentTerms extends Omit<FeeTerms, 'budget'> {
  /** What may be added to the releases' own fees, satoshis. */
  readonly feeReserve: bigint
}

export interface PaymentChoice {
  readonly releases: readonly Release[]
  readonly inputs: readonly ReserveCoin[]
  readonly settlement: Settlement
}

interface Sum extends Owed {
  /** Fees of the releases, satoshis. */
  readonly collected: bigint
}

const NOTHING: Sum = { count: 0, bytes: 0, net: 0n, collected: 0n }

function plus(sum: Sum, release: Release): Sum {
  return {
    count: sum.count + 1,
    bytes: sum.bytes + outputBytes(release.l1Script),
    net: sum.net + netValue(release),
    collected: sum.collected + release.fee,
  }
}

/** `coins` are free, of one key epoch, largest first. */
export function choosePayments(
  queue: readonly Release[],
  coins: readonly ReserveCoin[],
  releasesMax: number,
  terms: PaymentTerms,
): PaymentChoice | undefined {
  const cover = new Cover(coins, terms)
  const chosen: Release[] = []
  let sum = NOTHING
  let covered: Covered | undefined
  for (const release of queue) {
    if (chosen.length >= releasesMax) break
    const next = plus(sum, release)
    const fits = cover.find(next, covered?.inputs ?? 1, settle)
    if (fits === undefined) continue
    chosen.push(release)
    sum = next
    covered = fits
  }
  if (covered !== undefined) return choiceOf(chosen, coins, covered)
  for (const release of queue) {
    const alone = cover.find(plus(NOTHING, release), 1, settleLowered)
    if (alone !== undefined) return choiceOf([release], coins, alone)
  }
  return undefined
}

function choiceOf(
  releases: readonly Release[],
  coins: readonly ReserveCoin[],
  { inputs, settlement }: Covered,
): PaymentChoice {
  return { releases, inputs: coins.slice(0, inputs), settlement }
}

interface Covered {
  /** That many coins, the largest. */
  readonly inputs: number
  readonly settlement: Settlement
}

/** The largest coins, summed up once. */
class Cover {
  readonly #terms: PaymentTerms
  /** Of the first coin, the first two, … */
  readonly #totals: readonly bigint[]

  constructor(coins: readonly ReserveCoin[], terms: PaymentTerms) {
    this.#terms = terms
    let total = 0n
    this.#totals = coins.slice(0, BATCH_INPUTS_MAX).map(({ value }) => (total += value))
  }

  /** The fewest coins that pay for it. `from`: fewer did not pay for less. */
  find(sum: Sum, from: number, how: typeof settle): Covered | undefined {
    const terms: FeeTerms = { ...this.#terms, budget: sum.collected + this.#terms.feeReserve }
    if ((this.#totals.at(-1) ?? 0n) <= sum.net) return undefined
    for (let inputs = from; inputs <= this.#totals.length; inputs++) {
      const total = this.#totals[inputs - 1] ?? 0n
      if (total <= sum.net) continue
      const settlement = how(inputs, total, sum, terms)
      if (settlement !== undefined) return { inputs, settlement }
    }
    return undefined
  }
}
