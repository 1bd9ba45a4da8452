/**
 * The state commitment of a whole state, kept in memory; `state-proof.ts` has the formulas. A delta is
 * first prepared, which computes the root after it and changes nothing, so that candidates can be judged
 * and dropped; the one that becomes part of the chain is applied.
 *
 * About 104 bytes per record: its leaf and one branch.
 */

import { assert, present } from '../primitives/assert.ts'
import { type Hash32, hash32FromBytes } from '../primitives/hashes.ts'
import type { StateDelta, StateKey } from './state.ts'
import { pathBit, type StateProof, statePath } from './state-proof.ts'
import { TrieBuilder } from './trie-builder.ts'
import { CHANGES_MAX, TrieChanges } from './trie-changes.ts'
import {
  addBranch,
  HASH_WORDS,
  isBranch,
  isLeaf,
  kindOf,
  LEAF_WORDS,
  LEFT_WORD,
  NO_NODE,
  NODE_KIND,
  type Node,
  NodeTables,
  nodeOf,
  RIGHT_WORD,
  rowOf,
  writeNodeHash,
} from './trie-nodes.ts'

/** A delta's effect on the trie that prepared it. */
export interface TrieUpdate {
  /** Of the state after the delta. */
  readonly root: Hash32
}

export class StateTrie {
  readonly #nodes: NodeTables
  #root: Node
  #rootHash: Hash32 | undefined
  /** Times applied: an update belongs to one of them. */
  #version = 0

  /** Of what the builder was given, or empty. */
  constructor(builder = new TrieBuilder()) {
    this.#nodes = builder.nodes
    this.#root = builder.finish()
  }

  /** Of the present state. */
  get root(): Hash32 {
    this.#rootHash ??= hashOfNode(this.#nodes, new NodeTables(), this.#root)
    return this.#rootHash
  }

  /** Records in the state. */
  get size(): number {
    return this.#nodes.leaves.size
  }

