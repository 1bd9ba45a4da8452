/**
 * Sending transactions: Esplora's `POST /tx`, electrs' `POST /txs/package` (bitcoind's `submitpackage`) and
 * mempool.space's `POST /txs/test` (`testmempoolaccept`). Answers and refusals carry bitcoind's shapes,
 * codes and words, which wallets look for; amounts are therefore in bitcoin here.
 */

import { type Context, Hono } from 'hono'
import {
  decodeTransaction,
  type Transaction,
  transactionId,
  witnessTransactionId,
} from '../bitcoin/transaction.ts'
import { feeRate, type MempoolEntry } from '../mempool/entry-graph.ts'
import type { MemberOutcome, PackageOutcome } from '../mempool/package-admission.ts'
import { PACKAGE_TRANSACTIONS_MAX } from '../mempool/policy.ts'
import { unreachable } from '../primitives/assert.ts'
import { hexToBytes } from '../primitives/bytes.ts'
import { DecodeError } from '../primitives/codec.ts'
import type { Rejection } from '../primitives/result.ts'
import type { ApiContext, ApiEnv } from './api-context.ts'
import { cacheFor } from './esplora-replies.ts'
import { HttpError } from './problem.ts'
import { isScriptFailure } from './rate-limit.ts'
import { parseQuery } from './request-input.ts'
import { feeLimitQuery, hexText } from './schemas.ts'

/** bitcoind's RPC error codes. */
const RPC_INVALID_PARAMETER = -8
const RPC_DESERIALIZATION = -22
const RPC_TRANSACTION_ERROR = -25
const RPC_TRANSACTION_REJECTED = -26
const RPC_ALREADY_IN_CHAIN = -27

/** bitcoind's: 0.10 BTC/kvB. */
const DEFAULT_MAX_FEE_SATS_PER_KVB = 10_000_000

const SATS_PER_BTC = 100_000_000

type Method = 'sendrawtransaction' | 'submitpackage' | 'testmempoolaccept'

export function broadcastRoutes(api: ApiContext): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>()
  routes.post('/tx', (c) => broadcast(c, api))
  routes.post('/txs/package', (c) => broadcastPackage(c, api))
  routes.post('/txs/test', (c) => testTransactions(c, api))
  return routes
}

async function broadcast(c: Context<ApiEnv>, { queries, node }: ApiContext): Promise<Response> {
  const transaction = decodeHex((await c.req.text()).trim(), 'sendrawtransaction')
  const txid = transactionId(transaction)
  if (queries.findTransaction(txid) !== undefined) {
    const message = 'Transaction outputs already in utxo set'
    throw rpcError('sendrawtransaction', RPC_ALREADY_IN_CHAIN, message)
  }
  const submitted = await node.submitTransaction(transaction)
  cacheFor(c, 0)
  // As bitcoind: sending again what already waits is no error.
  if (submitted.ok || submitted.error.code === 'txn-already-in-mempool') return c.text(txid)
  throw refusal(submitted.error)
}

async function broadcastPackage(c: Context<ApiEnv>, { node }: ApiContext): Promise<Response> {
  const options = feeLimit(c)
  const transactions = await readTransactions(c, 'submitpackage')
  const submitted = await node.submitPackage(transactions, options)
  cacheFor(c, 0)
  if (!submitted.ok) {
    throw rpcError('submitpackage', RPC_TRANSACTION_ERROR, textOf(submitted.error))
  }
  noteScriptFailures(c, submitted.value)
  return c.json(packageJson(transactions, submitted.value))
}

async function testTransactions(c: Context<ApiEnv>, { node }: ApiContext): Promise<Response> {
  const options = feeLimit(c)
  const transactions = await readTransactions(c, 'testmempoolaccept')
  const outcome = await node.testTransactions(transactions, options)
  noteScriptFailures(c, outcome)
  cacheFor(c, 0)
  return c.json(
    transactions.map((transaction, index) => ({
      txid: transactionId(transaction),
      wtxid: witnessTransactionId(transaction),
      ...(outcome.problem === undefined ? {} : { 'package-error': textOf(outcome.problem) }),
      ...testJson(outcome.members[index]),
    })),
  )
}

// --- input ----------------------------------------------------------------------------------

/** An array of transactions in hex, whatever the content type says: curl's default is a form. */
async function readTransactions(
  c: Context<ApiEnv>,
  method: Method,
): Promise<readonly Transaction[]> {
  const given = parseArray(await c.req.text())
  if (given === undefined || given.length === 0 || given.length > PACKAGE_TRANSACTIONS_MAX) {
    const message = `Array must contain between 1 and ${PACKAGE_TRANSACTIONS_MAX} transactions.`
    throw rpcError(method, RPC_INVALID_PARAMETER, message)
  }
  return given.map((item) => decodeHex(item, method))
}

