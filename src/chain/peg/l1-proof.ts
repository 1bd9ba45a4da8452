/** Checks that an L1 transaction stands in a block whose header the state holds. */

import { verifyMerkleProof } from '../../bitcoin/merkle.ts'
import { decodeTransaction, type Transaction, transactionId } from '../../bitcoin/transaction.ts'
import { DecodeError } from '../../primitives/codec.ts'
import { ok, type Rejection, type Result, reject } from '../../primitives/result.ts'
import type { L1TransactionProof } from '../l1-section.ts'
import type { StateView } from '../state.ts'
import { findL1Header } from './l1-headers.ts'

/** A leaf of 64 bytes could be two hashes of a forged subtree (BIP54's reason). */
const AMBIGUOUS_BYTES = 64

export function checkL1Proof(
  view: StateView,
  proof: L1TransactionProof,
): Result<Transaction, Rejection> {
  const header = findL1Header(view, proof.l1Height)
  if (header === undefined) return reject('l1-proof-header-unknown')
  if (proof.transaction.length === AMBIGUOUS_BYTES) return reject('l1-proof-64-bytes')
  const transaction = decodeL1Transaction(proof.transaction)
  if (transaction === undefined) return reject('l1-proof-transaction')
  if (!verifyMerkleProof(transactionId(transaction), proof.merkle, header.merkleRoot)) {
    return reject('l1-proof-merkle')
  }
  return ok(transaction)
}

function decodeL1Transaction(bytes: Uint8Array): Transaction | undefined {
  try {
    const transaction = decodeTransaction(bytes)
    // Stripped: a witness would not be covered by the txid, so it has no place in a proof.
    return transaction.inputs.every((input) => input.witness.length === 0) ? transaction : undefined
  } catch (cause) {
    if (cause instanceof DecodeError) return undefined
    throw cause
  }
}
