/** Keys and signatures for random scripts: good ones, and every kind of bad one. */

import * as fc from 'fast-check'
import { readOperation } from '../../../src/bitcoin/opcodes.ts'
import { present } from '../../../src/primitives/assert.ts'
import { concatBytes, hexToBytes } from '../../../src/primitives/bytes.ts'
import {
  compressedKey,
  encodeDer,
  type SpendSigner,
  uncompressedKey,
  xOnlyKey,
} from './spend-case.ts'

/** A signature for a script whose last executed OP_CODESEPARATOR ends at byte `separator`; 0: none. */
export type BadSignature = (
  signer: SpendSigner,
  script: Uint8Array,
  separator: number,
) => Uint8Array

const KEYS = 3
const EMPTY = new Uint8Array()
const keyIndex = fc.nat(KEYS - 1)
/** Group order n. */
const ORDER = hexToBytes('fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141')
const FIELD_PRIME = hexToBytes('fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f')

/** Mostly the key that signs most. */
const usualKey = fc.oneof(
  { arbitrary: fc.constant(0), weight: 8 },
  { arbitrary: keyIndex, weight: 1 },
)

function hybridKey(key: number): Uint8Array {
  const bytes = uncompressedKey(key).slice()
  bytes[0] = 6 + ((bytes.at(-1) ?? 0) & 1)
  return bytes
}

export const ecdsaKeys: fc.Arbitrary<Uint8Array> = fc.oneof(
  { arbitrary: usualKey.map(compressedKey), weight: 20 },
  {
    arbitrary: fc.constantFrom(
      EMPTY,
      uncompressedKey(0),
      hybridKey(0),
      hybridKey(0).with(0, 6 + (1 - (hybridKey(0)[0]! & 1))),
      uncompressedKey(0).with(64, (uncompressedKey(0)[64]! + 1) & 0xff),
      xOnlyKey(0),
      compressedKey(0).with(0, 5),
      compressedKey(0).with(0, 4),
      concatBytes(compressedKey(0), Uint8Array.of(0)),
      concatBytes(Uint8Array.of(2), FIELD_PRIME),
      // x = 5 is not on the curve.
      concatBytes(Uint8Array.of(3), new Uint8Array(31), Uint8Array.of(5)),
    ),
    weight: 2,
  },
)

export const tapscriptKeys: fc.Arbitrary<Uint8Array> = fc.oneof(
  { arbitrary: usualKey.map(xOnlyKey), weight: 24 },
  {
    arbitrary: fc.constantFrom(
      EMPTY,
      Uint8Array.of(0),
      Uint8Array.of(1),
      xOnlyKey(0).subarray(1),
      compressedKey(0),
      uncompressedKey(0),
      FIELD_PRIME,
      concatBytes(new Uint8Array(31), Uint8Array.of(5)),
    ),
    weight: 2,
  },
)

const hashTypes = (good: readonly number[]): fc.Arbitrary<number> =>
  fc.oneof(
    { arbitrary: fc.constant(good[0] ?? 0), weight: 6 },
    { arbitrary: fc.constantFrom(...good), weight: 4 },
    { arbitrary: fc.nat(255), weight: 1 },
  )

type Damage = (signature: Uint8Array, hashType: number) => Uint8Array

/** Changes one bit. */
const flipped = fc.nat(73 * 8 - 1).map(
  (bit): Damage =>
    (signature) => {
      if (signature.length === 0) return signature
      const at = (bit >> 3) % signature.length
      return signature.with(at, present(signature[at], 'byte') ^ (1 << (bit & 7)))
    },
)

const intact: Damage = (signature) => signature

/** r and s of a signature that is strict DER. */
function integersOf(der: Uint8Array): Uint8Array {
  const rLength = der[3] ?? 0
  const parts = [der.subarray(4, 4 + rLength), der.subarray(6 + rLength, -1)]
  return concatBytes(
    ...parts.map((part) => {
      const digits = part[0] === 0 ? part.subarray(1) : part
      return concatBytes(new Uint8Array(32 - digits.length), digits)
    }),
  )
}

