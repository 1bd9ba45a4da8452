/**
 * Unconfirmed transactions and how they hang together: who spends what, who builds on whom, who touches
 * which script, and what families weigh and pay. Keeps links and sums consistent and decides nothing.
 */

import { classifyOutput } from '../bitcoin/script.ts'
import { type OutPoint, outPointKey, type Transaction } from '../bitcoin/transaction.ts'
import type { Coin } from '../chain/coin.ts'
import { assert, present } from '../primitives/assert.ts'
import { type Hash32, hash32FromBytes, type Txid, type Wtxid } from '../primitives/hashes.ts'
import { sha256 } from '../primitives/sha256.ts'
import type { Sats } from '../primitives/units.ts'

export interface MempoolEntry {
  readonly transaction: Transaction
  readonly txid: Txid
  readonly wtxid: Wtxid
  readonly fee: Sats
  readonly weight: number
  /** With witness. */
  readonly sizeBytes: number
  /** BIP141 virtual bytes. */
  readonly vsize: number
  /** Virtual bytes it pays for: more than `vsize` when it is heavy in signature operations. */
  readonly chargedVsize: number
  readonly sigops: number
  /** The coins it spends, in input order. */
  readonly spent: readonly Coin[]
  readonly addedMs: number
}

export interface Spender {
  readonly txid: Txid
  readonly vin: number
}

/** Sums over a transaction and everything that it builds on, or that builds on it. */
export interface FamilyTotals {
  readonly count: number
  readonly fee: bigint
  readonly vsize: number
  readonly chargedVsize: number
}

/** A transaction in its place. A view of the graph: it changes as the graph does. */
export interface FamilyNode {
  readonly entry: MempoolEntry
  /** Unconfirmed transactions whose outputs it spends; those that spend its outputs. */
  readonly parents: ReadonlySet<FamilyNode>
  readonly children: ReadonlySet<FamilyNode>
  /** It and everything that it builds on. */
  readonly ancestors: FamilyTotals
  /** It and everything that builds on it. */
  readonly descendants: FamilyTotals
}

interface Node extends FamilyNode {
  readonly parents: Set<Node>
  readonly children: Set<Node>
  ancestors: FamilyTotals
  descendants: FamilyTotals
  readonly scripts: readonly Hash32[]
}

/** Satoshis per 1,000 virtual bytes, as a float: for ordering, not for deciding who pays enough. */
export function feeRate(fee: bigint, vsize: number): number {
  return (Number(fee) * 1_000) / vsize
}

export class EntryGraph {
  readonly #nodes = new Map<Txid, Node>()
  readonly #spenders = new Map<string, Spender>()
  readonly #byScript = new Map<Hash32, Set<Txid>>()

  get size(): number {
    return this.#nodes.size
  }

  has(txid: Txid): boolean {
    return this.#nodes.has(txid)
  }

  find(txid: Txid): MempoolEntry | undefined {
    return this.#nodes.get(txid)?.entry
  }

  findNode(txid: Txid): FamilyNode | undefined {
    return this.#nodes.get(txid)
  }

