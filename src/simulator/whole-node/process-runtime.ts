/**
 * The runtime port of one life of a simulated process: clocks that differ and jump, timers by the own
 * clock, chance from the seed, and a log that goes to the run's observer.
 */

import type { CancelTimer, Logger, Runtime } from '../../runtime/runtime.ts'
import type { SeededRandom } from '../seeded-random.ts'
import type { SimulatedClock } from '../simulated-clock.ts'
import type { ProcessLife } from './process-life.ts'
import type { WorldTime } from './world-time.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export interface ProcessRuntimeParts {
  readonly time: WorldTime
  readonly clock: SimulatedClock
  readonly random: SeededRandom
  readonly life: ProcessLife
  /** What every look at the clock costs, ms: a slow processor, so that long work takes several turns. */
  readonly lookMs: number
  readonly log: (level: LogLevel, data: object, message: string) => void
  /** How many timers wait; told upon every change. */
  readonly timersChanged: (count: number) => void
}

export function createProcessRuntime(parts: ProcessRuntimeParts): Runtime {
  const { time, clock, random, life, lookMs } = parts
  let lastMs = Number.NEGATIVE_INFINITY
  let waiting = 0

  const monotonicMs = (): number => {
    lastMs = Math.max(clock.monotonicMs, lastMs + lookMs)
    return lastMs
  }

  const after = (delayMs: number, run: () => void): CancelTimer => {
    let isWaiting = true
    waiting += 1
    parts.timersChanged(waiting)
    const end = (): boolean => {
      if (!isWaiting) return false
      isWaiting = false
      waiting -= 1
      return true
    }
    time.after(clock.trueDelayMs(Math.max(0, delayMs)), () => {
      if (life.isAlive && end()) run()
    })
    return () => void end()
  }

  const logger = (bound: object): Logger => {
    const at = (level: LogLevel) => (data: object, message: string) => {
      if (life.isAlive) parts.log(level, { ...bound, ...data }, message)
    }
    return {
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      child: (bindings) => logger({ ...bound, ...bindings }),
    }
  }

  return {
    clock: { nowMs: () => clock.wallMs, monotonicMs },
    timers: { after },
    random: { bytes: (length) => Uint8Array.from({ length }, () => random.below(256)) },
    log: logger({}),
  }
}
