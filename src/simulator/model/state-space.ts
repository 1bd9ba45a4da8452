/**
 * Breadth-first search through all states of a machine, each a whole number below 2^53. An open-
 * addressing table of indexes keeps millions of them in a few dozen megabytes.
 */

import { assert } from '../../primitives/assert.ts'

export interface StateMachine {
  readonly initial: number
  readonly next: (state: number) => readonly number[]
  readonly isBroken: (state: number) => boolean
}

export interface Exploration {
  readonly states: number
  /** From the initial state to a broken one, if there is any. */
  readonly path: readonly number[] | undefined
}

const STATES_MAX = 1 << 24
const FIRST_CAPACITY = 1 << 16

/** States in the order of discovery, each with the index of the one it was found from. */
class Discoveries {
  size = 0
  #states = new Float64Array(FIRST_CAPACITY)
  #parents = new Int32Array(FIRST_CAPACITY)
  /** Index + 1; 0 is free. At most half full. */
  #table = new Int32Array(2 * FIRST_CAPACITY)

  state(index: number): number {
    return this.#states[index] ?? 0
  }

  /** False when it is known already. */
  add(state: number, parent: number): boolean {
    const slot = this.#slot(state)
    if (this.#table[slot] !== 0) return false
    this.#states[this.size] = state
    this.#parents[this.size] = parent
    this.size++
    this.#table[slot] = this.size
    if (this.size === this.#states.length) this.#grow()
    return true
  }

  path(index: number): number[] {
    const path: number[] = []
    for (let at = index; at >= 0; at = this.#parents[at] ?? -1) path.push(this.state(at))
    return path.toReversed()
  }

  #slot(state: number): number {
    const mask = this.#table.length - 1
    const high = Math.floor(state / 2 ** 32)
    const mixed = Math.imul((state % 2 ** 32) | 0, 0x9e3779b1) ^ Math.imul(high, 0x85ebca77)
    let slot = (mixed ^ (mixed >>> 15)) & mask
    for (let known = this.#table[slot] ?? 0; known !== 0; known = this.#table[slot] ?? 0) {
      if (this.#states[known - 1] === state) break
      slot = (slot + 1) & mask
    }
    return slot
  }

  #grow(): void {
    const capacity = 2 * this.#states.length
    assert(capacity <= STATES_MAX, 'a state space too large to search')
    const states = new Float64Array(capacity)
    states.set(this.#states)
    this.#states = states
    const parents = new Int32Array(capacity)
    parents.set(this.#parents)
    this.#parents = parents
    this.#table = new Int32Array(2 * capacity)
    for (let i = 0; i < this.size; i++) this.#table[this.#slot(this.state(i))] = i + 1
  }
}

/** @throws AssertionError beyond 2^24 states. */
export function exploreStates(machine: StateMachine): Exploration {
  const found = new Discoveries()
  found.add(machine.initial, -1)
  for (let index = 0; index < found.size; index++) {
    const state = found.state(index)
    if (machine.isBroken(state)) return { states: found.size, path: found.path(index) }
    for (const successor of machine.next(state)) found.add(successor, index)
  }
  return { states: found.size, path: undefined }
}
