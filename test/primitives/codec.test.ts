import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bytesToHex } from '../../src/primitives/bytes.ts'
import {
  ByteReader,
  ByteWriter,
  DecodeError,
  decodeAll,
  encodeWith,
  useEncoded,
} from '../../src/primitives/codec.ts'

describe('integers', () => {
  it('come back as they were written', () => {
    fc.assert(
      fc.property(
        fc.nat(0xff),
        fc.nat(0xffff),
        fc.integer({ min: 0, max: 0xffff_ffff }),
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        (a, b, c, d) => {
          const bytes = encodeWith((w) => w.u8(a).u16(b).u32(c).u64(d).u32be(c).u64be(d))
          const reader = new ByteReader(bytes)
          expect([reader.u8(), reader.u16(), reader.u32(), reader.u64()]).toEqual([a, b, c, d])
          expect([reader.u32be(), reader.u64be()]).toEqual([c, d])
          reader.end()
        },
      ),
    )
  })

  it.each([2n ** 32n - 1n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 64n - 1n])(
    'of 64 bits are exact, as %d is',
    (value) => {
      expect(
        decodeAll(
          encodeWith((w) => w.u64(value)),
          (r) => r.u64(),
        ),
      ).toBe(value)
      expect(
        decodeAll(
          encodeWith((w) => w.u64be(value)),
          (r) => r.u64be(),
        ),
      ).toBe(value)
    },
  )

  it('leave the reader where it was when bytes are missing', () => {
    const reader = new ByteReader(new Uint8Array(7))
    expect(() => reader.u64()).toThrow(DecodeError)
    expect(() => reader.u64be()).toThrow(DecodeError)
    expect(reader.offset).toBe(0)
  })

  it('beyond 2^53 are no safe numbers', () => {
    const bytes = encodeWith((w) => w.u64(2n ** 53n))
    expect(() => new ByteReader(bytes).safeU64()).toThrow(DecodeError)
  })

  it('are refused when bytes are missing', () => {
    expect(() => new ByteReader(new Uint8Array(3)).u32()).toThrow(DecodeError)
  })
})

describe('CompactSize', () => {
  it.each([0, 1, 0xfc, 0xfd, 0xffff, 0x10000, 0xffff_ffff])('%i has one form', (value) => {
    const bytes = encodeWith((w) => w.compactSize(value))
    expect(decodeAll(bytes, (r) => r.compactSize(0xffff_ffff))).toBe(value)
  })

  it.each(['fdfc00', 'feffff0000', 'ff0000000001000000'])('refuses the longer form %s', (hex) => {
    const bytes = Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16))
    expect(() => new ByteReader(bytes).compactSize(0xffff_ffff)).toThrow(DecodeError)
  })

  it('refuses what is above the limit before anything is allocated', () => {
    const bytes = encodeWith((w) => w.compactSize(1_000_000))
    expect(() => new ByteReader(bytes).list(10, (r) => r.u8())).toThrow('above the limit')
  })
})

describe('a writer', () => {
  it('grows without losing what it holds', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 600 }), { maxLength: 20 }), (parts) => {
        const writer = new ByteWriter()
        for (const part of parts) writer.varBytes(part)
        const reader = new ByteReader(writer.finish())
        for (const part of parts) expect(reader.varBytes(600)).toEqual(part)
        reader.end()
      }),
    )
  })

  it('takes bytes as hex', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        expect(encodeWith((w) => w.u8(1).hex(bytesToHex(bytes)).u8(2))).toEqual(
          Uint8Array.of(1, ...bytes, 2),
        )
      }),
    )
    expect(() => encodeWith((w) => w.hex('0g'))).toThrow(RangeError)
  })

  it('shows what it holds, before and after it has grown and was cleared', () => {
    const writer = new ByteWriter()
    for (const length of [3, 300, 3, 70_000, 3]) {
      const bytes = new Uint8Array(length).fill(length)
      writer.bytes(bytes)
      expect(bytesToHex(writer.view())).toBe(bytesToHex(bytes))
      writer.clear()
    }
  })

  it('hands out bytes that later writing does not change', () => {
    const writer = new ByteWriter().u8(1)
    const first = writer.finish()
    writer.u8(2)
    expect([...first]).toEqual([1])
  })
})

describe('decoding', () => {
  it('refuses what is left over', () => {
    expect(() => decodeAll(Uint8Array.of(1, 2), (r) => r.u8())).toThrow('trailing')
  })

  it('takes only 0 and 1 for a boolean', () => {
    expect(() => new ByteReader(Uint8Array.of(2)).bool()).toThrow(DecodeError)
  })

  it('refuses text that is not UTF-8', () => {
    expect(() => new ByteReader(Uint8Array.of(1, 0xff)).utf8(10)).toThrow(DecodeError)
  })

  it('throws nothing but DecodeError, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        try {
          decodeAll(bytes, (r) =>
            r.list(100, (i) => [i.u16(), i.varBytes(20), i.bool(), i.utf8(9)]),
          )
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
        }
      }),
    )
  })
})

function refuse(): never {
  throw new RangeError('on purpose')
}

describe('encoders', () => {
  it('give each call bytes of its own', () => {
    const first = encodeWith((writer) => writer.u32(1))
    const second = encodeWith((writer) => writer.u32(2))
    expect([...first]).toEqual([1, 0, 0, 0])
    expect([...second]).toEqual([2, 0, 0, 0])
  })

  it('lend their bytes, also to one that lends in turn', () => {
    const both = useEncoded(
      (writer) => writer.u32(1),
      (outer) => {
        const inner = useEncoded(
          (writer) => writer.u16(2),
          (bytes) => [...bytes],
        )
        return [...outer, ...inner]
      },
    )
    expect(both).toEqual([1, 0, 0, 0, 2, 0])
  })

  it('work inside each other', () => {
    const bytes = encodeWith((writer) => {
      writer.u8(1)
      writer.varBytes(encodeWith((inner) => inner.u8(2).u8(3)))
      writer.u8(4)
    })
    expect([...bytes]).toEqual([1, 2, 2, 3, 4])
  })

  it('start empty after one that threw, and after a large one', () => {
    expect(() => encodeWith((writer) => writer.u8(9).utf8('x').list([1], refuse))).toThrow(
      'on purpose',
    )
    expect([...encodeWith((writer) => writer.u8(1))]).toEqual([1])
    expect(encodeWith((writer) => writer.bytes(new Uint8Array(100_000).fill(7)))).toHaveLength(
      100_000,
    )
    expect([...encodeWith((writer) => writer.u8(1))]).toEqual([1])
  })
})
