/**
 * Identifiers. Txids, wtxids and block hashes are lower-case hex in display order (Bitcoin's
 * reversed order); every other hash is hex in the hash function's own byte order. Reversal
 * happens here and nowhere else.
 */

import type { Brand } from './brand.ts'
import { bytesToHex, hexInto, hexToBytes, isHex } from './bytes.ts'
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

/** Where a hash is on its way between text and the other order. */
const scratch = new Uint8Array(32)

/** Writes the 32 bytes of `from` in reversed order to `to`, and returns that. */
function turnRound(from: Uint8Array, to: Uint8Array): Uint8Array {
  for (let i = 0; i < 32; i++) to[i] = from[31 - i] ?? 0
  return to
}

/** Hex made here needs no other check than that of its length. */
function hexOf(bytes: Uint8Array, what: string): string {
  if (bytes.length !== 32) throw new RangeError(`not a ${what}: ${bytes.length} bytes`)
  return bytesToHex(bytes)
}

function reversedHexOf(bytes: Uint8Array, what: string): string {
  if (bytes.length !== 32) throw new RangeError(`not a ${what}: ${bytes.length} bytes`)
  return bytesToHex(turnRound(bytes, scratch))
}

/** From SHA256d's output order. @throws RangeError unless 32 bytes (also the four below). */
export function txidFromBytes(bytes: Uint8Array): Txid {
  return reversedHexOf(bytes, 'txid') as Txid
}
export function wtxidFromBytes(bytes: Uint8Array): Wtxid {
  return reversedHexOf(bytes, 'wtxid') as Wtxid
}
export function blockHashFromBytes(bytes: Uint8Array): BlockHash {
  return reversedHexOf(bytes, 'block hash') as BlockHash
}
export function hash32FromBytes(bytes: Uint8Array): Hash32 {
  return hexOf(bytes, 'hash') as Hash32
}
export function xOnlyKeyFromBytes(bytes: Uint8Array): XOnlyKey {
  return hexOf(bytes, 'x-only public key') as XOnlyKey
}

/** To SHA256d's output order, 32 bytes. */
export function reversedToBytes(hash: Reversed): Uint8Array {
  hexInto(hash, scratch, 0)
  return turnRound(scratch, new Uint8Array(32))
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
  writer.hex(hash)
}

export const ZERO_BLOCK_HASH: BlockHash = toBlockHash('00'.repeat(32))
export const ZERO_HASH32: Hash32 = toHash32('00'.repeat(32))
