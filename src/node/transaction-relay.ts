/**
 * Transactions in and out: admission to the mempool, and gossip of what is newly accepted. Accepted
 * transactions leave in small batches, since a gossip message costs far more than a transaction. What
 * nobody took is sent again; so is what has waited for long, since a message may be lost.
 *
 * A message that holds a transaction which is valid under no state is refused as a whole at the first
 * such, so that forged signatures cost the sender its connection and this node one check.
 *
 * A parent that pays too little travels in one message with the child that pays for it, and whoever gets
 * them tries them together.
 */

import {
  decodeTransaction,
  encodeTransaction,
  type Transaction,
  transactionId,
} from '../bitcoin/transaction.ts'
import type { CoinView } from '../chain/coin.ts'
import { coinsOf } from '../chain/state.ts'
import { type ChainTip, medianTimePast, spendableCoins } from '../chain/tip.ts'
import { decodeMessage, encodeMessage, MAX_TRANSACTION_BYTES } from '../consensus/messages.ts'
import type { AdmissionContext } from '../mempool/describe-entry.ts'
import type { FamilyNode, MempoolEntry } from '../mempool/entry-graph.ts'
import type { Mempool } from '../mempool/mempool.ts'
import { mayPassTogether, type PackageOutcome } from '../mempool/package-admission.ts'
import { feeAtRate } from '../mempool/policy.ts'
import { bytesToHex } from '../primitives/bytes.ts'
import { DecodeError } from '../primitives/codec.ts'
import type { Txid } from '../primitives/hashes.ts'
import { ok, type Rejection, type Result } from '../primitives/result.ts'
import { sha256 } from '../primitives/sha256.ts'
import type { CancelTimer, GossipVerdict, Network, Runtime } from '../runtime/runtime.ts'
import type { ChainService } from './chain-service.ts'
import { type Job, Turns } from './turns.ts'

export interface TransactionRelay {
  /** Admits a transaction from a user or the API. */
  submit(transaction: Transaction): Result<Txid, Rejection>
  /** Admits a child with its parents, which it may pay for. */
  submitPackage(
    transactions: readonly Transaction[],
    options?: SubmitOptions,
  ): Result<PackageOutcome, Rejection>
  /** What would be said to them, changing nothing. */
  dryRun(transactions: readonly Transaction[], options?: SubmitOptions): PackageOutcome
  /** Admits what a validator sent us alone, and tells everybody; 'reject' when it is malformed. */
  receiveDirect(transactions: readonly Uint8Array[]): GossipVerdict
  /** Encoded transactions, oldest first, for validators that may lack them; one message's worth. */
  oldest(): readonly Uint8Array[]
  onAccepted(handler: (transaction: Transaction) => void): void
  start(): void
  stop(): void
}

export interface SubmitOptions {
  /** Whoever pays more, satoshis per 1,000 virtual bytes, has made a mistake. */
  readonly maxFeeSatsPerKvb?: number
}

/** How long an accepted transaction waits for company: below what a person or a block notices. */
const BATCH_DELAY_MS = 5
/** Gossip messages stay far below libp2p's 1 MiB. */
const BATCH_BYTES_MAX = 256_000
/** All nodes send as many at most, so that one message never keeps a node busy for long. */
const BATCH_COUNT_MAX = 250
/** A few seconds of a busy chain; an evicted transaction is welcome again after as many others. */
const REMEMBERED_MAX = 5_000
/** Then the rest of the node has its turn. */
const TURN_MS = 10
/** Bytes of messages that wait to be judged: ten seconds of a busy chain. */
const WAITING_BYTES_MAX = 16_000_000
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

interface Batch {
  readonly encoded: readonly Uint8Array[]
  /** How many of those that waited it takes care of. */
  readonly taken: number
}

interface Judged {
  readonly taken: readonly Txid[]
  readonly refused: readonly Rejection[]
}

/** What admission needs to know of the chain, until the next block. */
interface ChainPosition extends Pick<AdmissionContext, 'context'> {
  readonly tip: ChainTip
  readonly coins: CoinView
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
  #outgoing = new Set<Txid>()
  readonly #handlers: ((transaction: Transaction) => void)[] = []
  /** SHA-256 of encoded transactions that were accepted a short while ago, oldest first. */
  readonly #accepted = new Set<string>()
  #cancelFlush: CancelTimer | undefined
  #cancelRepeat: CancelTimer | undefined
  #isStopped = false
  #position: ChainPosition | undefined
  readonly #turns: Turns

