/** An abort signal that fires after a while, on the runtime's timers, or when its owner stops. */

import type { Timers } from '../runtime/runtime.ts'

export class DeadlineError extends Error {
  override readonly name = 'DeadlineError'
}

export interface Deadline {
  readonly signal: AbortSignal
  /** Aborts at once. */
  abort(reason: Error): void
  /** Stops the clock. Call it when the work is done, on every path. */
  clear(): void
}

/** Aborts with DeadlineError after `delayMs`. */
export function startDeadline(timers: Timers, delayMs: number): Deadline {
  const controller = new AbortController()
  const clear = timers.after(delayMs, () => {
    controller.abort(new DeadlineError(`not done within ${delayMs} ms`))
  })
  return {
    signal: controller.signal,
    abort(reason): void {
      clear()
      controller.abort(reason)
    },
    clear,
  }
}
