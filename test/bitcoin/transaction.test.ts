import * as bitcoinjs from 'bitcoinjs-lib'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { REGTEST_GENESIS_TRANSACTION } from '../../src/bitcoin/header.ts'
import {
  decodeTransaction,
  encodeOutPoint,
  encodeTransaction,
  encodeTransactionWithoutWitness,
  isCoinbase,
  outPointKey,
  readOutPoint,
  type Transaction,
  transactionId,
  transactionSizes,
  transactionVsize,
  transactionWeight,
  witnessHash,
  witnessTransactionId,
} from '../../src/bitcoin/transaction.ts'
import { bytesToHex, hexToBytes } from '../../src/primitives/bytes.ts'
import { ByteReader, DecodeError } from '../../src/primitives/codec.ts'
import { wtxidFromBytes } from '../../src/primitives/hashes.ts'
import { transactions } from './random-transactions.ts'
import { loadVectors, printCounts } from './vectors.ts'

/** BIP143's P2WPKH example, signed. */
const SEGWIT_HEX =
  '01000000000102fff7f7881a8099afa6940d42d1e7f6362bec38171ea3edf433541db4e4ad969f00000000494830' +
  '450221008b9d1dc26ba6a9cb62127b02742fa9d754cd3bebf337f7a55d114c8e5cdd30be022040529b194ba3f928' +
  '1a99f2b1c0a19c0489bc22ede944ccf4ecbab4cc618ef3ed01eeffffffef51e1b804cc89d182d279655c3aa89e81' +
  '5b1b309fe287d9b2b55d57b90ec68a0100000000ffffffff02202cb206000000001976a9148280b37df378db99f6' +
  '6f85c95a783a76ac7a6d5988ac9093510d000000001976a9143bde42dbee7e4dbe6a21b2d50ce2f0167faa815988' +
  'ac000247304402203609e17b84f6a7d30c80bfa610b5b4542f32a8a0d5447a12fb1366d7f01cc44a0220573a954c' +
  '4518331561406f90300e8f3358f51928d43c212a8caed02de67eebee0121025476c2e83188368da1ff3e292e7aca' +
  'fcdb3566bb0ad253f62fc70f07aeee635711000000'

const input = (rest = '00ffffffff') => `${'11'.repeat(32)}00000000${rest}`
const output = '01000000000000000151'