  constructor(parts: RelayParts) {
    this.#parts = parts
    const limits = { turnMs: TURN_MS, waitingMax: WAITING_BYTES_MAX }
    this.#turns = new Turns(limits, parts.runtime)
    parts.network.onGossip('transactions', (_from, payload) => this.#receiveGossip(payload))
  }

  start(): void {
    this.#repeatLater()
  }

  stop(): void {
    this.#isStopped = true
    this.#turns.stop()
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

  submitPackage(
    transactions: readonly Transaction[],
    options: SubmitOptions = {},
  ): Result<PackageOutcome, Rejection> {
    const submitted = this.#admitPackage(transactions, options)
    if (submitted.ok) {
      this.#enqueue(
        acceptedIn(submitted.value).map(({ txid }) => txid),
        BATCH_DELAY_MS,
      )
    }
    return submitted
  }

  dryRun(transactions: readonly Transaction[], options: SubmitOptions = {}): PackageOutcome {
    return this.#parts.mempool.dryRun(transactions, { ...this.#admissionContext(), ...options })
  }

  receiveDirect(transactions: readonly Uint8Array[]): GossipVerdict {
    // Not published again: whoever shared it tells everybody, and in the same batches.
    const job = this.#judge(transactions)
    for (;;) {
      const step = job.next()
      if (step.done === true) return step.value
    }
  }

  oldest(): readonly Uint8Array[] {
    return this.#encodeBatch(firstOf(this.#parts.mempool.families(), BATCH_COUNT_MAX)).encoded
  }

  // --- in -----------------------------------------------------------------------------------

  #admit(transaction: Transaction): Result<Txid, Rejection> {
    const admitted = this.#parts.mempool.admit(transaction, this.#admissionContext())
    if (!admitted.ok) return admitted
    this.#tell(admitted.value)
    return ok(admitted.value.txid)
  }

