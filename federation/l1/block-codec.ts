/**
 * Bitcoin blocks as they travel: the 80-byte header, then the transactions with their witnesses.
 * Decoding checks that the header's Merkle root is the transactions', without the ambiguity of
 * CVE-2012-2459; it checks no other rule.
 */

import {
  type BlockHeader,
  decodeHeader,
  encodeHeader,
  HEADER_BYTES,
} from '../../src/bitcoin/header.ts'
import { merkleRoot } from '../../src/bitcoin/merkle.ts'
import {
  encodeTransaction,
  isCoinbase,
  readTransaction,
  type Transaction,
  transactionId,
} from '../../src/bitcoin/transaction.ts'
import { DecodeError, decodeAll, encodeWith } from '../../src/primitives/codec.ts'

/** BIP141: 4,000,000 weight units, and a byte weighs at least one. */
export const L1_BLOCK_BYTES_MAX = 4_000_000
/** A transaction is at least 60 bytes, each weighing four units. */
const TRANSACTIONS_MAX = 16_666

export interface BitcoinBlock {
  readonly header: BlockHeader
  readonly transactions: readonly Transaction[]
}

/** @throws DecodeError */
export function decodeBitcoinBlock(bytes: Uint8Array): BitcoinBlock {
  if (bytes.length > L1_BLOCK_BYTES_MAX) throw new DecodeError('block too long')
  const block = decodeAll(bytes, (reader) => ({
    header: decodeHeader(reader.bytes(HEADER_BYTES)),
    transactions: reader.list(TRANSACTIONS_MAX, readTransaction),
  }))
  const [coinbase] = block.transactions
  if (coinbase === undefined || !isCoinbase(coinbase)) throw new DecodeError('no coinbase')
  const { root, mutated } = merkleRoot(block.transactions.map(transactionId))
  if (mutated || root !== block.header.merkleRoot) throw new DecodeError('wrong Merkle root')
  return block
}

export function encodeBitcoinBlock(block: BitcoinBlock): Uint8Array {
  return encodeWith((writer) => {
    writer.bytes(encodeHeader(block.header))
    writer.list(block.transactions, (w, transaction) => w.bytes(encodeTransaction(transaction)))
  })
}
