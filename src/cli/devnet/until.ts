/** Waiting for something of the outside world, with an end. */

import { setTimeout as delay } from 'node:timers/promises'
import { DevnetError } from './devnet-files.ts'

export interface UntilOptions {
  readonly timeoutMs: number
  /** For the error: "waited … for WHAT". */
  readonly what: string
  readonly intervalMs?: number
  readonly signal?: AbortSignal
}

const INTERVAL_MS = 100

/** Asks until the answer is neither undefined nor false. Any error but a DevnetError is asked again. */
export async function until<T>(
  ask: () => Promise<T | undefined | false>,
  options: UntilOptions,
): Promise<T> {
  const deadline = Date.now() + options.timeoutMs
  let lastError: unknown
  for (;;) {
    options.signal?.throwIfAborted()
    try {
      const answer = await ask()
      if (answer !== undefined && answer !== false) return answer
    } catch (error) {
      if (error instanceof DevnetError) throw error
      lastError = error
    }
    if (Date.now() >= deadline) {
      const seconds = Math.round(options.timeoutMs / 1000)
      const why = lastError instanceof Error ? `: ${lastError.message}` : ''
      throw new DevnetError(`waited ${seconds} s for ${options.what}${why}`, { cause: lastError })
    }
    await delay(options.intervalMs ?? INTERVAL_MS)
  }
}
