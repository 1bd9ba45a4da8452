/**
 * May this input spend that output? Witness programs by BIP141, BIP341 and BIP342, plus
 * pay-to-anchor. Every other output is refused: legacy scripts do not exist on this chain, and
 * unknown witness versions are invalid until defined.
 */

import { assert, present } from '../primitives/assert.ts'
import { equalBytes } from '../primitives/bytes.ts'
import type { CheckBatch } from '../primitives/check-batch.ts'
import { encodeWith } from '../primitives/codec.ts'
import { ok, type Rejection, type Result, reject } from '../primitives/result.ts'
import { sha256 } from '../primitives/sha256.ts'
import { hashBudget } from './hash-operations.ts'
import { executeWitnessScript } from './interpreter.ts'
import { findWitnessProgram, outputKind, p2pkhScript } from './script.ts'
import type { ScriptFailure } from './script-error.ts'
import { hasFlag, ScriptFlag, type ScriptFlags } from './script-flags.ts'
import type { ScriptContext } from './script-machine.ts'
import { isTruthy } from './script-number.ts'
import {
  parseControlBlock,
  TAPSCRIPT_LEAF_VERSION,
  tapLeafHash,
  verifyTaprootCommitment,
} from './taproot.ts'
import { type Transaction, type TxOutput, witnessBytes } from './transaction.ts'
import { type CheckedInput, TransactionSignatureChecker } from './transaction-signature-checker.ts'

/** BIP341: first byte of an annex. */
const ANNEX_TAG = 0x50

interface Spend extends CheckedInput {
  readonly witness: readonly Uint8Array[]
  readonly flags: ScriptFlags
}

/**
 * Verifies input `index`. `spentOutputs` holds what every input spends, in order; pass the same
 * array for all inputs of a transaction, so that shared hashes are computed once. The rejection's
 * code is a `ScriptErrorCode`. With `checks`, the elliptic-curve checks that decide the script are added
 * there: the input is then valid when this says so and the batch holds.
 * @throws AssertionError when `spentOutputs` does not match the inputs.
 */
export function verifyInput(
  transaction: Transaction,
  index: number,
  spentOutputs: readonly TxOutput[],
  flags: ScriptFlags,
  checks?: CheckBatch,
): Result<void, Rejection> {
  assert(spentOutputs.length === transaction.inputs.length, 'one spent output per input')
  const input = present(transaction.inputs[index], 'verified input')
  const { script } = present(spentOutputs[index], 'spent output')
  const { witness } = input
  const spend = { transaction, index, spentOutputs, witness, flags, checks }
  const failure = dispatch(spend, script, input.scriptSig)
  return failure === undefined ? ok(undefined) : reject(failure)
}

function dispatch(spend: Spend, script: Uint8Array, scriptSig: Uint8Array): ScriptFailure {
  const witnessProgram = findWitnessProgram(script)
  if (witnessProgram === undefined) return 'OUTPUT_TYPE'
  const { version, program } = witnessProgram
  // The output script runs before its program is looked at, and must leave true: a program of zeros,
  // or of zeros with a sign behind them, is false.
  if (!isTruthy(program)) return 'EVAL_FALSE'
  // BIP141: "The scriptSig must be exactly empty or validation fails."
  if (scriptSig.length !== 0) return 'WITNESS_MALLEATED'
  switch (outputKind(script)) {
    case 'p2wpkh':
      return verifyKeyHash(spend, program)
    case 'p2wsh':
      return verifyScriptHash(spend, program)
    case 'p2tr':
      return verifyTaproot(spend, program)
    case 'p2a':
      return verifyAnchor(spend)
    case 'op_return':
    case 'withdraw':
    case 'p2pkh':
    case 'p2sh':
    case 'unknown':
      break
  }
  // BIP141: version 0 with any other length fails. Higher versions wait for a meaning.
  if (version === 0) return 'WITNESS_PROGRAM_WRONG_LENGTH'
  return 'DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM'
}

/** BIP141, P2WPKH: the witness must consist of exactly 2 items. */
function verifyKeyHash(spend: Spend, program: Uint8Array): ScriptFailure {
  if (spend.witness.length !== 2) return 'WITNESS_PROGRAM_MISMATCH'
  // The script is that of P2PKH with the program as the key hash.
  return execute(spend, p2pkhScript(program), spend.witness, { version: 'witness-v0' })
}

