/**
 * Transactions in and out: admission to the mempool, and gossip of what is newly accepted. Accepted
 * transactions leave in small batches, since a gossip message costs far more than a transaction.
 */

import {
  decodeTransaction,
  encodeTransaction,
  type Transaction,
  transactionId,
} from '../bitcoin/transaction.ts'
import { coinsOf } from '../chain/state.ts'
import { medianTimePast, spendableCoins } from '../chain/tip.ts'
import {
  decodeMessage,
  encodeMessage,
  MAX_TRANSACTION_BYTES,
  MAX_TRANSACTIONS,
} from '../consensus/messages.ts'
import type { Mempool } from '../mempool/mempool.ts'
import { DecodeError } from '../primitives/codec.ts'
import type { Txid } from '../primitives/hashes.ts'
import { ok, type Rejection, type Result } from '../primitives/result.ts'
import type { GossipVerdict, Network, Runtime } from '../runtime/runtime.ts'
import type { ChainService } from './chain-service.ts'

export interface TransactionRelay {
  /** Admits a transaction from a user or the API. */
  submit(transaction: Transaction): Result<Txid, Rejection>
  /** Admits what a validator sent us alone, and tells everybody; 'reject' when it is malformed. */
  receiveDirect(transactions: readonly Uint8Array[]): GossipVerdict
  /** Encoded transactions, oldest first, for validators that may lack them. */
  oldest(limit: number): readonly Uint8Array[]
  onAccepted(handler: (transaction: Transaction) => void): void
  stop(): void
}

/** How long an accepted transaction waits for company: below what a person or a block notices. */
const BATCH_DELAY_MS = 5
/** Gossip messages stay far below libp2p's 1 MiB. */
const BATCH_BYTES_MAX = 256_000
const BATCH_COUNT_MAX = 250

export function createTransactionRelay(
  chain: ChainService,
  mempool: Mempool,
  network: Network,
  runtime: Runtime,
): TransactionRelay {
  const outgoing: Uint8Array[] = []
  const handlers: ((transaction: Transaction) => void)[] = []
  let cancel: (() => void) | undefined

  function admit(transaction: Transaction): Result<Txid, Rejection> {
    const { tip, view } = chain.state()
    const admitted = mempool.admit(transaction, {
      coins: spendableCoins(coinsOf(view), tip),
      context: { height: tip.height + 1, medianTimePast: medianTimePast(tip) },
      nowMs: runtime.clock.nowMs(),
    })
    if (!admitted.ok) return admitted
    for (const handler of handlers) handler(transaction)
    return ok(transactionId(transaction))
  }

  function submit(transaction: Transaction): Result<Txid, Rejection> {
    const admitted = admit(transaction)
    if (admitted.ok) enqueue(encodeTransaction(transaction))
    return admitted
  }

  function enqueue(bytes: Uint8Array): void {
    outgoing.push(bytes)
    cancel ??= runtime.timers.after(BATCH_DELAY_MS, () => {
      cancel = undefined
      void flush()
    })
  }

  async function flush(): Promise<void> {
    while (outgoing.length > 0) {
      const transactions = takeBatch(outgoing)
      // Nobody to hear it is no failure: whoever connects later is told by the stall rule.
      await network.publish('transactions', encodeMessage({ kind: 'transactions', transactions }))
    }
  }

  /** An accepted message travels on by itself; nothing of it is published again. */
  function judge(
    transactions: readonly Uint8Array[],
    take: (transaction: Transaction) => Result<Txid, Rejection>,
  ): GossipVerdict {
    let verdict: GossipVerdict = 'ignore'
    for (const bytes of transactions) {
      const transaction = decodeOrUndefined(bytes)
      if (transaction === undefined) return 'reject'
      if (take(transaction).ok) verdict = 'accept'
    }
    return verdict
  }

  network.onGossip('transactions', (_from, payload) => {
    try {
      const message = decodeMessage(payload)
      return message.kind === 'transactions' ? judge(message.transactions, admit) : 'reject'
    } catch (error) {
      if (error instanceof DecodeError) return 'reject'
      throw error
    }
  })

  return {
    submit,
    receiveDirect: (transactions) => judge(transactions, submit),
    oldest: (limit) =>
      mempool
        .all()
        .slice(0, Math.min(limit, MAX_TRANSACTIONS))
        .map((entry) => encodeTransaction(entry.transaction)),
    onAccepted(handler) {
      handlers.push(handler)
    },
    stop() {
      cancel?.()
      cancel = undefined
    },
  }
}

function takeBatch(queue: Uint8Array[]): readonly Uint8Array[] {
  let bytes = 0
  let count = 0
  while (count < queue.length && count < BATCH_COUNT_MAX) {
    bytes += queue[count]?.length ?? 0
    if (count > 0 && bytes > BATCH_BYTES_MAX) break
    count += 1
  }
  return queue.splice(0, count)
}

function decodeOrUndefined(bytes: Uint8Array): Transaction | undefined {
  if (bytes.length > MAX_TRANSACTION_BYTES) return undefined
  try {
    return decodeTransaction(bytes)
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}
