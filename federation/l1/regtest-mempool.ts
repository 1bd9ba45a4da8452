/**
 * The mempool of the embedded regtest L1: Bitcoin Core's default policy where a federation can feel
 * it. Standardness, 1 sat/vB, full replacement by fee (BIP125 rules 3 to 5 and the feerate rule), 25
 * unconfirmed ancestors and descendants. Entries stand in arrival order, so parents precede children.
 * Left out: eviction (a bounded pool refuses instead), packages, expiry.
 */

import {
  isCoinbase,
  type OutPoint,
  outPointKey,
  type Transaction,
  transactionId,
  transactionVsize,
  witnessTransactionId,
} from '../../src/bitcoin/transaction.ts'
import type { Coin, CoinView } from '../../src/chain/coin.ts'
import type { ScriptCache, SpendContext } from '../../src/chain/connect-transaction.ts'
import type { Txid } from '../../src/primitives/hashes.ts'
import { ok, type Rejection, type Result, reject } from '../../src/primitives/result.ts'
import { createdCoins } from './regtest-coins.ts'
import {
  checkLooseTransaction,
  checkSpend,
  checkStandard,
  feeAtRate,
  MIN_RELAY_FEE_SATS_PER_KVB,
} from './regtest-rules.ts'

export interface MempoolEntry {
  readonly transaction: Transaction
  readonly txid: Txid
  readonly fee: bigint
  readonly vsize: number
  /** Seconds since 1970. */
  readonly time: number
  /** Height of the tip when it came. */
  readonly height: number
}

/** What the mempool builds on: the chain's tip. */
export interface MempoolBase {
  readonly coins: CoinView
  /** Of the block that would come next. */
  readonly context: SpendContext
  readonly nowSeconds: number
}

/** Policy of Core: a transaction and its unconfirmed ancestors, or descendants. */
const CHAIN_TRANSACTIONS_MAX = 25
/** BIP125 rule 5. */
const EVICTIONS_MAX = 100
/** BIP125 rule 4: what a replacement adds for its own relay. */
const INCREMENTAL_FEE_SATS_PER_KVB = 1_000
/** Memory: a devnet's mempool never comes near it. */
const ENTRIES_MAX = 50_000

interface Admission {
  readonly entry: MempoolEntry
  /** Replaced, with everything built on them. */
  readonly evicted: readonly Txid[]
}

export class RegtestMempool {
  readonly #base: () => MempoolBase
  readonly #scripts: ScriptCache
  readonly #entries = new Map<Txid, MempoolEntry>()
  readonly #spenders = new Map<string, Txid>()
  readonly #coins = new Map<string, Coin>()

  constructor(base: () => MempoolBase, scripts: ScriptCache) {
    this.#base = base
    this.#scripts = scripts
  }

  find(txid: Txid): MempoolEntry | undefined {
    return this.#entries.get(txid)
  }

