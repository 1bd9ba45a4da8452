/** Every codec has one encoding for each value, and nothing but DecodeError for everything else. */

import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeTransaction,
  encodeTransaction,
  encodeTransactionWithoutWitness,
  transactionId,
  transactionSizes,
  witnessTransactionId,
} from '../../src/bitcoin/transaction.ts'
import { bytesToHex, hexToBytes } from '../../src/primitives/bytes.ts'
import { ByteReader, DecodeError } from '../../src/primitives/codec.ts'
import { inflated, spoiled } from './byte-mutations.ts'
import { codecCases } from './codec-corpus.ts'

const cases = codecCases()

/** What comes back, or undefined for bytes that are refused. */
function attempt(again: (bytes: Uint8Array) => Uint8Array, bytes: Uint8Array): string | undefined {
  try {
    return bytesToHex(again(bytes))
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

describe.each(cases)('$name', ({ corpus, again }) => {
  it('comes back byte for byte', () => {
    expect(corpus.length).toBeGreaterThan(0)
    for (const bytes of corpus) expect(attempt(again, bytes)).toBe(bytesToHex(bytes))
  })

  it('is refused with a byte too many or too few', () => {
    for (const bytes of corpus.slice(0, 8)) {
      expect(attempt(again, Uint8Array.of(...bytes, 0))).toBeUndefined()
      expect(attempt(again, bytes.subarray(0, -1))).toBeUndefined()
    }
  })

  it('has one encoding: what decodes from spoiled bytes encodes to them', () => {
    fc.assert(
      fc.property(spoiled(corpus), (bytes) => {
        const back = attempt(again, bytes)
        if (back !== undefined) expect(back).toBe(bytesToHex(bytes))
      }),
      { numRuns: 400 },
    )
  })

  it('takes no count on trust', () => {
    for (const bytes of corpus.slice(0, 4)) {
      for (const bomb of inflated(bytes)) {
        const back = attempt(again, bomb)
        if (back !== undefined) expect(back).toBe(bytesToHex(bomb))
      }
    }
  })
})

describe('a decoded transaction', () => {
  it('says the same of itself as one that was made', () => {
    const corpus = cases.find(({ name }) => name === 'transaction')?.corpus ?? []
    let decoded = 0
    fc.assert(
      fc.property(spoiled(corpus), (bytes) => {
        if (attempt((b) => encodeTransaction(decodeTransaction(b)), bytes) === undefined) return
        decoded += 1
        const read = decodeTransaction(bytes)
        const made = { ...read }
        expect(encodeTransaction(read)).toEqual(encodeTransaction(made))
        expect(encodeTransactionWithoutWitness(read)).toEqual(encodeTransactionWithoutWitness(made))
        expect(transactionId(read)).toBe(transactionId(made))
        expect(witnessTransactionId(read)).toBe(witnessTransactionId(made))
        expect(transactionSizes(read)).toEqual(transactionSizes(made))
      }),
      { numRuns: 1_500 },
    )
    expect(decoded).toBeGreaterThan(100)
  })
})

describe('a reader', () => {
  it('stops at the first item that is not there, whatever the count says', () => {
    for (const count of ['fdffff', 'feffffffff']) {
      let asked = 0
      const reader = new ByteReader(hexToBytes(`${count}00000000`))
      const item = (r: ByteReader): number => {
        asked += 1
        return r.u8()
      }
      expect(() => reader.list(0xffff_ffff, item)).toThrow(DecodeError)
      expect(asked).toBe(5)
    }
    expect(() => new ByteReader(hexToBytes('feffffffff00')).varBytes(0xffff_ffff)).toThrow(
      'truncated',
    )
    expect(() => new ByteReader(hexToBytes('ffffffffffffffffff')).compactSize(2 ** 52)).toThrow(
      DecodeError,
    )
  })
})
