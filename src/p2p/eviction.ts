/**
 * Whom to part with when there are too many observers: half of them are safe for having stayed the
 * longest, a quarter for having brought the most, so that whoever floods in with new connections
 * mostly displaces itself. Of the others, the newest of the address group that holds the most places
 * goes. (Bitcoin Core's eviction of inbound peers, in short.)
 */

import type { PeerId } from '../runtime/runtime.ts'

export interface Observer {
  readonly id: PeerId
  /** Name of its address group. */
  readonly group: string
  /** Monotonic, ms. */
  readonly connectedAtMs: number
  /** Gossip messages that it was the first to bring, and that were good. */
  readonly useful: number
}

/** The observer to part with; undefined when there is none. */
export function chooseEviction(observers: readonly Observer[]): PeerId | undefined {
  const size = new Map<string, number>()
  for (const { group } of observers) size.set(group, (size.get(group) ?? 0) + 1)
  const byUse = observers
    .filter(({ useful }) => useful > 0)
    .toSorted((a, b) => b.useful - a.useful)
    .slice(0, Math.floor(observers.length / 4))
  const byAge = observers
    .toSorted((a, b) => a.connectedAtMs - b.connectedAtMs)
    .slice(0, Math.floor(observers.length / 2))
  const safe = new Set([...byUse, ...byAge])
  const groupSize = ({ group }: Observer): number => size.get(group) ?? 0
  const [worst] = observers
    .filter((observer) => !safe.has(observer))
    .toSorted((a, b) => groupSize(b) - groupSize(a) || b.connectedAtMs - a.connectedAtMs)
  return worst?.id
}
