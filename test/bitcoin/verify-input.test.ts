/** Whole spends, signed here with independent code, and this chain's own rules about inputs. */

import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js'
import * as bitcoinjs from 'bitcoinjs-lib'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { executeWitnessScript } from '../../src/bitcoin/interpreter.ts'
import {
  minimalPush,
  P2A_SCRIPT,
  p2pkhScript,
  p2shScript,
  p2trScript,
  p2wpkhScript,
  p2wshScript,
  withdrawScript,
  witnessScript,
} from '../../src/bitcoin/script.ts'
import { CONSENSUS_FLAGS, ScriptFlag } from '../../src/bitcoin/script-flags.ts'
import { controlBlock, tapLeafHash, taprootOutputKey } from '../../src/bitcoin/taproot.ts'
import {
  encodeTransaction,
  type Transaction,
  type TxInput,
  type TxOutput,
} from '../../src/bitcoin/transaction.ts'
import { TransactionSignatureChecker } from '../../src/bitcoin/transaction-signature-checker.ts'
import { verifyInput } from '../../src/bitcoin/verify-input.ts'
import { concatBytes, hexToBytes } from '../../src/primitives/bytes.ts'
import { toTxid } from '../../src/primitives/hashes.ts'
import { hash160, sha256 } from '../../src/primitives/sha256.ts'
import { sats } from '../../src/primitives/units.ts'
import { parseScript, withInput } from './vectors.ts'

const SECRET = sha256(Uint8Array.of(7))
const PUBLIC = secp256k1.getPublicKey(SECRET)
const X_ONLY = PUBLIC.subarray(1)
const VALUE = sats(50_000)
const EMPTY = new Uint8Array()

function spendOf(script: Uint8Array, input: Partial<TxInput> = {}): [Transaction, TxOutput[]] {
  const prevout = { txid: toTxid('ab'.repeat(32)), vout: 1 }
  const transaction: Transaction = {
    version: 2,
    inputs: [{ prevout, scriptSig: EMPTY, sequence: 0xffff_fffd, witness: [], ...input }],
    outputs: [{ value: sats(49_000), script: p2wpkhScript(new Uint8Array(20)) }],
    lockTime: 100,
  }
  return [transaction, [{ value: VALUE, script }]]
}

function verdict(script: Uint8Array, witness: readonly Uint8Array[], flags = CONSENSUS_FLAGS) {
  const [transaction, spent] = spendOf(script, { witness })
  const result = verifyInput(transaction, 0, spent, flags)
  return result.ok ? 'OK' : result.error.code
}

/** DER and SIGHASH_ALL over what bitcoinjs-lib says is signed. */
function signV0(script: Uint8Array, scriptCode: Uint8Array): Uint8Array {
  const [transaction] = spendOf(script)
  const oracle = bitcoinjs.Transaction.fromBuffer(encodeTransaction(transaction))
  const hash = oracle.hashForWitnessV0(0, scriptCode, VALUE, 1)
  const der = secp256k1.sign(hash, SECRET, { prehash: false, format: 'der' })
  return concatBytes(der, Uint8Array.of(1))
}

function signTaproot(script: Uint8Array, secret: Uint8Array, leafHash?: Uint8Array): Uint8Array {
  const [transaction] = spendOf(script)
  const oracle = bitcoinjs.Transaction.fromBuffer(encodeTransaction(transaction))
  const hash = oracle.hashForWitnessV1(0, [script], [VALUE], 0, leafHash)
  return schnorr.sign(hash, secret, new Uint8Array(32))
}

