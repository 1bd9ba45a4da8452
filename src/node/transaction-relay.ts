/**
 * Transactions in and out: admission to the mempool, and gossip of what is newly accepted. Accepted
 * transactions leave in small batches, since a gossip message costs far more than a transaction. What
 * nobody took is sent again; so is what has waited for long, since a message may be lost.
 *
 * A message that holds a transaction which is valid under no state is refused as a whole at the first
 * such, so that forged signatures cost the sender its connection and this node one check.
 */

import {
  decodeTransaction,
  encodeTransaction,
  type Transaction,
  transactionId,
} from '../bitcoin/transaction.ts'
import { coinsOf } from '../chain/state.ts'
import { medianTimePast, spendableCoins } from '../chain/tip.ts'
import { decodeMessage, encodeMessage, MAX_TRANSACTION_BYTES } from '../consensus/messages.ts'
import type { MempoolEntry } from '../mempool/entry-graph.ts'
import type { Mempool } from '../mempool/mempool.ts'
import { bytesToHex } from '../primitives/bytes.ts'
import { DecodeError } from '../primitives/codec.ts'
import type { Txid } from '../primitives/hashes.ts'
import { ok, type Rejection, type Result } from '../primitives/result.ts'
import { sha256 } from '../primitives/sha256.ts'
import type { CancelTimer, GossipVerdict, Network, Runtime } from '../runtime/runtime.ts'
import type { ChainService } from './chain-service.ts'

export interface TransactionRelay {
  /** Admits a transaction from a user or the API. */
  submit(transaction: Transaction): Result<Txid, Rejection>
  /** Admits what a validator sent us alone, and tells everybody; 'reject' when it is malformed. */
  receiveDirect(transactions: readonly Uint8Array[]): GossipVerdict
  /** Encoded transactions, oldest first, for validators that may lack them; one message's worth. */
  oldest(): readonly Uint8Array[]
  onAccepted(handler: (transaction: Transaction) => void): void
  start(): void
  stop(): void
}

/** How long an accepted transaction waits for company: below what a person or a block notices. */
const BATCH_DELAY_MS = 5
/** Gossip messages stay far below libp2p's 1 MiB. */
const BATCH_BYTES_MAX = 256_000
/** All nodes send as many at most, so that one message never keeps a node busy for long. */
const BATCH_COUNT_MAX = 250
/** A few seconds of a busy chain; an evicted transaction is welcome again after as many others. */
const REMEMBERED_MAX = 5_000
/** After nobody took a batch. */
const RETRY_MS = 1_000
/** Transactions older than this are published again, as often. */
const OLD_MS = 30_000

export function createTransactionRelay(
  chain: ChainService,
  mempool: Mempool,
  network: Network,
  runtime: Runtime,
): TransactionRelay {
  return new Relay({ chain, mempool, network, runtime })
}

interface RelayParts {
  readonly chain: ChainService
  readonly mempool: Mempool
  readonly network: Network
  readonly runtime: Runtime
}

class Relay implements TransactionRelay {
  readonly #parts: RelayParts
  /** Accepted and not yet published; what has left the mempool meanwhile is skipped. */
  #outgoing: Txid[] = []
  readonly #handlers: ((transaction: Transaction) => void)[] = []
  /** SHA-256 of encoded transactions that were accepted a short while ago, oldest first. */
  readonly #accepted = new Set<string>()
  #cancelFlush: CancelTimer | undefined
  #cancelRepeat: CancelTimer | undefined
  #isStopped = false

