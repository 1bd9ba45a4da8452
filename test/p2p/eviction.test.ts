import { describe, expect, it } from 'vitest'
import { chooseEviction, type Observer } from '../../src/p2p/eviction.ts'

const observer = (id: string, group: string, connectedAtMs: number, useful = 0): Observer => ({
  id,
  group,
  connectedAtMs,
  useful,
})

describe('eviction', () => {
  it('parts with nobody when there is nobody', () => {
    expect(chooseEviction([])).toBeUndefined()
    expect(chooseEviction([observer('only', 'a', 0)])).toBe('only')
  })

  it('takes the newest of the address that has the most places', () => {
    const observers = [
      observer('old-1', 'a', 0),
      observer('old-2', 'b', 1),
      observer('flood-1', 'f', 2),
      observer('flood-2', 'f', 3),
      observer('flood-3', 'f', 4),
      observer('new', 'c', 5),
    ]
    expect(chooseEviction(observers)).toBe('flood-3')
  })

  it('spares those that have been there the longest and those that brought the most', () => {
    const observers = [
      observer('a', 'f', 0),
      observer('b', 'f', 1),
      observer('useful', 'f', 3, 9),
      observer('useless', 'g', 2),
    ]
    expect(chooseEviction(observers)).toBe('useless')
  })

  it('lets a flood displace only itself', () => {
    let present = Array.from({ length: 8 }, (_, i) => observer(`honest-${i}`, `home-${i}`, i, i))
    for (let i = 0; i < 100; i++) {
      const evicted = chooseEviction(present)
      present = present.filter(({ id }) => id !== evicted)
      present.push(observer(`flood-${i}`, 'f', 100 + i))
    }
    const honest = present.filter(({ id }) => id.startsWith('honest'))
    expect(honest.length).toBeGreaterThanOrEqual(6)
  })
})
