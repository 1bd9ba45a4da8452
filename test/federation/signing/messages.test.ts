import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeDkgMessage, encodeDkgMessage } from '../../../federation/signing/dkg-messages.ts'
import { decodeEnvelope, openMessage, sealMessage } from '../../../federation/signing/envelope.ts'
import {
  decodeSigningMessage,
  encodeSigningMessage,
  type SigningMessage,
} from '../../../federation/signing/signing-messages.ts'
import {
  decodeKeyEpochAnnouncement,
  encodeKeyEpochAnnouncement,
} from '../../../src/chain/peg/key-epoch-announcement.ts'
import { DecodeError } from '../../../src/primitives/codec.ts'
import { hash32FromBytes } from '../../../src/primitives/hashes.ts'
import { CHAIN_ID, hostSigner, memberKeys } from './test-federation.ts'

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const list = <T>(item: fc.Arbitrary<T>) => fc.array(item, { minLength: 1, maxLength: 4 })
const offer = fc.record({
  handle: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  nonces: list(fc.record({ hiding: bytes(33), binding: bytes(33) })),
})
const participants = list(offer).map((offers) => offers.map((o, member) => ({ member, offer: o })))
const session = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
const task = {
  batchId: bytes(32).map(hash32FromBytes),
  version: fc.integer({ min: 0, max: 0xffffffff }),
}
const signingMessage: fc.Arbitrary<SigningMessage> = fc.oneof(
  fc.record({ kind: fc.constant('hello' as const), ...task, offer }),
  fc.record({ kind: fc.constant('start' as const), ...task, session, participants }),
  fc.record({
    kind: fc.constant('share' as const),
    ...task,
    session,
    sessionHash: bytes(32),
    shares: list(bytes(32)),
    next: fc.option(offer, { nil: undefined }),
  }),
  fc.record({ kind: fc.constant('gone' as const), ...task, session, handle: session, next: offer }),
  fc.record({ kind: fc.constant('signed' as const), ...task, signatures: list(bytes(64)) }),
)
const dkgPayload = fc.oneof(
  fc.record({
    kind: fc.constant('deal' as const),
    dealing: fc.record({ commitments: list(bytes(33)), proof: bytes(64) }),
  }),
  fc.record({ kind: fc.constant('echo' as const), deals: list(bytes(150)) }),
  fc.record({ kind: fc.constant('share' as const), secret: bytes(32) }),
  fc.record({ kind: fc.constant('certify' as const), signature: bytes(64) }),
  fc.record({ kind: fc.constant('test' as const), message: signingMessage }),
)
const dkgMessage = fc.record({
  attempt: fc.integer({ min: 1, max: 0xffffffff }),
  context: bytes(32),
  payload: dkgPayload,
})

/** Random bytes, and valid encodings cut short or with one byte changed. */
function damaged(valid: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const changed = fc.tuple(valid, fc.nat(), fc.nat(255)).map(([encoded, at, value]) => {
    const out = encoded.slice()
    out[at % out.length] = value
    return out
  })
  const cut = fc.tuple(valid, fc.nat()).map(([encoded, n]) => encoded.slice(0, n % encoded.length))
  return fc.oneof(fc.uint8Array({ maxLength: 300 }), changed, cut)
}

function expectOnlyDecodeErrors(
  decode: (encoded: Uint8Array) => unknown,
  valid: fc.Arbitrary<Uint8Array>,
): void {
  fc.assert(
    fc.property(damaged(valid), (encoded) => {
      try {
        decode(encoded)
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError)
      }
    }),
    { numRuns: 500 },
  )
}

