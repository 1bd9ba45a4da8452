import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DecodeError } from '../../src/primitives/codec.ts'
import { decodeSats, formatBtc, MAX_SATS, parseBtc, sats } from '../../src/primitives/units.ts'

describe('amounts', () => {
  it('lie between 0 and 21 million bitcoin', () => {
    expect(sats(MAX_SATS)).toBe(MAX_SATS)
    expect(() => sats(MAX_SATS + 1n)).toThrow(RangeError)
    expect(() => sats(-1n)).toThrow(RangeError)
    expect(() => decodeSats(MAX_SATS + 1n)).toThrow(DecodeError)
  })

  it('read back what they print', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: MAX_SATS }), (amount) => {
        expect(parseBtc(formatBtc(amount))).toBe(amount)
      }),
    )
  })

  it.each([
    ['1.5', 150_000_000n],
    ['0.00000001', 1n],
    ['21000000', MAX_SATS],
  ])('reads %s', (text, amount) => {
    expect(parseBtc(text)).toBe(amount)
  })

  it.each(['', '-1', '1.', '.5', '1e8', '0.000000001', '21000000.00000001', ' 1', '1,5', '0x10'])(
    'refuses %j',
    (text) => {
      expect(() => parseBtc(text)).toThrow(RangeError)
    },
  )
})
