/**
 * A node's two clocks. The monotonic one, for timers, starts anywhere and runs a little fast or slow,
 * and leaps ahead when the machine was suspended. The wall clock, for the times of blocks, is wrong by
 * some amount and can jump both ways.
 */

import type { VirtualTime } from './virtual-time.ts'

/** Where wall clocks stand when virtual time begins, ms since 1970. */
const WALL_START_MS = 1_800_000_000_000

export class SimulatedClock {
  readonly #time: VirtualTime
  readonly #rate: number
  #leapsMs: number
  #wallErrorMs = 0

  /** `rate`: its milliseconds in a true one. */
  constructor(time: VirtualTime, options: { readonly rate: number; readonly startMs: number }) {
    this.#time = time
    this.#rate = options.rate
    this.#leapsMs = options.startMs
  }

  get monotonicMs(): number {
    return this.#time.nowMs * this.#rate + this.#leapsMs
  }

  get wallMs(): number {
    return Math.floor(WALL_START_MS + this.#time.nowMs * this.#rate + this.#wallErrorMs)
  }

  /** How long a delay of this clock truly takes, ms. */
  trueDelayMs(delayMs: number): number {
    return delayMs / this.#rate
  }

  /** The machine was suspended: everything in it finds itself later. */
  leap(byMs: number): void {
    this.#leapsMs += byMs
    this.#wallErrorMs += byMs
  }

  setWallError(errorMs: number): void {
    this.#wallErrorMs = errorMs
  }
}
