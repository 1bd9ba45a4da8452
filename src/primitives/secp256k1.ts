/**
 * secp256k1 behind one interface, as BIP340 and SEC1 define it. Verification uses the installed
 * backend (native libsecp256k1 when the system has it, else WASM); whatever touches a secret uses
 * @noble/curves. `verifyX` returns false for bad data and never throws.
 */

import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js'
import { bytesToHex } from './bytes.ts'
import { type XOnlyKey, xOnlyKeyFromBytes } from './hashes.ts'

export interface Secp256k1Backend {
  readonly name: string
  /** BIP340; 64-byte signature, 32-byte message, 32-byte x-only key. */
  verifySchnorr(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean
  /** 64-byte compact (r ‖ s) signature, any s; 32-byte message; 33-byte compressed key. */
  verifyEcdsa(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean
  /** BIP341: is `output` (x-only) = lift_x(internal) + tweak·G, with that parity? */
  checkTweak(internal: Uint8Array, tweak: Uint8Array, output: Uint8Array, parity: 0 | 1): boolean
}

/** The pure-JavaScript backend: slow, and the cross-check of the others. */
export const nobleBackend: Secp256k1Backend = {
  name: 'noble',
  verifySchnorr(signature, message, publicKey) {
    try {
      return schnorr.verify(signature, message, publicKey)
    } catch {
      return false
    }
  },
  verifyEcdsa(signature, message, publicKey) {
    try {
      return secp256k1.verify(signature, message, publicKey, { prehash: false, lowS: false })
    } catch {
      return false
    }
  },
  checkTweak(internal, tweak, output, parity) {
    const tweaked = tweakXOnly(internal, tweak)
    if (tweaked === undefined || tweaked.parity !== parity) return false
    return tweaked.key.every((byte, i) => byte === output[i])
  },
}

let backend: Secp256k1Backend = nobleBackend

/** Chosen once at start-up by the assembly. */
export function installSecp256k1Backend(chosen: Secp256k1Backend): void {
  backend = chosen
}

export function secp256k1Backend(): Secp256k1Backend {
  return backend
}

export function verifySchnorr(
  signature: Uint8Array,
  message: Uint8Array,
  publicKey: Uint8Array,
): boolean {
  if (signature.length !== 64 || message.length !== 32 || publicKey.length !== 32) return false
  return backend.verifySchnorr(signature, message, publicKey)
}

export function verifyEcdsa(
  signature: Uint8Array,
  message: Uint8Array,
  publicKey: Uint8Array,
): boolean {
  if (signature.length !== 64 || message.length !== 32 || publicKey.length !== 33) return false
  return backend.verifyEcdsa(signature, message, publicKey)
}

export function checkTweak(
  internal: Uint8Array,
  tweak: Uint8Array,
  output: Uint8Array,
  parity: 0 | 1,
): boolean {
  if (internal.length !== 32 || tweak.length !== 32 || output.length !== 32) return false
  return backend.checkTweak(internal, tweak, output, parity)
}

export interface TweakedKey {
  /** x-only, 32 bytes */
  readonly key: Uint8Array
  /** Parity of the tweaked point's y, for the control block. */
  readonly parity: 0 | 1
}

const { Fn } = secp256k1.Point

/** lift_x(key) + tweak·G; undefined when the key is not on the curve, tweak ≥ n or the sum infinity. */
export function tweakXOnly(key: Uint8Array, tweak: Uint8Array): TweakedKey | undefined {
  try {
    const lifted = schnorr.utils.lift_x(BigInt(`0x${bytesToHex(key)}`))
    const scalar = Fn.fromBytes(tweak)
    const point = scalar === 0n ? lifted : lifted.add(secp256k1.Point.BASE.multiplyUnsafe(scalar))
    // Infinity has no affine form, though one of zeros would be given.
    if (point.is0()) return undefined
    const { x, y } = point.toAffine()
    return { key: secp256k1.Point.Fp.toBytes(x), parity: (y & 1n) === 1n ? 1 : 0 }
  } catch {
    return undefined
  }
}

/** 33-byte compressed key + tweak·G, compressed; undefined when not a point or tweak ≥ n. */
export function tweakCompressed(key: Uint8Array, tweak: Uint8Array): Uint8Array | undefined {
  try {
    const point = secp256k1.Point.fromBytes(key)
    return point.add(secp256k1.Point.BASE.multiplyUnsafe(Fn.fromBytes(tweak))).toBytes(true)
  } catch {
    return undefined
  }
}

/** True when lift_x succeeds: the 32 bytes are the x of a curve point. */
export function isXOnlyKey(key: Uint8Array): boolean {
  if (key.length !== 32) return false
  try {
    schnorr.utils.lift_x(BigInt(`0x${bytesToHex(key)}`))
    return true
  } catch {
    return false
  }
}

/** BIP340 public key of a 32-byte secret. @throws RangeError when the secret is 0 or ≥ n. */
export function xOnlyPublicKey(secret: Uint8Array): XOnlyKey {
  return xOnlyKeyFromBytes(schnorr.getPublicKey(secret))
}

/**
 * BIP340 signature, 64 bytes. `auxiliary` is 32 fresh random bytes in production.
 * @throws when the secret is 0 or ≥ n.
 */
export function signSchnorr(
  message: Uint8Array,
  secret: Uint8Array,
  auxiliary: Uint8Array,
): Uint8Array {
  return schnorr.sign(message, secret, auxiliary)
}
