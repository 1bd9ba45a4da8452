/**
 * Which waiting transactions go into a block: those whose package (the transaction and the ancestors it
 * still needs) pays the highest fee rate, until weight or signature operations are full. Parents stand
 * before children. This is Bitcoin Core's ancestor fee rate selection; it is greedy and may leave a
 * little of the block empty. Pure: the same pool gives the same block.
 */

import { type FamilyNode, feeRate, type MempoolEntry } from './entry-graph.ts'
import { MIN_RELAY_FEE_SATS_PER_KVB } from './policy.ts'
import { PriorityHeap } from './priority-heap.ts'

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

/** What a node and the ancestors that it still needs pay, at the time of writing. */
interface Offer {
  readonly node: FamilyNode
  readonly rate: number
  /** In the pool's order, what is renewed last: makes ties definite. */
  readonly order: number
}

/** Nodes as `Mempool.families` gives them: every parent of one among them too. */
export function buildBlockTemplate(
  families: Iterable<FamilyNode>,
  limits: TemplateLimits,
): BlockTemplate {
  const offers = new Offers(families)
  const transactions: MempoolEntry[] = []
  let fees = 0n
  let weight = 0
  let sigops = 0
  let failures = 0
  for (let node = offers.next(); node !== undefined; node = offers.next()) {
    const needed = offers.neededFor(node)
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
    for (const { entry } of needed) {
      transactions.push(entry)
      fees += entry.fee
    }
    offers.take(needed)
  }
  return { transactions, fees, weight, sigops }
}

class Offers {
  readonly #taken = new Set<FamilyNode>()
  /** The one offer that counts, of nodes whose first has been overtaken. */
  readonly #renewed = new Map<FamilyNode, Offer>()
  readonly #heap: PriorityHeap<Offer>
  #made: number

  constructor(families: Iterable<FamilyNode>) {
    const offers: Offer[] = []
    for (const node of families) {
      const { fee, chargedVsize } = node.ancestors
      offers.push({ node, rate: feeRate(fee, chargedVsize), order: offers.length })
    }
    this.#heap = new PriorityHeap<Offer>(
      (a, b) => (a.rate === b.rate ? a.order < b.order : a.rate > b.rate),
      offers,
    )
    this.#made = offers.length
  }

  /**
   * The best of those not taken that pays its way. A parent that pays nothing comes with the child that
   * pays for it, or not at all.
   */
  next(): FamilyNode | undefined {
    for (;;) {
      const offer = this.#heap.pop()
      if (offer === undefined || offer.rate < MIN_RELAY_FEE_SATS_PER_KVB) return undefined
      const { node } = offer
      if (this.#taken.has(node) || (this.#renewed.get(node) ?? offer) !== offer) continue
      return node
    }
  }

  /** A node and its ancestors that are not taken yet, parents before children. */
  neededFor(node: FamilyNode): readonly FamilyNode[] {
    if (node.parents.size === 0) return [node]
    const ordered: FamilyNode[] = []
    const seen = new Set<FamilyNode>()
    // The pool bounds families, so the recursion is at most as deep as their longest chain.
    const visit = (member: FamilyNode): void => {
      if (this.#taken.has(member) || seen.has(member)) return
      seen.add(member)
      for (const parent of member.parents) visit(parent)
      ordered.push(member)
    }
    visit(node)
    return ordered
  }

  /** What builds on them needs less from now on; its package may pay better or worse. */
  take(nodes: readonly FamilyNode[]): void {
    for (const node of nodes) this.#taken.add(node)
    const below = new Set<FamilyNode>(nodes)
    // A Set iterates over what is added while it iterates.
    for (const node of below) for (const child of node.children) below.add(child)
    for (const node of below) if (!this.#taken.has(node)) this.#renew(node)
  }

  #renew(node: FamilyNode): void {
    const needed = this.neededFor(node)
    let fee = 0n
    for (const { entry } of needed) fee += entry.fee
    const rate = feeRate(
      fee,
      sumOf(needed, (entry) => entry.chargedVsize),
    )
    const offer = { node, rate, order: this.#made++ }
    this.#renewed.set(node, offer)
    this.#heap.push(offer)
  }
}

function sumOf(nodes: readonly FamilyNode[], measure: (entry: MempoolEntry) => number): number {
  return nodes.reduce((sum, { entry }) => sum + measure(entry), 0)
}
