/**
 * Which transaction a full pool can best do without: the one that pays least, by itself or together with
 * what builds on it, since a child may pay for its parent. Kept up to date as families change, so that
 * a full pool costs a newcomer no sorting.
 */

import { type EntryGraph, type FamilyNode, feeRate } from './entry-graph.ts'
import { PriorityHeap } from './priority-heap.ts'

/** Overtaken notes are dropped together when they are the larger part of so many. */
const NOTES_MIN = 1_000

interface Note {
  readonly node: FamilyNode
  readonly rate: number
}

export class EvictionQueue {
  readonly #graph: EntryGraph
  /** Made when the pool is full for the first time. */
  #heap: PriorityHeap<Note> | undefined

  constructor(graph: EntryGraph) {
    this.#graph = graph
  }

  /** To be told of everything that is added or whose `descendants` change. */
  changed(nodes: readonly FamilyNode[]): void {
    if (this.#heap === undefined) return
    for (const node of nodes) this.#heap.push(noteOf(node))
    if (this.#heap.size > NOTES_MIN + 2 * this.#graph.size) this.#heap = undefined
  }

  /** The worst, and the satoshis per 1,000 virtual bytes that the pool earns by keeping it. */
  worst(): Note | undefined {
    this.#heap ??= new PriorityHeap<Note>(isWorse, Array.from(this.#graph.nodes(), noteOf))
    for (;;) {
      const note = this.#heap.peek()
      if (note === undefined) return undefined
      const { node, rate } = note
      const isThere = this.#graph.findNode(node.entry.txid) === node
      if (isThere && keepingRate(node) === rate) return note
      this.#heap.pop()
    }
  }
}

function isWorse(a: Note, b: Note): boolean {
  return a.rate < b.rate
}

function noteOf(node: FamilyNode): Note {
  return { node, rate: keepingRate(node) }
}

function keepingRate({ entry, descendants }: FamilyNode): number {
  const own = feeRate(entry.fee, entry.chargedVsize)
  return Math.max(own, feeRate(descendants.fee, descendants.chargedVsize))
}
