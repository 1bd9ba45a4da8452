import { describe, expect, it } from 'vitest'
import { createSeededRandom } from '../../src/simulator/seeded-random.ts'
import { VirtualTime } from '../../src/simulator/virtual-time.ts'

describe('virtual time', () => {
  it('runs things in order of time, and of scheduling where times are equal', () => {
    const time = new VirtualTime()
    const random = createSeededRandom(5)
    const ran: [number, number][] = []
    for (let i = 0; i < 500; i++) {
      const delayMs = random.below(50)
      time.after(delayMs, () => ran.push([time.nowMs, i]))
    }
    time.runUntil(20)
    expect(ran.every(([atMs]) => atMs <= 20)).toBe(true)
    time.runUntil(100)
    expect(ran).toHaveLength(500)
    expect(ran).toEqual(ran.toSorted(([a, i], [b, j]) => a - b || i - j))
    expect(time.nowMs).toBe(100)
  })

  it('runs what is scheduled on the way', () => {
    const time = new VirtualTime()
    const ran: number[] = []
    time.after(1, () => time.after(1, () => ran.push(time.nowMs)))
    time.runUntil(10)
    expect(ran).toEqual([2])
  })
})

function draw(seed: number): number[] {
  const random = createSeededRandom(seed)
  return Array.from({ length: 4_000 }, () => random.below(4))
}

describe('seeded random', () => {
  it('repeats itself for a seed, differs between seeds, and is about uniform', () => {
    expect(draw(1)).toEqual(draw(1))
    expect(draw(1)).not.toEqual(draw(2))
    for (const value of [0, 1, 2, 3]) {
      const count = draw(3).filter((drawn) => drawn === value).length
      expect(Math.abs(count - 1_000)).toBeLessThan(150)
    }
  })
})
