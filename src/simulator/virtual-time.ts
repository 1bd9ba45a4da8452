/** Virtual time: a binary heap of things to do, ordered by (time, sequence). Nothing ever waits. */

interface Entry {
  readonly atMs: number
  readonly sequence: number
  readonly run: () => void
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence)
}

export class VirtualTime {
  #nowMs = 0
  #sequence = 0
  readonly #heap: Entry[] = []

  get nowMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, run: () => void): void {
    this.#sequence++
    this.#push({ atMs: this.#nowMs + Math.max(0, delayMs), sequence: this.#sequence, run })
  }

  /** What is still to come, what was given up included. */
  get waiting(): number {
    return this.#heap.length
  }

  /** Runs everything due up to and including `untilMs`. */
  runUntil(untilMs: number): void {
    while (this.runNext(untilMs)) {
      // One after the other.
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs)
  }

  /** Runs the first thing due up to and including `untilMs`; false when there is none. */
  runNext(untilMs: number): boolean {
    const top = this.#heap[0]
    if (top === undefined || top.atMs > untilMs) return false
    this.#pop()
    this.#nowMs = top.atMs
    top.run()
    return true
  }

  #push(entry: Entry): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(entry)
    while (at > 0) {
      const parentAt = (at - 1) >> 1
      const parent = heap[parentAt]
      if (parent === undefined || isBefore(parent, entry)) break
      heap[at] = parent
      at = parentAt
    }
    heap[at] = entry
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (;;) {
      let childAt = 2 * at + 1
      let child = heap[childAt]
      const right = heap[childAt + 1]
      if (child !== undefined && right !== undefined && isBefore(right, child)) {
        childAt++
        child = right
      }
      if (child === undefined || isBefore(last, child)) break
      heap[at] = child
      at = childAt
    }
    heap[at] = last
  }
}
