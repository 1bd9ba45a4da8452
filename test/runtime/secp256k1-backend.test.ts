/** noble, WASM and native libsecp256k1 (where there is one) give the same answers. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { describe, expect, it } from 'vitest'
import { bytesToHex, concatBytes, hexToBytes, utf8 } from '../../src/primitives/bytes.ts'
import {
  installSecp256k1Backend,
  nobleBackend,
  type Secp256k1Backend,
  secp256k1Backend,
  signSchnorr,
  tweakXOnly,
  verifySchnorr,
  xOnlyPublicKey,
} from '../../src/primitives/secp256k1.ts'
import { sha256 } from '../../src/primitives/sha256.ts'
import { installNativeBackends } from '../../src/runtime/native-backends.ts'
import {
  chooseSecp256k1Backend,
  findSecp256k1,
  Secp256k1ChoiceError,
  wasmBackend,
} from '../../src/runtime/secp256k1-backend.ts'

const native = chooseSecp256k1Backend()
const hasNative = native.name.startsWith('native')
/** noble takes over a millisecond for a check: it judges every 25th record. */
const fast = [...new Set([wasmBackend, native])]

const ORDER = secp256k1.Point.Fn.ORDER
const FIELD = secp256k1.Point.Fp.ORDER
const number = (value: bigint): Uint8Array => hexToBytes(value.toString(16).padStart(64, '0'))
const random = (label: string, i: number): Uint8Array => sha256(utf8(`${label} ${i}`))

interface Answers {
  readonly schnorr: boolean
  readonly ecdsa: boolean
  readonly tweak: boolean
}

/** What one secret signs and tweaks; signing takes longer than checking. */
function createSpecimen(i: number) {
  const secret = random('secret', i)
  const message = random('message', i)
  const compressed = secp256k1.getPublicKey(secret, true)
  const xOnly = compressed.slice(1)
  const tweak = random('tweak', i)
  const tweaked = tweakXOnly(xOnly, tweak)!
  const schnorr = signSchnorr(message, secret, new Uint8Array(32))
  const ecdsa = secp256k1.sign(message, secret, { prehash: false, lowS: i % 2 === 0 })
  return { message, compressed, xOnly, tweak, tweaked, schnorr, ecdsa }
}

/** Spoilt in one of seven ways, each time in another bit; of kind 0 not at all. */
function ask(
  backend: Secp256k1Backend,
  specimen: ReturnType<typeof createSpecimen>,
  kind: number,
  bit: number,
): Answers {
  const spoil = (part: Uint8Array, when: number): Uint8Array => {
    if (kind !== when) return part
    const bad = part.slice()
    const at = bit % (bad.length * 8)
    bad[at >> 3] = (bad[at >> 3] ?? 0) ^ (1 << (at & 7))
    return bad
  }
  const { message, compressed, xOnly, tweak, tweaked, schnorr, ecdsa } = specimen
  const parity = (tweaked.parity ^ (kind === 7 ? 1 : 0)) === 1 ? 1 : 0
  return {
    schnorr: backend.verifySchnorr(spoil(schnorr, 1), spoil(message, 2), spoil(xOnly, 3)),
    ecdsa: backend.verifyEcdsa(spoil(ecdsa, 1), spoil(message, 2), spoil(compressed, 3)),
    tweak: backend.checkTweak(spoil(xOnly, 4), spoil(tweak, 5), spoil(tweaked.key, 6), parity),
  }
}

