import { Buffer } from 'node:buffer'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeFrames, FrameParser } from '../../src/p2p/frame.ts'
import { DecodeError } from '../../src/primitives/codec.ts'

const MAX = 200_000

function cut(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = []
  let offset = 0
  for (let i = 0; offset < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1
    chunks.push(bytes.subarray(offset, offset + size))
    offset += size
  }
  return chunks
}

describe('a frame parser', () => {
  it('finds the frames again wherever the stream was cut', () => {
    const frames = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 8 })
    const sizes = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 6 })
    fc.assert(
      fc.property(frames, sizes, (sent, cuts) => {
        const parser = new FrameParser(300)
        const got = cut(encodeFrames(sent), cuts).flatMap((chunk) => parser.push(chunk))
        expect(got).toEqual(sent)
      }),
    )
  })

  it('puts a long frame together from small chunks', () => {
    const frame = Uint8Array.from({ length: MAX }, (_, i) => i % 251)
    const parser = new FrameParser(MAX)
    const got = cut(encodeFrames([frame, Uint8Array.of(7)]), [1_000]).flatMap((chunk) =>
      parser.push(chunk),
    )
    expect(got).toEqual([frame, Uint8Array.of(7)])
  })

  it('throws nothing but DecodeError, and never gives a frame above the cap', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 10 }), (chunks) => {
        const parser = new FrameParser(16)
        try {
          for (const chunk of chunks) {
            for (const frame of parser.push(chunk)) expect(frame.length).toBeLessThanOrEqual(16)
          }
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
        }
      }),
    )
  })

  it.each([
    ['an empty frame', 0],
    ['a frame one byte above the cap', MAX + 1],
    ['a frame of 4 GiB', 0xffffffff],
  ])('refuses %s', (_what, length) => {
    const header = new Uint8Array(4)
    new DataView(header.buffer).setUint32(0, length, true)
    expect(() => new FrameParser(MAX).push(header)).toThrow(DecodeError)
  })

  it('reads past what is not wanted, wherever the stream was cut', () => {
    const frames = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 8 })
    const sizes = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 6 })
    fc.assert(
      fc.property(frames, sizes, (sent, cuts) => {
        const parser = new FrameParser(300, (length) => length < 100)
        const got = cut(encodeFrames(sent), cuts).flatMap((chunk) => {
          const whole = parser.push(chunk)
          expect(parser.unfinishedBytes).toBeLessThan(100)
          return whole
        })
        expect(got).toEqual(sent.filter(({ length }) => length < 100))
      }),
    )
  })

  it('gives copies, not views into the chunk', () => {
    // A Buffer, as sockets give: its slice() would be a view.
    const chunk = Buffer.from(encodeFrames([Uint8Array.of(1, 2, 3)]))
    const [frame] = new FrameParser(MAX).push(chunk)
    chunk.fill(0)
    expect(frame).toEqual(Uint8Array.of(1, 2, 3))
  })
})
