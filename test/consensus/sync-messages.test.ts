import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeDecidedAnswer,
  decodeDecidedRequest,
  encodeDecidedAnswer,
  encodeDecidedRequest,
} from '../../src/consensus/sync-messages.ts'
import { DecodeError } from '../../src/primitives/codec.ts'
import { CoreHarness } from '../support/core-harness.ts'

const harness = new CoreHarness()
const { hash, bytes: block } = harness.block(0, [1])
const decided = (height: number) => ({
  block,
  certificate: harness.certificate('finalize', 0, hash, height),
})

describe('catch-up protocol', () => {
  it('asks for 1 to 64 blocks', () => {
    const request = { fromHeight: 12, count: 64 }
    expect(decodeDecidedRequest(encodeDecidedRequest(request))).toEqual(request)
    for (const count of [0, 65]) {
      const bytes = encodeDecidedRequest({ fromHeight: 1, count })
      expect(() => decodeDecidedRequest(bytes)).toThrow('out of range')
    }
  })

  it('answers with contiguous heights only', () => {
    const answer = [decided(5), decided(6)]
    expect(decodeDecidedAnswer(encodeDecidedAnswer(answer))).toEqual(answer)
    expect(decodeDecidedAnswer(encodeDecidedAnswer([]))).toEqual([])
    const gap = encodeDecidedAnswer([decided(5), decided(7)])
    expect(() => decodeDecidedAnswer(gap)).toThrow('not contiguous')
    const backwards = encodeDecidedAnswer([decided(6), decided(5)])
    expect(() => decodeDecidedAnswer(backwards)).toThrow('not contiguous')
  })

  it('takes only finality certificates', () => {
    const certificate = harness.certificate('notarize', 0, hash)
    const bytes = encodeDecidedAnswer([{ block, certificate }])
    expect(() => decodeDecidedAnswer(bytes)).toThrow('not a finality certificate')
  })

  it('decoding spoiled bytes throws nothing but DecodeError', () => {
    const valid = encodeDecidedAnswer([decided(5), decided(6)])
    fc.assert(
      fc.property(fc.nat(valid.length - 1), fc.nat(255), fc.nat(valid.length), (at, value, end) => {
        const bytes = valid.slice(0, end)
        if (at < end) bytes[at] = value
        for (const decode of [decodeDecidedAnswer, decodeDecidedRequest]) {
          try {
            decode(bytes)
          } catch (error) {
            expect(error).toBeInstanceOf(DecodeError)
          }
        }
      }),
    )
  })
})