describe('a signed spend', () => {
  it('of P2WPKH passes, and fails with anything changed', () => {
    const script = p2wpkhScript(hash160(PUBLIC))
    const signature = signV0(script, p2pkhScript(hash160(PUBLIC)))
    expect(verdict(script, [signature, PUBLIC])).toBe('OK')
    expect(verdict(script, [signature])).toBe('WITNESS_PROGRAM_MISMATCH')
    expect(verdict(script, [EMPTY, signature, PUBLIC])).toBe('WITNESS_PROGRAM_MISMATCH')
    expect(verdict(script, [EMPTY, PUBLIC])).toBe('EVAL_FALSE')
    expect(verdict(script, [signature, secp256k1.getPublicKey(signature.subarray(4, 36))])).toBe(
      'EQUALVERIFY',
    )
    const other = signature.with(20, (signature[20] ?? 0) ^ 1)
    expect(verdict(script, [other, PUBLIC])).toBe('SIG_NULLFAIL')
  })

  it('of a P2WSH multisignature passes', () => {
    const key = minimalPush(PUBLIC)
    const witness = concatBytes(parseScript('1'), key, key, parseScript('2 CHECKMULTISIG'))
    const script = p2wshScript(sha256(witness))
    const signature = signV0(script, witness)
    expect(verdict(script, [EMPTY, signature, witness])).toBe('OK')
    expect(verdict(script, [Uint8Array.of(0), signature, witness])).toBe('SIG_NULLDUMMY')
    expect(verdict(script, [])).toBe('WITNESS_PROGRAM_WITNESS_EMPTY')
    expect(verdict(script, [EMPTY, signature, EMPTY])).toBe('WITNESS_PROGRAM_MISMATCH')
  })

  it('of a taproot key passes, but not with an annex', () => {
    const script = p2trScript(X_ONLY)
    const signature = signTaproot(script, SECRET)
    expect(verdict(script, [signature])).toBe('OK')
    expect(verdict(script, [])).toBe('WITNESS_PROGRAM_WITNESS_EMPTY')
    expect(verdict(script, [signature, Uint8Array.of(0x50)])).toBe('ANNEX')
    const withAnnex = CONSENSUS_FLAGS & ~ScriptFlag.NO_ANNEX
    expect(verdict(script, [signature, Uint8Array.of(0x50)], withAnnex)).toBe('SCHNORR_SIG')
    expect(verdict(script, [concatBytes(signature, EMPTY, Uint8Array.of(0))])).toBe(
      'SCHNORR_SIG_HASHTYPE',
    )
    expect(verdict(script, [concatBytes(signature, Uint8Array.of(4))])).toBe('SCHNORR_SIG_HASHTYPE')
    expect(verdict(script, [signature.subarray(1)])).toBe('SCHNORR_SIG_SIZE')
    expect(verdict(script, [EMPTY])).toBe('SCHNORR_SIG_SIZE')
  })

  it('of a taproot leaf passes', () => {
    const leaf = concatBytes(minimalPush(X_ONLY), parseScript('CHECKSIG'))
    const leafHash = tapLeafHash(leaf)
    const output = taprootOutputKey(X_ONLY, leafHash)!
    const script = p2trScript(output.key)
    const signature = signTaproot(script, SECRET, leafHash)
    const control = controlBlock(X_ONLY, output.parity)
    expect(verdict(script, [signature, leaf, control])).toBe('OK')
    expect(verdict(script, [signature, leaf, control.subarray(1)])).toBe(
      'TAPROOT_WRONG_CONTROL_SIZE',
    )
    const flipped = control.with(0, (control[0] ?? 0) ^ 1)
    expect(verdict(script, [signature, leaf, flipped])).toBe('WITNESS_PROGRAM_MISMATCH')
  })

  it('of an unknown leaf version waits for a meaning', () => {
    const leaf = parseScript('RETURN')
    const output = taprootOutputKey(X_ONLY, tapLeafHash(leaf, 0xc2))!
    const witness = [leaf, controlBlock(X_ONLY, output.parity, [], 0xc2)]
    const script = p2trScript(output.key)
    expect(verdict(script, witness)).toBe('DISCOURAGE_UPGRADABLE_TAPROOT_VERSION')
    expect(verdict(script, witness, 0)).toBe('OK')
  })
})

describe('an output that nobody can spend here', () => {
  it.each([
    ['bare truth', hexToBytes('51'), 'OUTPUT_TYPE'],
    ['nothing', EMPTY, 'OUTPUT_TYPE'],
    ['P2PKH', p2pkhScript(new Uint8Array(20)), 'OUTPUT_TYPE'],
    ['P2SH', p2shScript(new Uint8Array(20)), 'OUTPUT_TYPE'],
    ['OP_RETURN', hexToBytes('6a'), 'OUTPUT_TYPE'],
    [
      'a withdrawal',
      withdrawScript(p2wpkhScript(new Uint8Array(20))),
      'DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM',
    ],
    [
      'witness v2',
      witnessScript({ version: 2, program: new Uint8Array(32).fill(1) }),
      'DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM',
    ],
    [
      'v1 of another length',
      witnessScript({ version: 1, program: new Uint8Array(33).fill(1) }),
      'DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM',
    ],
    [
      'v0 of another length',
      witnessScript({ version: 0, program: new Uint8Array(21).fill(1) }),
      'WITNESS_PROGRAM_WRONG_LENGTH',
    ],
    ['a program of zeros', p2trScript(new Uint8Array(32)), 'EVAL_FALSE'],
    ['a program of negative zero', p2wpkhScript(new Uint8Array(20).with(19, 0x80)), 'EVAL_FALSE'],
  ])('%s is refused under every flag', (_what, script, code) => {
    expect(verdict(script, [], 0)).toBe(code)
    expect(verdict(script, [])).toBe(code)
    expect(verdict(script, [Uint8Array.of(1)])).toBe(code)
  })
})

