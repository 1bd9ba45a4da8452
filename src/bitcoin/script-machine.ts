/**
 * What a running script sees and changes, and the question it asks the outside: whether a signature
 * or a lock time holds. Stack items may be views of the transaction: they are never changed.
 */

import { present } from '../primitives/assert.ts'
import type { ScriptFailure } from './script-error.ts'
import { hasFlag, ScriptFlag, type ScriptFlags } from './script-flags.ts'
import { decodeScriptNumber, encodeScriptNumber } from './script-number.ts'
import type { TapscriptExtension } from './sighash.ts'

/** Whoever knows the transaction. */
export interface SignatureChecker {
  /** `signature` is DER and hash type; false for anything malformed. */
  checkEcdsa(signature: Uint8Array, publicKey: Uint8Array, scriptCode: Uint8Array): boolean
  /**
   * The same for a signature without which the script fails: the answer may be put off to the end of
   * the block, and is true until then.
   */
  requireEcdsa(signature: Uint8Array, publicKey: Uint8Array, scriptCode: Uint8Array): boolean
  /**
   * `publicKey` is 32 bytes; without `tapscript` it is a key-path spend. The curve's part of the answer
   * may be put off: BIP340 signatures never fail without failing the script.
   */
  checkSchnorr(
    signature: Uint8Array,
    publicKey: Uint8Array,
    tapscript?: TapscriptExtension,
  ): ScriptFailure
  /** BIP65 */
  checkLockTime(lockTime: number): boolean
  /** BIP112 */
  checkSequence(sequence: number): boolean
}

/** The rules that apply, with what only they need. */
export type ScriptContext =
  | { readonly version: 'witness-v0' }
  | { readonly version: 'tapscript'; readonly leafHash: Uint8Array; readonly witnessBytes: number }

export interface ScriptRun {
  readonly script: Uint8Array
  /** Bottom first. */
  readonly initialStack: readonly Uint8Array[]
  readonly context: ScriptContext
  readonly flags: ScriptFlags
  readonly checker: SignatureChecker
  /** What the hash opcodes may cost in all; Infinity without the HASH_BUDGET flag. */
  readonly hashBudget: number
}

export type Operation = (machine: ScriptMachine) => ScriptFailure

/** BIP342: "50 + the witness size" of signature checks at 50 each. */
const SIGNATURE_BUDGET_BASE = 50
const NO_CODE_SEPARATOR = 0xffff_ffff
const TRUE = Uint8Array.of(1)
const FALSE = new Uint8Array()

export class ScriptMachine {
  readonly run: ScriptRun
  readonly stack: Uint8Array[]
  readonly altStack: Uint8Array[] = []
  readonly conditions = new ConditionStack()
  #next = 0
  #opcodeIndex = -1
  #operations = 0
  #scriptCode: Uint8Array
  #codeSeparator = NO_CODE_SEPARATOR
  #signatureBudget: number
  #hashBudget: number

  constructor(run: ScriptRun) {
    this.run = run
    this.stack = [...run.initialStack]
    this.#scriptCode = run.script
    const { context } = run
    this.#signatureBudget =
      context.version === 'tapscript' ? context.witnessBytes + SIGNATURE_BUDGET_BASE : 0
    this.#hashBudget = run.hashBudget
  }

  /** Witness v0: what signatures commit to, from after the last executed OP_CODESEPARATOR. */
  get scriptCode(): Uint8Array {
    return this.#scriptCode
  }

  /** Tapscript: index of the last executed OP_CODESEPARATOR; ffffffff when there was none. */
  get codeSeparator(): number {
    return this.#codeSeparator
  }

  /** Enters the next operation, which ends at byte `next`. A push counts as one operation. */
  enter(next: number): void {
    this.#next = next
    this.#opcodeIndex += 1
  }

  /** Executes OP_CODESEPARATOR at the current operation. */
  separateCode(): void {
    this.#scriptCode = this.run.script.subarray(this.#next)
    this.#codeSeparator = this.#opcodeIndex
  }

  /** Adds to the count of non-push operations. False when it goes over `max`. */
  countOperations(count: number, max: number): boolean {
    this.#operations += count
    return this.#operations <= max
  }

  /** False when the budget of signature checks is used up. */
  chargeSignature(cost: number): boolean {
    this.#signatureBudget -= cost
    return this.#signatureBudget >= 0
  }

  /** False when the budget of hash opcodes is used up. */
  chargeHash(cost: number): boolean {
    this.#hashBudget -= cost
    return this.#hashBudget >= 0
  }

  has(flag: number): boolean {
    return hasFlag(this.run.flags, flag)
  }

  /** The item `depth` below the top. The caller has checked that it is there. */
  peek(depth = 0): Uint8Array {
    return present(this.stack.at(-1 - depth), 'stack item')
  }

  /** The caller has checked that there is one. */
  pop(): Uint8Array {
    return present(this.stack.pop(), 'stack item')
  }

  /** Undefined is SCRIPTNUM. */
  popNumber(): number | undefined {
    return this.readNumber(this.pop())
  }

  readNumber(bytes: Uint8Array, maxBytes?: number): number | undefined {
    return decodeScriptNumber(bytes, this.has(ScriptFlag.MINIMALDATA), maxBytes)
  }

  /** Pushing returns undefined, success, because it is how most operations end. */
  push(item: Uint8Array): undefined {
    this.stack.push(item)
  }

  pushNumber(value: number): undefined {
    this.stack.push(encodeScriptNumber(value))
  }

  pushBoolean(value: boolean): undefined {
    this.stack.push(value ? TRUE : FALSE)
  }
}

/** An operation that needs `count` items on the stack. */
export function needing(count: number, operation: Operation): Operation {
  return (machine) =>
    machine.stack.length < count ? 'INVALID_STACK_OPERATION' : operation(machine)
}

/**
 * The branches around the current operation. Only the position of the outermost false one matters,
 * so deep nesting costs nothing.
 */
class ConditionStack {
  #size = 0
  #firstFalse: number | undefined

  get isEmpty(): boolean {
    return this.#size === 0
  }

  /** True when operations run here. */
  get allTrue(): boolean {
    return this.#firstFalse === undefined
  }

  push(value: boolean): void {
    if (!value) this.#firstFalse ??= this.#size
    this.#size += 1
  }

  pop(): void {
    this.#size -= 1
    if (this.#firstFalse === this.#size) this.#firstFalse = undefined
  }

  toggleTop(): void {
    const top = this.#size - 1
    if (this.#firstFalse === undefined) this.#firstFalse = top
    else if (this.#firstFalse === top) this.#firstFalse = undefined
  }
}