  #admitPackage(
    transactions: readonly Transaction[],
    options: SubmitOptions = {},
  ): Result<PackageOutcome, Rejection> {
    const context = { ...this.#admissionContext(), ...options }
    const admitted = this.#parts.mempool.admitPackage(transactions, context)
    if (admitted.ok) for (const entry of acceptedIn(admitted.value)) this.#tell(entry)
    return admitted
  }

  #tell(entry: MempoolEntry): void {
    for (const handler of this.#handlers) handler(entry.transaction)
  }

  #admissionContext(): AdmissionContext {
    const { chain, runtime } = this.#parts
    const { tip, view } = chain.state()
    if (this.#position?.tip !== tip) {
      this.#position = {
        tip,
        coins: spendableCoins(coinsOf(view), tip),
        context: { height: tip.height + 1, medianTimePast: medianTimePast(tip) },
      }
    }
    const { coins, context } = this.#position
    return { coins, context, nowMs: runtime.clock.nowMs() }
  }

  #receiveGossip(payload: Uint8Array): GossipVerdict | Promise<GossipVerdict> {
    try {
      const message = decodeMessage(payload)
      if (message.kind !== 'transactions') return 'reject'
      // An accepted message travels on by itself; nothing of it is published again.
      return this.#turns.run(this.#judge(message.transactions), payload.length, 'ignore')
    } catch (error) {
      if (error instanceof DecodeError) return 'reject'
      throw error
    }
  }

  *#judge(transactions: readonly Uint8Array[]): Job<GossipVerdict> {
    if (transactions.length > BATCH_COUNT_MAX) return 'reject'
    let verdict: GossipVerdict = 'ignore'
    /** Of this message: what pays too little alone. */
    const poor = new Map<Txid, Transaction>()
    const digests = new Map<Txid, string>()
    for (const bytes of transactions) {
      yield
      // A stalled chain makes everybody share the same transactions again and again.
      const digest = bytesToHex(sha256(bytes))
      if (this.#accepted.has(digest)) continue
      const transaction = decodeOrUndefined(bytes)
      if (transaction === undefined) return 'reject'
      digests.set(transactionId(transaction), digest)
      const { taken, refused } = this.#judgeOne(transaction, poor)
      if (taken.length > 0) verdict = 'accept'
      for (const txid of taken) this.#remember(digests.get(txid))
      if (refused.some(isHopeless)) return 'reject'
      if (refused.some(mayPassTogether)) poor.set(transactionId(transaction), transaction)
    }
    return verdict
  }

  /** Alone, or with the parents that came before it and were refused for what they pay. */
  #judgeOne(transaction: Transaction, poor: ReadonlyMap<Txid, Transaction>): Judged {
    const parents = new Set(
      transaction.inputs.flatMap(({ prevout }) => poor.get(prevout.txid) ?? []),
    )
    if (parents.size === 0) {
      const admitted = this.#admit(transaction)
      return admitted.ok
        ? { taken: [admitted.value], refused: [] }
        : { taken: [], refused: [admitted.error] }
    }
    const admitted = this.#admitPackage([...parents, transaction])
    if (!admitted.ok) return { taken: [], refused: [admitted.error] }
    const refused = admitted.value.members.flatMap((member) =>
      member.kind === 'refused' ? [member.error] : [],
    )
    return { taken: acceptedIn(admitted.value).map(({ txid }) => txid), refused }
  }

  #remember(digest: string | undefined): void {
    if (digest === undefined) return
    this.#accepted.add(digest)
    if (this.#accepted.size <= REMEMBERED_MAX) return
    const [oldest] = this.#accepted
    if (oldest !== undefined) this.#accepted.delete(oldest)
  }

  // --- out ----------------------------------------------------------------------------------

  #enqueue(txids: readonly Txid[], delayMs: number): void {
    for (const txid of txids) this.#outgoing.add(txid)
    if (this.#isStopped) return
    this.#cancelFlush ??= this.#parts.runtime.timers.after(delayMs, () => void this.#flush())
  }

  /** One flush at a time: the timer's slot is free again when it has ended. */
  async #flush(): Promise<void> {
    const { mempool, network } = this.#parts
    let unheard: readonly Txid[] = []
    while (this.#outgoing.size > 0 && unheard.length === 0 && !this.#isStopped) {
      const waiting = [...this.#outgoing].flatMap((txid) => mempool.family(txid) ?? [])
      const { encoded, taken } = this.#encodeBatch(waiting)
      this.#outgoing = new Set(waiting.slice(taken).map(({ entry }) => entry.txid))
      if (encoded.length === 0) continue
      const message = encodeMessage({ kind: 'transactions', transactions: encoded })
      const isHeard = await network.publish('transactions', message)
      if (!isHeard) unheard = waiting.slice(0, taken).map(({ entry }) => entry.txid)
    }
    this.#cancelFlush = undefined
    const isUnheard = unheard.length > 0
    if (isUnheard || this.#outgoing.size > 0) {
      this.#enqueue(unheard, isUnheard ? RETRY_MS : BATCH_DELAY_MS)
    }
  }

  /**
   * As many from the front as fit one message, at least one. A parent that pays too little goes with its
   * child, however long ago it was sent: alone nobody would take it.
   */
  #encodeBatch(waiting: readonly FamilyNode[]): Batch {
    const { mempool, runtime } = this.#parts
    const { minFeeSatsPerKvb } = mempool.stats(runtime.clock.nowMs())
    const isPoor = ({ entry }: FamilyNode): boolean =>
      entry.fee < feeAtRate(minFeeSatsPerKvb, entry.chargedVsize)
    const chosen = new Set<FamilyNode>()
    let bytes = 0
    let taken = 0
    for (const node of waiting) {
      // One that has a child goes with it.
      const needed = isPoor(node) && node.children.size > 0 ? [] : [...node.parents].filter(isPoor)
      if (!isPoor(node) || node.children.size === 0) needed.push(node)
      const added = needed.filter((one) => !chosen.has(one))
      bytes += added.reduce((sum, { entry }) => sum + entry.sizeBytes, 0)
      const isFull = bytes > BATCH_BYTES_MAX || chosen.size + added.length > BATCH_COUNT_MAX
      if (chosen.size > 0 && isFull) break
      for (const one of added) chosen.add(one)
      taken += 1
    }
    return { encoded: [...chosen].map(({ entry }) => encodeTransaction(entry.transaction)), taken }
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

function acceptedIn(outcome: PackageOutcome): readonly MempoolEntry[] {
  return outcome.members.flatMap((member) => (member.kind === 'accepted' ? [member.entry] : []))
}

function firstOf<T>(items: Iterable<T>, count: number): readonly T[] {
  const first: T[] = []
  for (const item of items) {
    if (first.length === count) break
    first.push(item)
  }
  return first
}

function decodeOrUndefined(bytes: Uint8Array): Transaction | undefined {
  if (bytes.length > MAX_TRANSACTION_BYTES) return undefined
  try {
    // A copy: what waits in the mempool must not keep the whole message that it came in.
    return decodeTransaction(bytes.slice())
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}
