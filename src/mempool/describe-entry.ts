/**
 * A transaction as the pool would keep it: the coins that it spends, what it pays and weighs. The checks
 * that need neither fees nor families nor scripts stand here; every admission begins with them.
 */

import { countSigops } from '../bitcoin/sigops.ts'
import {
  isCoinbase,
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
import type { SpendContext } from '../chain/connect-transaction.ts'
import type { Txid } from '../primitives/hashes.ts'
import { ok, type Rejection, type Result, reject } from '../primitives/result.ts'
import { isSats, sats } from '../primitives/units.ts'
import { type EntryGraph, isCoinScript, type MempoolEntry } from './entry-graph.ts'
import { checkDustIsFree } from './ephemeral-dust.ts'
import { chargedVsize, checkStandard, MAX_STANDARD_SIGOPS } from './policy.ts'

/** Where the chain stands, and what time it is. */
export interface AdmissionContext {
  /** Coins that the next block may spend. */
  readonly coins: CoinView
  /** Of the next block. */
  readonly context: SpendContext
  readonly nowMs: number
  /** Whoever pays more, satoshis per 1,000 virtual bytes, has made a mistake. */
  readonly maxFeeSatsPerKvb?: number
}

/** Outputs of a transaction that are looked for to tell that it is in the chain already. */
const KNOWN_OUTPUTS_MAX = 16

const NOTHING_BESIDE: ReadonlyMap<Txid, MempoolEntry> = new Map()

/** `beside`: judged together with it, so that it may spend their outputs. */
export function describe(
  graph: EntryGraph,
  transaction: Transaction,
  at: AdmissionContext,
  beside: ReadonlyMap<Txid, MempoolEntry> = NOTHING_BESIDE,
): Result<MempoolEntry, Rejection> {
  if (isCoinbase(transaction)) return reject('coinbase')
  const wellFormed = checkTransaction(transaction)
  if (!wellFormed.ok) return wellFormed
  const standard = checkStandard(transaction)
  if (!standard.ok) return standard
  const fresh = checkNew(graph, transaction)
  if (!fresh.ok) return fresh
  const spent = findSpent(graph, transaction, at, beside)
  if (!spent.ok) return spent
  const described = describeEntry(transaction, spent.value, at.nowMs)
  if (!described.ok) return described
  const dust = checkDustIsFree(transaction, described.value.fee)
  return dust.ok ? described : dust
}

function checkNew(graph: EntryGraph, transaction: Transaction): Result<void, Rejection> {
  const known = graph.find(transactionId(transaction))
  if (known === undefined) return ok(undefined)
  return known.wtxid === witnessTransactionId(transaction)
    ? reject('txn-already-in-mempool', 'policy')
    : reject('txn-same-nonwitness-data-in-mempool', 'policy')
}

function findSpent(
  graph: EntryGraph,
  transaction: Transaction,
  at: AdmissionContext,
  beside: ReadonlyMap<Txid, MempoolEntry>,
): Result<readonly Coin[], Rejection> {
  const view = withOutputs(graph, at.coins, at.context, beside)
  const spent: Coin[] = []
  for (const { prevout } of transaction.inputs) {
    const coin = view.findCoin(prevout)
    if (coin === undefined) {
      return isInChain(transaction, at.coins)
        ? reject('txn-already-known', 'policy')
        : reject('bad-txns-inputs-missingorspent', 'missing', outPointKey(prevout))
    }
    spent.push(coin)
  }
  return ok(spent)
}

/** Its inputs may be gone because it is in the chain itself. */
function isInChain(transaction: Transaction, coins: CoinView): boolean {
  const txid = transactionId(transaction)
  const count = Math.min(transaction.outputs.length, KNOWN_OUTPUTS_MAX)
  for (let vout = 0; vout < count; vout++) {
    if (coins.findCoin({ txid, vout }) !== undefined) return true
  }
  return false
}

/** The chain's coins, and outputs of the pool and of what stands beside, spent or not. */
export function withOutputs(
  graph: EntryGraph,
  coins: CoinView,
  context: SpendContext,
  beside: ReadonlyMap<Txid, MempoolEntry> = NOTHING_BESIDE,
): CoinView {
  return {
    findCoin: (outPoint) => {
      const entry = beside.get(outPoint.txid) ?? graph.find(outPoint.txid)
      const output = entry?.transaction.outputs[outPoint.vout]
      if (output === undefined) return coins.findCoin(outPoint)
      if (!isCoinScript(output.script)) return undefined
      // BIP68: an unconfirmed coin counts as one of the next block.
      const { height, medianTimePast: medianTimeBefore } = context
      return { ...output, height, medianTimeBefore, origin: 'ordinary' }
    },
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
