import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { helloDigest, verifyHello } from '../../src/consensus/hello.ts'
import {
  decodeMessage,
  encodeMessage,
  type HelloMessage,
  MAX_ENTER_CERTIFICATES,
  type Message,
} from '../../src/consensus/messages.ts'
import { concatBytes } from '../../src/primitives/bytes.ts'
import { DecodeError } from '../../src/primitives/codec.ts'
import { fakeSignature } from '../../src/simulator/fake-signatures.ts'
import { CoreHarness } from '../support/core-harness.ts'

const harness = new CoreHarness()
const block = harness.block(1, [1, 2])
const nullify = harness.certificate('nullify', 0)
const notarize = harness.certificate('notarize', 1, block.hash)
const hello: HelloMessage = {
  kind: 'hello',
  chainId: harness.context.chainId,
  validatorKey: harness.context.validators[2]!,
  peerId: '12D3KooW',
  sequence: 7,
  signature: new Uint8Array(64).fill(1),
}

const messages: Message[] = [
  hello,
  harness.proposal(1, block, { nulls: [nullify] }),
  harness.proposal(2, block, { base: notarize, nulls: [] }),
  { kind: 'vote', vote: harness.vote(1, 'nullify', 3) },
  { kind: 'enter', height: 1, view: 1, certificates: [nullify, notarize] },
  { kind: 'status', height: 4, view: 2 },
  {
    kind: 'status',
    height: 4,
    view: 2,
    detail: {
      notarize: new Uint8Array([5]),
      nullify: new Uint8Array([0]),
      finalize: [{ view: 1, signer: 3 }],
      hasProposal: true,
      hasNotarization: false,
    },
  },
  { kind: 'get-block', height: 3, hash: block.hash },
  { kind: 'block', height: 3, block: block.bytes },
  {
    kind: 'decided',
    block: block.bytes,
    certificate: harness.certificate('finalize', 1, block.hash),
  },
  {
    kind: 'evidence',
    first: harness.vote(1, 'nullify', 0),
    second: harness.vote(1, 'finalize', 0, block.hash),
  },
  { kind: 'transactions', transactions: [new Uint8Array([1]), new Uint8Array([2, 3])] },
]

describe('messages', () => {
  it.each(messages.map((message) => [message.kind, message] as const))(
    '%s survives the codec, whole and only whole',
    (_, message) => {
      const bytes = encodeMessage(message)
      expect(decodeMessage(bytes)).toEqual(message)
      for (let cut = 0; cut < bytes.length; cut++) {
        expect(() => decodeMessage(bytes.slice(0, cut))).toThrow(DecodeError)
      }
      expect(() => decodeMessage(concatBytes(bytes, new Uint8Array(1)))).toThrow(DecodeError)
    },
  )

  it('decoding spoiled bytes throws nothing but DecodeError, and is canonical', () => {
    const encoded = messages.map((message) => encodeMessage(message))
    fc.assert(
      fc.property(fc.constantFrom(...encoded), fc.nat(), fc.nat(255), (valid, at, value) => {
        const bytes = valid.slice()
        bytes[at % bytes.length] = value
        try {
          expect(encodeMessage(decodeMessage(bytes))).toEqual(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
        }
      }),
      { numRuns: 2_000 },
    )
  })

  it('decoding random bytes throws nothing but DecodeError', () => {
    fc.assert(
      fc.property(fc.nat(12), fc.uint8Array({ maxLength: 300 }), (kind, body) => {
        try {
          decodeMessage(concatBytes(new Uint8Array([kind]), body))
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
        }
      }),
      { numRuns: 2_000 },
    )
  })

  it('above a limit are refused', () => {
    const certificates = Array.from({ length: MAX_ENTER_CERTIFICATES + 1 }, () => nullify)
    const enter = encodeMessage({ kind: 'enter', height: 1, view: 65, certificates })
    expect(() => decodeMessage(enter)).toThrow('above the limit')
    const long = encodeMessage({ kind: 'block', height: 1, block: new Uint8Array(2_100_001) })
    expect(() => decodeMessage(long)).toThrow('above the limit')
  })

  it('of the wrong type inside are refused', () => {
    const vote = harness.vote(1, 'nullify', 0)
    const propose = harness.proposal(0, block)
    expect(() => decodeMessage(encodeMessage({ ...propose, leaderVote: vote }))).toThrow(
      DecodeError,
    )
    const decided = encodeMessage({ kind: 'decided', block: block.bytes, certificate: notarize })
    expect(() => decodeMessage(decided)).toThrow('not a finality certificate')
    const swapped = { base: nullify, nulls: [notarize] }
    expect(() => decodeMessage(encodeMessage({ ...propose, justification: swapped }))).toThrow(
      DecodeError,
    )
  })
})

describe('hello', () => {
  const signed = {
    ...hello,
    signature: fakeSignature(hello.validatorKey, helloDigest(hello)),
  }

  it('binds a peer to a validator of this chain', () => {
    expect(verifyHello(signed, '12D3KooW', harness.context)).toBe(true)
    expect(verifyHello(signed, '12D3KooX', harness.context)).toBe(false)
    expect(verifyHello({ ...signed, sequence: 8 }, '12D3KooW', harness.context)).toBe(false)
    const strangers = { ...harness.context, validators: harness.context.validators.slice(0, 2) }
    expect(verifyHello(signed, '12D3KooW', strangers)).toBe(false)
  })
})
