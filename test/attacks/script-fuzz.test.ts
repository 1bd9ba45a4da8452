/**
 * Scripts and witnesses from an attacker: every answer is one of the declared ones, and the work behind
 * it stays within what was counted beforehand.
 */

import * as fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { executeWitnessScript } from '../../src/bitcoin/interpreter.ts'
import { Opcode } from '../../src/bitcoin/opcodes.ts'
import { classifyOutput, p2trScript, p2wshScript } from '../../src/bitcoin/script.ts'
import { CONSENSUS_FLAGS, ScriptFlag } from '../../src/bitcoin/script-flags.ts'
import type { ScriptContext, SignatureChecker } from '../../src/bitcoin/script-machine.ts'
import { countSigops } from '../../src/bitcoin/sigops.ts'
import { controlBlock } from '../../src/bitcoin/taproot.ts'
import {
  decodeTransaction,
  type Transaction,
  type TxOutput,
} from '../../src/bitcoin/transaction.ts'
import { verifyInput } from '../../src/bitcoin/verify-input.ts'
import { bytesToHex, hexToBytes } from '../../src/primitives/bytes.ts'
import { ByteReader } from '../../src/primitives/codec.ts'
import { toTxid } from '../../src/primitives/hashes.ts'
import { installSecp256k1Backend } from '../../src/primitives/secp256k1.ts'
import { sha256 } from '../../src/primitives/sha256.ts'
import { sats } from '../../src/primitives/units.ts'
import { chooseSecp256k1Backend } from '../../src/runtime/secp256k1-backend.ts'
import { loadVectors, withInput } from '../bitcoin/vectors.ts'
import { spoiled } from './byte-mutations.ts'
import { items, scripts } from './generated-scripts.ts'

beforeAll(() => installSecp256k1Backend(chooseSecp256k1Backend()))

/** Bitcoin Core's words, and ours. */
const CODE = /^[A-Z][A-Z0-9_]+$/
const FLAG_SETS = [CONSENSUS_FLAGS, 0, CONSENSUS_FLAGS & ~ScriptFlag.NULLFAIL]

const stacks = fc.oneof(
  { weight: 5, arbitrary: fc.array(items, { maxLength: 8 }) },
  fc
    .integer({ min: 997, max: 1_002 })
    .map((length) => Array.from({ length }, () => Uint8Array.of(1))),
)
const contexts = fc.oneof(
  fc.constant<ScriptContext>({ version: 'witness-v0' }),
  fc.nat(400).map((witnessBytes): ScriptContext => {
    return { version: 'tapscript', leafHash: new Uint8Array(32), witnessBytes }
  }),
)

/** Counts what it is asked; every second answer is yes. */
class CountingChecker implements SignatureChecker {
  curveChecks = 0

  checkEcdsa(): boolean {
    this.curveChecks += 1
    return this.curveChecks % 2 === 0
  }

  requireEcdsa(): boolean {
    return this.checkEcdsa()
  }

  checkSchnorr(): 'SCHNORR_SIG' | undefined {
    return this.checkEcdsa() ? undefined : 'SCHNORR_SIG'
  }

  checkLockTime(lockTime: number): boolean {
    return lockTime % 2 === 0
  }

  checkSequence(sequence: number): boolean {
    return sequence % 2 === 0
  }
}

const ONE_INPUT: Transaction = {
  version: 2,
  inputs: [
    {
      prevout: { txid: toTxid('ab'.repeat(32)), vout: 0 },
      scriptSig: new Uint8Array(),
      sequence: 0,
      witness: [],
    },
  ],
  outputs: [],
  lockTime: 0,
}

/** What the block's limit counts for a witness script or a leaf. */
function sigopsOf(script: Uint8Array, context: ScriptContext): number {
  const isTapscript = context.version === 'tapscript'
  const witness = isTapscript ? [script, controlBlock(new Uint8Array(32), 0)] : [script]
  const output = isTapscript ? p2trScript(new Uint8Array(32)) : p2wshScript(sha256(script))
  const spent = [{ value: sats(1), script: output }]
  return countSigops(withInput(ONE_INPUT, 0, new Uint8Array(), witness), spent)
}

