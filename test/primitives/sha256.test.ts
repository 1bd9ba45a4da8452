import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AssertionError } from '../../src/primitives/assert.ts'
import { bytesToHex, concatBytes, utf8 } from '../../src/primitives/bytes.ts'
import {
  hash160,
  installSha256Backend,
  platformSha256Backend,
  sha256,
  sha256Backend,
  sha256d,
  sha256Into,
  taggedHash,
} from '../../src/primitives/sha256.ts'
import { chooseSha256Backend } from '../../src/runtime/sha256-backend.ts'

const installed = sha256Backend()
afterAll(() => installSha256Backend(installed))

const expected = (...parts: readonly Uint8Array[]): Uint8Array =>
  new Uint8Array(
    createHash('sha256')
      .update(concatBytes(...parts))
      .digest(),
  )

describe.each([platformSha256Backend, chooseSha256Backend()])('SHA-256 by $name', (backend) => {
  beforeAll(() => installSha256Backend(backend))

  it('has the published values', () => {
    expect(bytesToHex(sha256(new Uint8Array()))).toBe(
      'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    )
    expect(bytesToHex(sha256(utf8('abc')))).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    )
    expect(bytesToHex(sha256(new Uint8Array(1_000_000).fill(0x61)))).toBe(
      'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0',
    )
  })

  it('hashes arrays, views and shared memory of every length up to four blocks', () => {
    const all = Uint8Array.from({ length: 270 }, (_, i) => (i * 31) & 0xff)
    const shared = new Uint8Array(new SharedArrayBuffer(280), 7, 270)
    shared.set(all)
    for (let length = 0; length <= 260; length++) {
      const view = all.subarray(5, 5 + length)
      expect(sha256(view)).toEqual(expected(view))
      expect(sha256(view.slice())).toEqual(expected(view))
      expect(sha256(shared.subarray(5, 5 + length))).toEqual(expected(view))
    }
  })

  it('hashes any input, and gives each hash memory of its own', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), fc.uint8Array(), (data, other) => {
        const hash = sha256(data)
        sha256(other)
        expect(hash).toEqual(expected(data))
        expect(sha256d(data)).toEqual(expected(expected(data)))
      }),
    )
  })

  it.each([16_383, 16_384, 16_385, 65_536, 200_000])('hashes %d bytes', (length) => {
    const data = new Uint8Array(length).fill(0xa5)
    expect(sha256(data)).toEqual(expected(data))
  })

  it('writes into the place that it is given and nowhere else, the input itself included', () => {
    const data = Uint8Array.from({ length: 96 }, (_, i) => i)
    const whole = new Uint8Array(96).fill(0xee)
    sha256Into(data, whole.subarray(32, 64))
    const margin = new Uint8Array(32).fill(0xee)
    expect(whole).toEqual(concatBytes(margin, expected(data), margin))
    const want = expected(data)
    sha256Into(data, data.subarray(0, 32))
    expect(data.subarray(0, 32)).toEqual(want)
    expect(data[32]).toBe(32)
  })

  it('is asked for exactly 32 bytes', () => {
    for (const length of [0, 31, 33]) {
      expect(() => sha256Into(new Uint8Array(), new Uint8Array(length))).toThrow(AssertionError)
    }
  })

  it('is the core of the tagged hash, for short and long data in any number of parts', () => {
    const part = fc.uint8Array({ maxLength: 700 })
    fc.assert(
      fc.property(fc.string({ maxLength: 30 }), fc.array(part, { maxLength: 4 }), (tag, parts) => {
        const prefix = expected(utf8(tag))
        expect(taggedHash(tag, ...parts)).toEqual(expected(prefix, prefix, ...parts))
      }),
    )
    const limit = new Uint8Array(1024 - 64)
    for (const data of [limit, limit.subarray(1), new Uint8Array(961)]) {
      const prefix = expected(utf8('tag'))
      expect(taggedHash('tag', data)).toEqual(expected(prefix, prefix, data))
    }
  })

  it('is the first half of hash160', () => {
    const key = utf8('key')
    const want = createHash('ripemd160').update(expected(key)).digest()
    expect(hash160(key)).toEqual(new Uint8Array(want))
  })
})