function toScalar(value: bigint): Uint8Array {
  return hexToBytes(value.toString(16).padStart(64, '0'))
}

function toBigInt(bytes: Uint8Array): bigint {
  return bytes.reduce((value, byte) => value * 256n + BigInt(byte), 0n)
}

const highS: Damage = (signature, hashType) => {
  const compact = integersOf(signature)
  const s = toBigInt(ORDER) - toBigInt(compact.subarray(32))
  return encodeDer(concatBytes(compact.subarray(0, 32), toScalar(s)), hashType)
}

/** Replaces r or s by a number that is none. */
const scalarDamage = fc
  .tuple(
    fc.boolean(),
    fc.constantFrom(0n, 1n, toBigInt(ORDER), toBigInt(ORDER) + 1n, 2n ** 256n - 1n),
  )
  .map(
    ([isR, value]): Damage =>
      (signature, hashType) => {
        const compact = integersOf(signature)
        const [r, s] = [compact.subarray(0, 32), compact.subarray(32)]
        const parts = isR ? [toScalar(value), s] : [r, toScalar(value)]
        return encodeDer(concatBytes(...parts), hashType)
      },
  )

/** A zero in front of r that DER forbids. */
const padded: Damage = (signature) =>
  concatBytes(
    Uint8Array.of(0x30, (signature[1] ?? 0) + 1, 2, (signature[3] ?? 0) + 1, 0),
    signature.subarray(4),
  )

const commonDamage = fc.oneof(
  { arbitrary: fc.constant(intact), weight: 22 },
  { arbitrary: fc.constant<Damage>(() => EMPTY), weight: 4 },
  { arbitrary: flipped, weight: 2 },
  {
    arbitrary: fc.constantFrom<Damage>(
      (signature) => signature.subarray(0, -1),
      (signature) => concatBytes(signature, Uint8Array.of(0)),
      (signature) => concatBytes(signature, Uint8Array.of(1)),
      (signature) => signature.subarray(0, 1),
      () => new Uint8Array(64),
      () => new Uint8Array(65).fill(1),
    ),
    weight: 1,
  },
)

/** Now and then over the script from another place than the last separator. */
const misplaced = fc.nat(25).map((n) => n === 0)

export const ecdsaSignatures: fc.Arbitrary<BadSignature> = fc
  .tuple(
    usualKey,
    hashTypes([1, 2, 3, 0x81, 0x82, 0x83]),
    fc.oneof(
      { arbitrary: commonDamage, weight: 12 },
      { arbitrary: fc.oneof(fc.constantFrom(highS, padded), scalarDamage), weight: 1 },
    ),
    misplaced,
  )
  .map(([key, hashType, damage, isMisplaced]) => (signer, script, separator) => {
    const scriptCode = script.subarray(isMisplaced ? 0 : separator)
    return damage(signer.ecdsa(key, scriptCode, hashType), hashType)
  })

export const schnorrSignatures: fc.Arbitrary<BadSignature> = fc
  .tuple(usualKey, hashTypes([0, 1, 2, 3, 0x81, 0x82, 0x83]), commonDamage, misplaced)
  .map(([key, hashType, damage, isMisplaced]) => (signer, script, separator) => {
    const codeSeparator = isMisplaced ? 0 : separatorIndex(script, separator)
    return damage(signer.schnorr(key, hashType, { script, codeSeparator }), hashType)
  })

/** BIP342: the index among the opcodes of the separator that ends at this byte. */
function separatorIndex(script: Uint8Array, end: number): number {
  if (end === 0) return 0xffff_ffff
  let index = 0
  for (let offset = 0; offset < script.length; index++) {
    const next = readOperation(script, offset)?.next
    if (next === undefined) break
    if (next === end) return index
    offset = next
  }
  // Inside a push: no such separator.
  return 0xffff_ffff
}