describe('the backends', () => {
  it('agree on 1,000 records, most of them spoilt by one bit', () => {
    let specimen = createSpecimen(0)
    for (let i = 0; i < 1000; i++) {
      const kind = i % 8
      if (kind === 0) specimen = createSpecimen(i)
      const signed = kind === 0 || kind > 3
      const expected = { schnorr: signed, ecdsa: signed, tweak: kind < 4 }
      const judges = i % 25 === kind ? [nobleBackend, ...fast] : fast
      for (const backend of judges) {
        expect(ask(backend, specimen, kind, i), `${backend.name}, ${i}`).toEqual(expected)
      }
    }
  })

  it('are ECDSA of any s, with r and s from 1 to n - 1', () => {
    const secret = random('secret', 0)
    const key = secp256k1.getPublicKey(secret, true)
    const message = random('message', 0)
    const signature = secp256k1.sign(message, secret, { prehash: false })
    const r = BigInt(`0x${bytesToHex(signature.subarray(0, 32))}`)
    const s = BigInt(`0x${bytesToHex(signature.subarray(32))}`)
    const cases: readonly (readonly [string, bigint, bigint, boolean])[] = [
      ['low s', r, s, true],
      ['high s', r, ORDER - s, true],
      ['r = 0', 0n, s, false],
      ['s = 0', r, 0n, false],
      ['r = n', ORDER, s, false],
      ['s = n', r, ORDER, false],
      ['r above n', ORDER + 1n, s, false],
      ['s above n', r, ORDER + 1n, false],
      ['s = n - 1', r, ORDER - 1n, false],
      ['r = 2^256 - 1', 2n ** 256n - 1n, s, false],
      ['negated r', ORDER - r, s, false],
    ]
    for (const [name, first, second, expected] of cases) {
      const changed = concatBytes(number(first), number(second))
      for (const backend of [nobleBackend, ...fast]) {
        expect(backend.verifyEcdsa(changed, message, key), `${backend.name}, ${name}`).toBe(
          expected,
        )
      }
    }
  })

  it('refuse keys that are no points: off the curve, the field size and above, other prefixes', () => {
    const message = random('message', 0)
    const off = [
      number(0n),
      number(5n), // 5^3 + 7 is no square
      number(FIELD),
      number(FIELD + 1n),
      number(2n ** 256n - 1n),
    ]
    const secret = random('secret', 0)
    const good = hexToBytes(xOnlyPublicKey(secret))
    const ecdsa = secp256k1.sign(message, secret, { prehash: false })
    const schnorr = signSchnorr(message, secret, message)
    for (const backend of [nobleBackend, ...fast]) {
      for (const key of off) {
        expect(backend.verifySchnorr(schnorr, message, key)).toBe(false)
        expect(backend.checkTweak(key, message, good, 0)).toBe(false)
        for (const prefix of [2, 3]) {
          expect(backend.verifyEcdsa(ecdsa, message, Uint8Array.of(prefix, ...key))).toBe(false)
        }
      }
      for (const prefix of [0, 1, 4, 5, 6, 7, 255]) {
        const key = Uint8Array.of(prefix, ...good)
        expect(backend.verifyEcdsa(ecdsa, message, key), `${backend.name} ${prefix}`).toBe(false)
      }
    }
  })

  it('take a tweak of 0, refuse n and above, and refuse a sum that is infinity', () => {
    const secret = number(7n)
    const internal = hexToBytes(xOnlyPublicKey(secret))
    const isOdd = secp256k1.getPublicKey(secret, true)[0] === 3
    const minus = number(isOdd ? 7n : ORDER - 7n)
    for (const backend of [nobleBackend, ...fast]) {
      expect(backend.checkTweak(internal, number(0n), internal, 0), backend.name).toBe(true)
      expect(backend.checkTweak(internal, number(0n), internal, 1)).toBe(false)
      expect(backend.checkTweak(internal, number(ORDER), internal, 0)).toBe(false)
      expect(backend.checkTweak(internal, number(2n ** 256n - 1n), internal, 0)).toBe(false)
      for (const output of [internal, new Uint8Array(32)]) {
        expect(backend.checkTweak(internal, minus, output, 0)).toBe(false)
        expect(backend.checkTweak(internal, minus, output, 1)).toBe(false)
      }
    }
  })

  it('refuse Schnorr signatures with r of the field size, s of the order, or zero', () => {
    const secret = random('secret', 3)
    const message = random('message', 3)
    const key = hexToBytes(xOnlyPublicKey(secret))
    const signature = signSchnorr(message, secret, message)
    const r = signature.subarray(0, 32)
    const s = signature.subarray(32)
    const sum = BigInt(`0x${bytesToHex(s)}`) + ORDER
    const bad = [
      concatBytes(number(FIELD), s),
      concatBytes(r, number(ORDER)),
      concatBytes(number(0n), s),
      concatBytes(r, number(0n)),
      new Uint8Array(64),
      new Uint8Array(64).fill(0xff),
      ...(sum < 2n ** 256n ? [concatBytes(r, number(sum))] : []),
    ]
    for (const backend of [nobleBackend, ...fast]) {
      expect(backend.verifySchnorr(signature, message, key)).toBe(true)
      for (const changed of bad) expect(backend.verifySchnorr(changed, message, key)).toBe(false)
    }
  })

  it('take views of larger and of shared memory', () => {
    const secret = random('secret', 4)
    const message = random('message', 4)
    const key = hexToBytes(xOnlyPublicKey(secret))
    const memory = new Uint8Array(new SharedArrayBuffer(200))
    memory.set(signSchnorr(message, secret, message), 3)
    memory.set(message, 70)
    memory.set(key, 110)
    const views = [memory.subarray(3, 67), memory.subarray(70, 102), memory.subarray(110, 142)]
    const [signature, digest, publicKey] = [views[0]!, views[1]!, views[2]!]
    for (const backend of [nobleBackend, ...fast]) {
      expect(backend.verifySchnorr(signature, digest, publicKey), backend.name).toBe(true)
    }
  })

  it('are never reached by data of a wrong length', () => {
    const before = secp256k1Backend()
    try {
      for (const backend of [nobleBackend, ...fast]) {
        installSecp256k1Backend(backend)
        expect(verifySchnorr(new Uint8Array(63), new Uint8Array(32), new Uint8Array(32))).toBe(
          false,
        )
        expect(verifySchnorr(new Uint8Array(64), new Uint8Array(31), new Uint8Array(32))).toBe(
          false,
        )
        expect(verifySchnorr(new Uint8Array(64), new Uint8Array(32), new Uint8Array(33))).toBe(
          false,
        )
      }
    } finally {
      installSecp256k1Backend(before)
    }
  })
})

