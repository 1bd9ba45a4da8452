/**
 * The announcement that opens a key epoch: the result of the members' distributed key generation,
 * with the signature of every member over it and a signature of the new key itself, made by all
 * members together. All of it is checked in consensus.
 *
 *     context = TH('causeway/dkg/context', chainId ‖ epoch u32be ‖ attempt u32be ‖ t ‖ n ‖ member keys)
 *     certificate digest = TH('causeway/dkg/certificate', context ‖ commitments)
 *     test message       = TH('causeway/keytest', Y.x)
 *
 * The commitments C_0 … C_{t-1} are those of the joint polynomial: C_0 is the group key Y, and the
 * verifying share of the member at position i (from 1) is Σ i^k·C_k, so they fix every share.
 * Leaves out how the key is made (`federation/signing/dkg.ts`).
 */

import { assert } from '../../primitives/assert.ts'
import { equalBytes } from '../../primitives/bytes.ts'
import {
  type ByteReader,
  type ByteWriter,
  DecodeError,
  decodeAll,
  encodeWith,
} from '../../primitives/codec.ts'
import { type Hash32, hashToBytes, type XOnlyKey } from '../../primitives/hashes.ts'
import { isXOnlyKey, verifySchnorr } from '../../primitives/secp256k1.ts'
import { taggedHash } from '../../primitives/sha256.ts'
import { xOnly } from './key-tweak.ts'

/** Largest federation: a member's position fits a byte with room to spare. Consensus-critical. */
export const MAX_MEMBERS = 100

export interface KeyEpochAnnouncement {
  readonly epoch: number
  /** The run of the key generation that made this key, from 1; it separates its signatures. */
  readonly attempt: number
  /** Signatures needed, 2 … n; equal to the number of commitments. */
  readonly threshold: number
  /** Y, 33 bytes compressed; equal to the first commitment. */
  readonly groupKey: Uint8Array
  /** 33 bytes each. */
  readonly commitments: readonly Uint8Array[]
  /** BIP340 over the certificate digest, 64 bytes each, in the order of the members. */
  readonly memberSignatures: readonly Uint8Array[]
  /** BIP340 by the group key over the test message, 64 bytes. */
  readonly testSignature: Uint8Array
}

/** What a federation agrees on before it makes a key. */
export interface KeyGenerationTerms {
  readonly chainId: Hash32
  readonly epoch: number
  readonly attempt: number
  readonly threshold: number
  /** Validator keys; a member's FROST identifier is its position, from 1. */
  readonly members: readonly XOnlyKey[]
}

/** Binds everything said in one run of the key generation; 32 bytes. */
export function keyGenerationContext(terms: KeyGenerationTerms): Uint8Array {
  const { chainId, epoch, attempt, threshold, members } = terms
  assert(threshold >= 2 && threshold <= members.length, 'threshold out of range')
  assert(members.length <= MAX_MEMBERS, 'too many members')
  const data = encodeWith((writer) => {
    writer.bytes(hashToBytes(chainId)).u32be(epoch).u32be(attempt)
    writer.u8(threshold).u8(members.length)
    for (const member of members) writer.bytes(hashToBytes(member))
  })
  return taggedHash('causeway/dkg/context', data)
}

/** What every member signs once its share is on disk; 32 bytes. */
export function keyCertificateDigest(
  terms: KeyGenerationTerms,
  commitments: readonly Uint8Array[],
): Uint8Array {
  return taggedHash('causeway/dkg/certificate', keyGenerationContext(terms), ...commitments)
}

/** What the new key signs to prove itself; 32 bytes. `groupKey` is 33 bytes. */
export function keyTestMessage(groupKey: Uint8Array): Uint8Array {
  return taggedHash('causeway/keytest', xOnly(groupKey))
}

/**
 * True when every member signed this result and the key's own signature is good. Whether the
 * threshold is the one the chain's parameters ask for is the caller's to check.
 */
export function verifyKeyEpochAnnouncement(
  announcement: KeyEpochAnnouncement,
  expected: {
    readonly chainId: Hash32
    readonly epoch: number
    readonly members: readonly XOnlyKey[]
  },
): boolean {
  const { epoch, attempt, threshold, groupKey, commitments, memberSignatures } = announcement
  const { chainId, members } = expected
  if (epoch !== expected.epoch) return false
  if (members.length > MAX_MEMBERS || memberSignatures.length !== members.length) return false
  if (threshold < 2 || threshold > members.length || commitments.length !== threshold) return false
  if (!commitments.every(isCompressedPoint)) return false
  const first = commitments[0]
  if (first === undefined || !equalBytes(groupKey, first)) return false
  const digest = keyCertificateDigest({ chainId, epoch, attempt, threshold, members }, commitments)
  return (
    members.every((member, i) =>
      verifySchnorr(memberSignatures[i] ?? new Uint8Array(), digest, hashToBytes(member)),
    ) && verifySchnorr(announcement.testSignature, keyTestMessage(groupKey), xOnly(groupKey))
  )
}

function isCompressedPoint(bytes: Uint8Array): boolean {
  return bytes.length === 33 && (bytes[0] === 2 || bytes[0] === 3) && isXOnlyKey(xOnly(bytes))
}

export function writeKeyEpochAnnouncement(
  writer: ByteWriter,
  announcement: KeyEpochAnnouncement,
): void {
  const { epoch, attempt, commitments, memberSignatures, testSignature } = announcement
  writer.u32(epoch).u32(attempt)
  writer.list(commitments, (w, point) => w.bytes(point))
  writer.list(memberSignatures, (w, signature) => w.bytes(signature))
  writer.bytes(testSignature)
}

/** @throws DecodeError */
export function readKeyEpochAnnouncement(reader: ByteReader): KeyEpochAnnouncement {
  const epoch = reader.u32()
  const attempt = reader.u32()
  const commitments = reader.list(MAX_MEMBERS, (r) => r.bytes(33))
  const groupKey = commitments[0]
  if (groupKey === undefined) throw new DecodeError('key announcement without commitments')
  const memberSignatures = reader.list(MAX_MEMBERS, (r) => r.bytes(64))
  const testSignature = reader.bytes(64)
  const threshold = commitments.length
  return { epoch, attempt, threshold, groupKey, commitments, memberSignatures, testSignature }
}

export function encodeKeyEpochAnnouncement(announcement: KeyEpochAnnouncement): Uint8Array {
  return encodeWith((writer) => writeKeyEpochAnnouncement(writer, announcement))
}

/** @throws DecodeError */
export function decodeKeyEpochAnnouncement(bytes: Uint8Array): KeyEpochAnnouncement {
  return decodeAll(bytes, readKeyEpochAnnouncement)
}
