/**
 * How long packets take between places: one room, or eight regions of the world. One-way delays are
 * half of round-trip times as cloud operators publish them, in whole milliseconds, plus up to a tenth.
 * And a room whose links are far slower than its timers: only delays that grow get it through.
 */

import { type ConsensusTimings, LAN_TIMINGS, WAN_TIMINGS } from '../consensus/config.ts'
import type { SeededRandom } from './seeded-random.ts'

export type ProfileName = 'lan' | 'wan' | 'slow'

export interface LatencyProfile {
  readonly timings: ConsensusTimings
  /** How often the timers of a height must grow until a view can succeed. */
  readonly growths: number
  /** One-way delay of one packet between two places on a calm network, ms. */
  delayMs(from: number, to: number, random: SeededRandom): number
}

/** Round trips in ms: Virginia, California, Ireland, Frankfurt, Tokyo, Singapore, São Paulo, Sydney. */
const ROUND_TRIPS_MS: readonly (readonly number[])[] = [
  [2, 62, 68, 90, 145, 215, 112, 198],
  [62, 2, 128, 145, 98, 165, 172, 140],
  [68, 128, 2, 25, 200, 175, 178, 255],
  [90, 145, 25, 2, 225, 160, 200, 250],
  [145, 98, 200, 225, 2, 70, 255, 105],
  [215, 165, 175, 160, 70, 2, 325, 92],
  [112, 172, 178, 200, 255, 325, 2, 310],
  [198, 140, 255, 250, 105, 92, 310, 2],
]

const LAN: LatencyProfile = {
  timings: LAN_TIMINGS,
  growths: 0,
  delayMs: (_from, _to, random) => random.between(1, 10),
}

/** Places take the regions in turn. */
const WAN: LatencyProfile = {
  timings: WAN_TIMINGS,
  growths: 0,
  delayMs(from, to, random) {
    const regions = ROUND_TRIPS_MS.length
    const roundTripMs = ROUND_TRIPS_MS[from % regions]?.[to % regions] ?? 0
    return (roundTripMs / 2) * random.between(1, 1.1)
  },
}

const SLOW: LatencyProfile = {
  timings: LAN_TIMINGS,
  growths: 6,
  delayMs: (_from, _to, random) => random.between(100, 250),
}

export const LATENCY_PROFILES: Readonly<Record<ProfileName, LatencyProfile>> = {
  lan: LAN,
  wan: WAN,
  slow: SLOW,
}
