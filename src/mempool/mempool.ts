/**
 * The pool of transactions that wait for a block. Pure: coins, chain position and time are handed in.
 * What may enter is decided in `admission.ts`; here it enters, and what it replaces, what a full pool
 * can do without, and what lost the child that paid for it, leaves.
 *
 * Leaves out orphans: who sends a child sends its parents first or with it, and a wallet can send again.
 */

import { type OutPoint, type Transaction, transactionId } from '../bitcoin/transaction.ts'
import type { CoinView } from '../chain/coin.ts'
import type { ScriptCache, SpendContext } from '../chain/connect-transaction.ts'
import type { Hash32, Txid } from '../primitives/hashes.ts'
import { ok, type Rejection, type Result, reject } from '../primitives/result.ts'
import { type Admission, type AdmissionParts, checkAlone } from './admission.ts'
import { type AdmissionContext, withOutputs } from './describe-entry.ts'
import { EntryGraph, type FamilyNode, type MempoolEntry, type Spender } from './entry-graph.ts'
import { EvictionQueue } from './eviction-queue.ts'
import { FeeFloor } from './fee-floor.ts'
import {
  type MemberOutcome,
  type PackageOutcome,
  submitPackage,
  testPackage,
} from './package-admission.ts'
import {
  EXPIRY_MS,
  entryMemoryBytes,
  MEMPOOL_BYTES_MAX,
  MIN_RELAY_FEE_SATS_PER_KVB,
  paysForItself,
} from './policy.ts'

export interface MempoolOptions {
  /** Memory limit; `MEMPOOL_BYTES_MAX` unless told. */
  readonly bytesMax?: number
  /** Signatures checked here need not be checked again in the block. */
  readonly scriptCache?: ScriptCache
  /** Rules of the chain beyond inputs and scripts, e.g. the least value of a burn. */
  readonly checkRules?: (transaction: Transaction) => Result<void, Rejection>
}

export interface MempoolStats {
  readonly count: number
  readonly vsize: number
  readonly totalFee: bigint
  /** Estimate of the memory in use. */
  readonly memoryBytes: number
  readonly memoryBytesMax: number
  /** What a transaction has to pay at present, satoshis per 1,000 virtual bytes. */
  readonly minFeeSatsPerKvb: number
}

export interface RemovedByBlock {
  /** Now in the chain. */
  readonly confirmed: readonly MempoolEntry[]
  /** A coin they or their ancestors needed was spent by another transaction. */
  readonly conflicted: readonly MempoolEntry[]
}

export function createMempool(options: MempoolOptions = {}): Mempool {
  return new Mempool(options)
}

export class Mempool {
  readonly #graph = new EntryGraph()
  readonly #evictions = new EvictionQueue(this.#graph)
  readonly #floor = new FeeFloor()
  readonly #parts: AdmissionParts
  readonly #bytesMax: number
  /** Lost something that built on them, which may have paid for them. */
  readonly #bereaved = new Set<FamilyNode>()
  #memoryBytes = 0
  #vsize = 0
  #totalFee = 0n

