/**
 * Makes the trie of a whole state at once, from records in any order: the paths are sorted, and each
 * node is then made and hashed exactly once, neighbours beside each other. Updates would touch the
 * upper levels again and again, and memory all over.
 */

import { assert } from '../primitives/assert.ts'
import { sha256Into } from '../primitives/sha256.ts'
import { PathOrder, type Paths } from './path-order.ts'
import type { RowTable } from './row-table.ts'
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

export class TrieBuilder {
  readonly nodes = new NodeTables()
  readonly #leaf = new Uint8Array(LEAF_WORDS * 4)
  readonly #words = new Uint32Array(this.#leaf.buffer)
  readonly #valueHash = this.#leaf.subarray(HASH_WORDS * 4)
  #isFinished = false

  /** Each key once. */
  add(key: StateKey, value: Uint8Array): void {
    assert(!this.#isFinished, 'nothing is added to a trie that is built')
    const { leaves } = this.nodes
    this.#leaf.set(statePath(key))
    sha256Into(value, this.#valueHash)
    leaves.copyFrom(this.#words, 0, leaves.allocate(), 0, LEAF_WORDS)
  }

  /** The root over what was added. @throws AssertionError when a key was added twice. */
  finish(): Node {
    this.#isFinished = true
    const order = new PathOrder(new LeafPaths(this.nodes.leaves))
    return this.#build(order, 0, this.nodes.leaves.size, 0)
  }

  /** Over the leaves at places [from, to) of the order, which agree in `depth` bits. */
  #build(order: PathOrder, from: number, to: number, depth: number): Node {
    if (from === to) return NO_NODE
    if (to - from === 1) return nodeOf(NODE_KIND.leaf, order.at(from))
    const middle = order.splitPlace(from, to, depth)
    const left = this.#build(order, from, middle, depth + 1)
    const right = this.#build(order, middle, to, depth + 1)
    return nodeOf(NODE_KIND.branch, rowOf(addBranch(this.nodes, this.nodes, left, right)))
  }
}

/** The paths of leaves, by row. */
class LeafPaths implements Paths {
  readonly count: number
  readonly #leaves: RowTable
  /** Two paths. */
  readonly #words = new Uint32Array(2 * HASH_WORDS)
  readonly #bytes = new Uint8Array(this.#words.buffer)
  readonly #view = new DataView(this.#words.buffer)

  constructor(leaves: RowTable) {
    this.#leaves = leaves
    this.count = leaves.size
  }

  prefix(row: number): number {
    this.#leaves.copyTo(this.#words, 0, row, 0, 1)
    return this.#view.getUint32(0)
  }

  bit(row: number, depth: number): number {
    this.#leaves.copyTo(this.#words, 0, row, depth >>> 5, 1)
    return ((this.#bytes[(depth & 31) >>> 3] ?? 0) >>> (7 - (depth & 7))) & 1
  }

  compare(a: number, b: number): number {
    this.#leaves.copyTo(this.#words, 0, a, 0, HASH_WORDS)
    this.#leaves.copyTo(this.#words, HASH_WORDS, b, 0, HASH_WORDS)
    const length = HASH_WORDS * 4
    for (let i = 0; i < length; i++) {
      const difference = (this.#bytes[i] ?? 0) - (this.#bytes[length + i] ?? 0)
      if (difference !== 0) return difference
    }
    return 0
  }
}
