/**
 * The state commitment and its proofs, without the state: what a light client needs. A compact sparse
 * Merkle trie over the tagged hashes of state keys; its root depends only on the records, not on their
 * history. A subtree with one record is that record's leaf.
 *
 *   path  = TaggedHash("causeway/state-key", key), 256 bits from the most significant
 *   leaf  = SHA256(00 ‖ path ‖ SHA256(value))
 *   node  = SHA256(01 ‖ left ‖ right)
 *   empty = 32 zero bytes
 *
 * Runs wherever JavaScript does.
 */

import { bytesToHex, concatBytes, equalBytes } from '../primitives/bytes.ts'
import { type ByteReader, type ByteWriter, useEncoded } from '../primitives/codec.ts'
import { type Hash32, hash32FromBytes, hashToBytes } from '../primitives/hashes.ts'
import { sha256, taggedHash } from '../primitives/sha256.ts'
import type { StateKey } from './state.ts'

const EMPTY = new Uint8Array(32)
const LEAF_PREFIX = Uint8Array.of(0)
const BRANCH_PREFIX = Uint8Array.of(1)
const PATH_BITS = 256

/** Shows what the state holds, or does not hold, at a key. */
export interface StateProof {
  /** Hashes of the other subtree at each level, from the root down. */
  readonly siblings: readonly Hash32[]
  /** The leaf where the path ends, when it is another key's; absent where it ends in nothing. */
  readonly other?: { readonly path: Hash32; readonly valueHash: Hash32 }
}

/** Where a key's leaf is, 32 bytes. */
export function statePath(key: StateKey): Uint8Array {
  return useEncoded((writer) => writer.hex(key), pathOfKey)
}

function pathOfKey(bytes: Uint8Array): Uint8Array {
  return taggedHash('causeway/state-key', bytes)
}

/** Bit `depth` of a path, counted from the most significant one of its first byte. */
export function pathBit(path: Uint8Array, depth: number): number {
  return ((path[depth >>> 3] ?? 0) >>> (7 - (depth & 7))) & 1
}

/** True when `proof` shows that the state with this root holds `value` (undefined: nothing) at `key`. */
export function verifyStateProof(
  root: Hash32,
  key: StateKey,
  value: Uint8Array | undefined,
  proof: StateProof,
): boolean {
  if (proof.siblings.length > PATH_BITS) return false
  const path = statePath(key)
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
    hash = pathBit(path, depth) === 0 ? branchHash(hash, bytes) : branchHash(bytes, hash)
  }
  return bytesToHex(hash) === root
}

function leafHash(path: Uint8Array, valueHash: Uint8Array): Uint8Array {
  return sha256(concatBytes(LEAF_PREFIX, path, valueHash))
}

function branchHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(concatBytes(BRANCH_PREFIX, left, right))
}

function sharesBits(a: Uint8Array, b: Uint8Array, count: number): boolean {
  for (let depth = 0; depth < count; depth++) {
    if (pathBit(a, depth) !== pathBit(b, depth)) return false
  }
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
