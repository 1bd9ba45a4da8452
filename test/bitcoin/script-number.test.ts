import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeScriptNumber,
  encodeScriptNumber,
  isTruthy,
} from '../../src/bitcoin/script-number.ts'
import { bytesToHex, hexToBytes } from '../../src/primitives/bytes.ts'

describe('a script number', () => {
  it.each([
    [0, ''],
    [-0, ''],
    [1, '01'],
    [-1, '81'],
    [127, '7f'],
    [128, '8000'],
    [-128, '8080'],
    [255, 'ff00'],
    [-32_768, '008080'],
    [2_147_483_647, 'ffffff7f'],
    [-2_147_483_647, 'ffffffff'],
    [2_147_483_648, '0000008000'],
    [549_755_813_887, 'ffffffff7f'],
  ])('%i is %s', (value, hex) => {
    expect(bytesToHex(encodeScriptNumber(value))).toBe(hex)
    expect((decodeScriptNumber(hexToBytes(hex), true, 5) ?? Number.NaN) + 0).toBe(value + 0)
  })

  it('survives its encoding', () => {
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 39) + 1, max: 2 ** 39 - 1 }), (value) => {
        expect(decodeScriptNumber(encodeScriptNumber(value), true, 5)).toBe(value)
      }),
    )
  })

  it.each(['00', '80', '0100', '0180', '000000'])('%s is not minimal', (hex) => {
    expect(decodeScriptNumber(hexToBytes(hex), true)).toBeUndefined()
    expect(decodeScriptNumber(hexToBytes(hex), false)).toBeDefined()
  })

  it('is at most as long as asked for', () => {
    expect(decodeScriptNumber(hexToBytes('0000008000'), true)).toBeUndefined()
    expect(decodeScriptNumber(hexToBytes('0000008000'), true, 5)).toBe(2 ** 31)
  })
})

describe('truth', () => {
  it.each(['', '00', '0000', '80', '000080'])('%s is false', (hex) => {
    expect(isTruthy(hexToBytes(hex))).toBe(false)
  })

  it.each(['01', '8000', '0001', '81', '008000'])('%s is true', (hex) => {
    expect(isTruthy(hexToBytes(hex))).toBe(true)
  })
})
