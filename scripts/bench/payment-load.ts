/**
 * Signed transactions, sent to all validators in requests of many: as fast as they are taken with a bound
 * on what is accepted and not yet final, or at a fixed rate. Requests are made before anything is measured,
 * so that the load costs the machine little beside the validators.
 */

import { setTimeout as delay } from 'node:timers/promises'
import {
  encodeTransaction,
  type Transaction,
  transactionId,
} from '../../src/bitcoin/transaction.ts'
import { bytesToHex } from '../../src/primitives/bytes.ts'
import { BenchmarkError } from './benchmark.ts'
import type { BlockWatch, SeenBlock } from './block-watch.ts'
import { submitTransactions, transactionIdsOf } from './node-requests.ts'

/** A request that is ready to be sent. */
export interface LoadRequest {
  readonly body: string
  readonly txids: readonly string[]
}

export interface LoadPlan {
  readonly apiUrls: readonly string[]
  readonly watch: BlockWatch
  readonly requests: readonly LoadRequest[]
  /** Requests under way with each validator at one time. */
  readonly inFlight: number
  /** Accepted and not yet final, at most; the load waits above it. */
  readonly backlogMax: number
  /** Transactions per second; undefined for as many as are taken. */
  readonly perSecond: number | undefined
  readonly signal: AbortSignal
}

export interface LoadOutcome {
  readonly accepted: number
  readonly refused: number
  /** In a validator's words. */
  readonly firstRefusal: string | undefined
  readonly startedMs: number
  /** Of the first validator's blocks with payments of this load. */
  readonly blocks: readonly SeenBlock[]
  /** When each request was answered, `performance.now()`, and what was accepted of it. */
  readonly answers: readonly LoadAnswer[]
}

export interface LoadAnswer {
  readonly sentMs: number
  readonly answeredMs: number
  readonly txids: readonly string[]
}

const FINAL_TIMEOUT_MS = 120_000

export function loadRequests(
  transactions: readonly Transaction[],
  perRequest: number,
): readonly LoadRequest[] {
  const requests: LoadRequest[] = []
  for (let first = 0; first < transactions.length; first += perRequest) {
    const slice = transactions.slice(first, first + perRequest)
    const hexes = slice.map((transaction) => bytesToHex(encodeTransaction(transaction)))
    requests.push({
      body: JSON.stringify({ transactions: hexes }),
      txids: slice.map((transaction) => transactionId(transaction)),
    })
  }
  return requests
}

/** Resolves when all that was accepted is final at the first validator. @throws BenchmarkError */
export async function runLoad(plan: LoadPlan): Promise<LoadOutcome> {
  const load = new Load(plan)
  await load.send()
  await load.finish()
  return load.outcome()
}

class Load {
  readonly #plan: LoadPlan
  readonly #firstBlock: number
  readonly #startedMs = performance.now()
  readonly #answers: LoadAnswer[] = []
  #next = 0
  #accepted = 0
  #refused = 0
  #firstRefusal: string | undefined

  constructor(plan: LoadPlan) {
    this.#plan = plan
    this.#firstBlock = plan.watch.seenBy(0).length
  }

  async send(): Promise<void> {
    const { apiUrls, inFlight } = this.#plan
    const senders = apiUrls.flatMap((url) =>
      Array.from({ length: inFlight }, () => this.#sendTo(url)),
    )
    await Promise.all(senders)
  }

  async #sendTo(apiUrl: string): Promise<void> {
    const { requests, signal, watch, backlogMax } = this.#plan
    for (;;) {
      const index = this.#next++
      const request = requests[index]
      if (request === undefined) return
      await this.#due(index)
      const hasRoom = (): boolean => this.#waiting() < backlogMax
      if (!hasRoom()) await watch.until(hasRoom, 'room in the backlog', FINAL_TIMEOUT_MS)
      const sentMs = performance.now()
      const results = await submitTransactions(apiUrl, request.body, signal)
      const refusal = results.find(({ status }) => status !== 'accepted')
      this.#firstRefusal ??= refusal === undefined ? undefined : JSON.stringify(refusal)
      const txids = request.txids.filter((_, at) => results[at]?.status === 'accepted')
      this.#accepted += txids.length
      this.#refused += request.txids.length - txids.length
      this.#answers.push({ sentMs, answeredMs: performance.now(), txids })
    }
  }

  /** Waits until a request's turn has come. */
  async #due(index: number): Promise<void> {
    const { perSecond, requests, signal } = this.#plan
    if (perSecond === undefined) return
    const before = index * (requests[0]?.txids.length ?? 0)
    const waitMs = this.#startedMs + (before * 1000) / perSecond - performance.now()
    if (waitMs > 1) await delay(waitMs, undefined, { signal })
  }

  /** Nobody else pays meanwhile: what is in blocks is of this load. */
  #final(): number {
    const blocks = this.#plan.watch.seenBy(0).slice(this.#firstBlock)
    return blocks.reduce((sum, { txCount }) => sum + txCount - 1, 0)
  }

  #waiting(): number {
    return this.#accepted - this.#final()
  }

  async finish(): Promise<void> {
    const { watch, signal } = this.#plan
    signal.throwIfAborted()
    await watch.until(() => this.#waiting() <= 0, 'the load to be final', FINAL_TIMEOUT_MS)
  }

  outcome(): LoadOutcome {
    const blocks = this.#plan.watch.seenBy(0).slice(this.#firstBlock)
    return {
      accepted: this.#accepted,
      refused: this.#refused,
      firstRefusal: this.#firstRefusal,
      startedMs: this.#startedMs,
      blocks: blocks.filter(({ txCount }) => txCount > 1),
      answers: this.#answers,
    }
  }
}

/**
 * Milliseconds from the answer that accepted a transaction to the event that tells of its block, at the first
 * validator, for each. @throws BenchmarkError when one is in no block.
 */
export async function finalityMs(
  { answers, blocks }: LoadOutcome,
  apiUrl: string,
  signal: AbortSignal,
): Promise<readonly number[]> {
  const finalAtMs = new Map<string, number>()
  for (const { hash, atMs } of blocks) {
    for (const txid of await transactionIdsOf(apiUrl, hash, signal)) finalAtMs.set(txid, atMs)
  }
  return answers.flatMap(({ txids, answeredMs }) =>
    txids.map((txid) => {
      const atMs = finalAtMs.get(txid)
      if (atMs === undefined) throw new BenchmarkError(`${txid} is in no block of the load`)
      // A block can be heard of before the answer to the submission is here.
      return Math.max(0, atMs - answeredMs)
    }),
  )
}
