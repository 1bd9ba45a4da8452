import { describe, expect, it } from 'vitest'
import { faultTolerance, quorumSize } from '../../src/consensus/quorum.ts'

describe('quorum', () => {
  it.each([
    [1, 1],
    [4, 3],
    [5, 4],
    [6, 5],
    [7, 5],
    [8, 6],
    [9, 7],
    [10, 7],
    [50, 34],
  ])('of %i validators is %i', (n, q) => {
    expect(quorumSize(n)).toBe(q)
  })

  it('intersects in an honest validator and is reached by the honest ones alone, n = 1 … 100', () => {
    for (let n = 1; n <= 100; n++) {
      const f = faultTolerance(n)
      const q = quorumSize(n)
      expect(n, `n=${n}`).toBeGreaterThanOrEqual(3 * f + 1)
      expect(2 * q - n, `intersection, n=${n}`).toBeGreaterThanOrEqual(f + 1)
      expect(n - f, `honest quorum, n=${n}`).toBeGreaterThanOrEqual(q)
      expect(q, `n=${n}`).toBe(Math.floor((2 * n) / 3) + 1)
    }
  })

  it('refuses an empty set', () => {
    expect(() => faultTolerance(0)).toThrow('no validators')
  })
})