describe('a generated script', () => {
  it('ends in a declared answer, within the checks that were counted and paid for', () => {
    const seen = new Map<string, number>()
    fc.assert(
      fc.property(
        scripts,
        stacks,
        contexts,
        fc.constantFrom(...FLAG_SETS),
        (script, initialStack, context, flags) => {
          const checker = new CountingChecker()
          const before = initialStack.map((item) => bytesToHex(item))
          const run = { script, initialStack, context, flags, checker, hashBudget: 400 }
          const answer = executeWitnessScript(run) ?? 'OK'
          expect(answer).toMatch(CODE)
          seen.set(answer, (seen.get(answer) ?? 0) + 1)
          expect(checker.curveChecks).toBeLessThanOrEqual(sigopsOf(script, context))
          if (context.version === 'tapscript') {
            expect(checker.curveChecks).toBeLessThanOrEqual((context.witnessBytes + 50) / 50)
          }
          // Stack items are views of the transaction: nobody has written on them.
          expect(initialStack.map((item) => bytesToHex(item))).toEqual(before)
          // The same question has the same answer.
          expect(executeWitnessScript({ ...run, checker: new CountingChecker() }) ?? 'OK').toBe(
            answer,
          )
        },
      ),
      { numRuns: 2_500, seed: 11 },
    )
    // The generator reaches the limits, not only the first refusal.
    for (const code of [
      'OK',
      'EVAL_FALSE',
      'CLEANSTACK',
      'STACK_SIZE',
      'OP_COUNT',
      'SCRIPT_SIZE',
      'PUSH_SIZE',
      'HASH_BUDGET',
      'SCRIPTNUM',
      'BAD_OPCODE',
      'DISABLED_OPCODE',
      'DISCOURAGE_OP_SUCCESS',
      'UNBALANCED_CONDITIONAL',
      'INVALID_STACK_OPERATION',
      'TAPSCRIPT_CHECKMULTISIG',
      'SCHNORR_SIG',
    ]) {
      expect([...seen.keys()]).toContain(code)
    }
  }, 60_000)

  it.each([
    ['main stack', Opcode.OP_1, undefined],
    ['alternative stack', Opcode.OP_1, Opcode.OP_TOALTSTACK],
  ])('never holds more than 1,000 items: %s', (_, pushing, moving) => {
    const word = moving === undefined ? [pushing] : [pushing, moving]
    const answer = (count: number): string => {
      const script = Uint8Array.from(Array.from({ length: count }, () => word).flat())
      const context = {
        version: 'tapscript',
        leafHash: new Uint8Array(32),
        witnessBytes: 0,
      } as const
      const checker = new CountingChecker()
      const run = { script, initialStack: [], context, flags: 0, checker, hashBudget: 0 }
      return executeWitnessScript(run) ?? 'OK'
    }
    expect(answer(1_000)).toBe('CLEANSTACK')
    expect(answer(1_001)).toBe('STACK_SIZE')
  })
})

// --- published spends, spoiled ----------------------------------------------------------------

interface AssetVector {
  readonly tx: string
  readonly prevouts: readonly string[]
  readonly index: number
  readonly success?: { readonly witness: readonly string[] }
}

interface Spend {
  readonly transaction: Transaction
  readonly index: number
  readonly spent: readonly TxOutput[]
  readonly witness: readonly Uint8Array[]
}

function nativeSpends(): Spend[] {
  const vectors = loadVectors('bitcoind/script_assets_test.json') as readonly AssetVector[]
  return vectors.flatMap(({ tx, prevouts, index, success }) => {
    const spent = prevouts.map((hex) => {
      const reader = new ByteReader(hexToBytes(hex))
      return { value: sats(reader.u64()), script: reader.varBytes(100_000) }
    })
    const { kind } = classifyOutput(spent[index]?.script ?? new Uint8Array())
    const isNative = kind === 'p2tr' || kind === 'p2wsh' || kind === 'p2wpkh'
    if (success === undefined || !isNative) return []
    const witness = success.witness.map(hexToBytes)
    return [{ transaction: decodeTransaction(hexToBytes(tx)), index, spent, witness }]
  })
}

const spends = nativeSpends()
const witnessCorpus = spends.flatMap(({ witness }) => witness).slice(0, 2_000)

describe('a published spend', () => {
  it('with any witness item spoiled ends in a declared answer', () => {
    let refused = 0
    fc.assert(
      fc.property(
        fc.constantFrom(...spends),
        fc.nat(20),
        fc.nat(3),
        spoiled(witnessCorpus),
        fc.constantFrom(...FLAG_SETS),
        (spend, place, change, item, flags) => {
          const at = place % (spend.witness.length + 1)
          // Replaced, inserted, taken out, or doubled.
          const doubled = spend.witness[at] ?? item
          const added = [[item], [item], [], [doubled]][change] ?? []
          const removed = change === 0 || change === 2 ? 1 : 0
          const witness = spend.witness.toSpliced(at, removed, ...added)
          const changed = withInput(spend.transaction, spend.index, new Uint8Array(), witness)
          const verdict = verifyInput(changed, spend.index, spend.spent, flags)
          if (verdict.ok) return
          refused += 1
          expect(verdict.error.code).toMatch(CODE)
        },
      ),
      { numRuns: 2_500 },
    )
    expect(refused).toBeGreaterThan(1_000)
  }, 60_000)

  it('with its leaf or witness script spoiled, under an output that commits to it, runs and ends', () => {
    const corpus = spends.flatMap(({ witness }) => witness.slice(-2)).slice(0, 2_000)
    fc.assert(
      fc.property(
        fc.constantFrom(...spends),
        spoiled(corpus),
        contexts,
        (spend, script, context) => {
          const checker = new CountingChecker()
          const initialStack = spend.witness.slice(0, -2)
          const flags = CONSENSUS_FLAGS
          const run = { script, initialStack, context, flags, checker, hashBudget: 1_000 }
          expect(executeWitnessScript(run) ?? 'OK').toMatch(CODE)
          expect(checker.curveChecks).toBeLessThanOrEqual(sigopsOf(script, context))
        },
      ),
      { numRuns: 2_000 },
    )
  }, 60_000)

  it('of an output script that is spoiled ends in a declared answer', () => {
    const corpus = spends.map(({ spent, index }) => spent[index]?.script ?? new Uint8Array())
    fc.assert(
      fc.property(fc.constantFrom(...spends), spoiled(corpus), (spend, script) => {
        const { transaction, index, witness } = spend
        const spent = spend.spent.map((output, i) => (i === index ? { ...output, script } : output))
        const changed = withInput(transaction, index, new Uint8Array(), witness)
        const verdict = verifyInput(changed, index, spent, CONSENSUS_FLAGS)
        if (!verdict.ok) expect(verdict.error.code).toMatch(CODE)
        expect(countSigops(changed, spent)).toBeGreaterThanOrEqual(0)
      }),
      { numRuns: 1_000 },
    )
  })
})