  /** Use `createMempool`. */
  constructor(options: MempoolOptions) {
    this.#bytesMax = options.bytesMax ?? MEMPOOL_BYTES_MAX
    this.#parts = {
      graph: this.#graph,
      floorAt: (nowMs) => this.#floor.at(nowMs),
      scriptCache: options.scriptCache,
      checkRules: options.checkRules,
    }
  }

  // --- admission ----------------------------------------------------------------------------

  /** Checks a transaction and takes it in, together with removing what it replaces. */
  admit(transaction: Transaction, at: AdmissionContext): Result<MempoolEntry, Rejection> {
    const checked = checkAlone(this.#parts, transaction, at)
    if (!checked.ok) return checked
    this.#take(checked.value)
    this.#settle(at.nowMs)
    const entry = this.#graph.find(transactionId(transaction))
    return entry === undefined ? reject('mempool full', 'policy') : ok(entry)
  }

  /**
   * A child with its parents, which it may pay for (Core's `submitpackage`). What is good alone stays even
   * when the rest is refused. Fails when the transactions are no such package.
   */
  admitPackage(
    transactions: readonly Transaction[],
    at: AdmissionContext,
  ): Result<PackageOutcome, Rejection> {
    const submitted = submitPackage(this.#parts, transactions, at, (admission) => {
      this.#take(admission)
    })
    if (!submitted.ok) return submitted
    this.#settle(at.nowMs)
    const { members } = submitted.value
    return ok({ ...submitted.value, members: members.map((member) => this.#afterTrim(member)) })
  }

  /** What would be said to them, changing nothing (Core's `testmempoolaccept`). */
  dryRun(transactions: readonly Transaction[], at: AdmissionContext): PackageOutcome {
    return testPackage(this.#parts, transactions, at)
  }

  #afterTrim(outcome: MemberOutcome): MemberOutcome {
    if (outcome.kind !== 'accepted' || this.#graph.has(outcome.entry.txid)) return outcome
    return { kind: 'refused', error: reject('mempool full', 'policy').error }
  }

  // --- queries ------------------------------------------------------------------------------

  /** Number of transactions. */
  get size(): number {
    return this.#graph.size
  }

  find(txid: Txid): MempoolEntry | undefined {
    return this.#graph.find(txid)
  }

  has(txid: Txid): boolean {
    return this.#graph.has(txid)
  }

  /** In order of arrival, so parents before children. */
  all(): readonly MempoolEntry[] {
    return [...this.#graph.entries()]
  }

  /** A transaction among those that it builds on and that build on it. */
  family(txid: Txid): FamilyNode | undefined {
    return this.#graph.findNode(txid)
  }

  /** In order of arrival; stays valid until the pool changes. */
  families(): Iterable<FamilyNode> {
    return this.#graph.nodes()
  }

  ids(): readonly Txid[] {
    return this.#graph.ids()
  }

  /** Those that pay a script or spend from it, in order of arrival; SHA-256 of the script. */
  byScript(scriptHash: Hash32): readonly MempoolEntry[] {
    return this.#graph.byScript(scriptHash)
  }

  spender(outPoint: OutPoint): Spender | undefined {
    return this.#graph.spender(outPoint)
  }

  /** Unconfirmed transactions that it builds on, directly or not. */
  ancestors(txid: Txid): readonly MempoolEntry[] {
    return this.#graph.has(txid) ? this.#graph.ancestors(txid) : []
  }

  /** Unconfirmed transactions that build on it, directly or not. */
  descendants(txid: Txid): readonly MempoolEntry[] {
    if (!this.#graph.has(txid)) return []
    return this.#graph.withDescendants([txid]).filter((entry) => entry.txid !== txid)
  }

  /** Unconfirmed transactions whose outputs it spends. */
  parents(txid: Txid): readonly MempoolEntry[] {
    return this.#graph.has(txid) ? this.#graph.parents(txid) : []
  }

  stats(nowMs: number): MempoolStats {
    return {
      count: this.#graph.size,
      vsize: this.#vsize,
      totalFee: this.#totalFee,
      memoryBytes: this.#memoryBytes,
      memoryBytesMax: this.#bytesMax,
      minFeeSatsPerKvb: Math.max(MIN_RELAY_FEE_SATS_PER_KVB, Math.ceil(this.#floor.at(nowMs))),
    }
  }

  /** The chain's coins as they are if the whole pool confirms: its outputs in, what it spends out. */
  coinsWith(coins: CoinView, context: SpendContext): CoinView {
    const view = withOutputs(this.#graph, coins, context)
    return {
      findCoin: (outPoint) =>
        this.#graph.spender(outPoint) === undefined ? view.findCoin(outPoint) : undefined,
    }
  }

  // --- upkeep -------------------------------------------------------------------------------

  /** A block was made final: its transactions leave, and so does everything that conflicts. */
  removeForBlock(transactions: readonly Transaction[]): RemovedByBlock {
    const confirmed: MempoolEntry[] = []
    const rivals = new Set<Txid>()
    for (const transaction of transactions) {
      const entry = this.#graph.find(transactionId(transaction))
      if (entry !== undefined) {
        confirmed.push(entry)
        continue
      }
      for (const input of transaction.inputs) {
        const spender = this.#graph.spender(input.prevout)
        if (spender !== undefined) rivals.add(spender.txid)
      }
    }
    const conflicted = [...this.#graph.withDescendants(rivals)]
    this.#drop(confirmed)
    this.#drop(conflicted)
    conflicted.push(...this.#dropBereaved())
    return { confirmed, conflicted }
  }

  /** Drops a transaction that turned out not to fit the chain any more, and what hangs on it. */
  remove(txid: Txid): readonly MempoolEntry[] {
    return this.#graph.has(txid) ? this.#dropFamilies([txid]) : []
  }

  /** Drops what has waited too long, and what hangs on it. */
  expire(nowMs: number): readonly MempoolEntry[] {
    const old: Txid[] = []
    for (const { addedMs, txid } of this.#graph.entries()) {
      if (addedMs + EXPIRY_MS <= nowMs) old.push(txid)
    }
    return this.#dropFamilies(old)
  }

  // --- contents -----------------------------------------------------------------------------

  #take({ entries, replaced }: Admission): void {
    if (replaced.length > 0) this.#drop(replaced)
    for (const entry of entries) {
      this.#evictions.changed(this.#graph.add(entry))
      this.#memoryBytes += entryMemoryBytes(entry.sizeBytes)
      this.#vsize += entry.vsize
      this.#totalFee += entry.fee
    }
  }

  /** What builds on them must be among them, or stay on coins that are in the chain now. */
  #drop(entries: readonly MempoolEntry[]): void {
    const changed = this.#graph.remove(entries.map(({ txid }) => txid))
    this.#evictions.changed(changed)
    for (const node of changed) this.#bereaved.add(node)
    for (const entry of entries) {
      this.#memoryBytes -= entryMemoryBytes(entry.sizeBytes)
      this.#vsize -= entry.vsize
      this.#totalFee -= entry.fee
    }
  }

  /** With all that builds on them, and with what cannot stay without them. */
  #dropFamilies(txids: readonly Txid[]): readonly MempoolEntry[] {
    const dropped = this.#graph.withDescendants(txids)
    this.#drop(dropped)
    return [...dropped, ...this.#dropBereaved()]
  }

  /** A parent that pays too little stays as long as what builds on it pays for both. */
  #dropBereaved(): readonly MempoolEntry[] {
    if (this.#bereaved.size === 0) return []
    const dropped: MempoolEntry[] = []
    // A Set iterates over what is added while it iterates.
    for (const { entry, descendants } of this.#bereaved) {
      if (!this.#graph.has(entry.txid) || paysForItself(entry.fee, entry.chargedVsize)) continue
      if (paysForItself(descendants.fee, descendants.chargedVsize)) continue
      const family = this.#graph.withDescendants([entry.txid])
      this.#drop(family)
      dropped.push(...family)
    }
    this.#bereaved.clear()
    return dropped
  }

  /** After what came in: nothing is kept that pays too little, or for which there is no room. */
  #settle(nowMs: number): void {
    this.#dropBereaved()
    while (this.#memoryBytes > this.#bytesMax) {
      const worst = this.#evictions.worst()
      if (worst === undefined) return
      this.#dropFamilies([worst.node.entry.txid])
      this.#floor.raise(worst.rate, nowMs)
    }
  }
}
