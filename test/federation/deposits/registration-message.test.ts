import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeRegistrationMessage,
  encodeRegistrationMessage,
} from '../../../federation/deposits/registration-message.ts'
import { p2pkhScript, p2trScript, p2wpkhScript } from '../../../src/bitcoin/script.ts'
import { DecodeError } from '../../../src/primitives/codec.ts'

const message = { keyEpoch: 7, recipient: p2wpkhScript(new Uint8Array(20).fill(3)) }

describe('the registration message', () => {
  it('survives encoding and decoding', () => {
    expect(decodeRegistrationMessage(encodeRegistrationMessage(message))).toEqual(message)
    const taproot = { keyEpoch: 0, recipient: p2trScript(new Uint8Array(32).fill(9)) }
    expect(decodeRegistrationMessage(encodeRegistrationMessage(taproot))).toEqual(taproot)
  })

  it('names only recipients that wallets here can spend', () => {
    for (const recipient of [
      p2pkhScript(new Uint8Array(20)),
      new Uint8Array(),
      Uint8Array.of(0x6a),
    ]) {
      const bytes = encodeRegistrationMessage({ keyEpoch: 0, recipient })
      expect(() => decodeRegistrationMessage(bytes)).toThrow(DecodeError)
    }
  })

  it('refuses every other sequence of bytes with a DecodeError', () => {
    const whole = encodeRegistrationMessage(message)
    for (let length = 0; length < whole.length; length++) {
      expect(() => decodeRegistrationMessage(whole.subarray(0, length))).toThrow(DecodeError)
    }
    expect(() => decodeRegistrationMessage(Uint8Array.of(...whole, 0))).toThrow(DecodeError)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          expect(encodeRegistrationMessage(decodeRegistrationMessage(bytes))).toEqual(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
        }
      }),
    )
  })
})
