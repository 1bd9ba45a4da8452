import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bytesToHex, hexToBytes } from '../../src/primitives/bytes.ts'

const definition = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')

describe('hex', () => {
  it('is written by the definition, for arrays, views and shared memory of any length', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(200), (bytes, start) => {
        expect(bytesToHex(bytes)).toBe(definition(bytes))
        const view = bytes.subarray(start)
        expect(bytesToHex(view)).toBe(definition(view))
        const shared = new Uint8Array(new SharedArrayBuffer(bytes.length))
        shared.set(bytes)
        expect(bytesToHex(shared)).toBe(definition(bytes))
      }),
    )
  })

  it('gives back the bytes that were written, as memory of their own', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const read = hexToBytes(bytesToHex(bytes))
        expect(read).toEqual(bytes)
        expect(read.buffer.byteLength).toBe(bytes.length)
      }),
    )
  })

  it.each([
    ['half a byte', '0'],
    ['a digit too many', '00112'],
    ['upper case', 'AB'],
    ['upper case in the second place', '0B'],
    ['a prefix', '0x00'],
    ['space', ' 00 '],
    ['a neighbour of the digits', '0/'],
    ['another neighbour', ':0'],
    ['a letter after f', 'g0'],
    ['a letter before a', '`0'],
    ['the byte after ASCII', '\u00800'],
    ['a digit whose low byte is a digit', '\u01300'],
    ['a digit of another script', '0\uff11'],
    ['half a surrogate pair', '\ud83d\ude00'],
  ])('refuses %s', (_, text) => {
    expect(() => hexToBytes(text)).toThrow(RangeError)
    expect(() => hexToBytes(`00${text}`)).toThrow(RangeError)
    expect(() => hexToBytes(`${text}00`)).toThrow(RangeError)
  })

  it('refuses every text that is not lower-case hex', () => {
    const text = fc.string({
      unit: fc.constantFrom(...Array.from('0123456789abcdefABCDEFxg /:')),
      maxLength: 8,
    })
    fc.assert(
      fc.property(text, (hex) => {
        if (/^(?:[0-9a-f]{2})*$/.test(hex)) expect(bytesToHex(hexToBytes(hex))).toBe(hex)
        else expect(() => hexToBytes(hex)).toThrow(RangeError)
      }),
    )
  })
})