describe('an anchor', () => {
  it('is anybody’s, without a witness', () => {
    expect(verdict(P2A_SCRIPT, [])).toBe('OK')
    expect(verdict(P2A_SCRIPT, [EMPTY])).toBe('ANCHOR_WITNESS')
    expect(verdict(P2A_SCRIPT, [EMPTY], 0)).toBe('OK')
  })
})

describe('every input', () => {
  it('gets an answer, whatever its witness', () => {
    const scripts = fc.constantFrom(
      p2wpkhScript(hash160(PUBLIC)),
      p2wshScript(sha256(EMPTY)),
      p2trScript(X_ONLY),
      P2A_SCRIPT,
    )
    const witnesses = fc.array(fc.uint8Array({ maxLength: 70 }), { maxLength: 5 })
    fc.assert(
      fc.property(scripts, witnesses, (script, witness) => {
        expect(verdict(script, witness)).toMatch(/^[A-Z_]+$/)
      }),
      { numRuns: 500 },
    )
  })

  it('has an empty scriptSig', () => {
    const [transaction, spent] = spendOf(P2A_SCRIPT)
    const changed = withInput(transaction, 0, Uint8Array.of(0), [])
    const result = verifyInput(changed, 0, spent, 0)
    expect(result.ok ? 'OK' : result.error.code).toBe('WITNESS_MALLEATED')
  })

  it('has a budget for hash opcodes that its witness pays', () => {
    const hashes = parseScript(`${'SHA256 '.repeat(150)} DROP 1`)
    const script = p2wshScript(sha256(hashes))
    // The budget is 200 and half of 1 + 2 + 153 bytes and the item's; each hash costs 3.
    expect(verdict(script, [EMPTY, hashes])).toBe('HASH_BUDGET')
    expect(verdict(script, [EMPTY, hashes], CONSENSUS_FLAGS & ~ScriptFlag.HASH_BUDGET)).toBe('OK')
  })
})

function lockTimes(version: number, sequence: number, lockTime: number, text: string): string {
  const [base, spentOutputs] = spendOf(P2A_SCRIPT, { sequence })
  const transaction = { ...base, version, lockTime }
  const failure = executeWitnessScript({
    script: parseScript(text),
    initialStack: [],
    context: { version: 'witness-v0' },
    flags: CONSENSUS_FLAGS,
    checker: new TransactionSignatureChecker({ transaction, index: 0, spentOutputs }),
    hashBudget: 0,
  })
  return failure ?? 'OK'
}

describe('lock times of an input', () => {
  it.each([
    ['100 CHECKLOCKTIMEVERIFY', 0, 100, 'OK'],
    ['101 CHECKLOCKTIMEVERIFY', 0, 100, 'UNSATISFIED_LOCKTIME'],
    ['100 CHECKLOCKTIMEVERIFY', 0xffff_ffff, 100, 'UNSATISFIED_LOCKTIME'],
    ['100 CHECKLOCKTIMEVERIFY', 0, 500_000_000, 'UNSATISFIED_LOCKTIME'],
    ['500000000 CHECKLOCKTIMEVERIFY', 0, 500_000_001, 'OK'],
    ['4294967295 CHECKLOCKTIMEVERIFY', 0, 0xffff_ffff, 'OK'],
    ['4294967296 CHECKLOCKTIMEVERIFY', 0, 0xffff_ffff, 'UNSATISFIED_LOCKTIME'],
  ])('%s with sequence %i and lock time %i is %s', (text, sequence, lockTime, expected) => {
    expect(lockTimes(2, sequence, lockTime, text)).toBe(expected)
  })

  it.each([
    ['10 CHECKSEQUENCEVERIFY', 2, 10, 'OK'],
    ['11 CHECKSEQUENCEVERIFY', 2, 10, 'UNSATISFIED_LOCKTIME'],
    ['10 CHECKSEQUENCEVERIFY', 1, 10, 'UNSATISFIED_LOCKTIME'],
    ['10 CHECKSEQUENCEVERIFY', 0xffff_ffff, 10, 'OK'],
    ['10 CHECKSEQUENCEVERIFY', 2, 0x8000_000a, 'UNSATISFIED_LOCKTIME'],
    ['10 CHECKSEQUENCEVERIFY', 2, 0x40_000a, 'UNSATISFIED_LOCKTIME'],
    ['4194314 CHECKSEQUENCEVERIFY', 2, 0x40_000a, 'OK'],
    ['4194314 CHECKSEQUENCEVERIFY', 2, 0x10, 'UNSATISFIED_LOCKTIME'],
    ['65546 CHECKSEQUENCEVERIFY', 2, 10, 'OK'],
    ['2147483648 CHECKSEQUENCEVERIFY', 2, 0xffff_ffff, 'OK'],
  ])('%s with version %i and sequence %i is %s', (text, version, sequence, expected) => {
    expect(lockTimes(version, sequence, 0, text)).toBe(expected)
  })
})
