/** The few requests that a load makes of a validator, without the checks of a client that trusts nobody. */

import { z } from 'zod'
import { type SubmittedView, submittedView } from '../../src/api/schemas.ts'
import { encodeTransaction, type Transaction } from '../../src/bitcoin/transaction.ts'
import { bytesToHex } from '../../src/primitives/bytes.ts'
import { BenchmarkError } from './benchmark.ts'

const submitAnswer = z.object({ results: z.array(submittedView) })

/** @throws BenchmarkError with the validator's words when it refuses. */
export async function submitTransaction(
  apiUrl: string,
  transaction: Transaction,
  signal: AbortSignal,
): Promise<void> {
  const body = bytesToHex(encodeTransaction(transaction))
  const response = await fetch(`${apiUrl}/api/tx`, { method: 'POST', body, signal })
  const text = await response.text()
  if (!response.ok) throw new BenchmarkError(`refused: ${text}`)
}

/** What became of each, in order. @throws BenchmarkError when the request is refused as a whole. */
export async function submitTransactions(
  apiUrl: string,
  body: string,
  signal: AbortSignal,
): Promise<readonly SubmittedView[]> {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(`${apiUrl}/v1/transactions`, {
    method: 'POST',
    headers,
    body,
    signal,
  })
  const answer: unknown = await response.json()
  const parsed = submitAnswer.safeParse(answer)
  if (parsed.success) return parsed.data.results
  throw new BenchmarkError(`${apiUrl} answered ${response.status} ${JSON.stringify(answer)}`)
}

/** The block's transactions, the coinbase first. @throws BenchmarkError */
export async function transactionIdsOf(
  apiUrl: string,
  blockHash: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const response = await fetch(`${apiUrl}/api/block/${blockHash}/txids`, { signal })
  const ids: unknown = await response.json()
  if (!response.ok || !Array.isArray(ids)) {
    throw new BenchmarkError(`${apiUrl} does not know block ${blockHash}`)
  }
  return ids.map(String)
}

/** Milliseconds that a validator takes to answer its cheapest question. */
export async function answerTimeMs(apiUrl: string, signal: AbortSignal): Promise<number> {
  const startedMs = performance.now()
  const response = await fetch(`${apiUrl}/healthz`, { signal })
  await response.text()
  return performance.now() - startedMs
}
