import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bytesToHex, reverseBytes } from '../../src/primitives/bytes.ts'
import { encodeWith } from '../../src/primitives/codec.ts'
import {
  blockHashFromBytes,
  hash32FromBytes,
  hashToBytes,
  reversedToBytes,
  toTxid,
  txidFromBytes,
  writeHash32,
  writeReversed,
  wtxidFromBytes,
  xOnlyKeyFromBytes,
} from '../../src/primitives/hashes.ts'

const hashes = fc.uint8Array({ minLength: 32, maxLength: 32 })

describe('identifiers', () => {
  it('are shown in reversed order, and come back', () => {
    fc.assert(
      fc.property(hashes, (bytes) => {
        const shown = bytesToHex(reverseBytes(bytes))
        expect(txidFromBytes(bytes)).toBe(shown)
        expect(wtxidFromBytes(bytes)).toBe(shown)
        expect(blockHashFromBytes(bytes)).toBe(shown)
        expect(reversedToBytes(txidFromBytes(bytes))).toEqual(bytes)
        expect(encodeWith((writer) => writeReversed(writer, toTxid(shown)))).toEqual(bytes)
      }),
    )
  })

  it('leave the bytes that they are made of alone', () => {
    const bytes = Uint8Array.from({ length: 32 }, (_, i) => i)
    txidFromBytes(bytes)
    expect(bytes[0]).toBe(0)
  })
})

describe('other hashes', () => {
  it('are shown in their own order, and come back', () => {
    fc.assert(
      fc.property(hashes, (bytes) => {
        expect(hash32FromBytes(bytes)).toBe(bytesToHex(bytes))
        expect(hashToBytes(xOnlyKeyFromBytes(bytes))).toEqual(bytes)
        expect(encodeWith((writer) => writeHash32(writer, hash32FromBytes(bytes)))).toEqual(bytes)
      }),
    )
  })
})

describe('all of them', () => {
  const makers = [
    txidFromBytes,
    wtxidFromBytes,
    blockHashFromBytes,
    hash32FromBytes,
    xOnlyKeyFromBytes,
  ]

  it.each(makers)('have 32 bytes (%o)', (make) => {
    for (const length of [0, 31, 33]) {
      expect(() => make(new Uint8Array(length))).toThrow(RangeError)
    }
  })

  it.each(['', 'ab', 'AB'.repeat(32), 'ab'.repeat(33), `${'ab'.repeat(31)}zz`])(
    'are not read from %o',
    (text) => {
      expect(() => toTxid(text)).toThrow(RangeError)
    },
  )
})
