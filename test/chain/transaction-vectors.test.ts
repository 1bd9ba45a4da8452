/**
 * Bitcoin Core's tx_valid and tx_invalid, in older copies without segwit. Every row is a legacy
 * transaction and as such refused here; what applies is tried in another dress: the codec, the
 * context-free rules with output scripts of this chain, the lock times in witness scripts.
 */

import { expect, test } from 'vitest'
import { p2wpkhScript, p2wshScript } from '../../src/bitcoin/script.ts'
import {
  decodeTransaction,
  encodeTransaction,
  isCoinbase,
  type Transaction,
} from '../../src/bitcoin/transaction.ts'
import { verifyInput } from '../../src/bitcoin/verify-input.ts'
import { checkTransaction } from '../../src/chain/check-transaction.ts'
import { bytesToHex, hexToBytes } from '../../src/primitives/bytes.ts'
import { DecodeError } from '../../src/primitives/codec.ts'
import { sha256 } from '../../src/primitives/sha256.ts'
import { sats } from '../../src/primitives/units.ts'
import { loadVectors, parseFlags, parseScript, printCounts } from '../bitcoin/vectors.ts'

type Prevout = readonly [txid: string, vout: number, script: string]
type Row = readonly [prevouts: readonly Prevout[], hex: string, flags: string]

function readRows(name: string): Row[] {
  const rows = loadVectors(`bitcoind/${name}.json`) as readonly (Row | readonly [string])[]
  return rows.filter((row): row is Row => row.length > 1)
}

function tally(set: string, words: readonly string[]): Readonly<Record<string, number>> {
  const counts = new Map<string, number>()
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1)
  printCounts(set, counts)
  return Object.fromEntries(counts)
}

const valid = readRows('tx_valid')
const invalid = readRows('tx_invalid')

/** The code of the context-free rules, or "valid". */
function verdict(hex: string, dress: (transaction: Transaction) => Transaction): string {
  try {
    const transaction = decodeTransaction(hexToBytes(hex))
    expect(bytesToHex(encodeTransaction(transaction))).toBe(hex)
    const checked = checkTransaction(dress(transaction))
    return checked.ok ? 'valid' : checked.error.code
  } catch (error) {
    if (error instanceof DecodeError) return 'cannot be decoded'
    throw error
  }
}

/** The same shape and amounts, without legacy scripts. */
function modernised(transaction: Transaction): Transaction {
  const keepsScript = isCoinbase(transaction)
  return {
    ...transaction,
    inputs: transaction.inputs.map((input) =>
      keepsScript ? input : { ...input, scriptSig: new Uint8Array() },
    ),
    outputs: transaction.outputs.map(({ value }) => ({
      value,
      // Nothing is worth 0 here but data.
      script: value === 0n ? Uint8Array.of(0x6a) : p2wpkhScript(new Uint8Array(20).fill(1)),
    })),
  }
}

test('every row is legacy, and refused', () => {
  expect(
    tally(
      'tx_valid as they are',
      valid.map(([, hex]) => verdict(hex, (t) => t)),
    ),
  ).toMatchInlineSnapshot(`
    {
      "bad-output-type": 42,
      "scriptsig-not-empty": 8,
    }
  `)
  expect(
    tally(
      'tx_invalid as they are',
      invalid.map(([, hex]) => verdict(hex, (t) => t)),
    ),
  ).toMatchInlineSnapshot(`
    {
      "bad-output-type": 36,
      "bad-txns-vout-empty": 1,
      "cannot be decoded": 2,
    }
  `)
})

test('with scripts of this chain only the context-free rules decide', () => {
  expect(
    tally(
      'tx_valid, modernised',
      valid.map(([, hex]) => verdict(hex, modernised)),
    ),
  ).toMatchInlineSnapshot(`
    {
      "valid": 50,
    }
  `)
  expect(
    tally(
      'tx_invalid, modernised',
      invalid.map(([, hex]) => verdict(hex, modernised)),
    ),
  ).toMatchInlineSnapshot(`
    {
      "bad-cb-length": 3,
      "bad-txns-inputs-duplicate": 1,
      "bad-txns-txouttotal-toolarge": 1,
      "bad-txns-vout-empty": 1,
      "cannot be decoded": 2,
      "valid": 31,
    }
  `)
})

/** What the first input says of its lock time as P2WSH; why it cannot be asked otherwise. */
function lockVerdict([prevouts, hex, flags]: Row): string {
  const scripts = prevouts.map(([, , text]) => parseScript(text))
  const first = prevouts[0]?.[2] ?? ''
  const transaction = decodeTransaction(hexToBytes(hex))
  if (!first.includes('NOP2') || transaction.inputs[0]?.scriptSig.length !== 0) {
    return 'not applicable: no lock time in the output script'
  }
  const spent = scripts.map((script) => ({ value: sats(0), script: p2wshScript(sha256(script)) }))
  const inputs = transaction.inputs.map((input, i) => ({
    ...input,
    witness: [scripts[i] ?? new Uint8Array()],
  }))
  const result = verifyInput({ ...transaction, inputs }, 0, spent, parseFlags(flags))
  return result.ok ? 'OK' : result.error.code
}

test('lock times hold in witness scripts as in legacy ones', () => {
  // The legacy scripts leave their operand: reaching CLEANSTACK is what success looks like.
  expect(tally('tx_valid, lock times as P2WSH', valid.map(lockVerdict))).toMatchInlineSnapshot(`
    {
      "CLEANSTACK": 10,
      "not applicable: no lock time in the output script": 40,
    }
  `)
  const decodable = invalid.filter(([, hex]) => verdict(hex, (t) => t) !== 'cannot be decoded')
  expect(
    tally('tx_invalid, lock times as P2WSH', decodable.map(lockVerdict)),
  ).toMatchInlineSnapshot(`
    {
      "INVALID_STACK_OPERATION": 1,
      "NEGATIVE_LOCKTIME": 2,
      "SCRIPTNUM": 1,
      "UNSATISFIED_LOCKTIME": 12,
      "not applicable: no lock time in the output script": 21,
    }
  `)
})
