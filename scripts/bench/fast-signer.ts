/**
 * Signatures for blocks that are made to be measured, by libsecp256k1 as WASM: seven times as fast as
 * the library that guards real secrets. Nonces are deterministic, so the blocks are the same every time.
 */

import * as tiny from 'tiny-secp256k1'
import { concatBytes } from '../../src/primitives/bytes.ts'

const NO_AUXILIARY = new Uint8Array(32)

/** BIP340, 64 bytes. `secret`: 32 bytes, neither 0 nor above the group's order. */
export function signSchnorrFast(message: Uint8Array, secret: Uint8Array): Uint8Array {
  return Uint8Array.from(tiny.signSchnorr(message, secret, NO_AUXILIARY))
}

/** DER with low s (RFC 6979), without hash type: 70 or 71 bytes, rarely fewer. */
export function signEcdsaFast(message: Uint8Array, secret: Uint8Array): Uint8Array {
  const compact = tiny.sign(message, secret)
  const r = derInteger(compact.subarray(0, 32))
  const s = derInteger(compact.subarray(32))
  return concatBytes(Uint8Array.of(0x30, r.length + s.length), r, s)
}

/** Shortest big-endian form with a clear top bit. */
function derInteger(bytes: Uint8Array): Uint8Array {
  const start = bytes.findIndex((byte) => byte !== 0)
  const digits = bytes.subarray(start)
  const padding = (digits[0] ?? 0) >= 0x80 ? Uint8Array.of(0) : new Uint8Array()
  return concatBytes(Uint8Array.of(0x02, padding.length + digits.length), padding, digits)
}

/** 33 bytes, compressed. */
export function compressedKeyFast(secret: Uint8Array): Uint8Array {
  const key = tiny.pointFromScalar(secret, true)
  if (key === null) throw new RangeError('no secret key')
  return Uint8Array.from(key)
}

/** BIP340's 32 bytes. */
export function xOnlyKeyFast(secret: Uint8Array): Uint8Array {
  return compressedKeyFast(secret).slice(1)
}
