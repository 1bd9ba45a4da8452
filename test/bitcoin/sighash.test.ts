/** BIP341's wallet vectors; bitcoinjs-lib as a second opinion on random transactions. */

import * as bitcoinjs from 'bitcoinjs-lib'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SighashType, taprootSighash, witnessV0Sighash } from '../../src/bitcoin/sighash.ts'
import {
  decodeTransaction,
  encodeTransaction,
  type Transaction,
  type TxOutput,
} from '../../src/bitcoin/transaction.ts'
import { bytesToHex, hexToBytes } from '../../src/primitives/bytes.ts'
import { encodeWith } from '../../src/primitives/codec.ts'
import { sha256, taggedHash } from '../../src/primitives/sha256.ts'
import { sats } from '../../src/primitives/units.ts'
import { outputs, transactions } from './random-transactions.ts'
import { loadVectors, printCounts } from './vectors.ts'

interface WalletVectors {
  readonly keyPathSpending: readonly {
    readonly given: {
      readonly rawUnsignedTx: string
      readonly utxosSpent: readonly { scriptPubKey: string; amountSats: number }[]
    }
    readonly inputSpending: readonly {
      readonly given: { readonly txinIndex: number; readonly hashType: number }
      readonly intermediary: { readonly sigMsg: string; readonly sigHash: string }
    }[]
  }[]
}

const hex = (bytes: Uint8Array | undefined) => (bytes === undefined ? undefined : bytesToHex(bytes))

describe('the taproot signature hash', () => {
  it("is BIP341's for its wallet vectors", () => {
    const { keyPathSpending } = loadVectors('bitcoind/wallet_test_vectors.json') as WalletVectors
    let checked = 0
    for (const { given, inputSpending } of keyPathSpending) {
      const transaction = decodeTransaction(hexToBytes(given.rawUnsignedTx))
      const spent = given.utxosSpent.map(({ scriptPubKey, amountSats }) => ({
        value: sats(amountSats),
        script: hexToBytes(scriptPubKey),
      }))
      for (const { given: input, intermediary } of inputSpending) {
        const hash = taprootSighash(transaction, input.txinIndex, spent, input.hashType)
        expect(hex(hash)).toBe(intermediary.sigHash)
        expect(bytesToHex(taggedHash('TapSighash', hexToBytes(intermediary.sigMsg)))).toBe(
          intermediary.sigHash,
        )
        checked += 1
      }
    }
    printCounts('BIP341 wallet vectors, signature hashes', new Map([['passed', checked]]))
    expect(checked).toBe(7)
  })

  const hashTypes = fc.constantFrom(0, 1, 2, 3, 0x81, 0x82, 0x83)
  const leafHashes = fc.option(fc.uint8Array({ minLength: 32, maxLength: 32 }), { nil: undefined })
  const annexes = fc.option(fc.uint8Array({ minLength: 1, maxLength: 300 }), { nil: undefined })

  /** With ANYONECANPAY bitcoinjs-lib expects scripts as long as those of P2TR. */
  const scripts = fc.uint8Array({ minLength: 34, maxLength: 34 })
  const spentOutputs = fc.tuple(outputs, scripts).map(([{ value }, script]) => ({ value, script }))

  /** A transaction and an output for each of its inputs. */
  const spends = transactions().chain((transaction) => {
    const { length } = transaction.inputs
    return fc.tuple(
      fc.constant(transaction),
      fc.array(spentOutputs, { minLength: length, maxLength: length }),
      fc.nat(length - 1),
    )
  })

  it('is what bitcoinjs-lib computes', () => {
    fc.assert(
      fc.property(spends, hashTypes, leafHashes, annexes, (spend, hashType, leafHash, annex) => {
        const [transaction, spent, index] = spend
        const hash = taprootSighash(transaction, index, spent, hashType, {
          ...(leafHash === undefined
            ? {}
            : { tapscript: { leafHash, codeSeparator: 0xffff_ffff } }),
          ...(annex === undefined
            ? {}
            : { annexHash: sha256(encodeWith((writer) => writer.varBytes(annex))) }),
        })
        const hasNoOutput =
          (hashType & 3) === SighashType.SINGLE && index >= transaction.outputs.length
        if (hasNoOutput) {
          expect(hash).toBeUndefined()
          return
        }
        const oracle = bitcoinjs.Transaction.fromBuffer(encodeTransaction(transaction))
        const expected = oracle.hashForWitnessV1(
          index,
          spent.map((output) => output.script),
          spent.map((output) => output.value),
          hashType,
          leafHash,
          annex,
        )
        expect(hex(hash)).toBe(bytesToHex(expected))
      }),
      { numRuns: 300 },
    )
  })

  it('exists for seven hash types only', () => {
    fc.assert(
      fc.property(spends, fc.nat(255), ([transaction, spent, index], hashType) => {
        const isDefined = [0, 1, 2, 3, 0x81, 0x82, 0x83].includes(hashType)
        const hash = taprootSighash(transaction, index, spent, hashType)
        if (!isDefined) expect(hash).toBeUndefined()
      }),
    )
  })

  it('follows the coins when the same transaction is tried against others', () => {
    fc.assert(
      fc.property(spends, ([transaction, spent, index]) => {
        const others = spent.map((output) => ({ ...output, script: hexToBytes('51') }))
        const first = taprootSighash(transaction, index, spent, 0)
        const second = taprootSighash(transaction, index, others, 0)
        const fresh = decodeTransaction(encodeTransaction(transaction))
        expect(hex(taprootSighash(fresh, index, others, 0))).toBe(hex(second))
        expect(hex(taprootSighash(transaction, index, spent, 0))).toBe(hex(first))
      }),
    )
  })
})

