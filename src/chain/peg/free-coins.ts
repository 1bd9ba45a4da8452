/** The reserve coins that no open batch spends, read once for all the planning of a block. */

import { encodeOutPoint } from '../../bitcoin/transaction.ts'
import { compareBytes } from '../../primitives/bytes.ts'
import type { StateView } from '../state.ts'
import { type ReserveCoin, reserveCoins } from './reserves.ts'

export class FreeCoins {
  readonly #byEpoch = new Map<number, readonly ReserveCoin[]>()
  readonly #sorted = new Set<number>()

  constructor(view: StateView) {
    const lists = new Map<number, ReserveCoin[]>()
    for (const coin of reserveCoins(view)) {
      if (coin.batchId !== undefined) continue
      const list = lists.get(coin.keyEpoch)
      if (list === undefined) lists.set(coin.keyEpoch, [coin])
      else list.push(coin)
    }
    for (const [epoch, list] of lists) this.#byEpoch.set(epoch, list)
  }

  /** Key epochs that have free coins, oldest first. */
  epochs(): readonly number[] {
    return [...this.#byEpoch.keys()].toSorted((a, b) => a - b)
  }

  count(epoch: number): number {
    return this.#byEpoch.get(epoch)?.length ?? 0
  }

  /** Largest first, ties by outpoint bytes. */
  of(epoch: number): readonly ReserveCoin[] {
    const coins = this.#byEpoch.get(epoch) ?? []
    if (this.#sorted.has(epoch)) return coins
    const sorted = coins.toSorted(largestFirst)
    this.#sorted.add(epoch)
    this.#byEpoch.set(epoch, sorted)
    return sorted
  }

  /** These belong to a batch from now on. */
  take(epoch: number, taken: readonly ReserveCoin[]): void {
    const gone = new Set(taken)
    const left = this.of(epoch).filter((coin) => !gone.has(coin))
    if (left.length === 0) this.#byEpoch.delete(epoch)
    else this.#byEpoch.set(epoch, left)
  }
}

function largestFirst(a: ReserveCoin, b: ReserveCoin): number {
  if (a.value !== b.value) return a.value > b.value ? -1 : 1
  return compareBytes(encodeOutPoint(a.outPoint), encodeOutPoint(b.outPoint))
}
