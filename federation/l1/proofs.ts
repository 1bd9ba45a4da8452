/**
 * Merkle proofs of L1 transactions, as blocks of the sidechain carry them: the transaction without
 * witness (what the txid hashes) and its branch. Pure.
 */

import { buildMerkleProof } from '../../src/bitcoin/merkle.ts'
import { encodeTransactionWithoutWitness, transactionId } from '../../src/bitcoin/transaction.ts'
import type { L1TransactionProof } from '../../src/chain/l1-section.ts'
import { present } from '../../src/primitives/assert.ts'
import type { Txid } from '../../src/primitives/hashes.ts'
import type { L1Block } from './bitcoin-l1.ts'

/** Undefined when the block does not hold the transaction. */
export function findL1TransactionProof(block: L1Block, txid: Txid): L1TransactionProof | undefined {
  const ids = block.transactions.map(transactionId)
  const position = ids.indexOf(txid)
  if (position < 0) return undefined
  return {
    l1Height: block.height,
    transaction: encodeTransactionWithoutWitness(
      present(block.transactions[position], 'proved transaction'),
    ),
    merkle: buildMerkleProof(ids, position),
  }
}
