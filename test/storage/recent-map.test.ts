import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RecentMap } from '../../src/storage/recent-map.ts'

describe('a recent map', () => {
  it('answers what was set last, or nothing', () => {
    const steps = fc.array(
      fc.record({ key: fc.nat(12), action: fc.constantFrom('set', 'get', 'delete') }),
      { maxLength: 200 },
    )
    fc.assert(
      fc.property(steps, fc.integer({ min: 2, max: 9 }), (list, entriesMax) => {
        const map = new RecentMap<number, number>(entriesMax)
        const model = new Map<number, number>()
        for (const [value, { key, action }] of list.entries()) {
          if (action === 'set') {
            map.set(key, value)
            model.set(key, value)
            expect(map.get(key)).toBe(value)
          } else if (action === 'delete') {
            map.delete(key)
            model.delete(key)
            expect(map.get(key)).toBeUndefined()
          } else {
            expect([undefined, model.get(key)]).toContain(map.get(key))
          }
        }
        const kept = [...model.keys()].filter((key) => map.get(key) !== undefined)
        expect(kept.length).toBeLessThanOrEqual(entriesMax)
      }),
    )
  })

  it('keeps what is used, and forgets what is not', () => {
    const map = new RecentMap<number, string>(10)
    map.set(-1, 'used')
    map.set(-2, 'not used')
    for (let key = 0; key < 100; key++) {
      map.set(key, 'new')
      expect(map.get(-1)).toBe('used')
      expect(map.get(Math.max(0, key - 1))).toBe('new')
    }
    expect(map.get(-2)).toBeUndefined()
  })

  it('keeps fewer of what costs more', () => {
    const map = new RecentMap<number, number>(20, (cost) => cost)
    for (let key = 0; key < 100; key++) map.set(key, 5)
    const kept = (): number =>
      Array.from({ length: 100 }, (_, key) => map.get(key)).filter((cost) => cost !== undefined)
        .length
    expect(kept()).toBeLessThanOrEqual(4)
    expect(map.get(99)).toBe(5)
  })
})
