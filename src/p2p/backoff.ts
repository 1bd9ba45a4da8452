/** The pause before trying again: exponential from 0.2 s to 5 s, with jitter. */

import type { Random } from '../runtime/runtime.ts'

const FIRST_MS = 200
const MAX_MS = 5_000

/** Milliseconds to wait after `failures` failures in a row; between half and all of the step. */
export function backoffDelayMs(failures: number, random: Random): number {
  const step = Math.min(MAX_MS, FIRST_MS * 2 ** Math.min(failures, 10))
  const [high = 0, low = 0] = random.bytes(2)
  const fraction = (high * 256 + low) / 65_536
  return Math.round(step * (0.5 + fraction / 2))
}
