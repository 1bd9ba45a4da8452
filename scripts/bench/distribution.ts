/** Samples as the few numbers that people compare: percentiles by nearest rank, no interpolation. */

import { type Figure, figure } from './report.ts'

/** The smallest sample that `share` (0 to 1) of all are not above; undefined without samples. */
export function percentile(samples: readonly number[], share: number): number | undefined {
  const sorted = samples.toSorted((a, b) => a - b)
  const rank = Math.max(1, Math.ceil(share * sorted.length))
  return sorted[rank - 1]
}

export function median(samples: readonly number[]): number | undefined {
  return percentile(samples, 0.5)
}

const SHARES: readonly (readonly [string, number])[] = [
  ['p50', 0.5],
  ['p90', 0.9],
  ['p99', 0.99],
  ['worst', 1],
]

/** p50, p90, p99 and the worst of the samples. */
export function distributionFigures(
  name: string,
  samples: readonly number[],
  unit: string,
): readonly Figure[] {
  return SHARES.map(([label, share]) =>
    figure(`${name}, ${label}`, percentile(samples, share) ?? null, unit),
  )
}