describe('the choice', () => {
  it('takes the kind that the environment demands', () => {
    expect(findSecp256k1({ CAUSEWAY_SECP256K1: 'noble' }).backend).toBe(nobleBackend)
    expect(findSecp256k1({ CAUSEWAY_SECP256K1: 'wasm' }).backend).toBe(wasmBackend)
    expect(() => findSecp256k1({ CAUSEWAY_SECP256K1: 'fast' })).toThrow(Secp256k1ChoiceError)
  })

  it('goes on without a library that is not there, and says so', () => {
    const { backend, refused } = findSecp256k1({ CAUSEWAY_LIBSECP256K1: '/nowhere/lib.so' })
    expect(backend).toBe(wasmBackend)
    expect(refused).toEqual([expect.stringContaining('/nowhere/lib.so: ')])
  })

  it('fails when native is demanded and what is named is no library', () => {
    const folder = mkdtempSync(join(tmpdir(), 'causeway-library-'))
    try {
      const file = join(folder, 'lib.so')
      writeFileSync(file, 'text')
      const environment = { CAUSEWAY_SECP256K1: 'native', CAUSEWAY_LIBSECP256K1: file }
      expect(() => findSecp256k1(environment)).toThrow(Secp256k1ChoiceError)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('refuses a library without the functions', () => {
    const environment = { CAUSEWAY_LIBSECP256K1: 'libm.so.6' }
    const { backend, refused } = findSecp256k1(environment)
    expect(backend).toBe(wasmBackend)
    expect(refused).toHaveLength(1)
  })

  it('is made once more by every thread that asks', async () => {
    const source = new URL('../../src/runtime/native-backends.ts', import.meta.url).href
    const code = `
      const { parentPort } = require('node:worker_threads')
      import('${source}').then((module) => parentPort.postMessage(module.installNativeBackends()))`
    const worker = new Worker(code, { eval: true })
    const answer = await new Promise((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
    })
    await worker.terminate()
    expect(answer).toEqual(installNativeBackends())
  })

  it('is named with a hint how to do better', () => {
    const installed = installNativeBackends()
    expect(installed.secp256k1).toBe(secp256k1Backend().name)
    expect(installed.hint === undefined).toBe(hasNative)
  })
})
