/**
 * Unconfirmed transactions and how they hang together: who spends what, who builds on whom, who touches
 * which script. Keeps the links consistent and decides nothing.
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

interface Node {
  readonly entry: MempoolEntry
  /** Unconfirmed transactions whose outputs it spends; those that spend its outputs. */
  readonly parents: Set<Node>
  readonly children: Set<Node>
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

  /** In order of arrival. */
  *entries(): Iterable<MempoolEntry> {
    for (const node of this.#nodes.values()) yield node.entry
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

  children(txid: Txid): readonly MempoolEntry[] {
    return [...this.#node(txid).children].map((node) => node.entry)
  }

  /** What a transaction outside the pool would build on, directly and indirectly. */
  ancestorsOfNew(transaction: Transaction): readonly MempoolEntry[] {
    const starts: Node[] = []
    for (const input of transaction.inputs) {
      const parent = this.#nodes.get(input.prevout.txid)
      if (parent !== undefined) starts.push(parent)
    }
    return reach(starts, (node) => node.parents)
  }

  /** Without the transaction itself. */
  ancestors(txid: Txid): readonly MempoolEntry[] {
    return reach(this.#node(txid).parents, (node) => node.parents)
  }

  /** The given transactions and everything that builds on them. */
  withDescendants(txids: Iterable<Txid>): readonly MempoolEntry[] {
    const starts = [...txids].map((txid) => this.#node(txid))
    return reach(starts, (node) => node.children)
  }

  /** Its inputs must be spent by nobody else in the pool. */
  add(entry: MempoolEntry): void {
    assert(!this.#nodes.has(entry.txid), 'a transaction enters the pool once')
    const node: Node = {
      entry,
      parents: new Set(),
      children: new Set(),
      scripts: touchedScripts(entry),
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
    for (const hash of node.scripts) {
      const txids = this.#byScript.get(hash)
      if (txids === undefined) this.#byScript.set(hash, new Set([entry.txid]))
      else txids.add(entry.txid)
    }
  }

  /** Only this one: what builds on it stays, and builds on a confirmed coin from now on. */
  remove(txid: Txid): void {
    const node = this.#node(txid)
    this.#nodes.delete(txid)
    for (const input of node.entry.transaction.inputs) {
      this.#spenders.delete(outPointKey(input.prevout))
    }
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
function reach(starts: Iterable<Node>, links: (node: Node) => Iterable<Node>): MempoolEntry[] {
  const seen = new Set<Node>(starts)
  // A Set iterates over what is added while it iterates.
  for (const node of seen) for (const next of links(node)) seen.add(next)
  return [...seen].map((node) => node.entry)
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
