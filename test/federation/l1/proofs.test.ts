import { describe, expect, it } from 'vitest'
import type { L1Block } from '../../../federation/l1/bitcoin-l1.ts'
import { findL1TransactionProof } from '../../../federation/l1/proofs.ts'
import { encodeHeader, REGTEST_GENESIS_HEADER } from '../../../src/bitcoin/header.ts'
import { merkleRoot, verifyMerkleProof } from '../../../src/bitcoin/merkle.ts'
import { decodeTransaction, transactionId } from '../../../src/bitcoin/transaction.ts'
import { toBlockHash, toTxid } from '../../../src/primitives/hashes.ts'
import { sweep } from './taproot-spender.ts'

function blockOf(count: number): L1Block {
  const transactions = Array.from({ length: count }, (_, vout) => {
    const outPoint = { txid: toTxid('33'.repeat(32)), vout }
    return sweep({ outPoint, value: 10_000n }, 1_000n).transaction
  })
  const hash = toBlockHash('44'.repeat(32))
  return { hash, height: 7, header: encodeHeader(REGTEST_GENESIS_HEADER), transactions }
}

describe('proofs of L1 transactions', () => {
  it.each([1, 2, 3, 5, 8])('prove every transaction of a block of %i', (count) => {
    const block = blockOf(count)
    const ids = block.transactions.map(transactionId)
    const { root } = merkleRoot(ids)
    for (const [position, txid] of ids.entries()) {
      const proof = findL1TransactionProof(block, txid)!
      expect(proof).toMatchObject({ l1Height: 7, merkle: { position } })
      expect(verifyMerkleProof(txid, proof.merkle, root)).toBe(true)
      // Without the witness, which the txid does not cover.
      const stripped = decodeTransaction(proof.transaction)
      expect(transactionId(stripped)).toBe(txid)
      expect(stripped.inputs[0]!.witness).toEqual([])
    }
  })

  it('do not exist for a transaction that is not in the block', () => {
    expect(findL1TransactionProof(blockOf(2), toTxid('55'.repeat(32)))).toBeUndefined()
  })
})
