/**
 * The pool of transactions that wait for a block. Pure decisions: coins, chain position and time are
 * handed in. `admit` runs Bitcoin Core's order of checks, cheap ones before signatures:
 *
 *   1. context-free rules and standardness
 *   2. known already? inputs there? fee enough?
 *   3. conflicts: replacement by fee
 *   4. chain limits
 *   5. the chain's own further rules, time locks, scripts
 *   6. in it goes; the pool is cut when it is too large
 *
 * Leaves out orphans: who sends a child sends its parents first, and a wallet can send again.
 */

import { countSigops } from '../bitcoin/sigops.ts'
import {
  isCoinbase,
  type OutPoint,
  outPointKey,
  type Transaction,
  transactionId,
  transactionSizes,
  transactionVsize,
  transactionWeight,
  witnessTransactionId,
} from '../bitcoin/transaction.ts'
import { checkTransaction } from '../chain/check-transaction.ts'
import type { Coin, CoinView } from '../chain/coin.ts'
import {
  connectTransaction,
  type ScriptCache,
  type SpendContext,
} from '../chain/connect-transaction.ts'
import type { Hash32, Txid } from '../primitives/hashes.ts'
import { ok, type Rejection, type Result, reject } from '../primitives/result.ts'
import { isSats, sats } from '../primitives/units.ts'
import {
  EntryGraph,
  feeRate,
  isCoinScript,
  type MempoolEntry,
  type Spender,
} from './entry-graph.ts'
import { FeeFloor } from './fee-floor.ts'
import {
  CHAIN_TRANSACTIONS_MAX,
  CHAIN_VSIZE_MAX,
  chargedVsize,
  checkStandard,
  EXPIRY_MS,
  entryMemoryBytes,
  feeAtRate,
  MAX_STANDARD_SIGOPS,
  MEMPOOL_BYTES_MAX,
  MIN_RELAY_FEE_SATS_PER_KVB,
  TRIM_TO_FRACTION,
} from './policy.ts'
import { checkReplacement } from './replacement.ts'

export interface MempoolOptions {
  /** Memory limit; `MEMPOOL_BYTES_MAX` unless told. */
  readonly bytesMax?: number
  /** Signatures checked here need not be checked again in the block. */
  readonly scriptCache?: ScriptCache
  /** Rules of the chain beyond inputs and scripts, e.g. the least value of a burn. */
  readonly checkRules?: (transaction: Transaction) => Result<void, Rejection>
}

/** Where the chain stands, and what time it is. */
export interface AdmissionContext {
  /** Coins that the next block may spend. */
  readonly coins: CoinView
  /** Of the next block. */
  readonly context: SpendContext
  readonly nowMs: number
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

/** An admission that has passed every check. */
interface Admission {
  readonly entry: MempoolEntry
  readonly replaced: readonly MempoolEntry[]
}

export function createMempool(options: MempoolOptions = {}): Mempool {
  return new Mempool(options)
}

export class Mempool {
  readonly #graph = new EntryGraph()
  readonly #floor = new FeeFloor()
  readonly #options: MempoolOptions
  readonly #bytesMax: number
  #memoryBytes = 0
  #vsize = 0
  #totalFee = 0n

  /** Use `createMempool`. */
  constructor(options: MempoolOptions) {
    this.#options = options
    this.#bytesMax = options.bytesMax ?? MEMPOOL_BYTES_MAX
  }

