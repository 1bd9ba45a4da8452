/**
 * Opcodes that check signatures: witness v0 (BIP66, 141, 143, 146, 147) and tapscript (BIP342).
 * The order of the checks decides which error is reported, and follows Bitcoin Core.
 */

import { Opcode } from './opcodes.ts'
import type { ScriptErrorCode, ScriptFailure } from './script-error.ts'
import { ScriptFlag } from './script-flags.ts'
import { needing, type Operation, type ScriptMachine } from './script-machine.ts'
import {
  isCompressedKey,
  isDefinedHashType,
  isHighS,
  isStandardKey,
  isStrictDer,
} from './signature-encoding.ts'

/** Witness v0: non-push operations and multisignature keys per script. */
export const OPERATIONS_MAX = 201
const MULTISIG_KEYS_MAX = 20
/** BIP342: what each check of a non-empty signature takes from the budget. */
const SIGNATURE_COST = 50

type Verdict =
  | { readonly failure: ScriptErrorCode }
  | { readonly failure: undefined; readonly valid: boolean }

const VALID: Verdict = { failure: undefined, valid: true }
const INVALID: Verdict = { failure: undefined, valid: false }

function checkSignature(machine: ScriptMachine, signature: Uint8Array, key: Uint8Array): Verdict {
  const { context } = machine.run
  return context.version === 'tapscript'
    ? checkTapscriptSignature(machine, signature, key, context.leafHash)
    : checkV0Signature(machine, signature, key)
}

function checkV0Signature(machine: ScriptMachine, signature: Uint8Array, key: Uint8Array): Verdict {
  const failure = v0EncodingFailure(machine, signature, key)
  if (failure !== undefined) return { failure }
  const { checker } = machine.run
  // BIP146: a signature that fails must be empty, so one that is not empty decides the script.
  if (machine.has(ScriptFlag.NULLFAIL) && signature.length > 0) {
    const holds = checker.requireEcdsa(signature, key, machine.scriptCode)
    return holds ? VALID : { failure: 'SIG_NULLFAIL' }
  }
  return checker.checkEcdsa(signature, key, machine.scriptCode) ? VALID : INVALID
}

/** Core's CheckSignatureEncoding, then CheckPubKeyEncoding. */
function v0EncodingFailure(
  machine: ScriptMachine,
  signature: Uint8Array,
  key: Uint8Array,
): ScriptFailure {
  return signatureEncodingFailure(machine, signature) ?? keyEncodingFailure(machine, key)
}

function signatureEncodingFailure(machine: ScriptMachine, signature: Uint8Array): ScriptFailure {
  // An empty signature is a compact way to provide one that fails.
  if (signature.length === 0) return undefined
  const anyEncodingFlag = ScriptFlag.DERSIG | ScriptFlag.LOW_S | ScriptFlag.STRICTENC
  if (machine.has(anyEncodingFlag) && !isStrictDer(signature)) return 'SIG_DER'
  if (machine.has(ScriptFlag.LOW_S) && isHighS(signature)) return 'SIG_HIGH_S'
  if (machine.has(ScriptFlag.STRICTENC) && !isDefinedHashType(signature)) return 'SIG_HASHTYPE'
  return undefined
}

function keyEncodingFailure(machine: ScriptMachine, key: Uint8Array): ScriptFailure {
  if (machine.has(ScriptFlag.STRICTENC) && !isStandardKey(key)) return 'PUBKEYTYPE'
  if (machine.has(ScriptFlag.WITNESS_PUBKEYTYPE) && !isCompressedKey(key)) {
    return 'WITNESS_PUBKEYTYPE'
  }
  return undefined
}

/** BIP342, "Rules for signature opcodes". */
function checkTapscriptSignature(
  machine: ScriptMachine,
  signature: Uint8Array,
  key: Uint8Array,
  leafHash: Uint8Array,
): Verdict {
  const isEmpty = signature.length === 0
  // The budget is charged first, whatever the key type.
  if (!isEmpty && !machine.chargeSignature(SIGNATURE_COST)) {
    return { failure: 'TAPSCRIPT_VALIDATION_WEIGHT' }
  }
  // "If the public key size is zero, the script MUST fail."
  if (key.length === 0) return { failure: 'TAPSCRIPT_EMPTY_PUBKEY' }
  if (key.length !== 32) {
    // An unknown public key type: signature validation succeeds, unless discouraged.
    if (machine.has(ScriptFlag.DISCOURAGE_UPGRADABLE_PUBKEYTYPE)) {
      return { failure: 'DISCOURAGE_UPGRADABLE_PUBKEYTYPE' }
    }
    return isEmpty ? INVALID : VALID
  }
  if (isEmpty) return INVALID
  // "If the signature is not the empty vector and validation fails, the script MUST fail."
  const { codeSeparator } = machine
  const failure = machine.run.checker.checkSchnorr(signature, key, { leafHash, codeSeparator })
  return failure === undefined ? VALID : { failure }
}

/** The shared end of both forms: push the result, or fail unless it is true. */
function conclude(
  machine: ScriptMachine,
  verdict: Verdict,
  verifyCode: ScriptErrorCode | undefined,
): ScriptFailure {
  if (verdict.failure !== undefined) return verdict.failure
  if (verifyCode !== undefined) return verdict.valid ? undefined : verifyCode
  return machine.pushBoolean(verdict.valid)
}

