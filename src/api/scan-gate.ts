/** Lets a few history scans run at a time; the others wait in a bounded queue, in order. */

import { HttpError } from './problem.ts'

export class ScanGate {
  #running = 0
  readonly #waiting: (() => void)[] = []
  readonly #concurrent: number
  readonly #queuedMax: number

  constructor(concurrent: number, queuedMax: number) {
    this.#concurrent = concurrent
    this.#queuedMax = queuedMax
  }

  /** @throws HttpError 503 when the queue is full. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    await this.#enter()
    try {
      return await work()
    } finally {
      this.#leave()
    }
  }

  async #enter(): Promise<void> {
    if (this.#running < this.#concurrent) {
      this.#running++
      return
    }
    if (this.#waiting.length >= this.#queuedMax) {
      throw new HttpError(503, 'Server busy', { code: 'busy', retryAfterSeconds: 1 })
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting.push(resolve)
    await promise
  }

  /** Hands the place on, so that a newcomer cannot slip in before those who wait. */
  #leave(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#running--
    else next()
  }
}
