/**
 * Bitcoin's 80-byte block header: serialisation, id, compact targets and proof of work, and the
 * regtest genesis block. Difficulty adjustment belongs to the L1 header chain, not here.
 */

import { assert, present } from '../primitives/assert.ts'
import { hexToBytes } from '../primitives/bytes.ts'
import { decodeAll, encodeWith } from '../primitives/codec.ts'
import {
  type BlockHash,
  blockHashFromBytes,
  readBlockHash,
  readTxid,
  type Txid,
  writeReversed,
  ZERO_BLOCK_HASH,
} from '../primitives/hashes.ts'
import { sha256d } from '../primitives/sha256.ts'
import { decodeTransaction, type Transaction, transactionId } from './transaction.ts'

export interface BlockHeader {
  /** u32 */
  readonly version: number
  readonly previousHash: BlockHash
  readonly merkleRoot: Txid
  /** Seconds since 1970, u32. */
  readonly time: number
  /** The target in compact form, u32. */
  readonly bits: number
  /** u32 */
  readonly nonce: number
}

export const HEADER_BYTES = 80

/** @throws DecodeError unless exactly 80 bytes. */
export function decodeHeader(bytes: Uint8Array): BlockHeader {
  return decodeAll(bytes, (reader) => ({
    version: reader.u32(),
    previousHash: readBlockHash(reader),
    merkleRoot: readTxid(reader),
    time: reader.u32(),
    bits: reader.u32(),
    nonce: reader.u32(),
  }))
}

/** 80 bytes. */
export function encodeHeader(header: BlockHeader): Uint8Array {
  return encodeWith((writer) => {
    writer.u32(header.version)
    writeReversed(writer, header.previousHash)
    writeReversed(writer, header.merkleRoot)
    writer.u32(header.time).u32(header.bits).u32(header.nonce)
  })
}

const hashes = new WeakMap<BlockHeader, BlockHash>()

/** SHA256d of the 80 bytes; computed once per object. */
export function headerHash(header: BlockHeader): BlockHash {
  let hash = hashes.get(header)
  if (hash === undefined) {
    hash = blockHashFromBytes(sha256d(encodeHeader(header)))
    hashes.set(header, hash)
  }
  return hash
}

/** Compact form: sign bit of the mantissa. */
const MANTISSA_SIGN = 0x0080_0000
const MANTISSA_MASK = 0x007f_ffff
const TARGET_LIMIT = 1n << 256n

/** The number behind `bits`; undefined when it is zero, negative or above 2^256 - 1. */
export function bitsToTarget(bits: number): bigint | undefined {
  const exponent = bits >>> 24
  const mantissa = BigInt(bits & MANTISSA_MASK)
  const shift = BigInt(8 * (exponent - 3))
  const target = shift >= 0n ? mantissa << shift : mantissa >> -shift
  if ((bits & MANTISSA_SIGN) !== 0 || target === 0n || target >= TARGET_LIMIT) return undefined
  return target
}

/** The shortest compact form, which keeps the target's three leading bytes. */
export function targetToBits(target: bigint): number {
  assert(target > 0n && target < TARGET_LIMIT, 'target out of range')
  let exponent = Math.ceil(target.toString(16).length / 2)
  const shift = BigInt(8 * (exponent - 3))
  let mantissa = Number(shift >= 0n ? target >> shift : target << -shift)
  // The mantissa's top bit is its sign: move it out of the way.
  if ((mantissa & MANTISSA_SIGN) !== 0) {
    mantissa >>>= 8
    exponent += 1
  }
  return exponent * 2 ** 24 + mantissa
}

/** Expected hashes behind a header with these bits: 2^256 / (target + 1); 0 for no valid target. */
export function headerWork(bits: number): bigint {
  const target = bitsToTarget(bits)
  return target === undefined ? 0n : TARGET_LIMIT / (target + 1n)
}

/** True when the hash, as a number, is at most the target that the header itself names. */
export function verifyProofOfWork(header: BlockHeader): boolean {
  const target = bitsToTarget(header.bits)
  return target !== undefined && BigInt(`0x${headerHash(header)}`) <= target
}

/** The number of headers whose times make the median time past (BIP113). */
export const MEDIAN_TIME_SPAN = 11

/** The median of up to 11 times in seconds; the upper one of an even count, as in Bitcoin Core. */
export function medianTime(times: readonly number[]): number {
  assert(times.length > 0 && times.length <= MEDIAN_TIME_SPAN, '1 to 11 times wanted')
  const sorted = times.toSorted((a, b) => a - b)
  return present(sorted[Math.floor(sorted.length / 2)], 'median')
}

/** The coinbase of Bitcoin's block 0, the same on mainnet and regtest. */
export const REGTEST_GENESIS_TRANSACTION: Transaction = decodeTransaction(
  hexToBytes(
    '01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff4d' +
      '04ffff001d0104455468652054696d65732030332f4a616e2f32303039204368616e63656c6c6f72206f' +
      '6e206272696e6b206f66207365636f6e64206261696c6f757420666f722062616e6b73ffffffff0100f2' +
      '052a01000000434104678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649' +
      'f6bc3f4cef38c4f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5fac00000000',
  ),
)

export const REGTEST_GENESIS_HEADER: BlockHeader = {
  version: 1,
  previousHash: ZERO_BLOCK_HASH,
  merkleRoot: transactionId(REGTEST_GENESIS_TRANSACTION),
  time: 1_296_688_602,
  bits: 0x207f_ffff,
  nonce: 2,
}
