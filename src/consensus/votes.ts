/**
 * Votes: the three statements a validator signs about a view of a height, with BIP340.
 *
 *   fields = chainId(32) ‖ epoch(u32be) ‖ type(u8) ‖ height(u64be) ‖ view(u32be) ‖ blockHash(32)
 *   digest = TH("causeway/vote", fields)
 *
 * `fields` is always 81 bytes: a nullify names no block and has zeros there. Block hashes are in
 * SHA-256's output byte order. BIP340 signatures of one statement are not unique, so statements are
 * compared, never signature bytes: a second signature on the same statement is a duplicate.
 */

import { type ByteReader, type ByteWriter, DecodeError, encodeWith } from '../primitives/codec.ts'
import {
  type BlockHash,
  type Hash32,
  hashToBytes,
  readBlockHash,
  writeHash32,
  writeReversed,
  type XOnlyKey,
  ZERO_BLOCK_HASH,
} from '../primitives/hashes.ts'
import { verifySchnorr } from '../primitives/secp256k1.ts'
import { taggedHash } from '../primitives/sha256.ts'

export type VoteType = 'notarize' | 'nullify' | 'finalize'

export interface Statement {
  readonly type: VoteType
  readonly height: number
  readonly view: number
  /** Absent in a nullify, present otherwise. */
  readonly blockHash?: BlockHash
}

export interface Vote extends Statement {
  /** Index in the validator set of the epoch. */
  readonly signer: number
  /** BIP340, 64 bytes. */
  readonly signature: Uint8Array
}

/** (signature 64, message 32, x-only key 32) → valid? False for bad data, never throws. */
export type SignatureVerifier = (
  signature: Uint8Array,
  message: Uint8Array,
  publicKey: Uint8Array,
) => boolean

/** What a signature is checked against. */
export interface VoteContext {
  readonly chainId: Hash32
  readonly epoch: number
  /** The validators of that epoch, in order. */
  readonly validators: readonly XOnlyKey[]
  /** BIP340 unless the simulator puts something faster here. */
  readonly verify?: SignatureVerifier
}

export const SIGNATURE_BYTES = 64

const TYPE_CODES: Readonly<Record<VoteType, number>> = { notarize: 1, nullify: 2, finalize: 3 }
const TYPES: ReadonlyMap<number, VoteType> = new Map([
  [1, 'notarize'],
  [2, 'nullify'],
  [3, 'finalize'],
])

/** The 32 bytes that a validator signs. */
export function voteDigest(
  context: { readonly chainId: Hash32; readonly epoch: number },
  statement: Statement,
): Uint8Array {
  const fields = encodeWith((writer) => {
    writeHash32(writer, context.chainId)
    writer
      .u32be(context.epoch)
      .u8(TYPE_CODES[statement.type])
      .u64be(BigInt(statement.height))
      .u32be(statement.view)
    writeReversed(writer, statement.blockHash ?? ZERO_BLOCK_HASH)
  })
  return taggedHash('causeway/vote', fields)
}

/** A block is named exactly by the statements that are about one. */
export function isWellFormedStatement(statement: Statement): boolean {
  return (statement.type === 'nullify') === (statement.blockHash === undefined)
}

export function sameStatement(a: Statement, b: Statement): boolean {
  return (
    a.type === b.type && a.height === b.height && a.view === b.view && a.blockHash === b.blockHash
  )
}

/** True when the signer is in the set and its signature is valid. Never throws. */
export function verifyVote(vote: Vote, context: VoteContext): boolean {
  const key = context.validators[vote.signer]
  if (key === undefined || !isWellFormedStatement(vote)) return false
  if (vote.signature.length !== SIGNATURE_BYTES) return false
  const verify = context.verify ?? verifySchnorr
  return verify(vote.signature, voteDigest(context, vote), hashToBytes(key))
}

/** type u8 ‖ height u64 ‖ view u32 ‖ block hash (32, not in a nullify). */
export function writeStatement(writer: ByteWriter, statement: Statement): void {
  writer.u8(TYPE_CODES[statement.type]).safeU64(statement.height).u32(statement.view)
  if (statement.blockHash !== undefined) writeReversed(writer, statement.blockHash)
}

/** @throws DecodeError */
export function readStatement(reader: ByteReader): Statement {
  const type = TYPES.get(reader.u8())
  if (type === undefined) throw new DecodeError('unknown vote type')
  const place = { type, height: reader.safeU64(), view: reader.u32() }
  return type === 'nullify' ? place : { ...place, blockHash: readBlockHash(reader) }
}

/** Statement ‖ signer u16 ‖ signature (64). */
export function writeVote(writer: ByteWriter, vote: Vote): void {
  writeStatement(writer, vote)
  writer.u16(vote.signer).bytes(vote.signature)
}

/** @throws DecodeError */
export function readVote(reader: ByteReader): Vote {
  const statement = readStatement(reader)
  return { ...statement, signer: reader.u16(), signature: reader.bytes(SIGNATURE_BYTES).slice() }
}
