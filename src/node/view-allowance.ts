/**
 * How much longer than its timings say a view may take, because blocks are work: what the last ones took to
 * check here, several times over, since a view has a block built, sent, decoded and checked, on machines
 * that may all be busy at the same time. Timers are local and decide nothing but speed: on an idle chain,
 * whose blocks are small, a dead leader costs what the timings say.
 */

/** Building, opening, checking, and one more for whatever else the processor does. */
const CHECKS_PER_VIEW = 4
/** Kept of the longest check with every further one. */
const KEPT = 0.7
/** A hostile leader's slowest block must not make everybody wait for long. */
const ALLOWANCE_MS_MAX = 3_000

export class ViewAllowance {
  #longestMs = 0

  /** A fresh block took so long to check here. */
  checked(tookMs: number): void {
    this.#longestMs = Math.max(tookMs, this.#longestMs * KEPT)
  }

  get ms(): number {
    return Math.min(this.#longestMs * CHECKS_PER_VIEW, ALLOWANCE_MS_MAX)
  }
}