  /** Checks a transaction and takes it in, together with removing what it replaces. */
  admit(transaction: Transaction, at: AdmissionContext): Result<MempoolEntry, Rejection> {
    const checked = this.#check(transaction, at)
    if (!checked.ok) return checked
    const { entry, replaced } = checked.value
    for (const old of replaced) this.#drop(old)
    this.#insert(entry)
    this.#trim(entry.txid, at.nowMs)
    if (!this.#graph.has(entry.txid)) return reject('mempool full', 'policy')
    return ok(entry)
  }

  /** The same verdict without taking it in (`testmempoolaccept`); room is not part of it. */
  dryRun(transaction: Transaction, at: AdmissionContext): Result<MempoolEntry, Rejection> {
    const checked = this.#check(transaction, at)
    return checked.ok ? ok(checked.value.entry) : checked
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
    const view = this.#withOutputs(coins, context)
    return {
      findCoin: (outPoint) =>
        this.#graph.spender(outPoint) === undefined ? view.findCoin(outPoint) : undefined,
    }
  }

  // --- upkeep -------------------------------------------------------------------------------

  /** A block was made final: its transactions leave, and so does everything that conflicts. */
  removeForBlock(transactions: readonly Transaction[]): RemovedByBlock {
    const confirmed: MempoolEntry[] = []
    const conflicted: MempoolEntry[] = []
    for (const transaction of transactions) {
      const entry = this.#graph.find(transactionId(transaction))
      if (entry !== undefined) {
        this.#drop(entry)
        confirmed.push(entry)
        continue
      }
      for (const input of transaction.inputs) {
        const spender = this.#graph.spender(input.prevout)
        if (spender === undefined) continue
        conflicted.push(...this.#dropWithDescendants(spender.txid))
      }
    }
    return { confirmed, conflicted }
  }

  /** Drops a transaction that turned out not to fit the chain any more, and what builds on it. */
  remove(txid: Txid): readonly MempoolEntry[] {
    return this.#graph.has(txid) ? this.#dropWithDescendants(txid) : []
  }

  /** Drops what has waited too long, and what builds on it. */
  expire(nowMs: number): readonly MempoolEntry[] {
    const dropped: MempoolEntry[] = []
    for (const entry of this.all()) {
      const isOld = entry.addedMs + EXPIRY_MS <= nowMs
      if (isOld && this.#graph.has(entry.txid))
        dropped.push(...this.#dropWithDescendants(entry.txid))
    }
    return dropped
  }

  // --- admission ----------------------------------------------------------------------------

  #check(transaction: Transaction, at: AdmissionContext): Result<Admission, Rejection> {
    if (isCoinbase(transaction)) return reject('coinbase')
    const wellFormed = checkTransaction(transaction)
    if (!wellFormed.ok) return wellFormed
    const standard = checkStandard(transaction)
    if (!standard.ok) return standard
    const fresh = this.#checkNew(transaction)
    if (!fresh.ok) return fresh

    const spent = this.#findSpent(transaction, at)
    if (!spent.ok) return spent
    const described = describeEntry(transaction, spent.value, at.nowMs)
    if (!described.ok) return described
    const entry = described.value
    const paid = this.#checkFee(entry, at.nowMs)
    if (!paid.ok) return paid

    const replaced = checkReplacement(this.#graph, entry)
    if (!replaced.ok) return replaced
    const chain = this.#checkChainLimits(entry, replaced.value)
    if (!chain.ok) return chain

    const rules = this.#options.checkRules?.(transaction)
    if (rules !== undefined && !rules.ok) return rules
    const connected = connectTransaction(
      transaction,
      viewOf(transaction, spent.value),
      at.context,
      this.#options.scriptCache,
    )
    if (!connected.ok) return asPoolRejection(connected.error)
    return ok({ entry, replaced: replaced.value })
  }

  #checkNew(transaction: Transaction): Result<void, Rejection> {
    const known = this.#graph.find(transactionId(transaction))
    if (known === undefined) return ok(undefined)
    return known.wtxid === witnessTransactionId(transaction)
      ? reject('txn-already-in-mempool', 'policy')
      : reject('txn-same-nonwitness-data-in-mempool', 'policy')
  }

  #findSpent(transaction: Transaction, at: AdmissionContext): Result<readonly Coin[], Rejection> {
    const view = this.#withOutputs(at.coins, at.context)
    const spent: Coin[] = []
    for (const { prevout } of transaction.inputs) {
      const coin = view.findCoin(prevout)
      if (coin !== undefined) {
        spent.push(coin)
        continue
      }
      // Its inputs may be gone because it is in the chain itself.
      const txid = transactionId(transaction)
      for (let vout = 0; vout < transaction.outputs.length; vout++) {
        if (at.coins.findCoin({ txid, vout }) !== undefined) {
          return reject('txn-already-known', 'policy')
        }
      }
      return reject('bad-txns-inputs-missingorspent', 'missing', outPointKey(prevout))
    }
    return ok(spent)
  }

  #checkFee(entry: MempoolEntry, nowMs: number): Result<void, Rejection> {
    const least = feeAtRate(MIN_RELAY_FEE_SATS_PER_KVB, entry.chargedVsize)
    if (entry.fee < least) {
      return reject('min relay fee not met', 'policy', `${entry.fee} < ${least}`)
    }
    const leastNow = feeAtRate(this.#floor.at(nowMs), entry.chargedVsize)
    if (entry.fee < leastNow) {
      return reject('mempool min fee not met', 'policy', `${entry.fee} < ${leastNow}`)
    }
    return ok(undefined)
  }

  /** Core's limits on families, so that no step here ever walks far. */
  #checkChainLimits(
    entry: MempoolEntry,
    replaced: readonly MempoolEntry[],
  ): Result<void, Rejection> {
    const ancestors = this.#graph.ancestorsOfNew(entry.transaction)
    if (ancestors.length + 1 > CHAIN_TRANSACTIONS_MAX) return tooLong('too many ancestors')
    if (totalVsize(ancestors) + entry.vsize > CHAIN_VSIZE_MAX) return tooLong('ancestors too large')
    const leaving = new Set(replaced)
    for (const ancestor of ancestors) {
      const family = this.#graph
        .withDescendants([ancestor.txid])
        .filter((descendant) => !leaving.has(descendant))
      if (family.length + 1 > CHAIN_TRANSACTIONS_MAX) return tooLong('too many descendants')
      if (totalVsize(family) + entry.vsize > CHAIN_VSIZE_MAX)
        return tooLong('descendants too large')
    }
    return ok(undefined)
  }

  /** The chain's coins and the pool's outputs, spent or not. */
  #withOutputs(coins: CoinView, context: SpendContext): CoinView {
    return {
      findCoin: (outPoint) => {
        const output = this.#graph.find(outPoint.txid)?.transaction.outputs[outPoint.vout]
        if (output === undefined) return coins.findCoin(outPoint)
        if (!isCoinScript(output.script)) return undefined
        // BIP68: an unconfirmed coin counts as one of the next block.
        const { height, medianTimePast: medianTimeBefore } = context
        return { ...output, height, medianTimeBefore, origin: 'ordinary' }
      },
    }
  }

