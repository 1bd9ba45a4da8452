import { describe, expect, it } from 'vitest'
import {
  type Evidence,
  findContradiction,
  inOrder,
  readEvidence,
  verifyEvidence,
  writeEvidence,
} from '../../src/consensus/evidence.ts'
import { DecodeError, decodeAll, encodeWith } from '../../src/primitives/codec.ts'
import { testParams } from '../support/chain-world.ts'
import { doubleVote, signedVote } from '../support/double-votes.ts'

const params = testParams()
const context = {
  chainId: params.chainId,
  epoch: 0,
  validators: params.validators,
}
const encode = (evidence: Evidence): Uint8Array =>
  encodeWith((writer) => writeEvidence(writer, evidence))
const kinds = ['double-notarize', 'double-finalize', 'nullify-finalize'] as const

describe('evidence', () => {
  it.each(kinds)('of a %s convicts its signer, and comes back as it was written', (kind) => {
    const evidence = doubleVote(params, { height: 7, signer: 2, view: 3, kind })
    expect(findContradiction(evidence.first, evidence.second)).toBe(kind)
    expect(verifyEvidence(evidence, context)).toBe(true)
    expect(decodeAll(encode(evidence), readEvidence)).toEqual(evidence)
  })

  it.each(kinds)('of a %s has one encoding', (kind) => {
    const { first, second } = doubleVote(params, { height: 7, signer: 2, kind })
    expect(inOrder({ first: second, second: first })).toEqual({ first, second })
    expect(() => decodeAll(encode({ first: second, second: first }), readEvidence)).toThrow(
      DecodeError,
    )
    expect(() => decodeAll(encode({ first, second: first }), readEvidence)).toThrow(DecodeError)
  })

  it('is nothing against two, against nobody, or with a forged vote', () => {
    const { first, second } = doubleVote(params, { height: 7, signer: 2 })
    const other = doubleVote(params, { height: 7, signer: 1 })
    const forged = { ...second, signature: first.signature }
    expect(verifyEvidence({ first, second: other.second }, context)).toBe(false)
    expect(verifyEvidence({ first, second: forged }, context)).toBe(false)
    expect(verifyEvidence({ first: forged, second: first }, context)).toBe(false)
    expect(verifyEvidence({ first, second }, { ...context, epoch: 1 })).toBe(false)
    const nobody = { first: { ...first, signer: 9 }, second: { ...second, signer: 9 } }
    expect(verifyEvidence(nobody, context)).toBe(false)
  })

  it('is not made of votes that an honest validator may cast', () => {
    const { first } = doubleVote(params, { height: 7, signer: 2 })
    const nullify = signedVote(params, 2, { type: 'nullify', height: 7, view: 0 })
    const later = signedVote(params, 2, { ...first, view: 1 })
    const finalize = signedVote(params, 2, { ...first, type: 'finalize' })
    for (const second of [first, nullify, later, finalize]) {
      expect(verifyEvidence({ first, second }, context)).toBe(false)
    }
  })
})