const hashesOf = (transaction: Transaction, spent: readonly TxOutput[]) => [
  hex(taprootSighash(transaction, 0, spent, 0)),
  hex(witnessV0Sighash(transaction, 0, hexToBytes('51'), 1n, 1)),
]

describe('hashes that inputs share', () => {
  it('are those of the transaction at hand, when two take turns', () => {
    fc.assert(
      fc.property(transactions(), transactions(), fc.array(outputs), (one, other, coins) => {
        const spentBy = ({ inputs }: Transaction) =>
          inputs.map((_, i) => coins[i] ?? { value: sats(i), script: hexToBytes('51') })
        const [oneSpent, otherSpent] = [spentBy(one), spentBy(other)]
        const first = hashesOf(one, oneSpent)
        const second = hashesOf(other, otherSpent)
        expect(hashesOf(one, oneSpent)).toEqual(first)
        expect(hashesOf(other, otherSpent)).toEqual(second)
        expect(hashesOf({ ...one }, [...oneSpent])).toEqual(first)
      }),
    )
  })
})

describe('the witness v0 signature hash', () => {
  it("is BIP143's for its P2WPKH example", () => {
    const transaction = decodeTransaction(
      hexToBytes(
        '0100000002fff7f7881a8099afa6940d42d1e7f6362bec38171ea3edf433541db4e4ad969f0000000000eeff' +
          'ffffef51e1b804cc89d182d279655c3aa89e815b1b309fe287d9b2b55d57b90ec68a0100000000ffffffff' +
          '02202cb206000000001976a9148280b37df378db99f66f85c95a783a76ac7a6d5988ac9093510d00000000' +
          '1976a9143bde42dbee7e4dbe6a21b2d50ce2f0167faa815988ac11000000',
      ),
    )
    const code = hexToBytes('76a9141d0f172a0ecb48aee1be1f2687d2963ae33f71a188ac')
    expect(bytesToHex(witnessV0Sighash(transaction, 1, code, 600_000_000n, 1))).toBe(
      'c37af31116d1b27caf68aae9e3ac82f1477929014d5b917657d0eb49478cb670',
    )
  })

  it('is what bitcoinjs-lib computes, for every byte of hash type', () => {
    const scripts = fc.uint8Array({ maxLength: 300 })
    const amounts = fc.bigInt({ min: 0n, max: 2_100_000_000_000_000n })
    fc.assert(
      fc.property(transactions(), scripts, amounts, fc.nat(255), fc.nat(), (...args) => {
        const [transaction, script, value, hashType, at] = args
        const index = at % transaction.inputs.length
        const oracle = bitcoinjs.Transaction.fromBuffer(encodeTransaction(transaction))
        expect(bytesToHex(witnessV0Sighash(transaction, index, script, value, hashType))).toBe(
          bytesToHex(oracle.hashForWitnessV0(index, script, value, hashType)),
        )
      }),
      { numRuns: 300 },
    )
  })
})
