/**
 * The nodes of the state trie in tables, and how they hash. A node is named by a number: its kind and
 * its row. Nodes of the trie itself are never changed while they are part of it; what an update adds
 * stays in tables of its own until the update is applied.
 *
 *   leaf    path (32 bytes) ‖ SHA256(value) (32 bytes); its hash is computed when it is needed
 *   branch  hash (32 bytes), left node, right node
 */

import { assert } from '../primitives/assert.ts'
import { sha256Into } from '../primitives/sha256.ts'
import { copyWords, RowTable } from './row-table.ts'

/** A row number and, in the lowest bits, a `NodeKind`. */
export type Node = number

/** The subtree without records. */
export const NO_NODE: Node = 0

export const NODE_KIND = { branch: 1, leaf: 2, newBranch: 3, newLeaf: 4 } as const
export type NodeKind = (typeof NODE_KIND)[keyof typeof NODE_KIND]

const KIND_BITS = 3
const KIND_MASK = (1 << KIND_BITS) - 1

export function nodeOf(kind: NodeKind, row: number): Node {
  return (row << KIND_BITS) | kind
}
export function kindOf(node: Node): number {
  return node & KIND_MASK
}
export function rowOf(node: Node): number {
  return node >>> KIND_BITS
}
export function isLeaf(node: Node): boolean {
  const kind = kindOf(node)
  return kind === NODE_KIND.leaf || kind === NODE_KIND.newLeaf
}
export function isBranch(node: Node): boolean {
  const kind = kindOf(node)
  return kind === NODE_KIND.branch || kind === NODE_KIND.newBranch
}

/** 32-bit words of a hash or a path. */
export const HASH_WORDS = 8
export const LEAF_WORDS = 2 * HASH_WORDS
const BRANCH_WORDS = HASH_WORDS + 2
/** Where a branch has its children, after its hash. */
export const LEFT_WORD = 8
export const RIGHT_WORD = 9

/** Tables of leaves and branches. */
export class NodeTables {
  readonly leaves = new RowTable(LEAF_WORDS)
  readonly branches = new RowTable(BRANCH_WORDS)
}

/** Hashes prefix ‖ 64 bytes, in place: the words are aligned, so the prefix stands before them. */
class NodePreimage {
  readonly words: Uint32Array
  readonly #bytes: Uint8Array

  constructor(prefix: number) {
    const buffer = new ArrayBuffer(8 + 64)
    this.words = new Uint32Array(buffer, 8, LEAF_WORDS)
    this.#bytes = new Uint8Array(buffer, 7, 65)
    this.#bytes[0] = prefix
  }

  hashInto(out: Uint8Array): void {
    sha256Into(this.#bytes, out)
  }
}

/** Computes hashes of nodes; one for the whole thread, since a hash never waits for anything. */
const leafPreimage = new NodePreimage(0)
const branchPreimage = new NodePreimage(1)
const hashBytes = new Uint8Array(32)
const hashWords = new Uint32Array(hashBytes.buffer)

/** Writes the hash of a node of `base` or `added` to `target[at … at + 8)`. */
export function writeNodeHash(
  base: NodeTables,
  added: NodeTables,
  node: Node,
  target: Uint32Array,
  at: number,
): void {
  const row = rowOf(node)
  switch (kindOf(node)) {
    case NODE_KIND.branch:
      base.branches.copyTo(target, at, row, 0, HASH_WORDS)
      return
    case NODE_KIND.newBranch:
      added.branches.copyTo(target, at, row, 0, HASH_WORDS)
      return
    case NODE_KIND.leaf:
    case NODE_KIND.newLeaf: {
      const { leaves } = kindOf(node) === NODE_KIND.leaf ? base : added
      leaves.copyTo(leafPreimage.words, 0, row, 0, LEAF_WORDS)
      leafPreimage.hashInto(hashBytes)
      copyWords(target, at, hashWords, 0, HASH_WORDS)
      return
    }
    default:
      assert(node === NO_NODE, 'a node has a known kind')
      target.fill(0, at, at + HASH_WORDS)
  }
}

/** Makes the branch over two nodes, its hash computed, in the tables of an update. */
export function addBranch(base: NodeTables, added: NodeTables, left: Node, right: Node): Node {
  writeNodeHash(base, added, left, branchPreimage.words, 0)
  writeNodeHash(base, added, right, branchPreimage.words, HASH_WORDS)
  branchPreimage.hashInto(hashBytes)
  const row = added.branches.allocate()
  added.branches.copyFrom(hashWords, 0, row, 0, HASH_WORDS)
  added.branches.set(row, LEFT_WORD, left)
  added.branches.set(row, RIGHT_WORD, right)
  return nodeOf(NODE_KIND.newBranch, row)
}
