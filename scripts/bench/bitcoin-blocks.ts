/**
 * Regtest blocks for a real bitcoind: a hundred empty ones until the first coinbase may be spent, one
 * that spends it, and then the blocks that are measured. Bitcoin's rules in full: BIP34, BIP141, proof of
 * work; no fees are taken.
 */

import {
  type BlockHeader,
  encodeHeader,
  headerHash,
  REGTEST_GENESIS_HEADER,
  verifyProofOfWork,
} from '../../src/bitcoin/header.ts'
import { merkleRoot } from '../../src/bitcoin/merkle.ts'
import {
  encodeTransaction,
  type OutPoint,
  type Transaction,
  transactionId,
} from '../../src/bitcoin/transaction.ts'
import { buildCoinbase } from '../../src/chain/coinbase.ts'
import { bytesToHex } from '../../src/primitives/bytes.ts'
import { encodeWith } from '../../src/primitives/codec.ts'
import { hash32FromBytes } from '../../src/primitives/hashes.ts'
import { sats } from '../../src/primitives/units.ts'
import { COIN_SATS, type PaymentChain, paymentScript } from './payment-chain.ts'

export interface BitcoinBlocks {
  /** Serialised, in hex. */
  readonly setUp: readonly string[]
  readonly measured: readonly string[]
}

/** Blocks before the first coinbase is mature, itself included. */
const MATURITY_BLOCKS = 101
const SECONDS_AFTER_GENESIS = 600
const BLOCK_VERSION = 0x2000_0000
/** A key of nobody. */
const NOBODY = 1_000_000_000
const NO_EXTENSION = hash32FromBytes(new Uint8Array(32))

function coinbaseAt(height: number, others: readonly Transaction[]): Transaction {
  return buildCoinbase({
    height,
    fees: sats(COIN_SATS),
    payoutScript: paymentScript(height === 1 ? 0 : NOBODY),
    extensionHash: NO_EXTENSION,
    others,
  })
}

/** The coin of block 1, which the payments' fan-out spends. */
export function fundingCoin(): OutPoint {
  return { txid: transactionId(coinbaseAt(1, [])), vout: 0 }
}

export function bitcoinBlocks({ fanOut, rounds }: PaymentChain): BitcoinBlocks {
  const blocks: string[] = []
  let previous = REGTEST_GENESIS_HEADER
  const mine = (others: readonly Transaction[]): void => {
    const height = blocks.length + 1
    const transactions = [coinbaseAt(height, others), ...others]
    const header = ground({
      version: BLOCK_VERSION,
      previousHash: headerHash(previous),
      merkleRoot: merkleRoot(transactions.map(transactionId)).root,
      time: REGTEST_GENESIS_HEADER.time + SECONDS_AFTER_GENESIS + height,
      bits: REGTEST_GENESIS_HEADER.bits,
      nonce: 0,
    })
    blocks.push(blockHex(header, transactions))
    previous = header
  }
  for (let height = 1; height <= MATURITY_BLOCKS; height++) mine([])
  mine([fanOut])
  const setUp = [...blocks]
  for (const round of rounds) mine(round)
  return { setUp, measured: blocks.slice(setUp.length) }
}

function blockHex(header: BlockHeader, transactions: readonly Transaction[]): string {
  const bytes = encodeWith((writer) => {
    writer.bytes(encodeHeader(header))
    writer.list(transactions, (w, transaction) => w.bytes(encodeTransaction(transaction)))
  })
  return bytesToHex(bytes)
}

/** Half of all nonces meet regtest's target. */
function ground(header: BlockHeader): BlockHeader {
  let candidate = header
  while (!verifyProofOfWork(candidate)) candidate = { ...candidate, nonce: candidate.nonce + 1 }
  return candidate
}
