/**
 * The runtime port on virtual time: timers run in order when the test lets time pass, and between two
 * of them every promise that can settle does. Nothing ever waits.
 */

import type { CancelTimer, Logger, Runtime } from '../../src/runtime/runtime.ts'

interface Timer {
  readonly atMs: number
  readonly sequence: number
  readonly run: () => void
}

export interface LogLine {
  readonly owner: string
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly data: object
  readonly message: string
}

/** Every promise callback that is due, and those that they make due. */
export function settle(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve))
}

/** Where virtual time begins: some day in 2027. */
const START_MS = 1_800_000_000_000
/** A condition that is not met within this much virtual time never will be. */
const PATIENCE_MS = 120_000

export class VirtualWorldTime {
  #nowMs = 0
  #sequence = 0
  readonly #timers: Timer[] = []
  readonly logLines: LogLine[] = []

  get nowMs(): number {
    return START_MS + this.#nowMs
  }

  after(delayMs: number, run: () => void): CancelTimer {
    this.#sequence += 1
    const timer = { atMs: this.#nowMs + Math.max(0, delayMs), sequence: this.#sequence, run }
    const before = this.#timers.findLastIndex((other) => other.atMs <= timer.atMs)
    this.#timers.splice(before + 1, 0, timer)
    return () => {
      const at = this.#timers.indexOf(timer)
      if (at !== -1) this.#timers.splice(at, 1)
    }
  }

  get timerCount(): number {
    return this.#timers.length
  }

  /** Lets time pass until the condition holds. @throws TypeError when it never does. */
  async until(condition: () => boolean, what: string): Promise<void> {
    const endMs = this.#nowMs + PATIENCE_MS
    await settle()
    while (!condition()) {
      const passed = await this.#next(endMs)
      if (!passed) throw new TypeError(`never happened: ${what}`)
    }
  }

  /** Lets this much time pass. */
  async pass(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms
    await settle()
    while (await this.#next(endMs)) {
      // One timer after the other.
    }
    this.#nowMs = endMs
  }

  async #next(endMs: number): Promise<boolean> {
    const [timer] = this.#timers
    if (timer === undefined || timer.atMs > endMs) return false
    this.#timers.shift()
    this.#nowMs = timer.atMs
    timer.run()
    await settle()
    return true
  }

  /** A process's runtime; once it is not alive any more, its timers never run. */
  runtime(owner: string, isAlive: () => boolean = () => true): Runtime {
    const log = (level: LogLine['level']) => (data: object, message: string) => {
      this.logLines.push({ owner, level, data, message })
    }
    const logger: Logger = {
      debug: log('debug'),
      info: log('info'),
      warn: log('warn'),
      error: log('error'),
      child: () => logger,
    }
    return {
      clock: { nowMs: () => this.nowMs, monotonicMs: () => this.#nowMs },
      timers: {
        after: (delayMs, run) =>
          this.after(delayMs, () => {
            if (isAlive()) run()
          }),
      },
      random: { bytes: (length) => new Uint8Array(length) },
      log: logger,
    }
  }
}
