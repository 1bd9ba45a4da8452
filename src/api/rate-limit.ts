/**
 * How often one remote address may ask: a token bucket each. Behind a reverse proxy every client has
 * the proxy's address, so a proxy has to limit its clients itself.
 */

import type { MiddlewareHandler } from 'hono'
import type { Clock } from '../runtime/runtime.ts'
import { type ApiEnv, isLoopback, limitKey, remoteAddress } from './api-context.ts'
import type { ApiLimits } from './limits.ts'
import { HttpError } from './problem.ts'

interface Bucket {
  tokens: number
  updatedMs: number
}

interface Rate {
  readonly perSecond: number
  readonly burst: number
}

/** How bitcoind, and `connectTransaction`, call it. */
const SCRIPT_FAILURE = 'mandatory-script-verify-flag-failed'

export class TokenBuckets {
  readonly #buckets = new Map<string, Bucket>()
  readonly #keysMax: number
  readonly #clock: Clock

  constructor(keysMax: number, clock: Clock) {
    this.#keysMax = keysMax
    this.#clock = clock
  }

  get size(): number {
    return this.#buckets.size
  }

  /** Takes tokens and returns 0, or returns the seconds until there is one. With none, only asks. */
  take(key: string, rate: Rate, tokens = 1): number {
    const nowMs = this.#clock.monotonicMs()
    const bucket = this.#buckets.get(key) ?? { tokens: rate.burst, updatedMs: nowMs }
    const earned = ((nowMs - bucket.updatedMs) / 1_000) * rate.perSecond
    bucket.tokens = Math.min(rate.burst, bucket.tokens + earned)
    bucket.updatedMs = nowMs
    // Put in anew, so that the map stays in the order of last use.
    this.#buckets.delete(key)
    this.#buckets.set(key, bucket)
    this.#forgetOldest()
    if (bucket.tokens < 1) return Math.max(1, Math.ceil((1 - bucket.tokens) / rate.perSecond))
    bucket.tokens -= tokens
    return 0
  }

  #forgetOldest(): void {
    if (this.#buckets.size <= this.#keysMax) return
    const oldest = this.#buckets.keys().next()
    if (oldest.done !== true) this.#buckets.delete(oldest.value)
  }
}

/** Refuses with 429 and Retry-After what comes too fast. */
export function rateLimit(limits: ApiLimits, clock: Clock): MiddlewareHandler<ApiEnv> {
  const buckets = new TokenBuckets(limits.trackedAddressesMax, clock)
  const remote = { perSecond: limits.requestsPerSecond, burst: limits.requestBurst }
  const loopback = {
    perSecond: limits.loopbackRequestsPerSecond,
    burst: limits.loopbackRequestBurst,
  }
  return async (c, next) => {
    const address = remoteAddress(c.env)
    takeOrRefuse(buckets, address, isLoopback(address) ? loopback : remote)
    await next()
  }
}

/**
 * The same for what a node does only so often in a minute for all its clients together: no remote
 * address may use it up alone. This machine's own programs are exempt.
 */
export function scarceRateLimit(limits: ApiLimits, clock: Clock): MiddlewareHandler<ApiEnv> {
  const buckets = new TokenBuckets(limits.trackedAddressesMax, clock)
  const { scarcePerMinute } = limits
  const rate = { perSecond: scarcePerMinute / 60, burst: scarcePerMinute }
  return async (c, next) => {
    const address = remoteAddress(c.env)
    if (!isLoopback(address)) takeOrRefuse(buckets, address, rate)
    await next()
  }
}

/**
 * The same for transactions whose scripts or signatures fail. Such a one costs its sender nothing and
 * this node up to a second; a wallet hardly ever makes one.
 */
export function failedScriptLimit(limits: ApiLimits, clock: Clock): MiddlewareHandler<ApiEnv> {
  const buckets = new TokenBuckets(limits.trackedAddressesMax, clock)
  const { failedScriptsPerMinute } = limits
  const rate = { perSecond: failedScriptsPerMinute / 60, burst: failedScriptsPerMinute }
  return async (c, next) => {
    const address = remoteAddress(c.env)
    if (isLoopback(address)) return next()
    takeOrRefuse(buckets, address, rate, 0)
    await next()
    const hasFailed = c.error instanceof HttpError && c.error.message.includes(SCRIPT_FAILURE)
    if (hasFailed || c.get('hasFailedScript') === true) buckets.take(limitKey(address), rate)
  }
}

export function isScriptFailure(code: string): boolean {
  return code.startsWith(SCRIPT_FAILURE)
}

/**
 * The same for dry runs, counted by the time that they take: unlike what is sent, they cost no fee, and a
 * coin can be spent in any number of ways.
 */
export function dryRunLimit(limits: ApiLimits, clock: Clock): MiddlewareHandler<ApiEnv> {
  const buckets = new TokenBuckets(limits.trackedAddressesMax, clock)
  const { dryRunMsPerMinute } = limits
  const rate = { perSecond: dryRunMsPerMinute / 60, burst: dryRunMsPerMinute }
  return async (c, next) => {
    const address = remoteAddress(c.env)
    if (isLoopback(address)) return next()
    takeOrRefuse(buckets, address, rate, 1)
    const startedMs = clock.monotonicMs()
    await next()
    buckets.take(limitKey(address), rate, clock.monotonicMs() - startedMs)
  }
}

function takeOrRefuse(buckets: TokenBuckets, address: string, rate: Rate, tokens = 1): void {
  const waitSeconds = buckets.take(limitKey(address), rate, tokens)
  if (waitSeconds === 0) return
  throw new HttpError(429, 'Too many requests', {
    code: 'too-many-requests',
    retryAfterSeconds: waitSeconds,
  })
}
