/** The operating system's clock, timers, randomness, and pino for the log. */

import { randomBytes } from 'node:crypto'
import { type Logger as PinoLogger, pino } from 'pino'
import type { Logger, Runtime } from './runtime.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

/** Logs to standard error as JSON lines, so that standard output stays for results. */
export function createSystemRuntime(options: { readonly logLevel: LogLevel }): Runtime {
  return {
    clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
    timers: {
      after(delayMs, run) {
        const timer = setTimeout(run, delayMs)
        return () => clearTimeout(timer)
      },
    },
    random: { bytes: (length) => new Uint8Array(randomBytes(length)) },
    log: wrap(pino({ level: options.logLevel, base: null }, pino.destination(2))),
  }
}

function wrap(log: PinoLogger): Logger {
  return {
    debug: (data, message) => log.debug(data, message),
    info: (data, message) => log.info(data, message),
    warn: (data, message) => log.warn(data, message),
    error: (data, message) => log.error(data, message),
    child: (bindings) => wrap(log.child(bindings)),
  }
}
