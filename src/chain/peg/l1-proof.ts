/**
 * Checks that an L1 transaction stands in a block whose header the state holds. Bitcoin's tree does
 * not tell leaves from inner nodes: both are SHA256d, an inner node's of 64 bytes (CVE-2017-12842).
 * So no leaf may have 64 bytes, and no inner node may be a transaction (RSKIP92): a miner's 64-byte
 * transaction could otherwise carry the hash of one that never was.
 */

import { type MerkleProof, verifyMerkleProof } from '../../bitcoin/merkle.ts'
import { decodeTransaction, type Transaction, transactionId } from '../../bitcoin/transaction.ts'
import { concatBytes } from '../../primitives/bytes.ts'
import { DecodeError } from '../../primitives/codec.ts'
import { reversedToBytes, type Txid } from '../../primitives/hashes.ts'
import { ok, type Rejection, type Result, reject } from '../../primitives/result.ts'
import { sha256d } from '../../primitives/sha256.ts'
import type { L1TransactionProof } from '../l1-section.ts'
import type { StateView } from '../state.ts'
import { findL1Header } from './l1-headers.ts'

/** Two hashes: what an inner node hashes. */
const INNER_NODE_BYTES = 64

export function checkL1Proof(
  view: StateView,
  proof: L1TransactionProof,
): Result<Transaction, Rejection> {
  const header = findL1Header(view, proof.l1Height)
  if (header === undefined) return reject('l1-proof-header-unknown')
  if (proof.transaction.length === INNER_NODE_BYTES) return reject('l1-proof-64-bytes')
  const transaction = decodeL1Transaction(proof.transaction)
  if (transaction === undefined) return reject('l1-proof-transaction')
  const txid = transactionId(transaction)
  if (!verifyMerkleProof(txid, proof.merkle, header.merkleRoot)) return reject('l1-proof-merkle')
  if (passesTransaction(txid, proof.merkle)) return reject('l1-proof-ambiguous')
  return ok(transaction)
}

/** True when an inner node on the way to the root is itself a transaction, so perhaps the real leaf. */
function passesTransaction(txid: Txid, { position, branch }: MerkleProof): boolean {
  let node = reversedToBytes(txid)
  let index = position
  for (const step of branch) {
    const sibling = reversedToBytes(step)
    const preimage = (index & 1) === 1 ? concatBytes(sibling, node) : concatBytes(node, sibling)
    if (decodeL1Transaction(preimage) !== undefined) return true
    node = sha256d(preimage)
    index >>>= 1
  }
  return false
}

function decodeL1Transaction(bytes: Uint8Array): Transaction | undefined {
  try {
    const transaction = decodeTransaction(bytes)
    // Bitcoin has none without outputs; 64 bytes that look like one are within a neighbour's reach.
    if (transaction.outputs.length === 0) return undefined
    // Stripped: a witness would not be covered by the txid, so it has no place in a proof.
    return transaction.inputs.every((input) => input.witness.length === 0) ? transaction : undefined
  } catch (cause) {
    if (cause instanceof DecodeError) return undefined
    throw cause
  }
}
