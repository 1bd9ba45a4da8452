/**
 * Identifiers. Txids, wtxids and block hashes are lower-case hex in display order (Bitcoin's
 * reversed order); every other hash is hex in the hash function's own byte order. Reversal
 * happens here and nowhere else.
 */

import type { Brand } from './brand.ts'
import { bytesToHex, hexToBytes, isHex, reverseBytes } from './bytes.ts'
import type { ByteReader, ByteWriter } from './codec.ts'

export type Txid = Brand<string, 'Txid'>
export type Wtxid = Brand<string, 'Wtxid'>
export type BlockHash = Brand<string, 'BlockHash'>
/** Any other 32-byte hash: chain id, state root, parameters hash … in natural order. */
export type Hash32 = Brand<string, 'Hash32'>
/** An x-only BIP340 public key, 32 bytes as hex. */
export type XOnlyKey = Brand<string, 'XOnlyKey'>

type Reversed = Txid | Wtxid | BlockHash

function checked(hex: string, what: string): string {
  if (!isHex(hex, 32)) throw new RangeError(`not a ${what}: ${hex.slice(0, 80)}`)
  return hex
}

/** @throws RangeError unless 64 lower-case hex digits (also the four below). */
export function toTxid(hex: string): Txid {
  return checked(hex, 'txid') as Txid
}
export function toWtxid(hex: string): Wtxid {
  return checked(hex, 'wtxid') as Wtxid
}
export function toBlockHash(hex: string): BlockHash {
  return checked(hex, 'block hash') as BlockHash
}
export function toHash32(hex: string): Hash32 {
  return checked(hex, 'hash') as Hash32
}
export function toXOnlyKey(hex: string): XOnlyKey {
  return checked(hex, 'x-only public key') as XOnlyKey
}

/** From SHA256d's output order. */
export function txidFromBytes(bytes: Uint8Array): Txid {
  return toTxid(bytesToHex(reverseBytes(bytes)))
}
export function wtxidFromBytes(bytes: Uint8Array): Wtxid {
  return toWtxid(bytesToHex(reverseBytes(bytes)))
}
export function blockHashFromBytes(bytes: Uint8Array): BlockHash {
  return toBlockHash(bytesToHex(reverseBytes(bytes)))
}
export function hash32FromBytes(bytes: Uint8Array): Hash32 {
  return toHash32(bytesToHex(bytes))
}
export function xOnlyKeyFromBytes(bytes: Uint8Array): XOnlyKey {
  return toXOnlyKey(bytesToHex(bytes))
}

/** To SHA256d's output order, 32 bytes. */
export function reversedToBytes(hash: Reversed): Uint8Array {
  return reverseBytes(hexToBytes(hash))
}
/** In natural order, 32 bytes. */
export function hashToBytes(hash: Hash32 | XOnlyKey): Uint8Array {
  return hexToBytes(hash)
}

export function readTxid(reader: ByteReader): Txid {
  return txidFromBytes(reader.bytes(32))
}
export function readBlockHash(reader: ByteReader): BlockHash {
  return blockHashFromBytes(reader.bytes(32))
}
export function readHash32(reader: ByteReader): Hash32 {
  return hash32FromBytes(reader.bytes(32))
}
export function writeReversed(writer: ByteWriter, hash: Reversed): void {
  writer.bytes(reversedToBytes(hash))
}
export function writeHash32(writer: ByteWriter, hash: Hash32): void {
  writer.bytes(hashToBytes(hash))
}

export const ZERO_BLOCK_HASH: BlockHash = toBlockHash('00'.repeat(32))
export const ZERO_HASH32: Hash32 = toHash32('00'.repeat(32))
