/** A state delta as the trie takes it: paths in ascending order, and the leaves of what is put. */

import { sha256Into } from '../primitives/sha256.ts'
import { PathOrder, type Paths } from './path-order.ts'
import { copyWords, type RowTable } from './row-table.ts'
import type { StateDelta } from './state.ts'
import { statePath } from './state-proof.ts'
import { HASH_WORDS, LEAF_WORDS } from './trie-nodes.ts'

const PATH_BYTES = 32
/** Changes of one update: far more than a block can make. */
export const CHANGES_MAX = 2 ** 20

/** Row i of `leaves`, a fresh table, is the leaf of change i; a deletion's has a path only. */
export class TrieChanges implements Paths {
  readonly count: number
  /** Changes that put a record: the first ones; the rest delete. */
  readonly puts: number
  readonly #paths: Uint8Array
  readonly #pathWords: Uint32Array
  readonly #prefixes: DataView
  /** Changes by ascending path. */
  readonly order: PathOrder

  constructor(delta: StateDelta, leaves: RowTable) {
    this.puts = delta.puts.size
    this.count = this.puts + delta.deletes.size
    this.#paths = new Uint8Array(this.count * PATH_BYTES)
    this.#pathWords = new Uint32Array(this.#paths.buffer)
    this.#prefixes = new DataView(this.#paths.buffer)
    const leaf = new Uint8Array(LEAF_WORDS * 4)
    const words = new Uint32Array(leaf.buffer)
    const valueHash = leaf.subarray(PATH_BYTES)
    let change = 0
    for (const [key, value] of delta.puts) {
      leaf.set(statePath(key))
      sha256Into(value, valueHash)
      copyWords(this.#pathWords, change * HASH_WORDS, words, 0, HASH_WORDS)
      leaves.copyFrom(words, 0, leaves.allocate(), 0, LEAF_WORDS)
      change += 1
    }
    for (const key of delta.deletes) {
      this.#paths.set(statePath(key), change * PATH_BYTES)
      change += 1
    }
    this.order = new PathOrder(this)
  }

  /** True when a change puts a record; else it deletes one. */
  isPut(change: number): boolean {
    return change < this.puts
  }

  prefix(change: number): number {
    return this.#prefixes.getUint32(change * PATH_BYTES)
  }

  bit(change: number, depth: number): number {
    const byte = this.#paths[change * PATH_BYTES + (depth >>> 3)] ?? 0
    return (byte >>> (7 - (depth & 7))) & 1
  }

  /** Writes a change's path to `target[0 … 8)`. */
  writePath(change: number, target: Uint32Array): void {
    copyWords(target, 0, this.#pathWords, change * HASH_WORDS, HASH_WORDS)
  }

  compare(a: number, b: number): number {
    for (let i = 0; i < PATH_BYTES; i++) {
      const left = this.#paths[a * PATH_BYTES + i] ?? 0
      const right = this.#paths[b * PATH_BYTES + i] ?? 0
      if (left !== right) return left - right
    }
    return 0
  }
}
