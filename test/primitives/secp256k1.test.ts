import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bytesToHex } from '../../src/primitives/bytes.ts'
import {
  isXOnlyKey,
  nobleBackend,
  signSchnorr,
  tweakXOnly,
  xOnlyPublicKey,
} from '../../src/primitives/secp256k1.ts'
import { sha256, taggedHash } from '../../src/primitives/sha256.ts'
import { chooseSecp256k1Backend, wasmBackend } from '../../src/runtime/secp256k1-backend.ts'

const backends = [nobleBackend, wasmBackend, chooseSecp256k1Backend()]
const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 })
const runs = { numRuns: 15 }

describe.each(backends)('the backend $name', (backend) => {
  it('accepts good BIP340 signatures and refuses any flipped bit', () => {
    fc.assert(
      fc.property(bytes32, bytes32, fc.nat(511), (seed, message, flipped) => {
        const secret = sha256(seed)
        const key = schnorr.getPublicKey(secret)
        const signature = signSchnorr(message, secret, seed)
        expect(backend.verifySchnorr(signature, message, key)).toBe(true)
        const bad = signature.slice()
        bad[flipped >> 3] = (bad[flipped >> 3] ?? 0) ^ (1 << (flipped & 7))
        expect(backend.verifySchnorr(bad, message, key)).toBe(false)
      }),
      runs,
    )
  })

  it('accepts ECDSA signatures of either s, and says false to anything else', () => {
    fc.assert(
      fc.property(
        bytes32,
        bytes32,
        fc.uint8Array({ minLength: 64, maxLength: 64 }),
        (seed, m, junk) => {
          const secret = sha256(seed)
          const key = secp256k1.getPublicKey(secret, true)
          const low = secp256k1.sign(m, secret, { prehash: false })
          const { r, s } = secp256k1.Signature.fromBytes(low)
          const high = new secp256k1.Signature(r, secp256k1.Point.Fn.neg(s)).toBytes('compact')
          expect(backend.verifyEcdsa(low, m, key)).toBe(true)
          expect(backend.verifyEcdsa(high, m, key)).toBe(true)
          expect(backend.verifyEcdsa(junk, m, key)).toBe(false)
        },
      ),
      runs,
    )
  })

  it('checks taproot tweaks as the definition computes them', () => {
    fc.assert(
      fc.property(bytes32, bytes32, (seed, tweak) => {
        const internal = schnorr.getPublicKey(sha256(seed))
        const tweaked = tweakXOnly(internal, tweak)
        if (tweaked === undefined) return
        const { key, parity } = tweaked
        expect(backend.checkTweak(internal, tweak, key, parity)).toBe(true)
        expect(backend.checkTweak(internal, tweak, key, parity === 0 ? 1 : 0)).toBe(false)
        expect(backend.checkTweak(internal, tweak, internal, parity)).toBe(false)
      }),
      runs,
    )
  })

  it('says false to keys that are not on the curve', () => {
    const off = new Uint8Array(32).fill(0xff)
    expect(isXOnlyKey(off)).toBe(false)
    expect(backend.verifySchnorr(new Uint8Array(64), off, off)).toBe(false)
    expect(backend.verifyEcdsa(new Uint8Array(64), off, new Uint8Array(33))).toBe(false)
    expect(backend.checkTweak(off, off, off, 0)).toBe(false)
  })
})

describe('keys', () => {
  it('of a secret are x-only', () => {
    const secret = taggedHash('test', new Uint8Array())
    expect(xOnlyPublicKey(secret)).toBe(bytesToHex(schnorr.getPublicKey(secret)))
  })
})
