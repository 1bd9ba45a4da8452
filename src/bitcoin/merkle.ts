/**
 * Bitcoin's Merkle tree over transaction ids, with proofs of inclusion. The last node of an odd
 * level is paired with itself, so two lists can share a root (CVE-2012-2459): `mutated` tells.
 */

import { assert, present } from '../primitives/assert.ts'
import { concatBytes, equalBytes } from '../primitives/bytes.ts'
import { type ByteReader, type ByteWriter, DecodeError } from '../primitives/codec.ts'
import {
  readTxid,
  reversedToBytes,
  type Txid,
  toTxid,
  toWtxid,
  txidFromBytes,
  type Wtxid,
  writeReversed,
  wtxidFromBytes,
} from '../primitives/hashes.ts'
import { sha256d } from '../primitives/sha256.ts'
import { type Transaction, witnessHash } from './transaction.ts'

export interface MerkleProof {
  /** Of the transaction in its block, from 0. */
  readonly position: number
  /** Siblings from the leaf's level upwards. */
  readonly branch: readonly Txid[]
}

export interface MerkleRoot {
  readonly root: Txid
  /** Two equal neighbours: the same root belongs to a shorter list (CVE-2012-2459). */
  readonly mutated: boolean
}

/** A Bitcoin block holds at most 1,000,000 / 60 = 16,666 transactions, less than 2^15. */
const BRANCH_LENGTH_MAX = 15
const ZERO_TXID = toTxid('00'.repeat(32))
const ZERO_WTXID = toWtxid('00'.repeat(32))

/** The root over ids in block order; zero for an empty list, as in Bitcoin Core. */
export function merkleRoot(ids: readonly Txid[]): MerkleRoot {
  if (ids.length === 0) return { root: ZERO_TXID, mutated: false }
  const { root, mutated } = computeRoot(ids.map((id) => reversedToBytes(id)))
  return { root: txidFromBytes(root), mutated }
}

/** BIP141: the root over wtxids, with zero in the coinbase's place. */
export function witnessMerkleRoot(transactions: readonly Transaction[]): Wtxid {
  return transactions.length === 0 ? ZERO_WTXID : witnessRootBeyondCoinbase(transactions.slice(1))
}

/** The same for a coinbase that is not made yet, or of no interest, and the `others` after it. */
export function witnessRootBeyondCoinbase(others: readonly Transaction[]): Wtxid {
  const leaves: Uint8Array[] = [new Uint8Array(32)]
  for (const other of others) leaves.push(witnessHash(other))
  return wtxidFromBytes(computeRoot(leaves).root)
}

function computeRoot(leaves: readonly Uint8Array[]): { root: Uint8Array; mutated: boolean } {
  let level = leaves
  let mutated = false
  while (level.length > 1) {
    for (let i = 0; i + 1 < level.length; i += 2) {
      if (equalBytes(at(level, i), at(level, i + 1))) mutated = true
    }
    level = parents(level)
  }
  return { root: at(level, 0), mutated }
}

function parents(level: readonly Uint8Array[]): Uint8Array[] {
  const out: Uint8Array[] = []
  const pair = new Uint8Array(64)
  for (let i = 0; i < level.length; i += 2) {
    const left = at(level, i)
    pair.set(left)
    pair.set(level[i + 1] ?? left, 32)
    out.push(sha256d(pair))
  }
  return out
}

function at(level: readonly Uint8Array[], index: number): Uint8Array {
  return present(level[index], 'node of a Merkle tree')
}

/** @throws AssertionError when `position` is outside the list. */
export function buildMerkleProof(ids: readonly Txid[], position: number): MerkleProof {
  assert(position >= 0 && position < ids.length, 'position outside the block')
  const branch: Txid[] = []
  let level: readonly Uint8Array[] = ids.map(reversedToBytes)
  let index = position
  while (level.length > 1) {
    branch.push(txidFromBytes(level[index ^ 1] ?? at(level, index)))
    level = parents(level)
    index >>>= 1
  }
  return { position, branch }
}

/**
 * True when `id` stands at the proof's position under `root`. A 64-byte transaction can pass for an
 * inner node: a verifier that cares also checks that the branch is as long as the coinbase's.
 */
export function verifyMerkleProof(id: Txid, proof: MerkleProof, root: Txid): boolean {
  if (!isProofShape(proof)) return false
  let node = reversedToBytes(id)
  let index = proof.position
  for (const step of proof.branch) {
    const sibling = reversedToBytes(step)
    const isRight = (index & 1) === 1
    // A node is never the right-hand copy of its own sibling: that position does not exist.
    if (isRight && equalBytes(sibling, node)) return false
    node = sha256d(isRight ? concatBytes(sibling, node) : concatBytes(node, sibling))
    index >>>= 1
  }
  return txidFromBytes(node) === root
}

function isProofShape({ position, branch }: MerkleProof): boolean {
  if (branch.length > BRANCH_LENGTH_MAX) return false
  return Number.isInteger(position) && position >= 0 && position < 2 ** branch.length
}

/** Position as u32, then the branch as a list. @throws DecodeError for an impossible shape. */
export function readMerkleProof(reader: ByteReader): MerkleProof {
  const position = reader.u32()
  const branch = reader.list(BRANCH_LENGTH_MAX, readTxid)
  const proof = { position, branch }
  if (!isProofShape(proof)) throw new DecodeError('Merkle position outside its tree')
  return proof
}

export function writeMerkleProof(writer: ByteWriter, proof: MerkleProof): void {
  writer.u32(proof.position).list(proof.branch, writeReversed)
}