  /** Computes what the delta does; the trie stays as it is. At most `CHANGES_MAX` changes. */
  prepare(delta: StateDelta): TrieUpdate {
    return new PreparedUpdate(this.#nodes, this.#root, this.#version, delta)
  }

  /**
   * Makes an update real.
   * @throws AssertionError unless this trie prepared it, and has not been changed since.
   */
  apply(update: TrieUpdate): void {
    assert(update instanceof PreparedUpdate, 'an update comes from prepare')
    assert(update.nodes === this.#nodes && update.version === this.#version, 'a fresh update')
    this.#root = update.moveInto(this.#nodes)
    this.#rootHash = update.root
    this.#version += 1
  }

  /** Shows what the state holds, or does not hold, at a key. */
  prove(key: StateKey): StateProof {
    const path = statePath(key)
    const none = new NodeTables()
    const siblings: Hash32[] = []
    let node = this.#root
    for (let depth = 0; isBranch(node); depth++) {
      const left = this.#nodes.branches.get(rowOf(node), LEFT_WORD)
      const right = this.#nodes.branches.get(rowOf(node), RIGHT_WORD)
      const goesRight = pathBit(path, depth) === 1
      siblings.push(hashOfNode(this.#nodes, none, goesRight ? left : right))
      node = goesRight ? right : left
    }
    if (node === NO_NODE) return { siblings }
    const leaf = new Uint8Array(LEAF_WORDS * 4)
    this.#nodes.leaves.copyTo(new Uint32Array(leaf.buffer), 0, rowOf(node), 0, LEAF_WORDS)
    const other = {
      path: hash32FromBytes(leaf.subarray(0, 32)),
      valueHash: hash32FromBytes(leaf.subarray(32)),
    }
    return other.path === hash32FromBytes(path) ? { siblings } : { siblings, other }
  }
}

/** The trie of a whole state. Its records come in any order, each once. */
export async function buildStateTrie(
  records: AsyncIterable<readonly [StateKey, Uint8Array]>,
): Promise<StateTrie> {
  const builder = new TrieBuilder()
  for await (const [key, value] of records) builder.add(key, value)
  return new StateTrie(builder)
}

function hashOfNode(base: NodeTables, added: NodeTables, node: Node): Hash32 {
  const bytes = new Uint8Array(HASH_WORDS * 4)
  writeNodeHash(base, added, node, new Uint32Array(bytes.buffer), 0)
  return hash32FromBytes(bytes)
}

class PreparedUpdate implements TrieUpdate {
  readonly nodes: NodeTables
  readonly version: number
  readonly root: Hash32
  /** What the update adds: the leaf of change i is row i. */
  readonly #added = new NodeTables()
  /** Nodes of the trie that are no longer part of it afterwards. */
  readonly #dropped: Node[] = []
  readonly #changes: TrieChanges
  readonly #newRoot: Node
  readonly #path = new Uint32Array(HASH_WORDS)
  readonly #leafPathWords = new Uint32Array(HASH_WORDS)
  readonly #leafPath = new Uint8Array(this.#leafPathWords.buffer)

  constructor(nodes: NodeTables, root: Node, version: number, delta: StateDelta) {
    this.nodes = nodes
    this.version = version
    this.#changes = new TrieChanges(delta, this.#added.leaves)
    assert(this.#changes.count <= CHANGES_MAX, 'an update has a bounded number of changes')
    this.#newRoot = this.#update(root, 0, this.#changes.count, 0)
    this.root = hashOfNode(nodes, this.#added, this.#newRoot)
  }

  /** Applies the changes at places [from, to) of the order to the subtree at `depth`. */
  #update(node: Node, from: number, to: number, depth: number): Node {
    if (from === to) return node
    if (to - from === 1) {
      const change = this.#changes.order.at(from)
      if (node === NO_NODE || this.#isLeafOf(node, change)) return this.#replace(node, change)
    }
    const middle = this.#changes.order.splitPlace(from, to, depth)
    let left = NO_NODE
    let right = NO_NODE
    if (isBranch(node)) {
      left = this.nodes.branches.get(rowOf(node), LEFT_WORD)
      right = this.nodes.branches.get(rowOf(node), RIGHT_WORD)
    } else if (node !== NO_NODE) {
      // A leaf sits at the top of its subtree; looked at one level deeper it is on one side.
      if (this.#leafBit(node, depth) === 0) left = node
      else right = node
    }
    return this.#join(
      this.#update(left, from, middle, depth + 1),
      this.#update(right, middle, to, depth + 1),
      node,
    )
  }

  #isLeafOf(node: Node, change: number): boolean {
    if (!isLeaf(node)) return false
    this.#changes.writePath(change, this.#path)
    return this.nodes.leaves.startsWith(rowOf(node), this.#path)
  }

  /** A change meets its own leaf, or nothing. */
  #replace(node: Node, change: number): Node {
    if (node !== NO_NODE) this.#dropped.push(node)
    return this.#changes.isPut(change) ? nodeOf(NODE_KIND.newLeaf, change) : NO_NODE
  }

  #leafBit(leaf: Node, depth: number): number {
    this.nodes.leaves.copyTo(this.#leafPathWords, 0, rowOf(leaf), 0, HASH_WORDS)
    return pathBit(this.#leafPath, depth)
  }

  #join(left: Node, right: Node, before: Node): Node {
    if (isBranch(before)) {
      const row = rowOf(before)
      const { branches } = this.nodes
      const isSame =
        branches.get(row, LEFT_WORD) === left && branches.get(row, RIGHT_WORD) === right
      if (isSame) return before
      this.#dropped.push(before)
    }
    // A lone leaf moves up, so that the shape depends on the records only.
    if (left === NO_NODE && (right === NO_NODE || isLeaf(right))) return right
    if (right === NO_NODE && isLeaf(left)) return left
    return addBranch(this.nodes, this.#added, left, right)
  }

  /** Adds what is new to the trie's tables, gives back what is not needed, and returns the root. */
  moveInto(nodes: NodeTables): Node {
    for (const node of this.#dropped) {
      const table = kindOf(node) === NODE_KIND.leaf ? nodes.leaves : nodes.branches
      table.release(rowOf(node))
    }
    const leaves = moveLeaves(this.#added, this.#changes.puts, nodes)
    const branches = moveBranches(this.#added, leaves, nodes)
    return movedNode(this.#newRoot, leaves, branches)
  }
}

/** Where the first `count` leaves of an update are in the trie's table. */
function moveLeaves(added: NodeTables, count: number, nodes: NodeTables): Uint32Array {
  const moved = new Uint32Array(count)
  for (let row = 0; row < count; row++) {
    const leaf = nodes.leaves.allocate()
    nodes.leaves.copyRow(leaf, added.leaves, row)
    moved[row] = leaf
  }
  return moved
}

/** The same for its branches, of which each comes after its children and none is left unused. */
function moveBranches(added: NodeTables, leaves: Uint32Array, nodes: NodeTables): Uint32Array {
  const moved = new Uint32Array(added.branches.size)
  for (let row = 0; row < moved.length; row++) {
    const branch = nodes.branches.allocate()
    nodes.branches.copyRow(branch, added.branches, row)
    for (const word of [LEFT_WORD, RIGHT_WORD]) {
      const child = movedNode(nodes.branches.get(branch, word), leaves, moved)
      nodes.branches.set(branch, word, child)
    }
    moved[row] = branch
  }
  return moved
}

/** What a node of an update is called in the trie, given the rows of its new leaves and branches. */
function movedNode(node: Node, leaves: Uint32Array, branches: Uint32Array): Node {
  const row = rowOf(node)
  switch (kindOf(node)) {
    case NODE_KIND.newLeaf:
      return nodeOf(NODE_KIND.leaf, present(leaves[row], 'moved leaf'))
    case NODE_KIND.newBranch:
      return nodeOf(NODE_KIND.branch, present(branches[row], 'moved branch'))
    default:
      return node
  }
}