  constructor(parts: RelayParts) {
    this.#parts = parts
    parts.network.onGossip('transactions', (_from, payload) => this.#receiveGossip(payload))
  }

  start(): void {
    this.#repeatLater()
  }

  stop(): void {
    this.#isStopped = true
    this.#cancelFlush?.()
    this.#cancelRepeat?.()
  }

  onAccepted(handler: (transaction: Transaction) => void): void {
    this.#handlers.push(handler)
  }

  submit(transaction: Transaction): Result<Txid, Rejection> {
    const admitted = this.#admit(transaction)
    if (admitted.ok) this.#enqueue([admitted.value], BATCH_DELAY_MS)
    return admitted
  }

  receiveDirect(transactions: readonly Uint8Array[]): GossipVerdict {
    // Not published again: whoever shared it tells everybody, and in the same batches.
    return this.#judge(transactions, (transaction) => this.#admit(transaction))
  }

  oldest(): readonly Uint8Array[] {
    return encodeBatch(this.#parts.mempool.all()).encoded
  }

  // --- in -----------------------------------------------------------------------------------

  #admit(transaction: Transaction): Result<Txid, Rejection> {
    const { chain, mempool, runtime } = this.#parts
    const { tip, view } = chain.state()
    const admitted = mempool.admit(transaction, {
      coins: spendableCoins(coinsOf(view), tip),
      context: { height: tip.height + 1, medianTimePast: medianTimePast(tip) },
      nowMs: runtime.clock.nowMs(),
    })
    if (!admitted.ok) return admitted
    for (const handler of this.#handlers) handler(transaction)
    return ok(transactionId(transaction))
  }

  #receiveGossip(payload: Uint8Array): GossipVerdict {
    try {
      const message = decodeMessage(payload)
      if (message.kind !== 'transactions') return 'reject'
      // An accepted message travels on by itself; nothing of it is published again.
      return this.#judge(message.transactions, (transaction) => this.#admit(transaction))
    } catch (error) {
      if (error instanceof DecodeError) return 'reject'
      throw error
    }
  }

  #judge(
    transactions: readonly Uint8Array[],
    take: (transaction: Transaction) => Result<Txid, Rejection>,
  ): GossipVerdict {
    if (transactions.length > BATCH_COUNT_MAX) return 'reject'
    let verdict: GossipVerdict = 'ignore'
    for (const bytes of transactions) {
      // A stalled chain makes everybody share the same transactions again and again.
      const digest = bytesToHex(sha256(bytes))
      if (this.#accepted.has(digest)) continue
      const transaction = decodeOrUndefined(bytes)
      if (transaction === undefined) return 'reject'
      const taken = take(transaction)
      if (taken.ok) {
        verdict = 'accept'
        this.#remember(digest)
      } else if (isHopeless(taken.error)) return 'reject'
    }
    return verdict
  }

  #remember(digest: string): void {
    this.#accepted.add(digest)
    if (this.#accepted.size <= REMEMBERED_MAX) return
    const [oldest] = this.#accepted
    if (oldest !== undefined) this.#accepted.delete(oldest)
  }

  // --- out ----------------------------------------------------------------------------------

  #enqueue(txids: readonly Txid[], delayMs: number): void {
    this.#outgoing.push(...txids)
    if (this.#isStopped) return
    this.#cancelFlush ??= this.#parts.runtime.timers.after(delayMs, () => void this.#flush())
  }

  /** One flush at a time: the timer's slot is free again when it has ended. */
  async #flush(): Promise<void> {
    const { mempool, network } = this.#parts
    let unheard: readonly Txid[] = []
    while (this.#outgoing.length > 0 && unheard.length === 0 && !this.#isStopped) {
      const waiting = this.#outgoing.flatMap((txid) => mempool.find(txid) ?? [])
      const { encoded, taken } = encodeBatch(waiting)
      this.#outgoing = waiting.slice(taken).map((entry) => entry.txid)
      if (taken === 0) break
      const message = encodeMessage({ kind: 'transactions', transactions: encoded })
      const isHeard = await network.publish('transactions', message)
      if (!isHeard) unheard = waiting.slice(0, taken).map((entry) => entry.txid)
    }
    this.#cancelFlush = undefined
    const isUnheard = unheard.length > 0
    if (isUnheard || this.#outgoing.length > 0) {
      this.#enqueue(unheard, isUnheard ? RETRY_MS : BATCH_DELAY_MS)
    }
  }

  #repeatLater(): void {
    const { mempool, runtime } = this.#parts
    this.#cancelRepeat = runtime.timers.after(OLD_MS, () => {
      const added = runtime.clock.nowMs() - OLD_MS
      const old = mempool.all().filter((entry) => entry.addedMs <= added)
      const txids = old.slice(0, BATCH_COUNT_MAX).map((entry) => entry.txid)
      if (txids.length > 0) this.#enqueue(txids, BATCH_DELAY_MS)
      this.#repeatLater()
    })
  }
}

/**
 * Valid under no state, so that no honest node can have passed it on. A burn may be refused for what
 * the peg holds at the moment, which another node may not know yet.
 */
function isHopeless(rejection: Rejection): boolean {
  return rejection.class === 'invalid' && !rejection.code.startsWith('burn-')
}

/** As many from the front as fit one message, at least one. */
function encodeBatch(entries: readonly MempoolEntry[]): {
  readonly encoded: readonly Uint8Array[]
  readonly taken: number
} {
  const encoded: Uint8Array[] = []
  let bytes = 0
  for (const { transaction, sizeBytes } of entries.slice(0, BATCH_COUNT_MAX)) {
    bytes += sizeBytes
    if (encoded.length > 0 && bytes > BATCH_BYTES_MAX) break
    encoded.push(encodeTransaction(transaction))
  }
  return { encoded, taken: encoded.length }
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
