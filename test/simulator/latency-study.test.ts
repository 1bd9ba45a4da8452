import { describe, expect, it } from 'vitest'
import { studyLatency } from '../../src/simulator/latency-study.ts'

const options = { validators: 4, crashed: 0, blocks: 10, minBlockIntervalMs: 0, seed: 1 } as const

describe('the latency study', () => {
  it('measures three delays of the slowest quorum to finality, and says so again', () => {
    const figures = studyLatency({ ...options, profile: 'wan' })
    // Virginia, California, Ireland and Frankfurt: 31 to 72 ms apart, three times.
    expect(figures.intervalMs.p50).toBeGreaterThan(3 * 31)
    expect(figures.intervalMs.p50).toBeLessThan(3 * 80 + 50)
    expect(figures.lostViews).toBe(0)
    expect(studyLatency({ ...options, profile: 'wan' })).toEqual(figures)
  })

  it('shows what crashed leaders cost', () => {
    const calm = studyLatency({ ...options, profile: 'wan' })
    const hurt = studyLatency({ ...options, profile: 'wan', crashed: 1 })
    expect(hurt.lostViews).toBeGreaterThan(0)
    expect(hurt.acceptedToFinalMs.p99).toBeGreaterThan(calm.acceptedToFinalMs.p99)
  })

  it('takes no more crashed validators than are tolerated', () => {
    expect(() => studyLatency({ ...options, profile: 'lan', crashed: 2 })).toThrow(RangeError)
  })
})
