/**
 * The state commitment: a compact sparse Merkle trie over the tagged hashes of state keys. Its root
 * depends only on the records, not on their history. A subtree with one record is that record's leaf.
 *
 *   path  = TaggedHash("causeway/state-key", key), 256 bits from the most significant
 *   leaf  = SHA256(00 ‖ path ‖ SHA256(value))
 *   node  = SHA256(01 ‖ left ‖ right)
 *   empty = 32 zero bytes
 *
 * Nodes are immutable and shared: a candidate block's trie costs only the paths that it changes,
 * and dropping it costs nothing.
 */

import {
  bytesToHex,
  compareBytes,
  concatBytes,
  equalBytes,
  hexToBytes,
} from '../primitives/bytes.ts'
import type { ByteReader, ByteWriter } from '../primitives/codec.ts'
import { type Hash32, hash32FromBytes, hashToBytes } from '../primitives/hashes.ts'
import { sha256, taggedHash } from '../primitives/sha256.ts'
import type { StateDelta, StateKey } from './state.ts'

interface Leaf {
  readonly kind: 'leaf'
  readonly path: Uint8Array
  readonly valueHash: Uint8Array
  readonly hash: Uint8Array
}
interface Branch {
  readonly kind: 'branch'
  readonly left: TrieNode | undefined
  readonly right: TrieNode | undefined
  readonly hash: Uint8Array
}
type TrieNode = Leaf | Branch

/** A whole state's commitment; undefined is the empty state. */
export type StateTrie = TrieNode | undefined

const EMPTY = new Uint8Array(32)
const LEAF_PREFIX = Uint8Array.of(0)
const BRANCH_PREFIX = Uint8Array.of(1)
const PATH_BITS = 256

export function stateRoot(trie: StateTrie): Hash32 {
  return hash32FromBytes(hashOf(trie))
}

interface Change {
  readonly path: Uint8Array
  /** undefined deletes the record. */
  readonly leaf: Leaf | undefined
}

/** The trie after a delta. The given one stays as it was. */
export function updateStateTrie(trie: StateTrie, delta: StateDelta): StateTrie {
  const changes: Change[] = []
  for (const [key, value] of delta.puts) {
    const path = pathOf(key)
    const valueHash = sha256(value)
    const leaf: Leaf = { kind: 'leaf', path, valueHash, hash: leafHash(path, valueHash) }
    changes.push({ path, leaf })
  }
  for (const key of delta.deletes) changes.push({ path: pathOf(key), leaf: undefined })
  changes.sort((a, b) => compareBytes(a.path, b.path))
  return update(trie, changes, 0, changes.length, 0)
}

/** Applies changes[from…to), sorted by path, to the subtree at `depth`. */
function update(
  node: TrieNode | undefined,
  changes: readonly Change[],
  from: number,
  to: number,
  depth: number,
): TrieNode | undefined {
  if (from === to) return node
  if (to - from === 1 && (node === undefined || isLeafAt(node, changes[from]?.path))) {
    return changes[from]?.leaf
  }
  const middle = splitPoint(changes, from, to, depth)
  const [left, right] = childrenOf(node, depth)
  return join(
    update(left, changes, from, middle, depth + 1),
    update(right, changes, middle, to, depth + 1),
    node,
  )
}

function isLeafAt(node: TrieNode, path: Uint8Array | undefined): boolean {
  return node.kind === 'leaf' && path !== undefined && equalBytes(node.path, path)
}

/** A leaf sits at the top of its subtree; looked at one level deeper it is on one side. */
function childrenOf(
  node: TrieNode | undefined,
  depth: number,
): readonly [TrieNode | undefined, TrieNode | undefined] {
  if (node === undefined) return [undefined, undefined]
  if (node.kind === 'branch') return [node.left, node.right]
  return bit(node.path, depth) === 0 ? [node, undefined] : [undefined, node]
}

function join(
  left: TrieNode | undefined,
  right: TrieNode | undefined,
  before: TrieNode | undefined,
): TrieNode | undefined {
  // A lone leaf moves up, so that the shape depends on the records only.
  if (left === undefined && (right === undefined || right.kind === 'leaf')) return right
  if (right === undefined && left?.kind === 'leaf') return left
  if (before?.kind === 'branch' && before.left === left && before.right === right) return before
  return { kind: 'branch', left, right, hash: branchHash(hashOf(left), hashOf(right)) }
}

