/**
 * What one peer may send on the direct channels. Until the layers above trust it (its HELLO has proved
 * a validator) only short frames on the consensus channel are kept, a few of them: a stranger makes
 * this node hold no more than those. Of a validator, frames are kept at a generous rate, and the bytes
 * of its unfinished frames are bounded over all its streams.
 *
 * A frame that is not allowed is read past, without blame: a validator's frames may overtake its
 * HELLO, and whatever got lost is asked for again.
 */

import type { Channel, Clock } from '../runtime/runtime.ts'
import type { NetworkCounters } from './network-counters.ts'
import { type Rate, TokenBucket } from './token-bucket.ts'

/** A HELLO has about 270 bytes. */
const STRANGER_FRAME_BYTES_MAX = 512
const STRANGER_FRAMES: Rate = { burst: 32, perSecond: 2 }
/** A hundred validators in a storm of view changes send each other a tenth of it. */
const TRUSTED_FRAMES: Rate = { burst: 4_000, perSecond: 500 }
/** The largest frame of every channel, twice: a torn connection's streams may not have ended yet. */
const UNFINISHED_BYTES_MAX = 16 * 1024 * 1024

export class InboundAllowance {
  readonly #clock: Clock
  readonly #counters: NetworkCounters
  #frames: TokenBucket
  #isTrusted = false
  #unfinishedBytes = 0

  constructor(clock: Clock, counters: NetworkCounters) {
    this.#clock = clock
    this.#counters = counters
    this.#frames = new TokenBucket(STRANGER_FRAMES, clock.monotonicMs())
  }

  get isTrusted(): boolean {
    return this.#isTrusted
  }

  trust(isTrusted: boolean): void {
    if (this.#isTrusted === isTrusted) return
    this.#isTrusted = isTrusted
    const rate = isTrusted ? TRUSTED_FRAMES : STRANGER_FRAMES
    this.#frames = new TokenBucket(rate, this.#clock.monotonicMs())
  }

  /** Is a frame of this length to be kept? If so, its room is taken until `release`. */
  admit(channel: Channel, bytes: number): boolean {
    const isShort = channel === 'consensus' && bytes <= STRANGER_FRAME_BYTES_MAX
    if (!this.#isTrusted && !isShort) {
      this.#counters.count('framesOfStrangers')
      return false
    }
    const fits = this.#unfinishedBytes + bytes <= UNFINISHED_BYTES_MAX
    if (!fits || !this.#frames.take(this.#clock.monotonicMs())) {
      this.#counters.count('framesOverRate')
      return false
    }
    this.#unfinishedBytes += bytes
    return true
  }

  /** An admitted frame is complete, or will never be. */
  release(bytes: number): void {
    this.#unfinishedBytes -= bytes
  }
}
