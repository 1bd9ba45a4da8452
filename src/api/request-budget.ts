/** The time a request may take: who waits too long gets 504, and work for nobody ends early. */

import { setImmediate } from 'node:timers/promises'
import type { Context, MiddlewareHandler } from 'hono'
import type { Clock } from '../runtime/runtime.ts'
import type { ApiEnv } from './api-context.ts'
import { HttpError } from './problem.ts'

function timeoutError(): HttpError {
  return new HttpError(504, 'Request timed out', { code: 'timeout' })
}

/** Event streams stay open for as long as their clients like. */
function isEventStream(c: Context<ApiEnv>): boolean {
  return c.req.path === '/v1/events'
}

export function requestBudget(timeoutMs: number, clock: Clock): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    if (isEventStream(c)) return next()
    const endsMs = clock.monotonicMs() + timeoutMs
    c.set('budget', {
      async breathe() {
        await setImmediate()
        if (c.req.raw.signal.aborted || clock.monotonicMs() >= endsMs) throw timeoutError()
      },
    })
    const { promise: expired, reject } = Promise.withResolvers<never>()
    const timer = setTimeout(() => reject(timeoutError()), timeoutMs)
    try {
      await Promise.race([next(), expired])
    } finally {
      clearTimeout(timer)
    }
  }
}
