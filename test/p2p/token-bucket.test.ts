import { describe, expect, it } from 'vitest'
import { TokenBucket } from '../../src/p2p/token-bucket.ts'

describe('a token bucket', () => {
  it('lets a burst through, then a steady stream', () => {
    const bucket = new TokenBucket({ burst: 3, perSecond: 2 }, 1_000)
    const takes = (nowMs: number): boolean => bucket.take(nowMs)
    expect([1_000, 1_000, 1_000, 1_000].map(takes)).toEqual([true, true, true, false])
    expect([1_499, 1_500, 1_500].map(takes)).toEqual([false, true, false])
    // No more than the burst comes together, however long it was quiet.
    expect([90_000, 90_000, 90_000, 90_000].map(takes)).toEqual([true, true, true, false])
  })

  it('tells when a debt is paid', () => {
    const bucket = new TokenBucket({ burst: 10, perSecond: 10 }, 0)
    expect(bucket.waitMs(0)).toBe(0)
    bucket.charge(0, 30)
    expect(bucket.waitMs(0)).toBe(2_100)
    expect(bucket.waitMs(2_000)).toBe(100)
    expect(bucket.waitMs(2_100)).toBe(0)
  })

  it('is not confused by a clock that steps back', () => {
    const bucket = new TokenBucket({ burst: 1, perSecond: 1 }, 5_000)
    expect(bucket.take(5_000)).toBe(true)
    expect(bucket.take(4_000)).toBe(false)
    expect(bucket.take(5_500)).toBe(false)
    expect(bucket.take(6_000)).toBe(true)
  })
})
