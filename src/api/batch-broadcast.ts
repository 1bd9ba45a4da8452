/**
 * `POST /v1/transactions`: many transactions in one request, each tried alone and in the given order, so
 * that a request's own cost is shared by hundreds of payments. For exchanges, wallets that send queues, and
 * load generators; Esplora's routes take one transaction, or one family.
 *
 * The first one whose scripts fail ends the request, so that bad signatures cost their sender a request
 * each, as they do elsewhere.
 */

import type { Context } from 'hono'
import { decodeTransaction, type Transaction, transactionId } from '../bitcoin/transaction.ts'
import { hexToBytes } from '../primitives/bytes.ts'
import { DecodeError } from '../primitives/codec.ts'
import type { ApiContext, ApiEnv } from './api-context.ts'
import { isScriptFailure } from './rate-limit.ts'
import { parseBody } from './request-input.ts'
import { type SubmittedView, submitRequest } from './schemas.ts'

/** Longest turn of the node for one request: others want to be served as well. */
const TURN_MS = 10

export async function submitTransactions(
  c: Context<ApiEnv>,
  { node, clock }: ApiContext,
): Promise<Response> {
  const { transactions } = await parseBody(c, submitRequest)
  const results: SubmittedView[] = []
  let turnEndsMs = clock.monotonicMs() + TURN_MS
  for (const hex of transactions) {
    if (clock.monotonicMs() >= turnEndsMs) {
      await c.get('budget').breathe()
      turnEndsMs = clock.monotonicMs() + TURN_MS
    }
    const result = await submitOne(hex, node)
    results.push(result)
    if (result.status === 'refused' && isScriptFailure(result.code)) {
      c.set('hasFailedScript', true)
      break
    }
  }
  while (results.length < transactions.length) results.push({ status: 'unevaluated' })
  return c.json({ results })
}

async function submitOne(
  hex: string,
  node: Pick<ApiContext['node'], 'submitTransaction'>,
): Promise<SubmittedView> {
  const transaction = decodeOrUndefined(hex)
  if (transaction === undefined) {
    return { status: 'refused', code: 'malformed-transaction', detail: null }
  }
  const submitted = await node.submitTransaction(transaction)
  if (submitted.ok) return { status: 'accepted', txid: submitted.value }
  const { code, detail } = submitted.error
  // As `POST /api/tx`: sending again what already waits is no error.
  if (code === 'txn-already-in-mempool') {
    return { status: 'accepted', txid: transactionId(transaction) }
  }
  return { status: 'refused', code, detail: detail ?? null }
}

function decodeOrUndefined(hex: string): Transaction | undefined {
  try {
    return decodeTransaction(hexToBytes(hex))
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}
