/**
 * The state that a simulated node's blocks are judged on: which transactions are final, and the time
 * of the last block. Questions about a state that earlier commits are not in yet wait for them.
 */

import type { ConsensusBlock } from '../consensus/block.ts'
import type { Verdict } from '../consensus/events-and-effects.ts'
import type { BlockHash } from '../primitives/hashes.ts'
import { type CounterBlock, makeCounterBlock, openCounterBlock } from './counter-block.ts'

/** Transactions in one block. */
const BLOCK_TRANSACTIONS = 50
/** A block's time may be this far ahead of the own clock. */
const AHEAD_MS_MAX = 10_000

export class SimulatedLedger {
  height = 0
  /** Waiting to become final; lost in a crash. */
  readonly mempool = new Set<number>()
  readonly #included = new Set<number>()
  #lastTimeMs = 0
  #waiting: (() => void)[] = []

  readonly #isLast: (height: number) => boolean

  /** `isLast`: does the height end its epoch? */
  constructor(decided: readonly ConsensusBlock[], isLast: (height: number) => boolean) {
    this.#isLast = isLast
    for (const block of decided) this.apply(block)
  }

  isFinal(transaction: number): boolean {
    return this.#included.has(transaction)
  }

  apply(block: ConsensusBlock): void {
    this.height = block.height
    const opened = openCounterBlock(block.bytes)
    this.#lastTimeMs = opened?.timeMs ?? this.#lastTimeMs
    for (const transaction of opened?.transactions ?? []) {
      this.#included.add(transaction)
      this.mempool.delete(transaction)
    }
    const waiting = this.#waiting
    this.#waiting = []
    for (const run of waiting) run()
  }

  /** Runs when the block before `height` has been applied. */
  whenAt(height: number, run: () => void): void {
    if (height <= this.height + 1) return run()
    this.#waiting.push(run)
  }

  get questions(): number {
    return this.#waiting.length
  }

  judge(block: ConsensusBlock, fresh: boolean, wallMs: number): Verdict {
    const opened = openCounterBlock(block.bytes)
    if (opened === undefined) return 'invalid'
    const { transactions, timeMs } = opened
    if (transactions.some((transaction) => this.isFinal(transaction))) return 'invalid'
    if (new Set(transactions).size !== transactions.length) return 'invalid'
    if (timeMs <= this.#lastTimeMs) return 'invalid'
    if (block.endsEpoch !== this.#isLast(block.height)) return 'invalid'
    return fresh && timeMs > wallMs + AHEAD_MS_MAX ? 'pending' : 'valid'
  }

  build(
    place: {
      readonly height: number
      readonly view: number
      readonly proposer: number
      readonly parentHash: BlockHash
    },
    wallMs: number,
  ): CounterBlock {
    const chosen = [...this.mempool].slice(0, BLOCK_TRANSACTIONS)
    const timeMs = Math.max(wallMs, this.#lastTimeMs + 1)
    return makeCounterBlock({ ...place, timeMs, endsEpoch: this.#isLast(place.height) }, chosen)
  }
}
