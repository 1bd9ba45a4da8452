/**
 * L1 as an embedded regtest chain in process: the port over a `RegtestChain`. It answers what a
 * bitcoind on the same chain would answer; the contract tests hold both to that.
 */

import { encodeHeader } from '../../src/bitcoin/header.ts'
import {
  decodeTransaction,
  type OutPoint,
  type Transaction,
} from '../../src/bitcoin/transaction.ts'
import type { L1Network } from '../../src/chain/params.ts'
import { DecodeError } from '../../src/primitives/codec.ts'
import type { BlockHash, Txid } from '../../src/primitives/hashes.ts'
import type {
  BitcoinL1,
  L1Acceptance,
  L1Block,
  L1BlockSummary,
  L1BroadcastOutcome,
  L1HeaderStatus,
  L1Unspent,
  Unsubscribe,
} from './bitcoin-l1.ts'
import { L1UnavailableError } from './l1-error.ts'
import type { RegtestBlock, RegtestChain } from './regtest-chain.ts'
import { findRegtestCoin } from './regtest-coin-lookup.ts'

/** The chain belongs to the caller: closing this leaves it be. */
export function createRegtestL1(chain: RegtestChain): BitcoinL1 {
  return new RegtestL1(chain)
}

class RegtestL1 implements BitcoinL1 {
  readonly network: L1Network = 'regtest'
  readonly #chain: RegtestChain
  readonly #subscriptions = new Set<Unsubscribe>()
  #isClosed = false

  constructor(chain: RegtestChain) {
    this.#chain = chain
  }

  /** An embedded chain has regtest's block 0 by construction. */
  async checkNetwork(): Promise<void> {
    await this.#answer(() => undefined)
  }

  tip(): Promise<L1BlockSummary> {
    return this.#answer((chain) => summaryOf(chain.tip()))
  }

  blockHashAt(height: number): Promise<BlockHash | undefined> {
    return this.#answer((chain) => chain.blockAt(height)?.hash)
  }

  header(hash: BlockHash): Promise<L1HeaderStatus | undefined> {
    return this.#answer((chain) => {
      const block = chain.findBlock(hash)
      if (block === undefined) return undefined
      const { header, height } = summaryOf(block)
      const inBestChain = chain.isInBestChain(block)
      const confirmations = inBestChain ? chain.tip().height - height + 1 : 0
      return { header, height, inBestChain, confirmations }
    })
  }

  block(hash: BlockHash): Promise<L1Block | undefined> {
    return this.#answer((chain) => {
      const found = chain.findBlock(hash)
      return found && { ...summaryOf(found), transactions: found.block.transactions }
    })
  }

  findUnspent(
    outPoint: OutPoint,
    options: { readonly includeMempool?: boolean } = {},
  ): Promise<L1Unspent | undefined> {
    return this.#answer((chain) =>
      findRegtestCoin(chain, outPoint, options.includeMempool === true ? 'mempool' : 'chain'),
    )
  }

  testAccept(rawTransaction: Uint8Array): Promise<L1Acceptance> {
    return this.#answer((chain) => {
      const transaction = tryDecode(rawTransaction)
      if (transaction === undefined) return { allowed: false, reason: 'TX decode failed' }
      const verdict = chain.mempool.check(transaction)
      return verdict.ok ? { allowed: true } : { allowed: false, reason: verdict.error.code }
    })
  }

  broadcast(rawTransaction: Uint8Array): Promise<L1BroadcastOutcome> {
    return this.#answer((chain) => {
      const transaction = tryDecode(rawTransaction)
      if (transaction === undefined) return { result: 'rejected', reason: 'TX decode failed' }
      const verdict = chain.mempool.add(transaction)
      if (verdict.ok) return { result: 'accepted' }
      const { code } = verdict.error
      if (code === 'txn-already-in-mempool') return { result: 'already-known' }
      if (code === 'txn-already-known') return { result: 'confirmed' }
      return { result: 'rejected', reason: code }
    })
  }

  isInMempool(txid: Txid): Promise<boolean> {
    return this.#answer((chain) => chain.mempool.find(txid) !== undefined)
  }

  mempoolTransaction(txid: Txid): Promise<Transaction | undefined> {
    return this.#answer((chain) => chain.mempool.find(txid)?.transaction)
  }

  mempoolTransactionIds(): Promise<readonly Txid[]> {
    return this.#answer((chain) => chain.mempool.entries().map((entry) => entry.txid))
  }

  /** A regtest chain has no fee market to estimate from, and bitcoind says so too. */
  estimateFeeRate(): Promise<number | undefined> {
    return this.#answer(() => undefined)
  }

  onBlock(handler: (tip: L1BlockSummary) => void): Unsubscribe {
    let isActive = true
    const report = (tip: RegtestBlock): void => {
      if (isActive) handler(summaryOf(tip))
    }
    const leave = this.#chain.onTip(report)
    const unsubscribe = (): void => {
      isActive = false
      leave()
      this.#subscriptions.delete(unsubscribe)
    }
    this.#subscriptions.add(unsubscribe)
    queueMicrotask(() => report(this.#chain.tip()))
    return unsubscribe
  }

  close(): Promise<void> {
    this.#isClosed = true
    for (const unsubscribe of this.#subscriptions) unsubscribe()
    return Promise.resolve()
  }

  #answer<T>(read: (chain: RegtestChain) => T): Promise<T> {
    return this.#isClosed
      ? Promise.reject(new L1UnavailableError('the connection to L1 is closed'))
      : Promise.resolve(read(this.#chain))
  }
}

function summaryOf({ hash, height, block }: RegtestBlock): L1BlockSummary {
  return { hash, height, header: encodeHeader(block.header) }
}

function tryDecode(rawTransaction: Uint8Array): Transaction | undefined {
  try {
    return decodeTransaction(rawTransaction)
  } catch (cause) {
    if (cause instanceof DecodeError) return undefined
    throw cause
  }
}
