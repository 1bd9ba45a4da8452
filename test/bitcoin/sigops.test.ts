import { describe, expect, it } from 'vitest'
import { P2A_SCRIPT, p2trScript, p2wpkhScript, p2wshScript } from '../../src/bitcoin/script.ts'
import { countSigops } from '../../src/bitcoin/sigops.ts'
import type { Transaction, TxOutput } from '../../src/bitcoin/transaction.ts'
import { toTxid } from '../../src/primitives/hashes.ts'
import { sha256 } from '../../src/primitives/sha256.ts'
import { sats } from '../../src/primitives/units.ts'
import { parseScript } from './vectors.ts'

function spend(spent: readonly TxOutput[], witnesses: readonly Uint8Array[][]): Transaction {
  const inputs = witnesses.map((witness, vout) => {
    const prevout = { txid: toTxid('11'.repeat(32)), vout }
    return { prevout, scriptSig: new Uint8Array(), sequence: 0, witness }
  })
  return { version: 2, inputs, outputs: spent, lockTime: 0 }
}

const output = (script: Uint8Array): TxOutput => ({ value: sats(1), script })
const hash20 = new Uint8Array(20)
const hash32 = new Uint8Array(32)

describe('signature operations', () => {
  it('are one for P2WPKH, one for a taproot key, and none for an anchor', () => {
    const spent = [output(p2wpkhScript(hash20)), output(p2trScript(hash32)), output(P2A_SCRIPT)]
    expect(countSigops(spend(spent, [[], [new Uint8Array(64)], []]), spent)).toBe(2)
  })

  it.each([
    ['', 1],
    ['CHECKSIG', 2],
    ['CHECKSIG CHECKSIGVERIFY CHECKSIGADD', 4],
    ['0 IF CHECKSIGADD ENDIF', 2],
    ['16 CHECKMULTISIG CHECKMULTISIGVERIFY', 1],
    ["'CHECKSIG' DROP CODESEPARATOR", 1],
    ['CHECKSIG 0x4b CHECKSIG', 2],
  ])('of the tapscript %s, its commitment included, are %i', (text, count) => {
    const spent = [output(p2trScript(hash32))]
    const witness = [hash20, parseScript(text), new Uint8Array(33)]
    expect(countSigops(spend(spent, [witness]), spent)).toBe(count)
  })

  it.each([
    ['CHECKSIG', 1],
    ['CHECKSIG CHECKSIGVERIFY', 2],
    ['2 CHECKMULTISIG', 2],
    ['16 CHECKMULTISIGVERIFY', 16],
    ['0 CHECKMULTISIG', 20],
    ['NOP CHECKMULTISIG', 20],
    ['0x01 0x02 CHECKMULTISIG', 20],
    ['0 IF CHECKSIG ENDIF', 1],
    ["'CHECKSIG' DROP", 0],
    ['CHECKSIG 0x4b CHECKSIG', 1],
    ['CHECKSIGADD', 0],
    ['', 0],
  ])('of the witness script %s are %i', (text, count) => {
    const script = parseScript(text)
    const spent = [output(p2wshScript(sha256(script)))]
    expect(countSigops(spend(spent, [[hash20, script]]), spent)).toBe(count)
  })

  it("of an empty witness are none but the output key's", () => {
    const spent = [output(p2wshScript(hash32))]
    expect(countSigops(spend(spent, [[]]), spent)).toBe(0)
    const taproot = [output(p2trScript(hash32))]
    expect(countSigops(spend(taproot, [[]]), taproot)).toBe(1)
  })
})