/** BIP141, P2WSH: input for the script, then the script. */
function verifyScriptHash(spend: Spend, program: Uint8Array): ScriptFailure {
  const script = spend.witness.at(-1)
  if (script === undefined) return 'WITNESS_PROGRAM_WITNESS_EMPTY'
  // "The SHA256 of the witnessScript must match the 32-byte witness program."
  if (!equalBytes(sha256(script), program)) return 'WITNESS_PROGRAM_MISMATCH'
  return execute(spend, script, spend.witness.slice(0, -1), { version: 'witness-v0' })
}

/** BIP341, "Script validation rules". */
function verifyTaproot(spend: Spend, outputKey: Uint8Array): ScriptFailure {
  // "Fail if the witness stack has 0 elements."
  if (spend.witness.length === 0) return 'WITNESS_PROGRAM_WITNESS_EMPTY'
  // "If there are at least two witness elements, and the first byte of the last element is 0x50,
  // this last element is called annex a and is removed from the witness stack."
  const annex = findAnnex(spend.witness)
  if (annex === undefined) return verifyTaprootStack(spend, spend.witness, outputKey)
  if (hasFlag(spend.flags, ScriptFlag.NO_ANNEX)) return 'ANNEX'
  const annexHash = sha256(encodeWith((writer) => writer.varBytes(annex)))
  return verifyTaprootStack({ ...spend, annexHash }, spend.witness.slice(0, -1), outputKey)
}

function findAnnex(witness: readonly Uint8Array[]): Uint8Array | undefined {
  const last = witness.at(-1)
  return witness.length >= 2 && last?.[0] === ANNEX_TAG ? last : undefined
}

/** `stack` is the witness without its annex, and not empty. */
function verifyTaprootStack(
  spend: Spend,
  stack: readonly Uint8Array[],
  outputKey: Uint8Array,
): ScriptFailure {
  const last = present(stack.at(-1), 'taproot witness')
  const script = stack.at(-2)
  // "If there is exactly one element left in the witness stack, key path spending is used."
  if (script === undefined) {
    return new TransactionSignatureChecker(spend).checkSchnorr(last, outputKey)
  }
  // "If there are at least two witness elements left, script path spending is used": the last is
  // the control block, 33 + 32m bytes, the one before it the script.
  const control = parseControlBlock(last)
  if (control === undefined) return 'TAPROOT_WRONG_CONTROL_SIZE'
  const leafHash = tapLeafHash(script, control.leafVersion)
  // "If q ≠ x(Q) or c[0] & 1 ≠ y(Q) mod 2, fail."
  if (!verifyTaprootCommitment(control, leafHash, outputKey, spend.checks)) {
    return 'WITNESS_PROGRAM_MISMATCH'
  }
  if (control.leafVersion !== TAPSCRIPT_LEAF_VERSION) {
    // An unknown leaf version succeeds, unless discouraged.
    return hasFlag(spend.flags, ScriptFlag.DISCOURAGE_UPGRADABLE_TAPROOT_VERSION)
      ? 'DISCOURAGE_UPGRADABLE_TAPROOT_VERSION'
      : undefined
  }
  // BIP342: the whole witness pays for signature checks, annex, script and control block included.
  const context = {
    version: 'tapscript',
    leafHash,
    witnessBytes: witnessBytes(spend.witness),
  } as const
  return execute(spend, script, stack.slice(0, -2), context)
}

/** Anyone may spend an anchor; a witness would only be weight that a third party can add. */
function verifyAnchor({ witness, flags }: Spend): ScriptFailure {
  return hasFlag(flags, ScriptFlag.EMPTY_ANCHOR) && witness.length > 0
    ? 'ANCHOR_WITNESS'
    : undefined
}

function execute(
  spend: Spend,
  script: Uint8Array,
  initialStack: readonly Uint8Array[],
  context: ScriptContext,
): ScriptFailure {
  const isBudgeted = hasFlag(spend.flags, ScriptFlag.HASH_BUDGET)
  return executeWitnessScript({
    script,
    initialStack,
    context,
    flags: spend.flags,
    checker: new TransactionSignatureChecker(spend),
    hashBudget: isBudgeted ? hashBudget(witnessBytes(spend.witness)) : Number.POSITIVE_INFINITY,
  })
}
