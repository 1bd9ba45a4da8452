import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  assembleCertificate,
  bitmapIndexes,
  bitmapOf,
  type Certificate,
  decodeCertificate,
  encodeCertificate,
  verifyCertificate,
} from '../../src/consensus/certificate.ts'
import { quorumSize } from '../../src/consensus/quorum.ts'
import { type Statement, type Vote, verifyVote, voteDigest } from '../../src/consensus/votes.ts'
import { concatBytes } from '../../src/primitives/bytes.ts'
import { DecodeError } from '../../src/primitives/codec.ts'
import { toBlockHash, toHash32 } from '../../src/primitives/hashes.ts'
import { signSchnorr, xOnlyPublicKey } from '../../src/primitives/secp256k1.ts'
import { fakeContext } from '../../src/simulator/fake-signatures.ts'

const secrets = [1, 2, 3, 4].map((i) => new Uint8Array(32).fill(i))
const context = {
  chainId: toHash32('33'.repeat(32)),
  epoch: 0,
  validators: secrets.map((secret) => xOnlyPublicKey(secret)),
}
const statement: Statement = {
  type: 'finalize',
  height: 9,
  view: 2,
  blockHash: toBlockHash('cd'.repeat(32)),
}
const votes = secrets.map(
  (secret, signer): Vote => ({
    type: 'finalize',
    height: 9,
    view: 2,
    blockHash: toBlockHash('cd'.repeat(32)),
    signer,
    signature: signSchnorr(voteDigest(context, statement), secret, new Uint8Array(32)),
  }),
)
const good = assembleCertificate([votes[3]!, votes[0]!, votes[1]!], 4)

describe('certificate', () => {
  it('of a quorum is valid, in index order whatever order the votes came in', () => {
    expect(bitmapIndexes(good.bitmap)).toEqual([0, 1, 3])
    expect(good.signatures[2]).toEqual(votes[3]!.signature)
    expect(verifyCertificate(good, context)).toBe(true)
    expect(verifyCertificate(assembleCertificate(votes, 4), context)).toBe(true)
  })

  const [a, b, d] = good.signatures as [Uint8Array, Uint8Array, Uint8Array]
  const bad: [string, Certificate][] = [
    ['fewer than q signers', assembleCertificate(votes.slice(0, 2), 4)],
    ['one garbage signature', { ...good, signatures: [a, b, new Uint8Array(64).fill(9)] }],
    ['one signature of somebody else', { ...good, signatures: [a, b, votes[2]!.signature] }],
    ['signatures out of order', { ...good, signatures: [b, a, d] }],
    [
      'a valid quorum padded with garbage',
      {
        ...good,
        bitmap: bitmapOf([0, 1, 2, 3], 4),
        signatures: [a, b, new Uint8Array(64), d],
      },
    ],
    [
      'one signer counted twice',
      { ...good, bitmap: bitmapOf([0, 1, 2], 4), signatures: [a, b, b] },
    ],
    ['a bit beyond the set', { ...good, bitmap: new Uint8Array([0b1_0011]) }],
    [
      'a bitmap one byte too long',
      { ...good, bitmap: concatBytes(good.bitmap, new Uint8Array(1)) },
    ],
    ['an empty bitmap', { ...good, bitmap: new Uint8Array(0), signatures: [] }],
    ['a signature too many', { ...good, signatures: [a, b, d, d] }],
    ['a signature too few', { ...good, signatures: [a, b] }],
    ['a signature of another length', { ...good, signatures: [a, b, d.slice(1)] }],
    ['another height', { ...good, height: 10 }],
    ['another view', { ...good, view: 3 }],
    ['another type', { ...good, type: 'notarize' }],
    ['a nullify with a block', { ...good, type: 'nullify' }],
  ]
  it.each(bad)('with %s is invalid', (_, certificate) => {
    expect(verifyCertificate(certificate, context)).toBe(false)
  })

  it('is invalid under another chain, epoch or set', () => {
    expect(verifyCertificate(good, { ...context, epoch: 1 })).toBe(false)
    expect(verifyCertificate(good, { ...context, chainId: toHash32('34'.repeat(32)) })).toBe(false)
    expect(verifyCertificate(good, { ...context, validators: [] })).toBe(false)
    const reordered = context.validators.toReversed()
    expect(verifyCertificate(good, { ...context, validators: reordered })).toBe(false)
  })

  it('agrees with a naive count of valid votes for any set size and any signers', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }).chain((n) =>
          fc.tuple(
            fc.constant(n),
            fc.subarray(
              Array.from({ length: n }, (_, i) => i),
              { minLength: 1 },
            ),
          ),
        ),
        fc.boolean(),
        ([n, signers], spoil) => {
          const fake = fakeContext(n)
          const some = signers.map((signer, i) => ({
            ...statement,
            signer,
            signature: spoil && i === 0 ? new Uint8Array(64) : fake.sign(signer, statement),
          }))
          const expected =
            some.length >= quorumSize(n) && some.every((vote) => verifyVote(vote, fake))
          expect(verifyCertificate(assembleCertificate(some, n), fake)).toBe(expected)
        },
      ),
    )
  })

  it('survives the codec; every other length is refused', () => {
    const bytes = encodeCertificate(good)
    expect(decodeCertificate(bytes)).toEqual(good)
    for (let cut = 0; cut < bytes.length; cut++) {
      expect(() => decodeCertificate(bytes.slice(0, cut))).toThrow(DecodeError)
    }
    expect(() => decodeCertificate(concatBytes(bytes, new Uint8Array(1)))).toThrow('trailing')
  })

  it('of a size that no set has is refused before its signatures are read', () => {
    const bytes = encodeCertificate({ ...good, bitmap: new Uint8Array(33).fill(1) })
    expect(() => decodeCertificate(bytes)).toThrow('above the limit')
    const empty = encodeCertificate({ ...good, bitmap: new Uint8Array(1), signatures: [] })
    expect(() => decodeCertificate(empty)).toThrow('without signers')
  })

  it('decoding throws nothing but DecodeError', () => {
    const valid = encodeCertificate(good)
    fc.assert(
      fc.property(fc.nat(valid.length - 1), fc.nat(255), (at, value) => {
        const bytes = valid.slice()
        bytes[at] = value
        try {
          const decoded = decodeCertificate(bytes)
          expect(encodeCertificate(decoded)).toEqual(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
        }
      }),
    )
  })
})
