import { describe, expect, it } from 'vitest'
import {
  P2A_SCRIPT,
  p2pkhScript,
  p2shScript,
  p2wpkhScript,
  p2wshScript,
  withdrawScript,
} from '../../src/bitcoin/script.ts'
import {
  NULL_OUTPOINT,
  type Transaction,
  type TxInput,
  type TxOutput,
  transactionSizes,
  transactionWeight,
} from '../../src/bitcoin/transaction.ts'
import { checkTransaction } from '../../src/chain/check-transaction.ts'
import { MAX_BLOCK_WEIGHT } from '../../src/chain/params.ts'
import { sats } from '../../src/primitives/units.ts'
import { anOutPoint, aUser } from '../support/chain-world.ts'

const user = aUser('somebody')
const anInput: TxInput = {
  prevout: anOutPoint('a coin'),
  scriptSig: new Uint8Array(),
  sequence: 0xffff_ffff,
  witness: [],
}
const anOutput: TxOutput = { value: sats(1_000), script: user.script }

function tx(part: Partial<Transaction> = {}): Transaction {
  return { version: 2, inputs: [anInput], outputs: [anOutput], lockTime: 0, ...part }
}

function codeOf(transaction: Transaction): string {
  const checked = checkTransaction(transaction)
  return checked.ok ? 'ok' : checked.error.code
}

const output = (script: Uint8Array, value: bigint | number = 1_000): Transaction =>
  tx({ outputs: [anOutput, { value: sats(value), script }] })
const opReturn = (bytes: number): Uint8Array => new Uint8Array(bytes + 1).fill(0x6a, 0, 1)
/** An OP_RETURN alone; 62 bytes and its data. */
const ofLength = (data: number): Transaction =>
  tx({ outputs: [{ value: sats(0), script: opReturn(data) }] })
const pair = (second: number): Transaction =>
  tx({
    outputs: [
      { ...anOutput, value: sats(21e14 - 1) },
      { ...anOutput, value: sats(second) },
    ],
  })
const coinbase = (bytes: number): Transaction =>
  tx({ inputs: [{ ...anInput, prevout: NULL_OUTPOINT, scriptSig: new Uint8Array(bytes) }] })

describe('a transaction by itself', () => {
  it('has inputs and outputs', () => {
    expect(codeOf(tx())).toBe('ok')
    expect(codeOf(tx({ inputs: [] }))).toBe('bad-txns-vin-empty')
    expect(codeOf(tx({ outputs: [] }))).toBe('bad-txns-vout-empty')
  })

  it('is at most as heavy as a block', () => {
    const bare = transactionWeight(output(opReturn(70_000), 0))
    // The script is counted four times; its length prefix has five bytes already.
    const fits = output(opReturn(70_000 + (MAX_BLOCK_WEIGHT - bare) / 4), 0)
    expect(transactionWeight(fits)).toBe(MAX_BLOCK_WEIGHT)
    expect(codeOf(fits)).toBe('ok')
    const over = { ...fits, inputs: [{ ...anInput, witness: [new Uint8Array()] }] }
    expect(codeOf(over)).toBe('bad-txns-oversize')
  })

  it('is not 64 bytes long without its witness', () => {
    const sizes = [2, 3, 4].map((data) => [
      transactionSizes(ofLength(data)).strippedBytes,
      codeOf(ofLength(data)),
    ])
    expect(sizes).toEqual([
      [63, 'ok'],
      [64, 'tx-size-small'],
      [65, 'ok'],
    ])
    const padded = { ...ofLength(3), inputs: [{ ...anInput, witness: [new Uint8Array(9)] }] }
    expect(codeOf(padded)).toBe('tx-size-small')
  })

  it('has version 1, 2 or 3', () => {
    const codes = [0, 1, 2, 3, 4, 0xffff_ffff].map((version) => codeOf(tx({ version })))
    expect(codes).toEqual(['version', 'ok', 'ok', 'ok', 'version', 'version'])
  })

  it('pays no more than there is', () => {
    expect(codeOf(pair(1))).toBe('ok')
    expect(codeOf(pair(2))).toBe('bad-txns-txouttotal-toolarge')
  })

  it.each([
    ['P2WPKH', p2wpkhScript(new Uint8Array(20))],
    ['P2WSH', p2wshScript(new Uint8Array(32))],
    ['P2TR', user.script],
    ['an anchor', P2A_SCRIPT],
    ['a withdraw address', withdrawScript(p2pkhScript(new Uint8Array(20)))],
  ])('pays %s something, never nothing', (_name, script) => {
    expect(codeOf(output(script, 1))).toBe('ok')
    expect(codeOf(output(script, 0))).toBe('bad-txns-vout-zero')
  })

  it('puts no value where nobody can reach it', () => {
    expect(codeOf(output(opReturn(20), 0))).toBe('ok')
    expect(codeOf(output(opReturn(20), 1))).toBe('bad-txns-op-return-value')
  })

  it.each([
    ['P2PKH', p2pkhScript(new Uint8Array(20))],
    ['P2SH', p2shScript(new Uint8Array(20))],
    ['an empty script', new Uint8Array()],
    ['witness version 0 of an odd length', Uint8Array.of(0, 2, 1, 2)],
    ['an unknown witness version', Uint8Array.of(0x52, 2, 1, 2)],
    ['a withdraw address of a withdraw address', Uint8Array.of(0x60, 4, 0x60, 2, 0, 0)],
    ['a withdraw address of an OP_RETURN', Uint8Array.of(0x60, 2, 0x6a, 0)],
  ])('does not pay %s', (_name, script) => {
    expect(codeOf(output(script))).toBe('bad-output-type')
  })

  it('spends each coin once, and none that cannot exist', () => {
    const other = { ...anInput, prevout: anOutPoint('another coin') }
    const sibling = { ...anInput, prevout: { ...anInput.prevout, vout: 1 } }
    expect(codeOf(tx({ inputs: [anInput, other, sibling] }))).toBe('ok')
    expect(codeOf(tx({ inputs: [anInput, other, anInput] }))).toBe('bad-txns-inputs-duplicate')
    const nothing = { ...anInput, prevout: NULL_OUTPOINT }
    expect(codeOf(tx({ inputs: [anInput, nothing] }))).toBe('bad-txns-prevout-null')
  })

  it('says nothing in its input scripts', () => {
    const talking = { ...anInput, scriptSig: Uint8Array.of(0x51) }
    expect(codeOf(tx({ inputs: [talking] }))).toBe('scriptsig-not-empty')
  })

  it('has 2 to 100 bytes of input script when it is a coinbase', () => {
    const codes = [1, 2, 100, 101].map((bytes) => codeOf(coinbase(bytes)))
    expect(codes).toEqual(['bad-cb-length', 'ok', 'ok', 'bad-cb-length'])
  })
})
