/** Elliptic-curve checks to fill batches with: some that hold, of every kind, and broken copies. */

import { secp256k1 } from '@noble/curves/secp256k1.js'
import { hexToBytes } from '../../src/primitives/bytes.ts'
import type { CheckBatch } from '../../src/primitives/check-batch.ts'
import {
  signSchnorr,
  type TweakedKey,
  tweakXOnly,
  xOnlyPublicKey,
} from '../../src/primitives/secp256k1.ts'
import { sha256 } from '../../src/primitives/sha256.ts'

/** What a batch is given; `parts` in the order of the batch's parameters. */
export interface SampleCheck {
  readonly kind: 'schnorr' | 'ecdsa' | 'tweak'
  readonly parts: readonly [Uint8Array, Uint8Array, Uint8Array]
  readonly parity: 0 | 1
}

/** One check of every kind that holds, with keys of its own. */
function holdingChecks(seed: number): SampleCheck[] {
  const secret = sha256(Uint8Array.of(seed))
  const message = sha256(secret)
  const key = hexToBytes(xOnlyPublicKey(secret))
  const tweaked: TweakedKey | undefined = tweakXOnly(key, message)
  if (tweaked === undefined) throw new RangeError('a hash is below the group order')
  const ecdsa = secp256k1.sign(message, secret, { prehash: false })
  return [
    { kind: 'schnorr', parts: [signSchnorr(message, secret, message), message, key], parity: 0 },
    { kind: 'ecdsa', parts: [ecdsa, message, secp256k1.getPublicKey(secret, true)], parity: 0 },
    { kind: 'tweak', parts: [key, message, tweaked.key], parity: tweaked.parity },
  ]
}

/** Checks that hold: Schnorr, ECDSA and tweak in turn. */
export const HOLDING: readonly SampleCheck[] = Array.from({ length: 8 }, (_, seed) =>
  holdingChecks(seed),
).flat()

/** The same check with one bit of one part flipped: it fails. */
export function withFlippedBit(check: SampleCheck, part: number, bit: number): SampleCheck {
  const parts = check.parts.map((bytes, i) => {
    if (i !== part) return bytes
    const changed = bytes.slice()
    const at = bit % (bytes.length * 8)
    changed[at >> 3] = (changed[at >> 3] ?? 0) ^ (1 << (at & 7))
    return changed
  })
  const [first, second, third] = parts
  if (first === undefined || second === undefined || third === undefined) return check
  return { ...check, parts: [first, second, third] }
}

/** The same check with one part longer or shorter than it must be: it fails. */
export function withLength(check: SampleCheck, part: number, length: number): SampleCheck {
  const parts = check.parts.map((bytes, i) => (i === part ? new Uint8Array(length) : bytes))
  const [first, second, third] = parts
  if (first === undefined || second === undefined || third === undefined) return check
  return { ...check, parts: [first, second, third] }
}

export function addTo(batch: CheckBatch, check: SampleCheck): void {
  const [first, second, third] = check.parts
  if (check.kind === 'schnorr') batch.addSchnorr(first, second, third)
  else if (check.kind === 'ecdsa') batch.addEcdsa(first, second, third)
  else batch.addTweak(first, second, third, check.parity)
}
