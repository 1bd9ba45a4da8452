/** A binary heap: the item that comes before all others is on top. Items are never looked up inside. */

import { present } from '../primitives/assert.ts'

export class PriorityHeap<T> {
  readonly #items: T[]
  readonly #isBefore: (a: T, b: T) => boolean

  /** Takes the first items in time proportional to their number. */
  constructor(isBefore: (a: T, b: T) => boolean, items: Iterable<T> = []) {
    this.#isBefore = isBefore
    this.#items = [...items]
    for (let i = (this.#items.length >>> 1) - 1; i >= 0; i--) this.#sink(i)
  }

  get size(): number {
    return this.#items.length
  }

  peek(): T | undefined {
    return this.#items[0]
  }

  push(item: T): void {
    this.#items.push(item)
    let at = this.#items.length - 1
    while (at > 0) {
      const above = (at - 1) >>> 1
      if (!this.#isBefore(this.#at(at), this.#at(above))) return
      this.#swap(at, above)
      at = above
    }
  }

  pop(): T | undefined {
    const [first] = this.#items
    const last = this.#items.pop()
    if (first === undefined || last === undefined || this.#items.length === 0) return first
    this.#items[0] = last
    this.#sink(0)
    return first
  }

  #sink(from: number): void {
    let at = from
    for (;;) {
      let best = at
      best = this.#better(best, 2 * at + 1)
      best = this.#better(best, 2 * at + 2)
      if (best === at) return
      this.#swap(at, best)
      at = best
    }
  }

  #better(place: number, rival: number): number {
    const isBetter = rival < this.#items.length && this.#isBefore(this.#at(rival), this.#at(place))
    return isBetter ? rival : place
  }

  #at(index: number): T {
    return present(this.#items[index], 'heap item')
  }

  #swap(a: number, b: number): void {
    const first = this.#at(a)
    this.#items[a] = this.#at(b)
    this.#items[b] = first
  }
}