  // --- contents -----------------------------------------------------------------------------

  #insert(entry: MempoolEntry): void {
    this.#graph.add(entry)
    this.#memoryBytes += entryMemoryBytes(entry.sizeBytes)
    this.#vsize += entry.vsize
    this.#totalFee += entry.fee
  }

  #drop(entry: MempoolEntry): void {
    this.#graph.remove(entry.txid)
    this.#memoryBytes -= entryMemoryBytes(entry.sizeBytes)
    this.#vsize -= entry.vsize
    this.#totalFee -= entry.fee
  }

  #dropWithDescendants(txid: Txid): readonly MempoolEntry[] {
    const dropped = this.#graph.withDescendants([txid])
    for (const entry of dropped) this.#drop(entry)
    return dropped
  }

  /**
   * Drops the families that pay least until there is room: some to spare, so that not every arrival
   * sorts the pool, unless the newcomer itself is among the least and makes no room necessary.
   */
  #trim(newcomer: Txid, nowMs: number): void {
    if (this.#memoryBytes <= this.#bytesMax) return
    const scored = this.all().map((entry) => ({ entry, rate: this.#keepingRate(entry) }))
    scored.sort((a, b) => a.rate - b.rate)
    for (const { entry, rate } of scored) {
      const part = this.#graph.has(newcomer) ? TRIM_TO_FRACTION : 1
      if (this.#memoryBytes <= this.#bytesMax * part) return
      if (!this.#graph.has(entry.txid)) continue
      this.#dropWithDescendants(entry.txid)
      this.#floor.raise(rate, nowMs)
    }
  }

  /** What the pool earns by keeping it: its own rate, or that of its family if a child pays for it. */
  #keepingRate(entry: MempoolEntry): number {
    const family = this.#graph.withDescendants([entry.txid])
    const fee = family.reduce((sum, { fee: memberFee }) => sum + memberFee, 0n)
    const size = family.reduce((sum, member) => sum + member.chargedVsize, 0)
    return Math.max(feeRate(entry.fee, entry.chargedVsize), feeRate(fee, size))
  }
}

function describeEntry(
  transaction: Transaction,
  spent: readonly Coin[],
  addedMs: number,
): Result<MempoolEntry, Rejection> {
  let fee = 0n
  for (const coin of spent) fee += coin.value
  for (const output of transaction.outputs) fee -= output.value
  if (fee < 0n) return reject('bad-txns-in-belowout')
  if (!isSats(fee)) return reject('bad-txns-fee-outofrange')
  const sigops = countSigops(transaction, spent)
  if (sigops > MAX_STANDARD_SIGOPS) {
    return reject('bad-txns-too-many-sigops', 'policy', `${sigops} signature operations`)
  }
  const weight = transactionWeight(transaction)
  return ok({
    transaction,
    txid: transactionId(transaction),
    wtxid: witnessTransactionId(transaction),
    fee: sats(fee),
    weight,
    sizeBytes: transactionSizes(transaction).totalBytes,
    vsize: transactionVsize(transaction),
    chargedVsize: chargedVsize(weight, sigops),
    sigops,
    spent,
    addedMs,
  })
}

/** The coins that were found already, in input order. */
function viewOf(transaction: Transaction, spent: readonly Coin[]): CoinView {
  const coins = new Map<string, Coin>()
  for (const [index, coin] of spent.entries()) {
    const input = transaction.inputs[index]
    if (input !== undefined) coins.set(outPointKey(input.prevout), coin)
  }
  return { findCoin: (outPoint) => coins.get(outPointKey(outPoint)) }
}

function tooLong(detail: string): Result<void, Rejection> {
  return reject('too-long-mempool-chain', 'policy', detail)
}

function totalVsize(entries: readonly MempoolEntry[]): number {
  return entries.reduce((sum, entry) => sum + entry.vsize, 0)
}

/** Core has another word for a lock time that a transaction, not a block, breaks. */
function asPoolRejection(rejection: Rejection): Result<never, Rejection> {
  if (rejection.code !== 'bad-txns-nonfinal') return { ok: false, error: rejection }
  return { ok: false, error: { ...rejection, code: 'non-final' } }
}