/** First index in [from, to) whose path has bit 1 at `depth`. */
function splitPoint(changes: readonly Change[], from: number, to: number, depth: number): number {
  let low = from
  let high = to
  while (low < high) {
    const middle = (low + high) >>> 1
    const path = changes[middle]?.path
    if (path !== undefined && bit(path, depth) === 0) low = middle + 1
    else high = middle
  }
  return low
}

function hashOf(node: TrieNode | undefined): Uint8Array {
  return node === undefined ? EMPTY : node.hash
}

function leafHash(path: Uint8Array, valueHash: Uint8Array): Uint8Array {
  return sha256(concatBytes(LEAF_PREFIX, path, valueHash))
}

function branchHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(concatBytes(BRANCH_PREFIX, left, right))
}

function bit(path: Uint8Array, depth: number): number {
  return ((path[depth >>> 3] ?? 0) >>> (7 - (depth & 7))) & 1
}

function pathOf(key: StateKey): Uint8Array {
  return taggedHash('causeway/state-key', hexToBytes(key))
}

// --- proofs ---------------------------------------------------------------------------------

/** Shows what the state holds, or does not hold, at a key. */
export interface StateProof {
  /** Hashes of the other subtree at each level, from the root down. */
  readonly siblings: readonly Hash32[]
  /** The leaf where the path ends, when it is another key's; absent where it ends in nothing. */
  readonly other?: { readonly path: Hash32; readonly valueHash: Hash32 }
}

export function buildStateProof(trie: StateTrie, key: StateKey): StateProof {
  const path = pathOf(key)
  const siblings: Hash32[] = []
  let node = trie
  for (let depth = 0; node?.kind === 'branch'; depth++) {
    const right = bit(path, depth) === 1
    siblings.push(hash32FromBytes(hashOf(right ? node.left : node.right)))
    node = right ? node.right : node.left
  }
  if (node === undefined || equalBytes(node.path, path)) return { siblings }
  const other = {
    path: hash32FromBytes(node.path),
    valueHash: hash32FromBytes(node.valueHash),
  }
  return { siblings, other }
}

/** True when `proof` shows that the state with this root holds `value` (undefined: nothing) at `key`. */
export function verifyStateProof(
  root: Hash32,
  key: StateKey,
  value: Uint8Array | undefined,
  proof: StateProof,
): boolean {
  if (proof.siblings.length > PATH_BITS) return false
  const path = pathOf(key)
  let hash: Uint8Array
  if (value !== undefined) {
    if (proof.other !== undefined) return false
    hash = leafHash(path, sha256(value))
  } else if (proof.other === undefined) {
    hash = EMPTY
  } else {
    const other = hashToBytes(proof.other.path)
    if (equalBytes(other, path) || !sharesBits(other, path, proof.siblings.length)) return false
    hash = leafHash(other, hashToBytes(proof.other.valueHash))
  }
  for (let depth = proof.siblings.length - 1; depth >= 0; depth--) {
    const sibling = proof.siblings[depth]
    if (sibling === undefined) return false
    const bytes = hashToBytes(sibling)
    hash = bit(path, depth) === 0 ? branchHash(hash, bytes) : branchHash(bytes, hash)
  }
  return bytesToHex(hash) === root
}

function sharesBits(a: Uint8Array, b: Uint8Array, count: number): boolean {
  for (let depth = 0; depth < count; depth++) if (bit(a, depth) !== bit(b, depth)) return false
  return true
}

export function writeStateProof(writer: ByteWriter, proof: StateProof): void {
  writer.list(proof.siblings, (w, sibling) => w.bytes(hashToBytes(sibling)))
  writer.bool(proof.other !== undefined)
  if (proof.other !== undefined) {
    writer.bytes(hashToBytes(proof.other.path)).bytes(hashToBytes(proof.other.valueHash))
  }
}

/** @throws DecodeError */
export function readStateProof(reader: ByteReader): StateProof {
  const siblings = reader.list(PATH_BITS, (r) => hash32FromBytes(r.bytes(32)))
  if (!reader.bool()) return { siblings }
  const other = {
    path: hash32FromBytes(reader.bytes(32)),
    valueHash: hash32FromBytes(reader.bytes(32)),
  }
  return { siblings, other }
}
