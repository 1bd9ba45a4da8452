/**
 * Bitcoin Core's script_tests. The npm copy is older: some error names have changed since, and two
 * spends flip because lock-time opcodes without their flag are plain NOPs today.
 */

import { expect, test } from 'vitest'
import { executeWitnessScript } from '../../src/bitcoin/interpreter.ts'
import { classifyOutput } from '../../src/bitcoin/script.ts'
import type { ScriptContext, SignatureChecker } from '../../src/bitcoin/script-machine.ts'
import {
  NULL_OUTPOINT,
  type Transaction,
  type TxOutput,
  transactionId,
} from '../../src/bitcoin/transaction.ts'
import { verifyInput } from '../../src/bitcoin/verify-input.ts'
import { hexToBytes } from '../../src/primitives/bytes.ts'
import { sats } from '../../src/primitives/units.ts'
import { type RecastScript, readScriptTests, recast, type ScriptVector } from './script-tests.ts'
import { parseFlags, parseScript, printCounts } from './vectors.ts'

/** Names that Core has changed since this copy. */
const RENAMED: Readonly<Record<string, readonly string[]>> = {
  UNKNOWN_ERROR: ['SCRIPTNUM'],
  EVAL_FALSE: ['EVAL_FALSE', 'CLEANSTACK'],
  UNBALANCED_CONDITIONAL: ['UNBALANCED_CONDITIONAL', 'INVALID_STACK_OPERATION'],
}

function matches(expected: string, actual: string): boolean {
  return (RENAMED[expected] ?? [expected]).includes(actual)
}

/** Core's credit and spend pair. */
function spendOf(vector: ScriptVector): { transaction: Transaction; spent: TxOutput[] } {
  const output = {
    value: sats(Math.round(vector.amount * 1e8)),
    script: parseScript(vector.scriptPubKey),
  }
  const base = { version: 1, lockTime: 0 }
  const sequence = 0xffff_ffff
  const credit: Transaction = {
    ...base,
    inputs: [{ prevout: NULL_OUTPOINT, scriptSig: hexToBytes('0000'), sequence, witness: [] }],
    outputs: [output],
  }
  const input = {
    prevout: { txid: transactionId(credit), vout: 0 },
    scriptSig: parseScript(vector.scriptSig),
    sequence,
    witness: (vector.witness ?? []).map(hexToBytes),
  }
  const outputs = [{ value: output.value, script: new Uint8Array() }]
  return { transaction: { ...base, inputs: [input], outputs }, spent: [output] }
}

test('every native segwit spend of script_tests comes out as labelled, error names included', () => {
  const counts = new Map<string, number>()
  const count = (what: string) => counts.set(what, (counts.get(what) ?? 0) + 1)
  const wrong: string[] = []
  const vectors = readScriptTests()
  for (const vector of vectors) {
    if (vector.witness === undefined) {
      count('not applicable: legacy, see below')
      continue
    }
    const { kind } = classifyOutput(parseScript(vector.scriptPubKey))
    const isNative = kind === 'p2wpkh' || kind === 'p2wsh'
    if (!isNative || !vector.flags.includes('WITNESS')) {
      count(isNative ? 'not applicable: before segwit' : `not applicable: ${kind}`)
      continue
    }
    const { transaction, spent } = spendOf(vector)
    const verdict = verifyInput(transaction, 0, spent, parseFlags(vector.flags))
    const actual = verdict.ok ? 'OK' : verdict.error.code
    count(verdict.ok ? 'passes' : 'fails')
    if (!matches(vector.expected, actual)) {
      wrong.push(`${vector.comment}: ${vector.expected}, not ${actual}`)
    }
  }
  printCounts('script_tests', counts)
  expect(wrong).toEqual([])
  expect(vectors.length).toBe(1189)
  expect(Object.fromEntries(counts)).toMatchInlineSnapshot(`
    {
      "fails": 29,
      "not applicable: before segwit": 2,
      "not applicable: legacy, see below": 1090,
      "not applicable: p2sh": 47,
      "not applicable: unknown": 3,
      "passes": 18,
    }
  `)
})

/** Signatures are covered elsewhere; here none verifies. The credit and spend pair's lock times. */
const noSignatures: SignatureChecker = {
  checkEcdsa: () => false,
  requireEcdsa: () => false,
  checkSchnorr: () => 'SCHNORR_SIG',
  checkLockTime: () => false,
  checkSequence: () => false,
}

/** Whether its signatures, made for another transaction, decide anything. */
function isSigned(vector: ScriptVector): boolean {
  return /0x4[0-9a-f] 0x30|0x09 0x300602/.test(vector.scriptSig)
}

function reasonAgainst(vector: ScriptVector): string {
  if (vector.witness !== undefined) return 'has a witness, see above'
  if (isSigned(vector)) return 'signed for another transaction'
  const isP2sh = classifyOutput(parseScript(vector.scriptPubKey)).kind === 'p2sh'
  return isP2sh ? 'p2sh' : 'a scriptSig that does more than push, or not by the shortest way'
}

function runRecast(run: RecastScript, flags: string, context: ScriptContext): string {
  const failure = executeWitnessScript({
    script: run.script,
    initialStack: run.stack,
    context,
    flags: parseFlags(flags),
    checker: noSignatures,
    hashBudget: Number.POSITIVE_INFINITY,
  })
  return failure ?? 'OK'
}

