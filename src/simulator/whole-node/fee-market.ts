/**
 * What L1's miners ask for, in satoshis per 1,000 virtual bytes, and what each member's node makes of it.
 * Miners leave out what pays less, and whatever is built on it.
 */

import type { MempoolEntry } from '../../../federation/l1/regtest-mempool.ts'
import type { Transaction } from '../../bitcoin/transaction.ts'
import type { Txid } from '../../primitives/hashes.ts'
import type { SeededRandom } from '../seeded-random.ts'

/** Without a storm everything is mined that is relayed. */
const CALM_RATE = 1_000
const STORM_RATES = [1_500, 30_000] as const
/** Members' nodes see different mempools; still within each other's tolerance. */
const OPINIONS = [0.5, 1.2] as const

export class FeeMarket {
  readonly #random: SeededRandom
  readonly #opinions: number[]
  rate = CALM_RATE
  /** The highest that any node has ever estimated. */
  highest = CALM_RATE

  constructor(random: SeededRandom, members: number) {
    this.#random = random
    this.#opinions = Array.from({ length: members }, () => CALM_RATE)
  }

  get isStormy(): boolean {
    return this.rate > CALM_RATE
  }

  estimateOf(member: number): number {
    return this.#opinions[member] ?? CALM_RATE
  }

  storm(): void {
    // Every order of magnitude as likely as the next.
    const [least, most] = STORM_RATES
    this.rate = Math.round(least * (most / least) ** this.#random.between(0, 1))
    for (const member of this.#opinions.keys()) {
      const opinion = Math.round(this.rate * this.#random.between(...OPINIONS))
      this.#opinions[member] = opinion
      this.highest = Math.max(this.highest, opinion)
    }
  }

  calm(): void {
    this.rate = CALM_RATE
    this.#opinions.fill(CALM_RATE)
  }

  /** What a miner takes of a mempool, parents before children. */
  chosen(entries: readonly MempoolEntry[]): readonly Transaction[] {
    const left = new Set<Txid>()
    return entries.flatMap(({ txid, transaction, fee, vsize }) => {
      const isCheap = fee * 1_000n < BigInt(this.rate) * BigInt(vsize)
      const isStuck = transaction.inputs.some(({ prevout }) => left.has(prevout.txid))
      if (!isCheap && !isStuck) return [transaction]
      left.add(txid)
      return []
    })
  }
}
