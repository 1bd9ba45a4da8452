/**
 * Which waiting transactions go into a block: those whose package (the transaction and the ancestors it
 * still needs) pays the highest fee rate, until weight or signature operations are full. Parents stand
 * before children. This is Bitcoin Core's ancestor fee rate selection; it is greedy and may leave a
 * little of the block empty. Pure: the same pool gives the same block.
 */

import { present } from '../primitives/assert.ts'
import type { Txid } from '../primitives/hashes.ts'
import { feeRate, type MempoolEntry } from './entry-graph.ts'

/** Packages in a row that did not fit before the rest is given up: the block is as good as full. */
const FAILURES_IN_A_ROW_MAX = 500

export interface TemplateLimits {
  /** Room for the chosen transactions: the block's weight without header and coinbase. */
  readonly maxWeight: number
  readonly maxSigops: number
}

export interface BlockTemplate {
  /** Parents before children. */
  readonly transactions: readonly MempoolEntry[]
  readonly fees: bigint
  readonly weight: number
  readonly sigops: number
}

interface Candidate {
  readonly entry: MempoolEntry
  readonly parents: Candidate[]
  readonly children: Candidate[]
  /** Place in the pool's order, to make ties definite. */
  readonly order: number
  /** Fee rate of its package; what a heap item says counts only while it says the same. */
  rate: number
  chosen: boolean
}

interface HeapItem {
  readonly candidate: Candidate
  readonly rate: number
}

export function buildBlockTemplate(
  entries: readonly MempoolEntry[],
  limits: TemplateLimits,
): BlockTemplate {
  const heap = new RateHeap(linkCandidates(entries))
  const transactions: MempoolEntry[] = []
  let fees = 0n
  let weight = 0
  let sigops = 0
  let failures = 0
  for (let item = heap.pop(); item !== undefined; item = heap.pop()) {
    const { candidate, rate } = item
    if (candidate.chosen || candidate.rate !== rate) continue
    const needed = neededPackage(candidate)
    const packageWeight = sumOf(needed, (entry) => entry.weight)
    const packageSigops = sumOf(needed, (entry) => entry.sigops)
    if (weight + packageWeight > limits.maxWeight || sigops + packageSigops > limits.maxSigops) {
      failures++
      if (failures >= FAILURES_IN_A_ROW_MAX) break
      continue
    }
    failures = 0
    weight += packageWeight
    sigops += packageSigops
    for (const member of needed) {
      member.chosen = true
      transactions.push(member.entry)
      fees += member.entry.fee
    }
    // What builds on the chosen ones needs less from now on; its package may pay better or worse.
    for (const descendant of unchosenDescendants(needed)) {
      descendant.rate = packageRate(descendant)
      heap.push({ candidate: descendant, rate: descendant.rate })
    }
  }
  return { transactions, fees, weight, sigops }
}

function linkCandidates(entries: readonly MempoolEntry[]): readonly HeapItem[] {
  const candidates = new Map<Txid, Candidate>()
  for (const [order, entry] of entries.entries()) {
    candidates.set(entry.txid, {
      entry,
      parents: [],
      children: [],
      order,
      rate: 0,
      chosen: false,
    })
  }
  for (const candidate of candidates.values()) {
    for (const input of candidate.entry.transaction.inputs) {
      const parent = candidates.get(input.prevout.txid)
      if (parent === undefined || candidate.parents.includes(parent)) continue
      candidate.parents.push(parent)
      parent.children.push(candidate)
    }
  }
  return [...candidates.values()].map((candidate) => {
    candidate.rate = packageRate(candidate)
    return { candidate, rate: candidate.rate }
  })
}

/** A candidate and its ancestors that are not chosen yet, parents before children. */
function neededPackage(candidate: Candidate): readonly Candidate[] {
  if (candidate.parents.length === 0) return [candidate]
  const ordered: Candidate[] = []
  const seen = new Set<Candidate>()
  // The pool bounds families, so the recursion is at most as deep as their longest chain.
  const visit = (member: Candidate): void => {
    if (member.chosen || seen.has(member)) return
    seen.add(member)
    for (const parent of member.parents) visit(parent)
    ordered.push(member)
  }
  visit(candidate)
  return ordered
}

function packageRate(candidate: Candidate): number {
  const { entry, parents } = candidate
  if (parents.length === 0) return feeRate(entry.fee, entry.chargedVsize)
  const needed = neededPackage(candidate)
  let fee = 0n
  for (const member of needed) fee += member.entry.fee
  const vsize = sumOf(needed, (member) => member.chargedVsize)
  return feeRate(fee, vsize)
}

function unchosenDescendants(chosen: readonly Candidate[]): readonly Candidate[] {
  const seen = new Set<Candidate>(chosen)
  // A Set iterates over what is added while it iterates.
  for (const member of seen) for (const child of member.children) seen.add(child)
  return [...seen].filter((member) => !member.chosen)
}

function sumOf(members: readonly Candidate[], measure: (entry: MempoolEntry) => number): number {
  return members.reduce((sum, member) => sum + measure(member.entry), 0)
}

/** A binary heap, best rate first; a block takes a small part of the pool, so sorting it all is waste. */
class RateHeap {
  readonly #items: HeapItem[]

  constructor(items: readonly HeapItem[]) {
    this.#items = [...items]
    for (let i = (this.#items.length >>> 1) - 1; i >= 0; i--) this.#sink(i)
  }

  push(item: HeapItem): void {
    this.#items.push(item)
    let at = this.#items.length - 1
    while (at > 0) {
      const above = (at - 1) >>> 1
      if (!this.#isBetter(at, above)) return
      this.#swap(at, above)
      at = above
    }
  }

  pop(): HeapItem | undefined {
    const [best] = this.#items
    const last = this.#items.pop()
    if (best === undefined || last === undefined || this.#items.length === 0) return best
    this.#items[0] = last
    this.#sink(0)
    return best
  }

  #sink(from: number): void {
    let at = from
    for (;;) {
      let best = at
      const left = 2 * at + 1
      if (left < this.#items.length && this.#isBetter(left, best)) best = left
      if (left + 1 < this.#items.length && this.#isBetter(left + 1, best)) best = left + 1
      if (best === at) return
      this.#swap(at, best)
      at = best
    }
  }

  #isBetter(a: number, b: number): boolean {
    const first = this.#at(a)
    const second = this.#at(b)
    if (first.rate !== second.rate) return first.rate > second.rate
    return first.candidate.order < second.candidate.order
  }

  #at(index: number): HeapItem {
    return present(this.#items[index], 'heap item')
  }

  #swap(a: number, b: number): void {
    const first = this.#at(a)
    this.#items[a] = this.#at(b)
    this.#items[b] = first
  }
}