  /** In arrival order. */
  entries(): readonly MempoolEntry[] {
    return [...this.#entries.values()]
  }

  isSpent(outPoint: OutPoint): boolean {
    return this.#spenders.has(outPointKey(outPoint))
  }

  /** An unspent or spent output of a mempool transaction. */
  findCoin(outPoint: OutPoint): Coin | undefined {
    return this.#coins.get(outPointKey(outPoint))
  }

  /** Would it be taken? */
  check(transaction: Transaction): Result<MempoolEntry, Rejection> {
    const admission = this.#admit(transaction)
    return admission.ok ? ok(admission.value.entry) : admission
  }

  add(transaction: Transaction): Result<MempoolEntry, Rejection> {
    const admission = this.#admit(transaction)
    if (!admission.ok) return admission
    for (const txid of admission.value.evicted) this.#drop(txid)
    this.#insert(admission.value.entry)
    return ok(admission.value.entry)
  }

  /** Upon a connected block: its transactions leave, and whatever they made impossible. */
  confirm(transactions: readonly Transaction[]): void {
    for (const transaction of transactions) {
      this.#drop(transactionId(transaction))
      if (isCoinbase(transaction)) continue
      for (const { prevout } of transaction.inputs) {
        const spender = this.#spenders.get(outPointKey(prevout))
        if (spender !== undefined) for (const txid of this.descendants(spender)) this.#drop(txid)
      }
    }
  }

  /** Upon a reorganisation: what was in the blocks that left, then what was here, is judged anew. */
  rebuild(returned: readonly Transaction[]): void {
    const before = this.entries().map((entry) => entry.transaction)
    this.clear()
    for (const transaction of [...returned, ...before]) {
      if (!isCoinbase(transaction)) this.add(transaction)
    }
  }

  clear(): void {
    this.#entries.clear()
    this.#spenders.clear()
    this.#coins.clear()
  }

  /** The transaction and everything in the mempool that spends its outputs, itself first. */
  descendants(txid: Txid): readonly Txid[] {
    const found = new Set<Txid>([txid])
    for (const at of found) {
      const count = this.#entries.get(at)?.transaction.outputs.length ?? 0
      for (let vout = 0; vout < count; vout++) {
        const spender = this.#spenders.get(outPointKey({ txid: at, vout }))
        if (spender !== undefined) found.add(spender)
      }
    }
    return [...found]
  }

  /** Everything in the mempool that the transaction builds on. */
  ancestors(transaction: Transaction): readonly Txid[] {
    const found = new Set<Txid>()
    const add = (of: Transaction): void => {
      for (const { prevout } of of.inputs)
        if (this.#entries.has(prevout.txid)) found.add(prevout.txid)
    }
    add(transaction)
    for (const txid of found) {
      const entry = this.#entries.get(txid)
      if (entry !== undefined) add(entry.transaction)
    }
    return [...found]
  }

  #admit(transaction: Transaction): Result<Admission, Rejection> {
    const { coins, context, nowSeconds } = this.#base()
    for (const check of [checkLooseTransaction, checkStandard]) {
      const verdict = check(transaction)
      if (!verdict.ok) return verdict
    }
    const known = this.#checkKnown(transaction, coins)
    if (!known.ok) return known
    const view: CoinView = {
      findCoin: (outPoint) => this.#unconfirmedCoin(outPoint, context) ?? coins.findCoin(outPoint),
    }
    const connected = checkSpend(transaction, view, context, this.#scripts)
    if (!connected.ok) return asMempoolReason(connected.error)
    const entry: MempoolEntry = {
      transaction,
      txid: transactionId(transaction),
      fee: connected.value.fee,
      vsize: transactionVsize(transaction),
      time: nowSeconds,
      height: context.height - 1,
    }
    if (entry.fee < feeAtRate(MIN_RELAY_FEE_SATS_PER_KVB, entry.vsize)) {
      return reject('min relay fee not met', 'policy', `fee ${entry.fee}`)
    }
    if (this.#entries.size >= ENTRIES_MAX) return reject('mempool full', 'policy')
    const evicted = this.#checkReplacement(entry)
    if (!evicted.ok) return evicted
    const chain = this.#checkChainLength(transaction)
    return chain.ok ? ok({ entry, evicted: evicted.value }) : chain
  }

  /** Relative locks count from the next block, the earliest that can hold the coin. */
  #unconfirmedCoin(outPoint: OutPoint, { height, medianTimePast }: SpendContext): Coin | undefined {
    const coin = this.findCoin(outPoint)
    return coin && { ...coin, height, medianTimeBefore: medianTimePast }
  }

  #checkKnown(transaction: Transaction, coins: CoinView): Result<void, Rejection> {
    const txid = transactionId(transaction)
    const present = this.#entries.get(txid)
    if (present !== undefined) {
      const isSame = witnessTransactionId(present.transaction) === witnessTransactionId(transaction)
      const code = isSame ? 'txn-already-in-mempool' : 'txn-same-nonwitness-data-in-mempool'
      return reject(code, 'policy')
    }
    const isConfirmed = transaction.outputs.some(
      (_, vout) => coins.findCoin({ txid, vout }) !== undefined,
    )
    return isConfirmed ? reject('txn-already-known', 'policy') : ok(undefined)
  }

  /** BIP125, except that every transaction counts as replaceable. */
  #checkReplacement(entry: MempoolEntry): Result<readonly Txid[], Rejection> {
    const evicted = new Set<Txid>()
    for (const { prevout } of entry.transaction.inputs) {
      const rival = this.#spenders.get(outPointKey(prevout))
      if (rival === undefined) continue
      const { fee, vsize } = this.#entries.get(rival) ?? entry
      // Core: the feerate must rise above that of every transaction directly replaced.
      if (entry.fee * BigInt(vsize) <= fee * BigInt(entry.vsize)) {
        return reject('insufficient fee', 'policy', 'feerate not above the replaced one')
      }
      for (const txid of this.descendants(rival)) evicted.add(txid)
    }
    if (evicted.size === 0) return ok([])
    if (evicted.size > EVICTIONS_MAX) return reject('too many potential replacements', 'policy')
    if (this.ancestors(entry.transaction).some((txid) => evicted.has(txid))) {
      return reject('bad-txns-spends-conflicting-tx')
    }
    let replacedFees = 0n
    for (const txid of evicted) replacedFees += this.#entries.get(txid)?.fee ?? 0n
    // Rules 3 and 4: pay for everything replaced, and for the own relay on top.
    if (entry.fee < replacedFees + feeAtRate(INCREMENTAL_FEE_SATS_PER_KVB, entry.vsize)) {
      return reject('insufficient fee', 'policy', `replaces fees of ${replacedFees}`)
    }
    return ok([...evicted])
  }

  #checkChainLength(transaction: Transaction): Result<void, Rejection> {
    const ancestors = this.ancestors(transaction)
    const isTooLong =
      ancestors.length + 1 > CHAIN_TRANSACTIONS_MAX ||
      ancestors.some((txid) => this.descendants(txid).length + 1 > CHAIN_TRANSACTIONS_MAX)
    return isTooLong ? reject('too-long-mempool-chain', 'policy') : ok(undefined)
  }

  #insert(entry: MempoolEntry): void {
    const { context } = this.#base()
    this.#entries.set(entry.txid, entry)
    for (const { prevout } of entry.transaction.inputs) {
      this.#spenders.set(outPointKey(prevout), entry.txid)
    }
    const origin = { height: context.height, medianTimeBefore: context.medianTimePast }
    for (const [key, coin] of createdCoins(entry.transaction, origin)) this.#coins.set(key, coin)
  }

  #drop(txid: Txid): void {
    const entry = this.#entries.get(txid)
    if (entry === undefined) return
    this.#entries.delete(txid)
    for (const { prevout } of entry.transaction.inputs) this.#spenders.delete(outPointKey(prevout))
    for (const vout of entry.transaction.outputs.keys()) {
      this.#coins.delete(outPointKey({ txid, vout }))
    }
  }
}

/** Where Core's mempool has another word than its block validation. */
function asMempoolReason(rejection: Rejection): Result<never, Rejection> {
  if (rejection.code === 'bad-txns-nonfinal') return reject('non-final', 'premature')
  if (rejection.code === 'bad-txns-inputs-missingorspent')
    return reject('missing-inputs', 'missing')
  return { ok: false, error: rejection }
}