function parseArray(text: string): readonly unknown[] | undefined {
  try {
    const parsed: unknown = JSON.parse(text)
    return Array.isArray(parsed) ? parsed : undefined
  } catch {
    return undefined
  }
}

function decodeHex(text: unknown, method: Method): Transaction {
  try {
    const hex = hexText.safeParse(text)
    if (hex.success) return decodeTransaction(hexToBytes(hex.data.toLowerCase()))
  } catch (thrown) {
    if (!(thrown instanceof DecodeError)) throw thrown
  }
  const message = 'TX decode failed. Make sure the tx has at least one input.'
  throw rpcError(method, RPC_DESERIALIZATION, message)
}

/** `maxfeerate` in BTC/kvB, 0 for none. `maxburnamount` limits what no transaction here may have. */
function feeLimit(c: Context<ApiEnv>): { readonly maxFeeSatsPerKvb?: number } {
  const { maxfeerate } = parseQuery(c, feeLimitQuery)
  const rate = maxfeerate ?? DEFAULT_MAX_FEE_SATS_PER_KVB
  return rate === 0 ? {} : { maxFeeSatsPerKvb: rate }
}

// --- answers --------------------------------------------------------------------------------

function packageJson(transactions: readonly Transaction[], outcome: PackageOutcome): object {
  const { members, replaced, problem } = outcome
  const isGood = members.every(({ kind }) => kind === 'accepted' || kind === 'known')
  const failure = problem === undefined ? 'transaction failed' : textOf(problem)
  const results = transactions.map((transaction, index) => [
    witnessTransactionId(transaction),
    memberJson(transaction, members[index]),
  ])
  return {
    package_msg: isGood ? 'success' : failure,
    'tx-results': Object.fromEntries(results) as unknown,
    'replaced-transactions': replaced,
  }
}

function memberJson(transaction: Transaction, outcome: MemberOutcome | undefined): object {
  const txid = transactionId(transaction)
  switch (outcome?.kind) {
    case 'accepted':
      return { txid, vsize: outcome.entry.vsize, fees: feesJson(outcome.entry, outcome.together) }
    case 'known': {
      const { entry } = outcome
      const isSame = entry.wtxid === witnessTransactionId(transaction)
      if (!isSame) return { txid, 'other-wtxid': entry.wtxid }
      return { txid, vsize: entry.vsize, fees: { base: btc(entry.fee) } }
    }
    case 'refused':
      return { txid, error: textOf(outcome.error) }
    case 'unevaluated':
    case undefined:
      return { txid, error: 'unevaluated' }
    default:
      return unreachable(outcome)
  }
}

function testJson(outcome: MemberOutcome | undefined): object {
  if (outcome?.kind === 'accepted') {
    const { entry, together } = outcome
    return { allowed: true, vsize: entry.vsize, fees: feesJson(entry, together) }
  }
  if (outcome?.kind !== 'refused') return {}
  const { code, class: kind } = outcome.error
  // bitcoind has other words here for two of them.
  const otherWord = code === 'max feerate exceeded' ? 'max-fee-exceeded' : code
  return {
    allowed: false,
    'reject-reason': kind === 'missing' ? 'missing-inputs' : otherWord,
    'reject-details': textOf(outcome.error),
  }
}

function feesJson(entry: MempoolEntry, together: readonly MempoolEntry[]): object {
  const fee = together.reduce((sum, one) => sum + one.fee, 0n)
  const vsize = together.reduce((sum, one) => sum + one.chargedVsize, 0)
  return {
    base: btc(entry.fee),
    'effective-feerate': btc(BigInt(Math.floor(feeRate(fee, vsize)))),
    'effective-includes': together.map(({ wtxid }) => wtxid),
  }
}

/** Exact: a double holds 8 decimals of any amount of bitcoin. */
function btc(value: bigint): number {
  return Number(value) / SATS_PER_BTC
}

function textOf({ code, detail }: Rejection): string {
  return detail === undefined ? code : `${code}, ${detail}`
}

// --- refusals -------------------------------------------------------------------------------

function noteScriptFailures(c: Context<ApiEnv>, { members }: PackageOutcome): void {
  const hasFailed = members.some(
    (member) => member.kind === 'refused' && isScriptFailure(member.error.code),
  )
  c.set('hasFailedScript', hasFailed)
}

function refusal(error: Rejection): HttpError {
  const { code, class: kind } = error
  const method = 'sendrawtransaction'
  if (code === 'txn-already-known') return rpcError(method, RPC_ALREADY_IN_CHAIN, textOf(error))
  const rpcCode = kind === 'missing' ? RPC_TRANSACTION_ERROR : RPC_TRANSACTION_REJECTED
  return rpcError(method, rpcCode, textOf(error))
}

/** The text of electrs, which hands on what bitcoind said. */
function rpcError(method: Method, code: number, message: string): HttpError {
  const said = JSON.stringify({ code, message })
  return new HttpError(400, `${method} RPC error: ${said}`, { code: 'broadcast-refused' })
}