  /** In order of arrival. */
  *entries(): Iterable<MempoolEntry> {
    for (const node of this.#nodes.values()) yield node.entry
  }

  /** In order of arrival. */
  nodes(): Iterable<FamilyNode> {
    return this.#nodes.values()
  }

  ids(): readonly Txid[] {
    return [...this.#nodes.keys()]
  }

  spender(outPoint: OutPoint): Spender | undefined {
    return this.#spenders.get(outPointKey(outPoint))
  }

  byScript(scriptHash: Hash32): readonly MempoolEntry[] {
    return [...(this.#byScript.get(scriptHash) ?? [])].map((txid) => this.#node(txid).entry)
  }

  parents(txid: Txid): readonly MempoolEntry[] {
    return [...this.#node(txid).parents].map((node) => node.entry)
  }

  /** What a transaction outside the pool would build on, directly. */
  parentsOfNew(transaction: Transaction): readonly FamilyNode[] {
    const parents = new Set<Node>()
    for (const input of transaction.inputs) {
      const parent = this.#nodes.get(input.prevout.txid)
      if (parent !== undefined) parents.add(parent)
    }
    return [...parents]
  }

  /** What a transaction outside the pool would build on, directly and indirectly. */
  ancestorsOfNew(transaction: Transaction): readonly FamilyNode[] {
    return reach(this.parentsOfNew(transaction), (node) => node.parents)
  }

  /** Without the transaction itself. */
  ancestors(txid: Txid): readonly MempoolEntry[] {
    return reach(this.#node(txid).parents, (node) => node.parents).map((node) => node.entry)
  }

  /** The given transactions and everything that builds on them. */
  withDescendants(txids: Iterable<Txid>): readonly MempoolEntry[] {
    const starts = [...txids].map((txid) => this.#node(txid))
    return reach(starts, (node) => node.children).map((node) => node.entry)
  }

  /**
   * Its inputs must be spent by nobody else in the pool, and nothing in the pool may build on it yet.
   * Returns it and its ancestors: what has other `descendants` now.
   */
  add(entry: MempoolEntry): readonly FamilyNode[] {
    assert(!this.#nodes.has(entry.txid), 'a transaction enters the pool once')
    const own = totalsOf(entry)
    const node: Node = {
      entry,
      parents: new Set(),
      children: new Set(),
      ancestors: own,
      descendants: own,
      scripts: scriptsOf(entry),
    }
    this.#nodes.set(entry.txid, node)
    for (const [vin, input] of entry.transaction.inputs.entries()) {
      const key = outPointKey(input.prevout)
      assert(!this.#spenders.has(key), 'a coin has one spender in the pool')
      this.#spenders.set(key, { txid: entry.txid, vin })
      const parent = this.#nodes.get(input.prevout.txid)
      if (parent === undefined) continue
      node.parents.add(parent)
      parent.children.add(node)
    }
    this.#addScripts(node)
    if (node.parents.size === 0) return [node]
    const ancestors = reach(node.parents, (one) => one.parents)
    for (const ancestor of ancestors) {
      node.ancestors = plus(node.ancestors, totalsOf(ancestor.entry))
      ancestor.descendants = plus(ancestor.descendants, own)
    }
    return [node, ...ancestors]
  }

  /**
   * Takes some out together. What builds on them stays, if it is not among them, and builds on confirmed
   * coins from now on. Returns the ancestors that stay: what has other `descendants` now.
   */
  remove(txids: Iterable<Txid>): readonly FamilyNode[] {
    const leaving = new Set([...txids].map((txid) => this.#node(txid)))
    const changed = new Set<Node>()
    // First the sums of all, while every link is still there to be followed.
    for (const node of leaving) {
      const own = totalsOf(node.entry)
      // Most have no family.
      if (node.parents.size > 0) {
        for (const ancestor of reach(node.parents, (one) => one.parents)) {
          ancestor.descendants = minus(ancestor.descendants, own)
          if (!leaving.has(ancestor)) changed.add(ancestor)
        }
      }
      if (node.children.size === 0) continue
      for (const descendant of reach(node.children, (one) => one.children)) {
        descendant.ancestors = minus(descendant.ancestors, own)
      }
    }
    for (const node of leaving) this.#unlink(node)
    return [...changed]
  }

  #addScripts(node: Node): void {
    const { txid } = node.entry
    for (const hash of node.scripts) {
      const txids = this.#byScript.get(hash)
      if (txids === undefined) this.#byScript.set(hash, new Set([txid]))
      else txids.add(txid)
    }
  }

  #unlink(node: Node): void {
    const { txid, transaction } = node.entry
    this.#nodes.delete(txid)
    for (const input of transaction.inputs) this.#spenders.delete(outPointKey(input.prevout))
    for (const parent of node.parents) parent.children.delete(node)
    for (const child of node.children) child.parents.delete(node)
    for (const hash of node.scripts) {
      const txids = this.#byScript.get(hash)
      txids?.delete(txid)
      if (txids?.size === 0) this.#byScript.delete(hash)
    }
  }

  #node(txid: Txid): Node {
    return present(this.#nodes.get(txid), `transaction ${txid} in the pool`)
  }
}

/** Everything reachable over the links, the starts included. */
function reach<N extends FamilyNode>(starts: Iterable<N>, links: (node: N) => Iterable<N>): N[] {
  const seen = new Set<N>(starts)
  // A Set iterates over what is added while it iterates.
  for (const node of seen) for (const next of links(node)) seen.add(next)
  return [...seen]
}

function totalsOf({ fee, vsize, chargedVsize }: MempoolEntry): FamilyTotals {
  return { count: 1, fee, vsize, chargedVsize }
}

function plus(a: FamilyTotals, b: FamilyTotals): FamilyTotals {
  return {
    count: a.count + b.count,
    fee: a.fee + b.fee,
    vsize: a.vsize + b.vsize,
    chargedVsize: a.chargedVsize + b.chargedVsize,
  }
}

function minus(a: FamilyTotals, b: FamilyTotals): FamilyTotals {
  return {
    count: a.count - b.count,
    fee: a.fee - b.fee,
    vsize: a.vsize - b.vsize,
    chargedVsize: a.chargedVsize - b.chargedVsize,
  }
}

/** An entry may go from one graph to another. */
const knownScripts = new WeakMap<MempoolEntry, readonly Hash32[]>()

function scriptsOf(entry: MempoolEntry): readonly Hash32[] {
  let scripts = knownScripts.get(entry)
  if (scripts === undefined) {
    scripts = touchedScripts(entry)
    knownScripts.set(entry, scripts)
  }
  return scripts
}

/** SHA-256 of every script that it pays or spends from, outputs that nobody can spend left out. */
function touchedScripts(entry: MempoolEntry): readonly Hash32[] {
  const hashes = new Set<Hash32>()
  for (const coin of entry.spent) hashes.add(hash32FromBytes(sha256(coin.script)))
  for (const output of entry.transaction.outputs) {
    if (isCoinScript(output.script)) hashes.add(hash32FromBytes(sha256(output.script)))
  }
  return [...hashes]
}

/** Does an output with this script become a coin? Burns and data do not. */
export function isCoinScript(script: Uint8Array): boolean {
  const { kind } = classifyOutput(script)
  return kind !== 'op_return' && kind !== 'withdraw'
}
