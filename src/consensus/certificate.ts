/**
 * Certificates: q signatures of distinct validators on one statement. A finalize certificate makes
 * its block final for ever; it travels beside the block, never inside the block's hash, because
 * nodes hold different subsets of the signatures.
 *
 * Valid when: the statement is well formed, the bitmap is exactly ⌈n/8⌉ bytes with no bit ≥ n, at
 * least q bits are set, there is one signature per bit, and *every* signature is valid for its
 * signer. One bad signature rejects the certificate. Light clients need this file and little else.
 */

import { present } from '../primitives/assert.ts'
import {
  type ByteReader,
  type ByteWriter,
  DecodeError,
  decodeAll,
  encodeWith,
} from '../primitives/codec.ts'
import { hashToBytes } from '../primitives/hashes.ts'
import { verifySchnorr } from '../primitives/secp256k1.ts'
import { quorumSize } from './quorum.ts'
import { MAX_VALIDATORS } from './validator-set.ts'
import {
  isWellFormedStatement,
  readStatement,
  SIGNATURE_BYTES,
  type Statement,
  type Vote,
  type VoteContext,
  voteDigest,
  writeStatement,
} from './votes.ts'

export interface Certificate extends Statement {
  /** ⌈n/8⌉ bytes; validator i is bit (i mod 8), lowest first, of byte ⌊i/8⌋. */
  readonly bitmap: Uint8Array
  /** One per set bit, in the order of the validators' indexes. */
  readonly signatures: readonly Uint8Array[]
}

const MAX_BITMAP_BYTES = MAX_VALIDATORS / 8

function bitmapBytes(validatorCount: number): number {
  return Math.ceil(validatorCount / 8)
}

export function hasBit(bitmap: Uint8Array, index: number): boolean {
  return (((bitmap[index >> 3] ?? 0) >> (index & 7)) & 1) === 1
}

/** A bitmap of `validatorCount` bits with the given ones set. */
export function bitmapOf(indexes: Iterable<number>, validatorCount: number): Uint8Array {
  const bitmap = new Uint8Array(bitmapBytes(validatorCount))
  for (const index of indexes) {
    const at = index >> 3
    bitmap[at] = (bitmap[at] ?? 0) | (1 << (index & 7))
  }
  return bitmap
}

/** The indexes of the set bits, ascending. */
export function bitmapIndexes(bitmap: Uint8Array): number[] {
  const indexes: number[] = []
  for (let i = 0; i < bitmap.length * 8; i++) if (hasBit(bitmap, i)) indexes.push(i)
  return indexes
}

/** Joins votes of distinct signers on one statement; any order. The caller has enough of them. */
export function assembleCertificate(votes: readonly Vote[], validatorCount: number): Certificate {
  const sorted = votes.toSorted((a, b) => a.signer - b.signer)
  const first = present(sorted[0], 'votes for a certificate')
  const place = { type: first.type, height: first.height, view: first.view }
  return {
    ...(first.blockHash === undefined ? place : { ...place, blockHash: first.blockHash }),
    bitmap: bitmapOf(
      sorted.map((vote) => vote.signer),
      validatorCount,
    ),
    signatures: sorted.map((vote) => vote.signature),
  }
}

/** True only under every rule of this file's header. Never throws. */
export function verifyCertificate(certificate: Certificate, context: VoteContext): boolean {
  const count = context.validators.length
  if (count === 0 || count > MAX_VALIDATORS || !isWellFormedStatement(certificate)) return false
  if (certificate.bitmap.length !== bitmapBytes(count)) return false
  const signers = bitmapIndexes(certificate.bitmap)
  if (signers.length < quorumSize(count) || (signers.at(-1) ?? 0) >= count) return false
  if (certificate.signatures.length !== signers.length) return false

  const verify = context.verify ?? verifySchnorr
  const digest = voteDigest(context, certificate)
  return signers.every((signer, i) => {
    const key = context.validators[signer]
    const signature = certificate.signatures[i]
    if (key === undefined || signature?.length !== SIGNATURE_BYTES) return false
    return verify(signature, digest, hashToBytes(key))
  })
}

/** Statement ‖ bitmap with CompactSize length ‖ 64 bytes for each set bit. */
export function writeCertificate(writer: ByteWriter, certificate: Certificate): void {
  writeStatement(writer, certificate)
  writer.varBytes(certificate.bitmap)
  for (const signature of certificate.signatures) writer.bytes(signature)
}

/** @throws DecodeError */
export function readCertificate(reader: ByteReader): Certificate {
  const statement = readStatement(reader)
  const bitmap = reader.varBytes(MAX_BITMAP_BYTES).slice()
  const signers = bitmapIndexes(bitmap)
  if (signers.length === 0) throw new DecodeError('a certificate without signers')
  return {
    ...statement,
    bitmap,
    signatures: signers.map(() => reader.bytes(SIGNATURE_BYTES).slice()),
  }
}

export function encodeCertificate(certificate: Certificate): Uint8Array {
  return encodeWith((writer) => writeCertificate(writer, certificate))
}

/** @throws DecodeError, also when bytes are left over. */
export function decodeCertificate(bytes: Uint8Array): Certificate {
  return decodeAll(bytes, readCertificate)
}
