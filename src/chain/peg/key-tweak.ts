/**
 * Tweaks of a threshold key, as public data. A tweaked key Q of the group key Y is described by two
 * scalars with dlog(Q) = g·dlog(Y) + τ, g = ±1; because Lagrange coefficients sum to one, the same
 * two scalars turn every member's share into its share of Q. Plain tweaks add h·G; x-only tweaks
 * first take the point with even y, as BIP341 does. The arithmetic is BIP327's `ApplyTweak`.
 * Leaves out everything secret: shares are tweaked in `federation/signing/frost.ts`.
 */

import { assert, present } from '../../primitives/assert.ts'
import { bytesToHex } from '../../primitives/bytes.ts'
import { tweakCompressed } from '../../primitives/secp256k1.ts'

/** Order of secp256k1's group (SEC 2). */
export const GROUP_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n

export interface KeyTweak {
  /** The tweaked point, 33 bytes compressed, with its true parity. */
  readonly point: Uint8Array
  /** 1, or -1 when the group key is taken negated. */
  readonly sign: 1 | -1
  /** 0 … GROUP_ORDER - 1. */
  readonly offset: bigint
}

/** The group key itself: Q = Y, g = 1, τ = 0. */
export function identityTweak(groupKey: Uint8Array): KeyTweak {
  assert(groupKey.length === 33, 'a group key is 33 bytes')
  return { point: groupKey, sign: 1, offset: 0n }
}

/**
 * Q ← Q + h·G; `hash` is h, 32 bytes big-endian. A hash at or above the group order, or one that
 * leads to infinity, has probability 2^-128 and cannot be searched for: it is an assertion.
 */
export function applyPlainTweak(tweak: KeyTweak, hash: Uint8Array): KeyTweak {
  return {
    point: present(tweakCompressed(tweak.point, hash), 'tweaked point'),
    sign: tweak.sign,
    offset: modulo(tweak.offset + scalar(hash)),
  }
}

/** Q ← even(Q) + h·G, for BIP341's output keys. */
export function applyXOnlyTweak(tweak: KeyTweak, hash: Uint8Array): KeyTweak {
  return applyPlainTweak(withEvenY(tweak), hash)
}

/** The same x with even y: what a BIP340 signature is made for. */
export function withEvenY(tweak: KeyTweak): KeyTweak {
  if (!hasOddY(tweak.point)) return tweak
  return {
    point: negated(tweak.point),
    sign: tweak.sign === 1 ? -1 : 1,
    offset: modulo(-tweak.offset),
  }
}

/** The x coordinate, 32 bytes. */
export function xOnly(point: Uint8Array): Uint8Array {
  return point.subarray(1)
}

/** True for a compressed point (33 bytes) with odd y. */
export function hasOddY(point: Uint8Array): boolean {
  assert(point.length === 33, 'a compressed point is 33 bytes')
  return point[0] === 3
}

function negated(point: Uint8Array): Uint8Array {
  const out = point.slice()
  out[0] = hasOddY(point) ? 2 : 3
  return out
}

function scalar(bytes: Uint8Array): bigint {
  return BigInt(`0x${bytesToHex(bytes)}`)
}

function modulo(value: bigint): bigint {
  const rest = value % GROUP_ORDER
  return rest < 0n ? rest + GROUP_ORDER : rest
}
