/**
 * Payments one at a time on a chain with nothing else to do: from the moment that a validator has
 * accepted one until that validator, and another one, tell of the block with it.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { type Transaction, transactionId } from '../../src/bitcoin/transaction.ts'
import { present } from '../../src/primitives/assert.ts'
import type { BlockWatch } from './block-watch.ts'
import { submitTransaction, transactionIdsOf } from './node-requests.ts'

export interface PaymentTimes {
  /** POST sent → answered. */
  readonly acceptMs: number
  /** Answered → final at the validator that was asked. */
  readonly finalMs: number
  /** Answered → final at the next validator. */
  readonly finalElsewhereMs: number
  /** Blocks from the acceptance to the one with the payment: 1 when nothing was wasted. */
  readonly blocks: number
}

export interface PaymentPlan {
  readonly apiUrls: readonly string[]
  readonly watch: BlockWatch
  readonly transactions: readonly Transaction[]
  /** Between a final payment and the next, so that the pace limit of blocks does not count. */
  readonly pauseMs: number
  readonly signal: AbortSignal
  readonly progress: (line: string) => void
}

const REPORT_EVERY = 50

export async function payOneByOne(plan: PaymentPlan): Promise<readonly PaymentTimes[]> {
  const times: PaymentTimes[] = []
  for (const [index, transaction] of plan.transactions.entries()) {
    times.push(await payOnce(plan, transaction, index % plan.apiUrls.length))
    if ((index + 1) % REPORT_EVERY === 0) plan.progress(`${index + 1} payments final`)
    await delay(plan.pauseMs, undefined, { signal: plan.signal })
  }
  return times
}

async function payOnce(
  { apiUrls, watch, signal }: PaymentPlan,
  transaction: Transaction,
  validator: number,
): Promise<PaymentTimes> {
  const other = (validator + 1) % apiUrls.length
  const apiUrl = apiUrls[validator] ?? ''
  const txid = transactionId(transaction)
  const before = watch.seenBy(validator).length
  const sentMs = performance.now()
  await submitTransaction(apiUrl, transaction, signal)
  const acceptedMs = performance.now()
  for (let next = before; ; next++) {
    await watch.until(() => watch.seenBy(validator).length > next, `${txid} to be final`)
    const { height, hash, txCount, atMs } = present(watch.seenBy(validator)[next], 'block')
    if (txCount === 1 || !(await transactionIdsOf(apiUrl, hash, signal)).includes(txid)) continue
    await watch.until(
      () => watch.seenBy(other).some((block) => block.height === height),
      `block ${height} elsewhere`,
    )
    return {
      acceptMs: acceptedMs - sentMs,
      finalMs: Math.max(0, atMs - acceptedMs),
      finalElsewhereMs: Math.max(0, watch.arrivalMs(other, height) - acceptedMs),
      blocks: next - before + 1,
    }
  }
}
