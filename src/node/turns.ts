/**
 * Long work in short turns. What many peers send at once must not keep votes, blocks and the API waiting:
 * jobs run in order, and after some milliseconds the rest of the node has its turn. Work that takes no time
 * by the clock at hand, as in a simulation, is done at once.
 */

import type { CancelTimer, Clock, Timers } from '../runtime/runtime.ts'

/** Yields wherever it may be interrupted. */
export type Job<T> = Generator<undefined, T>

export interface TurnLimits {
  /** Longest turn, milliseconds. */
  readonly turnMs: number
  /** Sum of the costs of jobs that wait; whatever comes then is refused. */
  readonly waitingMax: number
}

interface Waiting {
  /** True when it is done. */
  advance(endsMs: number): boolean
  abandon(): void
  readonly cost: number
}

export class Turns {
  readonly #limits: TurnLimits
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #waiting: Waiting[] = []
  #waitingCost = 0
  /** Of the turn that has begun; undefined when the rest of the node has had its own. */
  #endsMs: number | undefined
  #cancel: CancelTimer | undefined
  #isStopped = false

  constructor(limits: TurnLimits, runtime: { readonly clock: Clock; readonly timers: Timers }) {
    this.#limits = limits
    this.#clock = runtime.clock
    this.#timers = runtime.timers
  }

  /**
   * The job's result, or `refused` when too much waits already or this has stopped. What the job throws
   * is thrown, or the promise rejects with it; the other jobs go on.
   */
  run<T>(job: Job<T>, cost: number, refused: T): T | Promise<T> {
    if (this.#isStopped) return refused
    if (this.#waiting.length === 0) {
      const done = this.#inTurn((endsMs) => advance(job, endsMs, this.#clock))
      if (done !== undefined) return done.value
    }
    if (this.#waitingCost + cost > this.#limits.waitingMax) return refused
    this.#waitingCost += cost
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    this.#waiting.push({
      cost,
      advance: (endsMs) => {
        try {
          const done = advance(job, endsMs, this.#clock)
          if (done !== undefined) resolve(done.value)
          return done !== undefined
        } catch (error) {
          reject(error)
          return true
        }
      },
      abandon: () => resolve(refused),
    })
    return promise
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel?.()
    for (const waiting of this.#waiting.splice(0)) waiting.abandon()
  }

  #inTurn<R>(work: (endsMs: number) => R): R {
    const startedMs = this.#clock.monotonicMs()
    const result = work(this.#endsMs ?? startedMs + this.#limits.turnMs)
    if (this.#clock.monotonicMs() > startedMs) {
      this.#endsMs ??= startedMs + this.#limits.turnMs
      this.#cancel ??= this.#timers.after(0, () => this.#next())
    }
    return result
  }

  #next(): void {
    this.#endsMs = undefined
    this.#cancel = undefined
    if (this.#waiting.length === 0) return
    this.#inTurn((endsMs) => {
      for (;;) {
        const first = this.#waiting[0]
        if (first === undefined || !first.advance(endsMs)) return
        this.#waiting.shift()
        this.#waitingCost -= first.cost
      }
    })
  }
}

/** Undefined when the time was up before the end. */
function advance<T>(job: Job<T>, endsMs: number, clock: Clock): { readonly value: T } | undefined {
  while (clock.monotonicMs() < endsMs) {
    const step = job.next()
    if (step.done === true) return { value: step.value }
  }
  return undefined
}
