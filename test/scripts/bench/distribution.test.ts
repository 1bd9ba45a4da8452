import { describe, expect, it } from 'vitest'
import { distributionFigures, median, percentile } from '../../../scripts/bench/distribution.ts'

const HUNDRED = Array.from({ length: 100 }, (_, index) => 100 - index)

describe('percentiles', () => {
  it('are samples, by nearest rank', () => {
    expect(percentile(HUNDRED, 0.5)).toBe(50)
    expect(percentile(HUNDRED, 0.99)).toBe(99)
    expect(percentile(HUNDRED, 1)).toBe(100)
    expect(percentile(HUNDRED, 0)).toBe(1)
    expect(percentile([3, 1, 2], 0.5)).toBe(2)
  })

  it('leave the samples in their order', () => {
    const samples = [3, 1, 2]
    expect(median(samples)).toBe(2)
    expect(samples).toEqual([3, 1, 2])
  })

  it('of nothing are unknown', () => {
    expect(percentile([], 0.5)).toBeUndefined()
    expect(distributionFigures('x', [], 'ms').map(({ value }) => value)).toEqual([
      null,
      null,
      null,
      null,
    ])
  })
})
