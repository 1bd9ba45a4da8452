/**
 * Paths of the state trie in ascending order, and where a subtree's part of the order divides. Paths are
 * hashes, so the first bits tell nearly all of them apart: one native sort of numbers that hold those bits
 * and the path's index, then an insertion sort that seldom has anything to do.
 */

import { assert, present } from '../primitives/assert.ts'

/** Paths by index, in whatever form their owner keeps them. */
export interface Paths {
  readonly count: number
  /** The first 32 bits of a path. */
  prefix(index: number): number
  /** Bit `depth` of a path, from the most significant. */
  bit(index: number, depth: number): number
  /** Negative when path a comes before path b; 0 when they are the same. */
  compare(a: number, b: number): number
}

/** A sort key holds as much of a path as fits a double beside the index. */
const DOUBLE_BITS = 53
const PREFIX_BITS = 32
/** Up to this many, looking at each is faster than halving. */
const FEW = 8

export class PathOrder {
  readonly #paths: Paths
  readonly #order: Uint32Array

  /** @throws AssertionError when a path occurs twice. */
  constructor(paths: Paths) {
    this.#paths = paths
    this.#order = sortedByPrefix(paths)
    for (let place = 1; place < paths.count; place++) this.#sink(place)
  }

  /** Index of the path at a place of the order. */
  at(place: number): number {
    return present(this.#order[place], 'path')
  }

  /** First place in [from, to), whose paths agree in `depth` bits, with bit 1 at `depth`; else `to`. */
  splitPlace(from: number, to: number, depth: number): number {
    // Deep down, where nearly all of the work is, there are few.
    if (to - from <= FEW) {
      let place = from
      while (place < to && this.#paths.bit(this.at(place), depth) === 0) place += 1
      return place
    }
    let low = from
    let high = to
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#paths.bit(this.at(middle), depth) === 0) low = middle + 1
      else high = middle
    }
    return low
  }

  /** One step of an insertion sort. */
  #sink(from: number): void {
    for (let place = from; place > 0; place--) {
      const here = this.#order[place] ?? 0
      const before = this.#order[place - 1] ?? 0
      const difference = this.#paths.compare(before, here)
      assert(difference !== 0, 'each path once')
      if (difference < 0) return
      this.#order[place] = before
      this.#order[place - 1] = here
    }
  }
}

function sortedByPrefix(paths: Paths): Uint32Array {
  const { count } = paths
  const indexBits = Math.ceil(Math.log2(Math.max(count, 2)))
  const indexes = 2 ** indexBits
  const dropped = 2 ** Math.max(0, PREFIX_BITS + indexBits - DOUBLE_BITS)
  const keys = new Float64Array(count)
  for (let index = 0; index < count; index++) {
    keys[index] = Math.floor(paths.prefix(index) / dropped) * indexes + index
  }
  keys.sort()
  return Uint32Array.from(keys, (key) => key % indexes)
}
