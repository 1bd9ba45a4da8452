/**
 * A rate limit: a bucket of tokens that fills steadily up to its capacity. Time is handed in, in
 * milliseconds of any monotonic clock.
 */

import { assert } from '../primitives/assert.ts'

export interface Rate {
  /** How much may come at once. */
  readonly burst: number
  /** How much may come for ever. */
  readonly perSecond: number
}

export class TokenBucket {
  readonly #rate: Rate
  #tokens: number
  #filledAtMs: number

  /** A full bucket. */
  constructor(rate: Rate, nowMs: number) {
    assert(rate.burst >= 1 && rate.perSecond > 0, 'a rate lets something through')
    this.#rate = rate
    this.#tokens = rate.burst
    this.#filledAtMs = nowMs
  }

  /** Takes tokens if all of them are there. */
  take(nowMs: number, tokens = 1): boolean {
    this.#fill(nowMs)
    if (this.#tokens < tokens) return false
    this.#tokens -= tokens
    return true
  }

  /** Takes tokens whether they are there or not; `waitMs` tells when the debt is paid. */
  charge(nowMs: number, tokens: number): void {
    this.#fill(nowMs)
    this.#tokens -= tokens
  }

  /** Milliseconds until one token is there; 0 when it is. */
  waitMs(nowMs: number): number {
    this.#fill(nowMs)
    return Math.max(0, Math.ceil(((1 - this.#tokens) / this.#rate.perSecond) * 1_000))
  }

  #fill(nowMs: number): void {
    const { burst, perSecond } = this.#rate
    const elapsedMs = Math.max(0, nowMs - this.#filledAtMs)
    this.#tokens = Math.min(burst, this.#tokens + (elapsedMs / 1_000) * perSecond)
    this.#filledAtMs = Math.max(this.#filledAtMs, nowMs)
  }
}
