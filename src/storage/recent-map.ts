/**
 * A map that keeps the entries used last and forgets the others: the caches' one shape. Entries live
 * in two generations; when the young one is half of the whole, it becomes the old one, and what was
 * old and not used meanwhile is forgotten at once. An exact order of use costs ten times as much.
 */

import { assert } from '../primitives/assert.ts'

export class RecentMap<K, V> {
  readonly #generationMax: number
  #young = new Map<K, V>()
  #old = new Map<K, V>()

  /** Keeps at most `entriesMax` entries, and always the last half of that many. */
  constructor(entriesMax: number) {
    assert(entriesMax >= 2, 'a cache holds something')
    this.#generationMax = Math.floor(entriesMax / 2)
  }

  get(key: K): V | undefined {
    const young = this.#young.get(key)
    if (young !== undefined) return young
    const old = this.#old.get(key)
    if (old !== undefined) this.set(key, old)
    return old
  }

  set(key: K, value: V): void {
    this.#young.set(key, value)
    if (this.#young.size < this.#generationMax) return
    this.#old = this.#young
    this.#young = new Map()
  }

  delete(key: K): void {
    this.#young.delete(key)
    this.#old.delete(key)
  }
}
