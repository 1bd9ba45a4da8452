/** BIP340's vectors with 32-byte messages, and edge cases of ECDSA, on every secp256k1 backend. */

import { secp256k1 } from '@noble/curves/secp256k1.js'
import { afterAll, describe, expect, it } from 'vitest'
import { bytesToHex, hexToBytes } from '../../src/primitives/bytes.ts'
import {
  checkTweak,
  installSecp256k1Backend,
  nobleBackend,
  secp256k1Backend,
  tweakXOnly,
  verifyEcdsa,
  verifySchnorr,
} from '../../src/primitives/secp256k1.ts'
import { sha256 } from '../../src/primitives/sha256.ts'
import { chooseSecp256k1Backend, wasmBackend } from '../../src/runtime/secp256k1-backend.ts'
import { loadVectors, printCounts } from './vectors.ts'

interface Vector {
  readonly index: number
  readonly public_key: string
  readonly message: string
  readonly signature: string
  readonly verification_result: boolean
  readonly comment?: string
}

const vectors = loadVectors('bip340.js') as readonly Vector[]
const backends = [...new Set([nobleBackend, wasmBackend, chooseSecp256k1Backend()])]
const before = secp256k1Backend()
afterAll(() => installSecp256k1Backend(before))

const bytes = (hex: string) => hexToBytes(hex.toLowerCase())

describe.each(backends)('the $name backend', (backend) => {
  it("agrees with BIP340's vectors", () => {
    installSecp256k1Backend(backend)
    expect(vectors.length).toBe(15)
    for (const vector of vectors) {
      const result = verifySchnorr(
        bytes(vector.signature),
        bytes(vector.message),
        bytes(vector.public_key),
      )
      expect(result, `vector ${vector.index}`).toBe(vector.verification_result)
    }
    printCounts(`BIP340 on ${backend.name}`, new Map([['passed', vectors.length]]))
  })

  it('takes ECDSA signatures of low and high s, and no others', () => {
    installSecp256k1Backend(backend)
    const secret = sha256(Uint8Array.of(1))
    const key = secp256k1.getPublicKey(secret)
    const message = sha256(Uint8Array.of(2))
    const low = secp256k1.sign(message, secret, { prehash: false })
    const order = secp256k1.Point.Fn.ORDER
    const s = BigInt(`0x${bytesToHex(low.subarray(32))}`)
    const high = Uint8Array.of(
      ...low.subarray(0, 32),
      ...hexToBytes((order - s).toString(16).padStart(64, '0')),
    )
    expect(verifyEcdsa(low, message, key)).toBe(true)
    expect(verifyEcdsa(high, message, key)).toBe(true)
    expect(verifyEcdsa(low, sha256(message), key)).toBe(false)
    expect(verifyEcdsa(new Uint8Array(64), message, key)).toBe(false)
    expect(verifyEcdsa(new Uint8Array(64).fill(0xff), message, key)).toBe(false)
    expect(verifyEcdsa(low, message, new Uint8Array(33))).toBe(false)
    expect(verifyEcdsa(low, message, Uint8Array.of(2, ...new Uint8Array(32).fill(0xff)))).toBe(
      false,
    )
    expect(verifyEcdsa(low.subarray(1), message, key)).toBe(false)
  })

  it('checks tweaks as the pure code computes them', () => {
    installSecp256k1Backend(backend)
    for (let i = 0; i < 8; i++) {
      const internal = secp256k1.getPublicKey(sha256(Uint8Array.of(i))).subarray(1)
      const tweak = sha256(Uint8Array.of(i, i))
      const { key, parity } = tweakXOnly(internal, tweak)!
      expect(checkTweak(internal, tweak, key, parity)).toBe(true)
      expect(checkTweak(internal, tweak, key, parity === 0 ? 1 : 0)).toBe(false)
      expect(checkTweak(internal, tweak, internal, parity)).toBe(false)
      expect(checkTweak(internal, new Uint8Array(32).fill(0xff), key, parity)).toBe(false)
      expect(checkTweak(new Uint8Array(32).fill(0xff), tweak, key, parity)).toBe(false)
    }
  })
})
