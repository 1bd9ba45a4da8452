/** The L1 port as a process meets it: every answer takes a while, and none comes while the node is down. */

import type {
  BitcoinL1,
  L1Acceptance,
  L1Block,
  L1BlockSummary,
  L1BroadcastOutcome,
  L1HeaderStatus,
  L1Unspent,
  Unsubscribe,
} from '../../../federation/l1/bitcoin-l1.ts'
import { L1UnavailableError } from '../../../federation/l1/l1-error.ts'
import type { OutPoint, Transaction } from '../../bitcoin/transaction.ts'
import type { L1Network } from '../../chain/params.ts'
import type { BlockHash, Txid } from '../../primitives/hashes.ts'
import type { SeededRandom } from '../seeded-random.ts'
import { never, type ProcessLife } from './process-life.ts'
import type { WorldTime } from './world-time.ts'

interface Asking {
  readonly time: WorldTime
  readonly random: SeededRandom
  readonly life: ProcessLife
  readonly isDown: () => boolean
  /** The regtest chain has no opinion. */
  readonly estimate: () => number
}

const ANSWER_MS = [0.5, 15] as const

export class DelayedL1 implements BitcoinL1 {
  readonly network: L1Network
  readonly #inner: BitcoinL1
  readonly #asking: Asking

  constructor(inner: BitcoinL1, asking: Asking) {
    this.network = inner.network
    this.#inner = inner
    this.#asking = asking
  }

  async #ask<T>(answer: () => Promise<T>): Promise<T> {
    const { time, random, life, isDown } = this.#asking
    if (!life.enter()) return never()
    await time.delay(random.between(...ANSWER_MS))
    if (!life.isAlive) return never()
    if (isDown()) throw new L1UnavailableError('connection refused')
    const result = await answer()
    // A call may have done its work without the caller's hearing of it.
    return life.enter() ? result : never()
  }

  checkNetwork(): Promise<void> {
    return this.#ask(() => this.#inner.checkNetwork())
  }

  tip(): Promise<L1BlockSummary> {
    return this.#ask(() => this.#inner.tip())
  }

  blockHashAt(height: number): Promise<BlockHash | undefined> {
    return this.#ask(() => this.#inner.blockHashAt(height))
  }

  header(hash: BlockHash): Promise<L1HeaderStatus | undefined> {
    return this.#ask(() => this.#inner.header(hash))
  }

  block(hash: BlockHash): Promise<L1Block | undefined> {
    return this.#ask(() => this.#inner.block(hash))
  }

  findUnspent(
    outPoint: OutPoint,
    options?: { readonly includeMempool?: boolean },
  ): Promise<L1Unspent | undefined> {
    return this.#ask(() => this.#inner.findUnspent(outPoint, options))
  }

  testAccept(rawTransaction: Uint8Array): Promise<L1Acceptance> {
    return this.#ask(() => this.#inner.testAccept(rawTransaction))
  }

  broadcast(rawTransaction: Uint8Array): Promise<L1BroadcastOutcome> {
    return this.#ask(() => this.#inner.broadcast(rawTransaction))
  }

  isInMempool(txid: Txid): Promise<boolean> {
    return this.#ask(() => this.#inner.isInMempool(txid))
  }

  mempoolTransaction(txid: Txid): Promise<Transaction | undefined> {
    return this.#ask(() => this.#inner.mempoolTransaction(txid))
  }

  mempoolTransactionIds(): Promise<readonly Txid[]> {
    return this.#ask(() => this.#inner.mempoolTransactionIds())
  }

  estimateFeeRate(): Promise<number | undefined> {
    return this.#ask(async () => this.#asking.estimate())
  }

  onBlock(handler: (tip: L1BlockSummary) => void): Unsubscribe {
    return this.#inner.onBlock((tip) => {
      if (this.#asking.life.isAlive && !this.#asking.isDown()) handler(tip)
    })
  }

  close(): Promise<void> {
    return this.#inner.close()
  }
}
