/** How much somebody may ask for in a minute: a count per name that starts anew every minute. */

import type { Clock } from '../../src/runtime/runtime.ts'

const MINUTE_MS = 60_000
/** Names counted at one time; peers and connections are fewer. Beyond it nobody else is served. */
const NAMES_MAX = 10_000

export interface Allowance {
  /** False when `name` has used up this minute's share. */
  take(name: string): boolean
}

export function createAllowance(clock: Clock, perMinute: number): Allowance {
  const used = new Map<string, number>()
  let minute: number | undefined
  return {
    take(name) {
      const now = Math.floor(clock.monotonicMs() / MINUTE_MS)
      if (now !== minute) {
        minute = now
        used.clear()
      }
      const count = used.get(name) ?? 0
      if (count >= perMinute || (count === 0 && used.size >= NAMES_MAX)) return false
      used.set(name, count + 1)
      return true
    },
  }
}
