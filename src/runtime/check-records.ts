/**
 * One elliptic-curve check as a record of fixed size, so that threads can pass checks through shared
 * memory without messages. Only data of the right lengths becomes a record; what a record says is
 * checked by `primitives/secp256k1.ts`.
 *
 * Layout (132 bytes, a whole number of words):
 *
 *     0      kind: 1 Schnorr, 2 ECDSA, 3 tweak; 0 was never written and fails
 *     1      tweak: parity of the output key's y
 *     2..66  signature (64)              tweak: 2..34 internal key, 34..66 tweak
 *     66..98 message (32)                tweak: output key
 *     98..   public key: 32 (Schnorr) or 33 bytes (ECDSA)
 */

import { checkTweak, verifyEcdsa, verifySchnorr } from '../primitives/secp256k1.ts'

export const RECORD_BYTES = 132

const SCHNORR = 1
const ECDSA = 2
const TWEAK = 3

/**
 * Writes a Schnorr check (64, 32, 32 bytes) as record `index`.
 * False, and nothing is written, when a length is wrong.
 */
export function writeSchnorr(
  records: Uint8Array,
  index: number,
  signature: Uint8Array,
  message: Uint8Array,
  publicKey: Uint8Array,
): boolean {
  if (publicKey.length !== 32) return false
  return writeSignature(records, index, SCHNORR, { signature, message, publicKey })
}

/**
 * Writes an ECDSA check (64, 32, 33 bytes) as record `index`.
 * False, and nothing is written, when a length is wrong.
 */
export function writeEcdsa(
  records: Uint8Array,
  index: number,
  signature: Uint8Array,
  message: Uint8Array,
  publicKey: Uint8Array,
): boolean {
  if (publicKey.length !== 33) return false
  return writeSignature(records, index, ECDSA, { signature, message, publicKey })
}

interface SignatureCheck {
  readonly signature: Uint8Array
  readonly message: Uint8Array
  readonly publicKey: Uint8Array
}

function writeSignature(
  records: Uint8Array,
  index: number,
  kind: number,
  { signature, message, publicKey }: SignatureCheck,
): boolean {
  if (signature.length !== 64 || message.length !== 32) return false
  const at = index * RECORD_BYTES
  records[at] = kind
  records.set(signature, at + 2)
  records.set(message, at + 66)
  records.set(publicKey, at + 98)
  return true
}

/**
 * Writes a taproot tweak check (32 bytes each) as record `index`.
 * False, and nothing is written, when a length is wrong.
 */
export function writeTweak(
  records: Uint8Array,
  index: number,
  internal: Uint8Array,
  tweak: Uint8Array,
  output: Uint8Array,
  parity: 0 | 1,
): boolean {
  if (internal.length !== 32 || tweak.length !== 32 || output.length !== 32) return false
  const at = index * RECORD_BYTES
  records[at] = TWEAK
  records[at + 1] = parity
  records.set(internal, at + 2)
  records.set(tweak, at + 34)
  records.set(output, at + 66)
  return true
}

/** Answers record `index`: does its check hold? Belongs to one thread. */
export type RecordCheck = (index: number) => boolean

/**
 * The checks of `records`. Each is copied to private memory first: native code must never see bytes
 * that another thread may be writing (a late worker reads while the next batch is written).
 */
export function createRecordCheck(records: Uint8Array): RecordCheck {
  const record = new Uint8Array(RECORD_BYTES)
  const signature = record.subarray(2, 66)
  const message = record.subarray(66, 98)
  const xOnlyKey = record.subarray(98, 130)
  const compressedKey = record.subarray(98, 131)
  const internal = record.subarray(2, 34)
  const tweak = record.subarray(34, 66)
  return (index) => {
    const at = index * RECORD_BYTES
    record.set(records.subarray(at, at + RECORD_BYTES))
    const kind = record[0]
    if (kind === SCHNORR) return verifySchnorr(signature, message, xOnlyKey)
    if (kind === ECDSA) return verifyEcdsa(signature, message, compressedKey)
    return kind === TWEAK && checkTweak(internal, tweak, message, record[1] === 1 ? 1 : 0)
  }
}