describe('decoding a transaction', () => {
  it('is the inverse of encoding', () => {
    fc.assert(
      fc.property(transactions(), (transaction) => {
        expect(decodeTransaction(encodeTransaction(transaction))).toEqual(transaction)
      }),
    )
  })

  it('gives back the very bytes, whatever it accepts', () => {
    fc.assert(
      fc.property(transactions(), fc.nat(), fc.nat(255), (transaction, at, byte) => {
        const bytes = encodeTransaction(transaction)
        bytes[at % bytes.length] = byte
        try {
          expect(bytesToHex(encodeTransaction(decodeTransaction(bytes)))).toBe(bytesToHex(bytes))
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it('throws only DecodeError for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodeTransaction(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
        }
      }),
      { numRuns: 2_000 },
    )
  })

  it.each([
    ['a superfluous witness', `01000000000101${input()}01${output}0000000000`],
    ['an unknown flag', `01000000000201${input()}01${output}010100000000`],
    ['flag zero', `01000000000001${input()}01${output}00000000`],
    ['no inputs', `010000000001${output}00000000`],
    ['a long CompactSize', `01000000fd0100${input()}01${output}00000000`],
    ['trailing bytes', `0100000001${input()}01${output}0000000000`],
    ['a cut', `0100000001${input()}01${output}000000`],
    ['an amount above 21e14', `0100000001${input()}01${'ff'.repeat(8)}015100000000`],
    ['a count that cannot fit', `01000000feffffffff${input()}01${output}00000000`],
  ])('refuses %s', (_what, hex) => {
    expect(() => decodeTransaction(hexToBytes(hex))).toThrow(DecodeError)
  })

  it('reads the same with and without witness', () => {
    const plain = decodeTransaction(hexToBytes(`0100000001${input()}01${output}00000000`))
    const witness = decodeTransaction(hexToBytes(`01000000000101${input()}01${output}010000000000`))
    expect(transactionId(witness)).toBe(transactionId(plain))
    expect(witness.inputs[0]?.witness).toEqual([new Uint8Array()])
  })

  it('reads versions as unsigned', () => {
    const hex = `ffffffff01${input()}01${output}00000000`
    expect(decodeTransaction(hexToBytes(hex)).version).toBe(0xffff_ffff)
  })

  it("round-trips Bitcoin Core's 500 random transactions", () => {
    const rows = (loadVectors('sighash.json') as readonly (readonly [string])[]).slice(1)
    for (const [hex] of rows) {
      const transaction = decodeTransaction(hexToBytes(hex))
      expect(bytesToHex(encodeTransaction(transaction))).toBe(hex)
      expect(transactionSizes(transaction).totalBytes).toBe(hex.length / 2)
    }
    printCounts('sighash.json', new Map([['decoded and encoded the same', rows.length]]))
    expect(rows.length).toBe(500)
  })
})

describe('identifiers and sizes', () => {
  it('are those of bitcoinjs-lib for a signed segwit transaction', () => {
    const transaction = decodeTransaction(hexToBytes(SEGWIT_HEX))
    const oracle = bitcoinjs.Transaction.fromHex(SEGWIT_HEX)
    expect(transactionId(transaction)).toBe(oracle.getId())
    expect(transactionWeight(transaction)).toBe(oracle.weight())
  })

  it('agree with bitcoinjs-lib on random transactions', () => {
    fc.assert(
      fc.property(transactions(), (transaction) => {
        const oracle = bitcoinjs.Transaction.fromBuffer(encodeTransaction(transaction))
        expect(transactionId(transaction)).toBe(oracle.getId())
        const wtxid = bytesToHex(oracle.getHash(true).toReversed())
        // bitcoinjs-lib answers zero for a coinbase's.
        if (!isCoinbase(transaction)) expect(witnessTransactionId(transaction)).toBe(wtxid)
        expect(transactionWeight(transaction)).toBe(oracle.weight())
        expect(transactionVsize(transaction)).toBe(oracle.virtualSize())
        expect(encodeTransactionWithoutWitness(transaction).length).toBe(
          transactionSizes(transaction).strippedBytes,
        )
      }),
    )
  })

  it('are the same for a decoded transaction, whose bytes are at hand', () => {
    fc.assert(
      fc.property(transactions(), (transaction) => {
        const bytes = Uint8Array.of(7, ...encodeTransaction(transaction), 7)
        const decoded = decodeTransaction(bytes.subarray(1, -1))
        expect(transactionSizes(decoded)).toEqual(transactionSizes(transaction))
        expect(transactionId(decoded)).toBe(transactionId(transaction))
        expect(witnessTransactionId(decoded)).toBe(witnessTransactionId(transaction))
        expect(encodeTransactionWithoutWitness(decoded)).toEqual(
          encodeTransactionWithoutWitness(transaction),
        )
      }),
    )
  })

  it('with witness are one hash, as bytes and as text', () => {
    fc.assert(
      fc.property(transactions(), (transaction) => {
        const before = witnessHash(transaction)
        expect(wtxidFromBytes(before)).toBe(witnessTransactionId(transaction))
        expect(witnessHash(transaction)).toEqual(before)
      }),
    )
  })

  it('are computed once per object', () => {
    const transaction: Transaction = decodeTransaction(hexToBytes(SEGWIT_HEX))
    expect(transactionSizes(transaction)).toBe(transactionSizes(transaction))
  })
})

describe('an outpoint', () => {
  it('is 36 bytes and a key', () => {
    const outPoint = decodeTransaction(hexToBytes(SEGWIT_HEX)).inputs[1]!.prevout
    expect(encodeOutPoint(outPoint).length).toBe(36)
    expect(readOutPoint(new ByteReader(encodeOutPoint(outPoint)))).toEqual(outPoint)
    expect(outPointKey(outPoint)).toBe(
      '8ac60eb9575db5b2d987e29f301b5b819ea83a5c6579d282d189cc04b8e151ef:1',
    )
  })

  it('of a coinbase is null', () => {
    expect(isCoinbase(REGTEST_GENESIS_TRANSACTION)).toBe(true)
    expect(isCoinbase(decodeTransaction(hexToBytes(SEGWIT_HEX)))).toBe(false)
  })
})
