/**
 * A workbench on a thread of its own, so that minutes' worth of curve arithmetic never hold up the event
 * loop on which the member votes. The thread is started with the first job. When it dies, by an error or
 * for want of memory, everything that it was asked is `lost`, and the next job starts another, which is
 * given the shares again and nothing else: what its predecessor knew of nonces, nobody knows.
 */

import { Worker } from 'node:worker_threads'
import { assert } from '../../src/primitives/assert.ts'
import type { Clock, Logger } from '../../src/runtime/runtime.ts'
import type { KeyShare } from './frost.ts'
import { keyName, type SigningWork, type WorkJob, type WorkResult } from './work-jobs.ts'

/** What the thread is told. */
export type ThreadRequest =
  | {
      readonly kind: 'share'
      readonly epoch: number
      readonly attempt: number
      readonly member: number
      readonly memberCount: number
      readonly commitments: readonly Uint8Array[]
      readonly secret: Uint8Array
    }
  | { readonly kind: 'job'; readonly id: number; readonly job: WorkJob }

/** What it answers. */
export interface ThreadAnswer {
  readonly id: number
  readonly result: WorkResult
}

export interface SigningThread extends SigningWork {
  /** How often a thread has died. */
  readonly deaths: number
  /** Ends the thread; every job, now and later, is `lost`. */
  close(): Promise<void>
}

export interface SigningThreadParts {
  readonly clock: Clock
  readonly log: Logger
  /** Another thread to run, for tests. */
  readonly script?: URL
}

const THREAD_LIMITS = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 32 }
/** A thread that dies at once is not started again before this long. */
const RESTART_AFTER_MS = 1_000
const LOST: WorkResult = { kind: 'lost' }

export function createSigningThread(parts: SigningThreadParts): SigningThread {
  return new ThreadedWork(parts)
}

class ThreadedWork implements SigningThread {
  readonly #parts: SigningThreadParts
  readonly #shares = new Map<string, KeyShare>()
  readonly #waiting = new Map<number, (result: WorkResult) => void>()
  #worker: Worker | undefined
  #startedAtMs = Number.NEGATIVE_INFINITY
  #nextId = 0
  #deaths = 0
  #problem: string | undefined
  #closed = false

  constructor(parts: SigningThreadParts) {
    this.#parts = parts
  }

  get deaths(): number {
    return this.#deaths
  }

  problem(): string | undefined {
    return this.#problem
  }

  addShare(share: KeyShare): void {
    if (this.#shares.has(keyName(share))) return
    this.#shares.set(keyName(share), share)
    if (this.#worker !== undefined) handOver(this.#worker, share)
  }

  perform(job: WorkJob): Promise<WorkResult> {
    const worker = this.#closed ? undefined : (this.#worker ?? this.#start())
    if (worker === undefined) return Promise.resolve(LOST)
    const id = this.#nextId++
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve)
      worker.ref()
      post(worker, { kind: 'job', id, job })
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    const worker = this.#worker
    this.#forget()
    await worker?.terminate()
  }

  #start(): Worker | undefined {
    const nowMs = this.#parts.clock.monotonicMs()
    if (nowMs - this.#startedAtMs < RESTART_AFTER_MS) return undefined
    this.#startedAtMs = nowMs
    const script = this.#parts.script ?? new URL('./signing-thread-worker.ts', import.meta.url)
    let worker: Worker
    try {
      worker = new Worker(script, { name: 'signing', execArgv: [], resourceLimits: THREAD_LIMITS })
    } catch (error) {
      this.#problem = `there is no thread for signing: ${String(error)}`
      this.#parts.log.error({ error: String(error) }, 'no thread for signing')
      return undefined
    }
    this.#worker = worker
    worker.on('message', (answer: ThreadAnswer) => this.#answered(worker, answer))
    worker.once('error', (error) => this.#died(worker, String(error)))
    worker.once('exit', (code) => this.#died(worker, `exit code ${code}`))
    for (const share of this.#shares.values()) handOver(worker, share)
    return worker
  }

  #answered(worker: Worker, { id, result }: ThreadAnswer): void {
    // One that has been given up may still have something to say.
    if (worker !== this.#worker) return
    const resolve = this.#waiting.get(id)
    assert(resolve !== undefined, 'an answer without a question')
    this.#waiting.delete(id)
    this.#problem = undefined
    // An idle thread keeps no process alive.
    if (this.#waiting.size === 0) worker.unref()
    resolve(result)
  }

  #died(worker: Worker, reason: string): void {
    if (worker !== this.#worker) return
    this.#deaths += 1
    this.#problem = `the signing thread died: ${reason}`
    this.#parts.log.error({ reason }, 'the signing thread died; its nonces are gone')
    this.#forget()
    void worker.terminate()
  }

  #forget(): void {
    this.#worker = undefined
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const resolve of waiting) resolve(LOST)
  }
}

/** The copy that travels is moved, not copied again: this side keeps nothing of it. */
function handOver(worker: Worker, share: KeyShare): void {
  const { epoch, attempt, member, group } = share
  const { memberCount, commitments } = group
  const secret = share.exposeSecret()
  post(
    worker,
    { kind: 'share', epoch, attempt, member, memberCount, commitments, secret },
    secret.buffer,
  )
}

function post(worker: Worker, request: ThreadRequest, moved?: ArrayBufferLike): void {
  worker.postMessage(request, moved instanceof ArrayBuffer ? [moved] : [])
}
