/**
 * The fee rate below which a pool that had to drop transactions takes no new ones: without it a
 * transaction could be sent, dropped and sent again for nothing. It rises to the rate of what was
 * dropped and halves as time goes by (Core's rolling minimum fee).
 */

import { INCREMENTAL_FEE_SATS_PER_KVB } from './policy.ts'

/** Core waits 12 hours; here a whole pool fits into some seconds of blocks. */
const HALF_LIFE_MS = 60_000

export class FeeFloor {
  #rateSatsPerKvb = 0
  #raisedAtMs = 0

  /** Satoshis per 1,000 virtual bytes; 0 when nothing was dropped of late. */
  at(nowMs: number): number {
    const elapsedMs = Math.max(0, nowMs - this.#raisedAtMs)
    const rate = this.#rateSatsPerKvb * 2 ** (-elapsedMs / HALF_LIFE_MS)
    return rate < INCREMENTAL_FEE_SATS_PER_KVB / 2 ? 0 : rate
  }

  /** A transaction or package of this rate was dropped for want of room. */
  raise(droppedSatsPerKvb: number, nowMs: number): void {
    const rate = droppedSatsPerKvb + INCREMENTAL_FEE_SATS_PER_KVB
    if (rate <= this.at(nowMs)) return
    this.#rateSatsPerKvb = rate
    this.#raisedAtMs = nowMs
  }
}
