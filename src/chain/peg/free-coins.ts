/** The reserve coins that no open batch spends, read once for all the planning of a block. */

import type { StateView } from '../state.ts'
import { BATCH_INPUTS_MAX } from './batch-transaction.ts'
import { findDepositEpoch } from './key-epochs.ts'
import { type ReserveCoin, reserveCoins } from './reserves.ts'

export class FreeCoins {
  readonly #byEpoch = new Map<number, readonly ReserveCoin[]>()
  readonly #sorted = new Set<number>()
  readonly #proved: number[] = []

  constructor(view: StateView) {
    const lists = new Map<number, ReserveCoin[]>()
    for (const coin of reserveCoins(view)) {
      if (coin.batchId !== undefined) continue
      const list = lists.get(coin.keyEpoch)
      if (list === undefined) lists.set(coin.keyEpoch, [coin])
      else list.push(coin)
    }
    for (const [epoch, list] of lists) {
      this.#byEpoch.set(epoch, list)
      if (findDepositEpoch(view, epoch) !== undefined) this.#proved.push(epoch)
    }
    this.#proved.sort((a, b) => a - b)
  }

  /**
   * Key epochs that have free coins, oldest first. A key that has not proved itself is none of them: its
   * coin is for the proof.
   */
  epochs(): readonly number[] {
    return this.#proved.filter((epoch) => this.#byEpoch.has(epoch))
  }

  count(epoch: number): number {
    return this.#byEpoch.get(epoch)?.length ?? 0
  }

  /** Largest first, ties by key in the state: txid as displayed, then output. */
  of(epoch: number): readonly ReserveCoin[] {
    const coins = this.#byEpoch.get(epoch) ?? []
    if (this.#sorted.has(epoch)) return coins
    const sorted = coins.toSorted(largestFirst)
    this.#sorted.add(epoch)
    this.#byEpoch.set(epoch, sorted)
    return sorted
  }

  /** What as many of them as one batch can spend are worth, satoshis. */
  largest(epoch: number): bigint {
    let sum = 0n
    for (const { value } of this.of(epoch).slice(0, BATCH_INPUTS_MAX)) sum += value
    return sum
  }

  /** These belong to a batch from now on. */
  take(epoch: number, taken: readonly ReserveCoin[]): void {
    if (taken.length === 0) return
    const gone = new Set(taken)
    const left = this.of(epoch).filter((coin) => !gone.has(coin))
    if (left.length === 0) this.#byEpoch.delete(epoch)
    else this.#byEpoch.set(epoch, left)
  }
}

/** Sorting keeps the order of the state's keys among equals. */
function largestFirst(a: ReserveCoin, b: ReserveCoin): number {
  if (a.value === b.value) return 0
  return a.value > b.value ? -1 : 1
}
