import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  bitsToTarget,
  decodeHeader,
  encodeHeader,
  HEADER_BYTES,
  headerHash,
  headerWork,
  medianTime,
  REGTEST_GENESIS_HEADER,
  REGTEST_GENESIS_TRANSACTION,
  targetToBits,
  verifyProofOfWork,
} from '../../src/bitcoin/header.ts'
import { transactionId } from '../../src/bitcoin/transaction.ts'
import { bytesToHex, hexToBytes } from '../../src/primitives/bytes.ts'
import { DecodeError } from '../../src/primitives/codec.ts'

/** Bitcoin's block 0 and block 1. */
const MAINNET_GENESIS =
  '0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e' +
  '67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c'
const MAINNET_BLOCK_1 =
  '010000006fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000982051fd1e4ba744bbbe680e' +
  '1fee14677ba1a3c3540bf7b1cdb606e857233e0e61bc6649ffff001d01e36299'

describe('a header', () => {
  it('of regtest is the known block 0', () => {
    expect(headerHash(REGTEST_GENESIS_HEADER)).toBe(
      '0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206',
    )
    expect(transactionId(REGTEST_GENESIS_TRANSACTION)).toBe(
      '4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b',
    )
    expect(verifyProofOfWork(REGTEST_GENESIS_HEADER)).toBe(true)
  })

  it('names its parent and its own work', () => {
    const genesis = decodeHeader(hexToBytes(MAINNET_GENESIS))
    const first = decodeHeader(hexToBytes(MAINNET_BLOCK_1))
    expect(first.previousHash).toBe(headerHash(genesis))
    expect(verifyProofOfWork(first)).toBe(true)
    expect(verifyProofOfWork({ ...first, nonce: first.nonce + 1 })).toBe(false)
    expect(headerWork(first.bits)).toBe(0x1_0001_0001n)
  })

  it('survives its encoding byte for byte', () => {
    const fixed = fc.uint8Array({ minLength: HEADER_BYTES, maxLength: HEADER_BYTES })
    fc.assert(
      fc.property(fixed, (bytes) => {
        expect(bytesToHex(encodeHeader(decodeHeader(bytes)))).toBe(bytesToHex(bytes))
      }),
    )
  })

  it.each([0, 79, 81])('is not %i bytes long', (length) => {
    expect(() => decodeHeader(new Uint8Array(length))).toThrow(DecodeError)
  })
})

describe('a compact target', () => {
  it.each([
    [0x1d00_ffff, 0xffffn << 208n],
    [0x207f_ffff, 0x7fffffn << 232n],
    [0x0300_0001, 1n],
    [0x0200_8000, 0x80n],
    [0x2200_00ff, 0xffn << 248n],
  ])('%i is read as in Bitcoin Core', (bits, target) => {
    expect(bitsToTarget(bits)).toBe(target)
  })

  it.each([0, 0x0100_0001, 0x0400_0000, 0x0492_3456, 0x1d80_0001, 0x2201_0000, 0xff12_3456])(
    '%i has no target: zero, negative or too large',
    (bits) => {
      expect(bitsToTarget(bits)).toBeUndefined()
      expect(headerWork(bits)).toBe(0n)
    },
  )

  it('survives a round trip', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: 2n ** 256n - 1n }), (target) => {
        const bits = targetToBits(target)
        const rounded = bitsToTarget(bits) ?? 0n
        expect(targetToBits(rounded)).toBe(bits)
        expect(rounded).toBeLessThanOrEqual(target)
        expect((target - rounded) * 0x8000n).toBeLessThanOrEqual(target)
      }),
    )
  })
})

describe('the median time', () => {
  it('is the middle one, the upper of an even count', () => {
    expect(medianTime([5])).toBe(5)
    expect(medianTime([3, 1, 2])).toBe(2)
    expect(medianTime([4, 1, 3, 2])).toBe(3)
    expect(medianTime([11, 1, 10, 2, 9, 3, 8, 4, 7, 5, 6])).toBe(6)
  })
})