describe('signing messages', () => {
  it('survive their encoding', () => {
    fc.assert(
      fc.property(signingMessage, (message) => {
        expect(decodeSigningMessage(encodeSigningMessage(message))).toEqual(message)
      }),
    )
  })

  it('are refused with a DecodeError when damaged', () => {
    expectOnlyDecodeErrors(decodeSigningMessage, signingMessage.map(encodeSigningMessage))
  })

  it('need ascending participants, and at most 100 inputs', () => {
    const nonce = { hiding: new Uint8Array(33), binding: new Uint8Array(33) }
    const one = { handle: 1n, nonces: [nonce] }
    const fixed = { batchId: CHAIN_ID, version: 0 }
    const start = (members: number[]): SigningMessage => ({
      kind: 'start',
      ...fixed,
      session: 0n,
      participants: members.map((member) => ({ member, offer: one })),
    })
    expect(() => decodeSigningMessage(encodeSigningMessage(start([0, 2, 1])))).toThrow('ascending')
    expect(() => decodeSigningMessage(encodeSigningMessage(start([0, 1, 1])))).toThrow('ascending')
    const hello = (count: number): SigningMessage => ({
      kind: 'hello',
      ...fixed,
      offer: { handle: 1n, nonces: Array.from({ length: count }, () => nonce) },
    })
    expect(decodeSigningMessage(encodeSigningMessage(hello(100)))).toEqual(hello(100))
    expect(() => decodeSigningMessage(encodeSigningMessage(hello(101)))).toThrow('above the limit')
    expect(() => decodeSigningMessage(encodeSigningMessage(hello(0)))).toThrow('empty list')
  })
})

describe('key generation messages', () => {
  it('survive their encoding', () => {
    fc.assert(
      fc.property(dkgMessage, (message) => {
        expect(decodeDkgMessage(encodeDkgMessage(message))).toEqual(message)
      }),
    )
  })

  it('are refused with a DecodeError when damaged', () => {
    expectOnlyDecodeErrors(decodeDkgMessage, dkgMessage.map(encodeDkgMessage))
  })
})

describe('key epoch announcements', () => {
  const announcement = fc
    .record({
      epoch: fc.nat(),
      attempt: fc.nat(),
      commitments: list(bytes(33)),
      memberSignatures: list(bytes(64)),
      testSignature: bytes(64),
    })
    .map((fields) =>
      Object.assign(fields, {
        threshold: fields.commitments.length,
        groupKey: fields.commitments[0]!,
      }),
    )

  it('survive their encoding', () => {
    fc.assert(
      fc.property(announcement, (value) => {
        expect(decodeKeyEpochAnnouncement(encodeKeyEpochAnnouncement(value))).toEqual(value)
      }),
    )
  })

  it('are refused with a DecodeError when damaged', () => {
    expectOnlyDecodeErrors(decodeKeyEpochAnnouncement, announcement.map(encodeKeyEpochAnnouncement))
  })
})

describe('envelopes', () => {
  const members = memberKeys(3)
  const context = { chainId: CHAIN_ID, epoch: 5, members }
  const envelope = {
    protocol: 'signing',
    epoch: 5,
    sender: 2,
    recipient: 1,
    body: Uint8Array.of(1, 2, 3),
  } as const
  const sealed = sealMessage(envelope, CHAIN_ID, hostSigner(2))

  it('open for members of the epoch only', () => {
    expect(openMessage(sealed, context)).toEqual(envelope)
    expect(openMessage(sealed, { ...context, epoch: 6 })).toBeUndefined()
    expect(openMessage(sealed, { ...context, members: members.slice(0, 2) })).toBeUndefined()
    const otherChain = hash32FromBytes(new Uint8Array(32))
    expect(openMessage(sealed, { ...context, chainId: otherChain })).toBeUndefined()
    const everybody = { ...envelope, protocol: 'key-generation', recipient: undefined } as const
    expect(openMessage(sealMessage(everybody, CHAIN_ID, hostSigner(2)), context)).toEqual(everybody)
  })

  it('open in no changed form', () => {
    for (const at of sealed.keys()) {
      const changed = sealed.slice()
      changed[at]! ^= 1
      expect(openMessage(changed, context)).toBeUndefined()
    }
  })

  it('are refused with a DecodeError when damaged', () => {
    expectOnlyDecodeErrors(decodeEnvelope, fc.constant(sealed))
    expect(() => decodeEnvelope(new Uint8Array(1_048_577))).toThrow('too long')
  })
})
