/**
 * A block: Bitcoin's 80-byte header and transactions, plus the extension and the L1 section that the
 * coinbase commits to. The certificate stands beside the block, never inside its hash.
 */

import { type BlockHeader, decodeHeader, encodeHeader, headerHash } from '../bitcoin/header.ts'
import {
  encodeTransaction,
  readTransaction,
  type Transaction,
  transactionWeight,
} from '../bitcoin/transaction.ts'
import { ByteReader, DecodeError, encodeWith } from '../primitives/codec.ts'
import type { BlockHash } from '../primitives/hashes.ts'
import { type BlockExtension, readExtension, writeExtension } from './extension.ts'
import { encodeL1Section, type L1Section, readL1Section } from './l1-section.ts'
import { MAX_BLOCK_BYTES, MAX_BLOCK_WEIGHT, MAX_L1_SECTION_BYTES } from './params.ts'

export interface Block {
  readonly header: BlockHeader
  readonly extension: BlockExtension
  readonly l1Section: L1Section
  /** Coinbase first, then the mint transaction if there is one. */
  readonly transactions: readonly Transaction[]
}

/** A transaction weighs at least 60 bytes without witness, so no block holds more than this. */
const TRANSACTIONS_MAX = Math.floor(MAX_BLOCK_WEIGHT / 240)

export function blockHash(block: Block): BlockHash {
  return headerHash(block.header)
}

export function encodeBlock(block: Block): Uint8Array {
  return encodeWith((writer) => {
    writer.bytes(encodeHeader(block.header))
    writeExtension(writer, block.extension)
    writer.varBytes(encodeL1Section(block.l1Section))
    writer.list(block.transactions, (w, transaction) => w.bytes(encodeTransaction(transaction)))
  })
}

/** @throws DecodeError for anything but exactly one block within the limits. */
export function decodeBlock(bytes: Uint8Array): Block {
  if (bytes.length > MAX_BLOCK_BYTES) throw new DecodeError('block too long')
  const reader = new ByteReader(bytes)
  const header = decodeHeader(reader.bytes(80))
  const extension = readExtension(reader)
  const sectionReader = new ByteReader(reader.varBytes(MAX_L1_SECTION_BYTES))
  const l1Section = readL1Section(sectionReader)
  sectionReader.end()
  const transactions = reader.list(TRANSACTIONS_MAX, readTransaction)
  reader.end()
  return { header, extension, l1Section, transactions }
}

/** The block as Bitcoin tools parse it: header, count, transactions. */
export function encodeBitcoinBlock(block: Block): Uint8Array {
  return encodeWith((writer) => {
    writer.bytes(encodeHeader(block.header))
    writer.list(block.transactions, (w, transaction) => w.bytes(encodeTransaction(transaction)))
  })
}

/** BIP141 weight of what `encodeBitcoinBlock` returns. */
export function blockWeight(block: Block): number {
  const count = block.transactions.length
  const countBytes = count < 0xfd ? 1 : 3
  let weight = (80 + countBytes) * 4
  for (const transaction of block.transactions) weight += transactionWeight(transaction)
  return weight
}