function checkSig(verifyCode?: ScriptErrorCode): Operation {
  return needing(2, (machine) => {
    const key = machine.pop()
    const signature = machine.pop()
    return conclude(machine, checkSignature(machine, signature, key), verifyCode)
  })
}

/** BIP342: sig n key → n + 1 or n. Only in tapscript. */
function checkSigAdd(machine: ScriptMachine): ScriptFailure {
  if (machine.run.context.version !== 'tapscript') return 'BAD_OPCODE'
  if (machine.stack.length < 3) return 'INVALID_STACK_OPERATION'
  const key = machine.pop()
  const count = machine.popNumber()
  const signature = machine.pop()
  if (count === undefined) return 'SCRIPTNUM'
  const verdict = checkSignature(machine, signature, key)
  if (verdict.failure !== undefined) return verdict.failure
  return machine.pushNumber(count + (verdict.valid ? 1 : 0))
}

interface Multisig {
  /** As pushed: the first key first. */
  readonly keys: readonly Uint8Array[]
  readonly signatures: readonly Uint8Array[]
}

/** dummy sig… m key… n; all but the dummy, which stays on the stack. */
function popMultisig(machine: ScriptMachine): Multisig | { readonly failure: ScriptErrorCode } {
  const keys = popCounted(machine, MULTISIG_KEYS_MAX, 'PUBKEY_COUNT')
  if ('failure' in keys) return keys
  const signatures = popCounted(machine, keys.items.length, 'SIG_COUNT')
  if ('failure' in signatures) return signatures
  // The dummy must be there before any signature is looked at.
  if (machine.stack.length < 1) return { failure: 'INVALID_STACK_OPERATION' }
  return { keys: keys.items, signatures: signatures.items }
}

function popCounted(
  machine: ScriptMachine,
  max: number,
  countCode: 'PUBKEY_COUNT' | 'SIG_COUNT',
): { readonly items: readonly Uint8Array[] } | { readonly failure: ScriptErrorCode } {
  if (machine.stack.length < 1) return { failure: 'INVALID_STACK_OPERATION' }
  const count = machine.popNumber()
  if (count === undefined) return { failure: 'SCRIPTNUM' }
  if (count < 0 || count > max) return { failure: countCode }
  // Every key of a multisignature counts as an operation.
  if (countCode === 'PUBKEY_COUNT' && !machine.countOperations(count, OPERATIONS_MAX)) {
    return { failure: 'OP_COUNT' }
  }
  if (machine.stack.length < count) return { failure: 'INVALID_STACK_OPERATION' }
  return { items: machine.stack.splice(machine.stack.length - count, count) }
}

/** Pairs signatures with keys from the last to the first; each key is tried once. */
function matchSignatures(machine: ScriptMachine, { keys, signatures }: Multisig): Verdict {
  let keysLeft = keys.length
  let signaturesLeft = signatures.length
  while (signaturesLeft > 0) {
    // More signatures than keys: it cannot succeed any more.
    if (signaturesLeft > keysLeft) return INVALID
    const signature = signatures[signaturesLeft - 1]
    const key = keys[keysLeft - 1]
    if (signature === undefined || key === undefined) return INVALID
    // Encodings are checked only for the pairs that are reached.
    const failure = v0EncodingFailure(machine, signature, key)
    if (failure !== undefined) return { failure }
    if (machine.run.checker.checkEcdsa(signature, key, machine.scriptCode)) signaturesLeft -= 1
    keysLeft -= 1
  }
  return VALID
}

function checkMultisig(verifyCode?: ScriptErrorCode): Operation {
  return (machine) => {
    // BIP342: disabled, before anything is read.
    if (machine.run.context.version === 'tapscript') return 'TAPSCRIPT_CHECKMULTISIG'
    const multisig = popMultisig(machine)
    if ('failure' in multisig) return multisig.failure
    const verdict = matchSignatures(machine, multisig)
    if (verdict.failure !== undefined) return verdict.failure
    // BIP146: after a failure every signature must be empty.
    const hasSignature = multisig.signatures.some((signature) => signature.length > 0)
    if (!verdict.valid && machine.has(ScriptFlag.NULLFAIL) && hasSignature) return 'SIG_NULLFAIL'
    // BIP147: the item that a historic mistake pops must be empty.
    if (machine.pop().length > 0 && machine.has(ScriptFlag.NULLDUMMY)) return 'SIG_NULLDUMMY'
    return conclude(machine, verdict, verifyCode)
  }
}

/** BIP143: signatures cover what comes after; BIP342: they commit to its position. */
function separateCode(machine: ScriptMachine): ScriptFailure {
  machine.separateCode()
  return undefined
}

export const SIGNATURE_OPERATIONS: ReadonlyMap<number, Operation> = new Map([
  [Opcode.OP_CODESEPARATOR, separateCode],
  [Opcode.OP_CHECKSIG, checkSig()],
  [Opcode.OP_CHECKSIGVERIFY, checkSig('CHECKSIGVERIFY')],
  [Opcode.OP_CHECKSIGADD, checkSigAdd],
  [Opcode.OP_CHECKMULTISIG, checkMultisig()],
  [Opcode.OP_CHECKMULTISIGVERIFY, checkMultisig('CHECKMULTISIGVERIFY')],
])
