import { describe, expect, it } from 'vitest'
import { leaderOfView, leaderPermutation } from '../../src/consensus/leader.ts'
import { toHash32 } from '../../src/primitives/hashes.ts'

const context = { chainId: toHash32('11'.repeat(32)), epoch: 0 }

describe('leader order', () => {
  it('has pinned vectors', () => {
    const vectors = [
      [1, 4],
      [2, 4],
      [3, 4],
      [1, 7],
      [1_000_000, 10],
    ] as const
    expect(
      vectors.map(
        ([height, n]) => `${height} ${n}: ${leaderPermutation(context, height, n).join(' ')}`,
      ),
    ).toMatchInlineSnapshot(`
      [
        "1 4: 1 0 3 2",
        "2 4: 2 0 1 3",
        "3 4: 1 2 3 0",
        "1 7: 3 1 6 0 2 5 4",
        "1000000 10: 2 6 4 8 5 0 9 7 1 3",
      ]
    `)
    expect(leaderPermutation({ ...context, epoch: 1 }, 1, 7).join(' ')).toMatchInlineSnapshot(
      `"0 1 3 6 2 4 5"`,
    )
  })

  it('is a permutation for every set size up to 256', () => {
    for (const n of [1, 2, 3, 4, 7, 50, 256]) {
      const order = leaderPermutation(context, n, n)
      expect(order.toSorted((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i))
    }
  })

  it('gives every validator its share of first views', () => {
    const first = [0, 0, 0, 0]
    for (let height = 0; height < 4_000; height++) {
      const leader = leaderOfView(leaderPermutation(context, height, 4), 0)
      first[leader] = first[leader]! + 1
    }
    for (const count of first) expect(Math.abs(count - 1_000)).toBeLessThan(120)
  })

  it('goes round after n views', () => {
    const order = leaderPermutation(context, 9, 4)
    expect(leaderOfView(order, 6)).toBe(order[2])
  })
})