test('the opcode vectors for legacy scripts hold in witness v0', () => {
  const counts = new Map<string, number>()
  const count = (what: string) => counts.set(what, (counts.get(what) ?? 0) + 1)
  const different: string[] = []
  for (const vector of readScriptTests()) {
    const run = isSigned(vector) ? undefined : recast(vector)
    if (run === undefined) {
      count(`not applicable: ${reasonAgainst(vector)}`)
      continue
    }
    const actual = runRecast(run, vector.flags, { version: 'witness-v0' })
    count(actual)
    // Legacy scripts may leave more than one item.
    if (matches(vector.expected, actual) || actual === 'CLEANSTACK') continue
    different.push(
      `${vector.scriptSig} | ${vector.scriptPubKey}: ${vector.expected}, not ${actual}`,
    )
  }
  printCounts('script_tests, recast as witness v0', counts)
  expect(different).toEqual([
    // Core changed: without their own flag these are NOPs that mean nothing else any more.
    '1 | CHECKLOCKTIMEVERIFY: DISCOURAGE_UPGRADABLE_NOPS, not OK',
    '1 | CHECKSEQUENCEVERIFY: DISCOURAGE_UPGRADABLE_NOPS, not OK',
    // MINIMALIF is for witness v0 only.
    '2 | IF 1 ENDIF: OK, not MINIMALIF',
    '0x02 0x0100 | IF 1 ENDIF: OK, not MINIMALIF',
    '0x01 0x00 | IF 1 ENDIF: EVAL_FALSE, not MINIMALIF',
    '2 | NOTIF 1 ENDIF: EVAL_FALSE, not MINIMALIF',
    '0x02 0x0100 | NOTIF 1 ENDIF: EVAL_FALSE, not MINIMALIF',
    '0x01 0x00 | NOTIF 1 ENDIF: OK, not MINIMALIF',
  ])
  expect(Object.fromEntries(counts)).toMatchInlineSnapshot(`
    {
      "BAD_OPCODE": 83,
      "CLEANSTACK": 94,
      "DISABLED_OPCODE": 7,
      "DISCOURAGE_UPGRADABLE_NOPS": 8,
      "EQUALVERIFY": 7,
      "EVAL_FALSE": 26,
      "INVALID_ALTSTACK_OPERATION": 1,
      "INVALID_STACK_OPERATION": 51,
      "MINIMALIF": 6,
      "NEGATIVE_LOCKTIME": 1,
      "OK": 374,
      "OP_COUNT": 5,
      "OP_RETURN": 5,
      "PUBKEY_COUNT": 2,
      "PUSH_SIZE": 1,
      "SCRIPTNUM": 62,
      "SIG_COUNT": 2,
      "SIG_DER": 10,
      "SIG_NULLDUMMY": 1,
      "UNBALANCED_CONDITIONAL": 10,
      "UNSATISFIED_LOCKTIME": 2,
      "VERIFY": 1,
      "not applicable: a scriptSig that does more than push, or not by the shortest way": 227,
      "not applicable: has a witness, see above": 99,
      "not applicable: p2sh": 19,
      "not applicable: signed for another transaction": 85,
    }
  `)
})

test('tapscript differs from witness v0 only where BIP342 says so', () => {
  const counts = new Map<string, number>()
  const context = {
    version: 'tapscript',
    leafHash: new Uint8Array(32),
    witnessBytes: 1_000,
  } as const
  for (const vector of readScriptTests()) {
    const run = isSigned(vector) ? undefined : recast(vector)
    if (run === undefined) continue
    const v0 = runRecast(run, vector.flags, { version: 'witness-v0' })
    const tapscript = runRecast(run, vector.flags, context)
    const change = v0 === tapscript ? 'same' : `${v0} -> ${tapscript}`
    counts.set(change, (counts.get(change) ?? 0) + 1)
  }
  printCounts('script_tests, witness v0 beside tapscript', counts)
  expect(Object.fromEntries(counts)).toMatchInlineSnapshot(`
    {
      "BAD_OPCODE -> INVALID_STACK_OPERATION": 2,
      "BAD_OPCODE -> OK": 74,
      "CLEANSTACK -> TAPSCRIPT_CHECKMULTISIG": 2,
      "DISABLED_OPCODE -> OK": 7,
      "EVAL_FALSE -> OK": 1,
      "INVALID_STACK_OPERATION -> TAPSCRIPT_CHECKMULTISIG": 4,
      "MINIMALIF -> TAPSCRIPT_MINIMALIF": 6,
      "OK -> EVAL_FALSE": 1,
      "OK -> TAPSCRIPT_CHECKMULTISIG": 59,
      "OK -> TAPSCRIPT_EMPTY_PUBKEY": 8,
      "OK -> TAPSCRIPT_MINIMALIF": 1,
      "OP_COUNT -> OK": 2,
      "OP_COUNT -> TAPSCRIPT_CHECKMULTISIG": 3,
      "PUBKEY_COUNT -> TAPSCRIPT_CHECKMULTISIG": 2,
      "SCRIPTNUM -> TAPSCRIPT_CHECKMULTISIG": 5,
      "SIG_COUNT -> TAPSCRIPT_CHECKMULTISIG": 2,
      "SIG_DER -> EVAL_FALSE": 1,
      "SIG_DER -> OK": 1,
      "SIG_DER -> TAPSCRIPT_EMPTY_PUBKEY": 8,
      "SIG_NULLDUMMY -> TAPSCRIPT_CHECKMULTISIG": 1,
      "same": 569,
    }
  `)
})
