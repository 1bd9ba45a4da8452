/** Bitcoin Core's canonical and non-canonical signatures, and the edges of the numbers. */

import { secp256k1 } from '@noble/curves/secp256k1.js'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  compactSignature,
  compressKey,
  isCompressedKey,
  isDefinedHashType,
  isHighS,
  isStandardKey,
  isStrictDer,
} from '../../src/bitcoin/signature-encoding.ts'
import { bytesToHex, hexToBytes, isHex } from '../../src/primitives/bytes.ts'
import { sha256 } from '../../src/primitives/sha256.ts'
import { loadVectors } from './vectors.ts'

const ORDER = secp256k1.Point.Fn.ORDER

function integer(value: bigint): string {
  const digits = value.toString(16)
  const even = digits.length % 2 === 0 ? digits : `0${digits}`
  const positive = Number.parseInt(even.slice(0, 2), 16) >= 0x80 ? `00${even}` : even
  return `02${(positive.length / 2).toString(16).padStart(2, '0')}${positive}`
}

function der(r: bigint, s: bigint): Uint8Array {
  const body = integer(r) + integer(s)
  return hexToBytes(`30${(body.length / 2).toString(16).padStart(2, '0')}${body}01`)
}

describe('strict DER', () => {
  it("accepts Bitcoin Core's canonical signatures", () => {
    const signatures = loadVectors('bitcoind/sig_canonical.json') as readonly string[]
    expect(signatures.length).toBe(5)
    for (const hex of signatures) expect(isStrictDer(hexToBytes(hex)), hex).toBe(true)
  })

  it("refuses Bitcoin Core's others", () => {
    const rows = loadVectors('bitcoind/sig_noncanonical.json') as readonly string[]
    const signatures = rows.filter((text) => isHex(text))
    expect(signatures.length).toBeGreaterThan(12)
    for (const hex of signatures) {
      const signature = hexToBytes(hex)
      // The file counts unknown hash types among them; that is another rule here.
      expect(isStrictDer(signature) && isDefinedHashType(signature), hex).toBe(false)
    }
  })

  it('reads any bytes without failing, and gives back what it read', () => {
    const scalars = fc.bigInt({ min: 1n, max: ORDER - 1n })
    fc.assert(
      fc.property(scalars, scalars, (r, s) => {
        const compact = compactSignature(der(r, s))
        expect(bytesToHex(compact!)).toBe(
          r.toString(16).padStart(64, '0') + s.toString(16).padStart(64, '0'),
        )
        expect(isHighS(der(r, s))).toBe(s > ORDER / 2n)
      }),
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        if (!isStrictDer(bytes)) expect(compactSignature(bytes)).toBeUndefined()
      }),
    )
  })
})

describe('numbers at the edge', () => {
  it.each([
    ['n - 1', ORDER - 1n, true, true],
    ['half of n', ORDER / 2n, true, false],
    ['half of n and one', ORDER / 2n + 1n, true, true],
    ['zero', 0n, true, false],
  ])('s = %s', (_what, s, isScalar, isHigh) => {
    expect(isStrictDer(der(1n, s))).toBe(true)
    expect(compactSignature(der(1n, s)) !== undefined).toBe(isScalar)
    expect(isHighS(der(1n, s))).toBe(isHigh)
  })

  it('of n and above are well encoded, not high, and no signature', () => {
    for (const large of [ORDER, ORDER + 1n, 2n ** 256n - 1n, 2n ** 256n]) {
      expect(isStrictDer(der(1n, large))).toBe(large < 2n ** 264n)
      expect(isHighS(der(1n, large))).toBe(false)
      expect(isHighS(der(large, ORDER - 1n))).toBe(false)
      expect(compactSignature(der(large, 1n))).toBeUndefined()
    }
  })
})

describe('public keys', () => {
  const point = secp256k1.Point.fromBytes(secp256k1.getPublicKey(sha256(Uint8Array.of(1))))
  const compressed = point.toBytes(true)
  const long = point.toBytes(false)
  const withForm = (form: number) => Uint8Array.of(form, ...long.subarray(1))

  it('are told apart by their form', () => {
    expect(isCompressedKey(compressed)).toBe(true)
    expect(isCompressedKey(long)).toBe(false)
    expect(isStandardKey(long)).toBe(true)
    expect(isStandardKey(withForm(6))).toBe(false)
    expect(isStandardKey(compressed.subarray(1))).toBe(false)
  })

  it('of every SEC1 form compress to the same', () => {
    const hybrid = compressed[0] === 2 ? 6 : 7
    expect(compressKey(compressed)).toEqual(compressed)
    expect(compressKey(long)).toEqual(compressed)
    expect(compressKey(withForm(hybrid))).toEqual(compressed)
    expect(compressKey(withForm(hybrid === 6 ? 7 : 6))).toBeUndefined()
    expect(compressKey(withForm(5))).toBeUndefined()
    expect(compressKey(Uint8Array.of(...long.subarray(0, 64), 0))).toBeUndefined()
    expect(compressKey(new Uint8Array())).toBeUndefined()
  })
})
