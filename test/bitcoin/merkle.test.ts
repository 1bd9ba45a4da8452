import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { REGTEST_GENESIS_TRANSACTION } from '../../src/bitcoin/header.ts'
import {
  buildMerkleProof,
  merkleRoot,
  readMerkleProof,
  verifyMerkleProof,
  witnessMerkleRoot,
  writeMerkleProof,
} from '../../src/bitcoin/merkle.ts'
import { concatBytes } from '../../src/primitives/bytes.ts'
import { DecodeError, decodeAll, encodeWith } from '../../src/primitives/codec.ts'
import { reversedToBytes, type Txid, toTxid, txidFromBytes } from '../../src/primitives/hashes.ts'
import { sha256d } from '../../src/primitives/sha256.ts'

function ids(count: number): Txid[] {
  return Array.from({ length: count }, (_, i) => txidFromBytes(sha256d(Uint8Array.of(i, i >> 8))))
}

describe('the Merkle root', () => {
  it('of block 100,000 is what its header says', () => {
    const block = [
      '8c14f0db3df150123e6f3dbbf30f8b955a8249b62ac1d1ff16284aefa3d06d87',
      'fff2525b8931402dd09222c50775608f75787bd2b87e56995a7bdd30f79702c4',
      '6359f0868171b1d194cbee1af2f16ea598ae8fad666d9b012c8ed2b79a236ec4',
      'e9a66845e05d5abc0ad04ec80f774a7e585c6e8db975962d069a522137b80c1d',
    ].map(toTxid)
    expect(merkleRoot(block)).toEqual({
      root: 'f3e94742aca4b5ef85488dc37c06c3282295ffec960994b2c0d5ac2a25a95766',
      mutated: false,
    })
  })

  it('of one transaction is its id, of none is zero', () => {
    const [only] = ids(1)
    expect(merkleRoot([only!])).toEqual({ root: only, mutated: false })
    expect(merkleRoot([]).root).toBe('00'.repeat(32))
  })

  it('is shared by a list with its tail repeated, which counts as mutated (CVE-2012-2459)', () => {
    const list = ids(6)
    const repeated = [...list, ...list.slice(4)]
    expect(merkleRoot(repeated).root).toBe(merkleRoot(list).root)
    expect(merkleRoot(list).mutated).toBe(false)
    expect(merkleRoot(repeated).mutated).toBe(true)
  })

  it('over witnesses has zero in the place of the coinbase', () => {
    expect(witnessMerkleRoot([REGTEST_GENESIS_TRANSACTION])).toBe('00'.repeat(32))
    const second = reversedToBytes(
      toTxid('4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b'),
    )
    const expected = txidFromBytes(sha256d(concatBytes(new Uint8Array(32), second)))
    const both = [REGTEST_GENESIS_TRANSACTION, REGTEST_GENESIS_TRANSACTION]
    expect(witnessMerkleRoot(both)).toBe(expected)
  })
})

describe('a Merkle proof', () => {
  it('proves every position of every small tree, and nothing else', () => {
    for (let count = 1; count <= 18; count++) {
      const list = ids(count)
      const { root } = merkleRoot(list)
      for (const [position, id] of list.entries()) {
        const proof = buildMerkleProof(list, position)
        expect(verifyMerkleProof(id, proof, root)).toBe(true)
        for (let other = 0; other < count + 8; other++) {
          if (other === position) continue
          expect(verifyMerkleProof(id, { ...proof, position: other }, root)).toBe(false)
        }
        expect(verifyMerkleProof(toTxid('ab'.repeat(32)), proof, root)).toBe(false)
      }
    }
  })

  it('survives its encoding', () => {
    const proof = buildMerkleProof(ids(13), 11)
    const bytes = encodeWith((writer) => writeMerkleProof(writer, proof))
    expect(decodeAll(bytes, readMerkleProof)).toEqual(proof)
  })

  it.each([
    ['a position outside its tree', Uint8Array.of(2, 0, 0, 0, 1, ...new Uint8Array(32))],
    ['a branch no block has', Uint8Array.of(0, 0, 0, 0, 16, ...new Uint8Array(512))],
  ])('is refused with %s', (_what, bytes) => {
    expect(() => decodeAll(bytes, readMerkleProof)).toThrow(DecodeError)
  })

  it('decodes any bytes or throws DecodeError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
        try {
          decodeAll(bytes, readMerkleProof)
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
        }
      }),
    )
  })
})
