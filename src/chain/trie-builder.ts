/**
 * Makes the trie of a whole state at once, from records in any order: the paths are sorted, and each
 * node is then made and hashed exactly once, neighbours beside each other. Updates would touch the
 * upper levels again and again, and memory all over.
 */

import { assert, present } from '../primitives/assert.ts'
import { sha256Into } from '../primitives/sha256.ts'
import type { StateKey } from './state.ts'
import { statePath } from './state-proof.ts'
import {
  addBranch,
  HASH_WORDS,
  LEAF_WORDS,
  NO_NODE,
  NODE_KIND,
  type Node,
  NodeTables,
  nodeOf,
  rowOf,
} from './trie-nodes.ts'

/** A sort key holds as much of a path as fits a double beside the row number. */
const DOUBLE_BITS = 53

export class TrieBuilder {
  readonly nodes = new NodeTables()
  readonly #leaf = new Uint8Array(LEAF_WORDS * 4)
  readonly #words = new Uint32Array(this.#leaf.buffer)
  readonly #valueHash = this.#leaf.subarray(HASH_WORDS * 4)
  #order: Uint32Array = new Uint32Array()

  /** Each key once. */
  add(key: StateKey, value: Uint8Array): void {
    const { leaves } = this.nodes
    this.#leaf.set(statePath(key))
    sha256Into(value, this.#valueHash)
    leaves.copyFrom(this.#words, 0, leaves.allocate(), 0, LEAF_WORDS)
  }

  /** The root over what was added. Nothing may be added afterwards. */
  finish(): Node {
    this.#order = this.#sorted()
    return this.#build(0, this.#order.length, 0)
  }

  /** Over the leaves at places [from, to) of the order, which agree in `depth` bits. */
  #build(from: number, to: number, depth: number): Node {
    if (from === to) return NO_NODE
    if (to - from === 1) return nodeOf(NODE_KIND.leaf, this.#row(from))
    const middle = this.#splitPlace(from, to, depth)
    const left = this.#build(from, middle, depth + 1)
    const right = this.#build(middle, to, depth + 1)
    return nodeOf(NODE_KIND.branch, rowOf(addBranch(this.nodes, this.nodes, left, right)))
  }

  /** First place in [from, to) whose path has bit 1 at `depth`. */
  #splitPlace(from: number, to: number, depth: number): number {
    let low = from
    let high = to
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#bit(this.#row(middle), depth) === 0) low = middle + 1
      else high = middle
    }
    return low
  }

  #row(place: number): number {
    return present(this.#order[place], 'leaf')
  }

  #bit(row: number, depth: number): number {
    this.nodes.leaves.copyTo(this.#words, 0, row, depth >>> 5, 1)
    return ((this.#leaf[(depth & 31) >>> 3] ?? 0) >>> (7 - (depth & 7))) & 1
  }

  /** Rows by ascending path: by its first bits in one native sort, then within those that agree. */
  #sorted(): Uint32Array {
    const { size } = this.nodes.leaves
    const rowCount = 2 ** Math.ceil(Math.log2(Math.max(size, 2)))
    const prefixShift = 2 ** Math.max(0, 32 - (DOUBLE_BITS - Math.log2(rowCount)))
    const view = new DataView(this.#leaf.buffer)
    const keys = new Float64Array(size)
    for (let row = 0; row < size; row++) {
      this.nodes.leaves.copyTo(this.#words, 0, row, 0, 1)
      keys[row] = Math.floor(view.getUint32(0) / prefixShift) * rowCount + row
    }
    keys.sort()
    const order = Uint32Array.from(keys, (key) => key % rowCount)
    for (let place = 1; place < size; place++) this.#sink(order, place)
    return order
  }

  /** One step of an insertion sort: nearly always nothing to do. */
  #sink(order: Uint32Array, from: number): void {
    for (let place = from; place > 0; place--) {
      const here = order[place] ?? 0
      const before = order[place - 1] ?? 0
      const difference = this.#compare(before, here)
      assert(difference !== 0, 'each key once')
      if (difference < 0) return
      order[place] = before
      order[place - 1] = here
    }
  }

  #compare(a: number, b: number): number {
    const { leaves } = this.nodes
    leaves.copyTo(this.#words, 0, a, 0, HASH_WORDS)
    leaves.copyTo(this.#words, HASH_WORDS, b, 0, HASH_WORDS)
    const bytes = HASH_WORDS * 4
    for (let i = 0; i < bytes; i++) {
      const difference = (this.#leaf[i] ?? 0) - (this.#leaf[bytes + i] ?? 0)
      if (difference !== 0) return difference
    }
    return 0
  }
}
