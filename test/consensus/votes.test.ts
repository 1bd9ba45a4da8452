import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  readVote,
  type Statement,
  sameStatement,
  type Vote,
  verifyVote,
  voteDigest,
  writeVote,
} from '../../src/consensus/votes.ts'
import { bytesToHex, concatBytes, hexToBytes } from '../../src/primitives/bytes.ts'
import { DecodeError, decodeAll, encodeWith } from '../../src/primitives/codec.ts'
import { toBlockHash, toHash32 } from '../../src/primitives/hashes.ts'
import { signSchnorr, xOnlyPublicKey } from '../../src/primitives/secp256k1.ts'
import { taggedHash } from '../../src/primitives/sha256.ts'

const secret = new Uint8Array(32).fill(7)
const context = {
  chainId: toHash32('22'.repeat(32)),
  epoch: 3,
  validators: [xOnlyPublicKey(secret)],
}
const blockHash = toBlockHash(`00${'ab'.repeat(31)}`)
const notarize: Statement = { type: 'notarize', height: 5, view: 1, blockHash }

function signed(statement: Statement, auxiliary = 0): Vote {
  const digest = voteDigest(context, statement)
  const signature = signSchnorr(digest, secret, new Uint8Array(32).fill(auxiliary))
  return { ...statement, signer: 0, signature }
}

describe('votes', () => {
  it('sign the tagged hash of 81 bytes, block hash in internal byte order', () => {
    const fields = concatBytes(
      hexToBytes('22'.repeat(32)),
      hexToBytes('00000003'),
      hexToBytes('01'),
      hexToBytes('0000000000000005'),
      hexToBytes('00000001'),
      hexToBytes(`${'ab'.repeat(31)}00`),
    )
    expect(fields.length).toBe(81)
    expect(voteDigest(context, notarize)).toEqual(taggedHash('causeway/vote', fields))
    expect(
      bytesToHex(voteDigest(context, { type: 'nullify', height: 5, view: 1 })),
    ).toMatchInlineSnapshot(`"4b6f1924592b92699a6ddcb564f46861eb9ffa09944d017fd0c2e1c15787f36f"`)
  })

  it('verify under their own context only', () => {
    const vote = signed(notarize)
    expect(verifyVote(vote, context)).toBe(true)
    expect(verifyVote(vote, { ...context, epoch: 4 })).toBe(false)
    expect(verifyVote(vote, { ...context, chainId: toHash32('23'.repeat(32)) })).toBe(false)
    expect(verifyVote({ ...vote, height: 6 }, context)).toBe(false)
    expect(verifyVote({ ...vote, type: 'finalize' }, context)).toBe(false)
    expect(verifyVote({ ...vote, signer: 1 }, context)).toBe(false)
    expect(verifyVote({ ...vote, signature: vote.signature.slice(1) }, context)).toBe(false)
  })

  it('that do not name exactly what they are about are invalid', () => {
    const nullify = signed({ type: 'nullify', height: 5, view: 1 })
    expect(verifyVote({ ...nullify, blockHash }, context)).toBe(false)
    expect(verifyVote(signed({ type: 'finalize', height: 5, view: 1 }), context)).toBe(false)
  })

  it('are the same statement under two valid signatures', () => {
    const [a, b] = [signed(notarize, 1), signed(notarize, 2)]
    expect(a.signature).not.toEqual(b.signature)
    expect(verifyVote(a, context) && verifyVote(b, context)).toBe(true)
    expect(sameStatement(a, b)).toBe(true)
  })

  it('survive the codec, and nothing else decodes', () => {
    for (const statement of [notarize, { type: 'nullify', height: 1, view: 0 } as const]) {
      const vote = signed(statement)
      const bytes = encodeWith((writer) => writeVote(writer, vote))
      expect(decodeAll(bytes, readVote)).toEqual(vote)
      for (let cut = 0; cut < bytes.length; cut++) {
        expect(() => decodeAll(bytes.slice(0, cut), readVote)).toThrow(DecodeError)
      }
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodeAll(bytes, readVote)
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
        }
      }),
    )
  })
})
