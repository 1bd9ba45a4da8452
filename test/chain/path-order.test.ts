import { assert, constantFrom, nat, property, tuple, uniqueArray } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PathOrder, type Paths } from '../../src/chain/path-order.ts'

const PATH_BITS = 40

/** Paths of 40 bits, as numbers. */
function pathsOf(values: readonly number[]): Paths {
  const at = (index: number): number => values[index] ?? -1
  return {
    count: values.length,
    prefix: (index) => Math.floor(at(index) / 2 ** 8),
    bit: (index, depth) => Math.floor(at(index) / 2 ** (PATH_BITS - 1 - depth)) % 2,
    compare: (a, b) => at(a) - at(b),
  }
}

const ordered = (values: readonly number[]): number[] => {
  const order = new PathOrder(pathsOf(values))
  return values.map((_, place) => values[order.at(place)] ?? -1)
}

/** Few prefixes, so that most paths agree in their first 32 bits. */
const colliding = uniqueArray(
  tuple(constantFrom(0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff), nat(255)).map(
    ([prefix, rest]) => prefix * 2 ** 8 + rest,
  ),
  { maxLength: 300 },
)

describe('the order of paths', () => {
  it('is ascending where the first 32 bits differ', () => {
    const values = [5, 3, 0xffff_ffff, 4, 0].map((prefix) => prefix * 2 ** 8)
    expect(ordered(values)).toEqual(values.toSorted((a, b) => a - b))
  })

  it('is ascending where they agree', () => {
    assert(
      property(colliding, (values) => {
        expect(ordered(values)).toEqual(values.toSorted((a, b) => a - b))
      }),
    )
  })

  it('is ascending where a sort key has no room for all of the 32 bits', () => {
    // The index of so many takes 22 bits, which leaves 31: neighbours share a sort key.
    const count = 2 ** 21 + 1
    const values = Array.from({ length: count }, (_, i) => (count - i) * 2 ** 8)
    const order = new PathOrder(pathsOf(values))
    for (let place = 0; place < count; place++) {
      if (order.at(place) !== count - 1 - place) expect.fail(`place ${place}`)
    }
  })

  it('divides where a bit becomes 1', () => {
    assert(
      property(colliding, (values) => {
        const paths = pathsOf(values)
        const order = new PathOrder(paths)
        const zeros = values.filter((_, index) => paths.bit(index, 0) === 0).length
        expect(order.splitPlace(0, values.length, 0)).toBe(zeros)
      }),
    )
  })

  it('refuses a path that occurs twice', () => {
    expect(() => ordered([7, 9, 7])).toThrow('each path once')
  })
})
