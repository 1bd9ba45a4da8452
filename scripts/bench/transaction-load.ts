/**
 * Many transactions at a bounded rate and with a bounded backlog, each to the next validator in turn,
 * until all that were accepted are final.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { type Transaction, transactionId } from '../../src/bitcoin/transaction.ts'
import type { BlockWatch, SeenBlock } from './block-watch.ts'
import { answerTimeMs, submitTransaction, transactionIdsOf } from './node-requests.ts'

export interface LoadPlan {
  readonly apiUrls: readonly string[]
  readonly watch: BlockWatch
  readonly transactions: readonly Transaction[]
  readonly perSecond: number
  /** No more are submitted while so many are accepted and not final. */
  readonly backlogMax: number
  readonly signal: AbortSignal
  readonly progress: (line: string) => void
}

export interface LoadOutcome {
  readonly accepted: number
  readonly refused: number
  /** In a validator's words. */
  readonly firstRefusal: string | undefined
  /** From the first submission to the last acceptance. */
  readonly submitMs: number
  /** From the first submission until the first validator told of the last block. */
  readonly totalMs: number
  /** Accepted → final at the first validator, of each transaction. */
  readonly finalMs: readonly number[]
  readonly answerMs: readonly number[]
  /** As the first validator told of them. */
  readonly blocks: readonly SeenBlock[]
}

/** Requests that may wait for an answer at one time. */
const IN_FLIGHT_MAX = 64
/** Transactions between two looks at how many wait. */
const BACKLOG_LOOK_EVERY = 20
const PROBE_EVERY_MS = 50
const FINAL_TIMEOUT_MS = 300_000

export async function runLoad(plan: LoadPlan): Promise<LoadOutcome> {
  const { apiUrls, watch, signal } = plan
  const firstBlock = watch.seenBy(0).length
  const startedMs = performance.now()
  const probes = startProbes(apiUrls, signal)
  const load: RunningLoad = {
    plan,
    acceptedAtMs: new Map(),
    finalAtMs: new Map(),
    refusals: [],
    isSubmitted: false,
  }
  const following = followBlocks(load, firstBlock)
  // Its failure is reported where it is awaited, below.
  following.catch(() => undefined)
  await submitAll(load)
  const submitMs = performance.now() - startedMs
  plan.progress(`${load.acceptedAtMs.size} accepted, ${load.refusals.length} refused`)
  await following
  const finalMs = [...load.acceptedAtMs].map(([txid, acceptedMs]) =>
    // A block can be heard of before the answer to the submission is here.
    Math.max(0, (load.finalAtMs.get(txid) ?? acceptedMs) - acceptedMs),
  )
  const blocks = watch.seenBy(0).slice(firstBlock)
  return {
    accepted: load.acceptedAtMs.size,
    refused: load.refusals.length,
    firstRefusal: load.refusals[0],
    submitMs,
    totalMs: (blocks.findLast(({ txCount }) => txCount > 1)?.atMs ?? startedMs) - startedMs,
    finalMs,
    answerMs: await probes.stop(),
    blocks,
  }
}

interface RunningLoad {
  readonly plan: LoadPlan
  readonly acceptedAtMs: Map<string, number>
  /** Of every transaction in the first validator's blocks. */
  readonly finalAtMs: Map<string, number>
  readonly refusals: string[]
  isSubmitted: boolean
}

function waitingIn({ acceptedAtMs, finalAtMs }: RunningLoad): number {
  let waiting = 0
  for (const txid of acceptedAtMs.keys()) if (!finalAtMs.has(txid)) waiting += 1
  return waiting
}

async function submitAll(load: RunningLoad): Promise<void> {
  const { apiUrls, transactions, perSecond, backlogMax, signal, watch } = load.plan
  const inFlight = new Set<Promise<void>>()
  let dueMs = performance.now()
  for (const [index, transaction] of transactions.entries()) {
    dueMs = Math.max(dueMs + 1000 / perSecond, performance.now() - 1000)
    const waitMs = dueMs - performance.now()
    if (waitMs > 1) await delay(waitMs, undefined, { signal })
    if (inFlight.size >= IN_FLIGHT_MAX) await Promise.race(inFlight)
    if (index % BACKLOG_LOOK_EVERY === 0 && waitingIn(load) >= backlogMax) {
      const what = `fewer than ${backlogMax} to wait`
      await watch.until(() => waitingIn(load) < backlogMax, what, FINAL_TIMEOUT_MS)
    }
    const request = submitTransaction(apiUrls[index % apiUrls.length] ?? '', transaction, signal)
      .then(
        () => void load.acceptedAtMs.set(transactionId(transaction), performance.now()),
        (error: unknown) => void load.refusals.push(String(error)),
      )
      .finally(() => inFlight.delete(request))
    inFlight.add(request)
  }
  await Promise.all(inFlight)
  signal.throwIfAborted()
  load.isSubmitted = true
  watch.recheck()
}

/** Reads the first validator's blocks until all that was accepted is in them. */
async function followBlocks(load: RunningLoad, firstBlock: number): Promise<void> {
  const { apiUrls, watch, signal, progress } = load.plan
  const isDone = (): boolean => load.isSubmitted && waitingIn(load) === 0
  for (let next = firstBlock; !isDone(); next++) {
    await watch.until(() => watch.seenBy(0).length > next || isDone(), 'a block', FINAL_TIMEOUT_MS)
    const block = watch.seenBy(0)[next]
    if (block === undefined) return
    if (block.txCount === 1) continue
    for (const id of await transactionIdsOf(apiUrls[0] ?? '', block.hash, signal)) {
      load.finalAtMs.set(id, block.atMs)
    }
    watch.recheck()
    progress(
      `block ${block.height}: ${block.txCount - 1} transactions, ${load.acceptedAtMs.size} ` +
        `accepted, ${waitingIn(load)} of them waiting`,
    )
  }
}

/** How long validators take to answer meanwhile: what their event loops are held up by. */
function startProbes(
  apiUrls: readonly string[],
  signal: AbortSignal,
): { stop(): Promise<readonly number[]> } {
  const samples: number[] = []
  const stopped = new AbortController()
  const probe = async (): Promise<void> => {
    for (let turn = 0; !stopped.signal.aborted && !signal.aborted; turn++) {
      const url = apiUrls[turn % apiUrls.length] ?? ''
      const tookMs = await answerTimeMs(url, signal).catch(() => undefined)
      if (tookMs !== undefined) samples.push(tookMs)
      await delay(PROBE_EVERY_MS)
    }
  }
  const running = probe()
  return {
    async stop() {
      stopped.abort()
      await running
      return samples
    },
  }
}
