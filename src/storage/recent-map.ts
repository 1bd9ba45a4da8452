/**
 * A map that keeps the entries used last and forgets the others: the caches' one shape. Entries live
 * in two generations; when the young one is half of the whole, it becomes the old one, and what was
 * old and not used meanwhile is forgotten at once. An exact order of use costs ten times as much.
 */

import { assert } from '../primitives/assert.ts'

export class RecentMap<K, V> {
  readonly #generationMax: number
  readonly #costOf: (value: V) => number
  #young = new Map<K, V>()
  #youngCost = 0
  #old = new Map<K, V>()

  /**
   * Keeps entries of `costMax` in all, and always the last half of that; an entry costs 1 unless told. The
   * last of each half may go beyond it.
   */
  constructor(costMax: number, costOf: (value: V) => number = () => 1) {
    assert(costMax >= 2, 'a cache holds something')
    this.#generationMax = Math.floor(costMax / 2)
    this.#costOf = costOf
  }

  get(key: K): V | undefined {
    const young = this.#young.get(key)
    if (young !== undefined) return young
    const old = this.#old.get(key)
    if (old !== undefined) this.set(key, old)
    return old
  }

  set(key: K, value: V): void {
    const replaced = this.#young.get(key)
    if (replaced !== undefined) this.#youngCost -= this.#costOf(replaced)
    this.#young.set(key, value)
    this.#youngCost += this.#costOf(value)
    if (this.#youngCost < this.#generationMax) return
    this.#old = this.#young
    this.#young = new Map()
    this.#youngCost = 0
  }

  delete(key: K): void {
    const value = this.#young.get(key)
    if (value !== undefined && this.#young.delete(key)) this.#youngCost -= this.#costOf(value)
    this.#old.delete(key)
  }
}
