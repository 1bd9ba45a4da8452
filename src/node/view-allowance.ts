/**
 * How much longer than its timings say a view may take, because blocks are work: what the last ones took to
 * check and to store here, several times over, since a view has a block built, sent, decoded and checked after
 * the one before is stored, on machines that may all be busy at the same time. Timers are local and decide
 * nothing but speed: on an idle chain, whose blocks are small, a dead leader costs what the timings say.
 */

import type { TimerId } from '../consensus/events-and-effects.ts'

/** Those that end a view in which nothing happens. */
const VIEW_TIMERS: ReadonlySet<TimerId> = new Set(['propose', 'notarize', 'finalize'])
/** Building, opening, checking, and one more for whatever else the processor does. */
const CHECKS_PER_VIEW = 4
/** Here and at the leader: whoever stores later also proposes or votes later. */
const STORES_PER_VIEW = 2
/** Kept of the longest with every further one. */
const KEPT = 0.7
/** A hostile leader's slowest block must not make everybody wait for long. */
const ALLOWANCE_MS_MAX = 4_000

export class ViewAllowance {
  #checkMs = 0
  #storeMs = 0

  /** A fresh block took so long to check. */
  checked(tookMs: number): void {
    this.#checkMs = Math.max(tookMs, this.#checkMs * KEPT)
  }

  /** A final block took so long to become durable. */
  stored(tookMs: number): void {
    this.#storeMs = Math.max(tookMs, this.#storeMs * KEPT)
  }

  /** To be added to what the timings say, milliseconds. */
  msOf(timer: TimerId): number {
    if (!VIEW_TIMERS.has(timer)) return 0
    const workMs = this.#checkMs * CHECKS_PER_VIEW + this.#storeMs * STORES_PER_VIEW
    return Math.min(workMs, ALLOWANCE_MS_MAX)
  }
}
