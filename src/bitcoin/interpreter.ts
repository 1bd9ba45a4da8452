/**
 * The Script interpreter for witness v0 (BIP141) and tapscript (BIP342). It asks a
 * `SignatureChecker` and knows nothing of transactions. Legacy scripts are left out: this chain has
 * none. The order of the checks follows Bitcoin Core, so that error codes agree.
 */

import { FLOW_OPERATIONS } from './flow-operations.ts'
import { HASH_OPERATIONS } from './hash-operations.ts'
import { NUMBER_OPERATIONS } from './number-operations.ts'
import {
  isDisabledOpcode,
  isMinimalPush,
  isOpSuccess,
  Opcode,
  readOperation,
  type ScriptOperation,
} from './opcodes.ts'
import type { ScriptFailure } from './script-error.ts'
import { hasFlag, ScriptFlag } from './script-flags.ts'
import { type Operation, ScriptMachine, type ScriptRun } from './script-machine.ts'
import { isTruthy } from './script-number.ts'
import { OPERATIONS_MAX, SIGNATURE_OPERATIONS } from './signature-operations.ts'
import { STACK_OPERATIONS } from './stack-operations.ts'

/** Witness v0 only. */
const SCRIPT_BYTES_MAX = 10_000
const ELEMENT_BYTES_MAX = 520
/** Main and alternative stack together. */
const STACK_ITEMS_MAX = 1_000

const OPERATIONS: ReadonlyMap<number, Operation> = new Map([
  ...NUMBER_OPERATIONS,
  ...FLOW_OPERATIONS,
  ...STACK_OPERATIONS,
  ...HASH_OPERATIONS,
  ...SIGNATURE_OPERATIONS,
])

/** Runs a script over the stack that its spender provides; success leaves exactly one true item. */
export function executeWitnessScript(run: ScriptRun): ScriptFailure {
  if (run.context.version === 'tapscript') {
    const upgrade = scanTapscript(run.script)
    if (upgrade === 'undecodable') return 'BAD_OPCODE'
    if (upgrade === 'op-success') {
      // BIP342: an OP_SUCCESSx makes the script succeed, whatever follows; discouraged until defined.
      return hasFlag(run.flags, ScriptFlag.DISCOURAGE_OP_SUCCESS)
        ? 'DISCOURAGE_OP_SUCCESS'
        : undefined
    }
    // BIP342: the limit of 1,000 items also holds for the initial stack.
    if (run.initialStack.length > STACK_ITEMS_MAX) return 'STACK_SIZE'
  }
  // BIP141: stack items provided by the witness keep the element limit.
  if (run.initialStack.some((item) => item.length > ELEMENT_BYTES_MAX)) return 'PUSH_SIZE'
  const machine = new ScriptMachine(run)
  const failure = evaluate(machine)
  if (failure !== undefined) return failure
  // BIP141: the script must leave exactly one item, and that must be true.
  if (machine.stack.length !== 1) return 'CLEANSTACK'
  return isTruthy(machine.peek()) ? undefined : 'EVAL_FALSE'
}

/** BIP342: before anything runs, every opcode is decoded up to the first OP_SUCCESSx. */
function scanTapscript(script: Uint8Array): 'op-success' | 'undecodable' | 'ordinary' {
  let offset = 0
  while (offset < script.length) {
    const operation = readOperation(script, offset)
    if (operation === undefined) return 'undecodable'
    if (isOpSuccess(operation.opcode)) return 'op-success'
    offset = operation.next
  }
  return 'ordinary'
}

function evaluate(machine: ScriptMachine): ScriptFailure {
  const { script, context } = machine.run
  if (context.version === 'witness-v0' && script.length > SCRIPT_BYTES_MAX) return 'SCRIPT_SIZE'
  let offset = 0
  while (offset < script.length) {
    const operation = readOperation(script, offset)
    if (operation === undefined) return 'BAD_OPCODE'
    machine.enter(operation.next)
    const failure = step(machine, operation)
    if (failure !== undefined) return failure
    if (machine.stack.length + machine.altStack.length > STACK_ITEMS_MAX) return 'STACK_SIZE'
    offset = operation.next
  }
  return machine.conditions.isEmpty ? undefined : 'UNBALANCED_CONDITIONAL'
}

/** One operation: first the limits that hold also where nothing runs, then the effect. */
function step(machine: ScriptMachine, { opcode, data }: ScriptOperation): ScriptFailure {
  if (data !== undefined && data.length > ELEMENT_BYTES_MAX) return 'PUSH_SIZE'
  if (machine.run.context.version === 'witness-v0') {
    // OP_RESERVED (0x50) and the small numbers do not count.
    const counts = opcode > Opcode.OP_16
    if (counts && !machine.countOperations(1, OPERATIONS_MAX)) return 'OP_COUNT'
    if (isDisabledOpcode(opcode)) return 'DISABLED_OPCODE'
  }
  const isExecuted = machine.conditions.allTrue
  if (data !== undefined) return isExecuted ? push(machine, opcode, data) : undefined
  // Conditionals, OP_VERIF and OP_VERNOTIF take effect also in a branch that does not run.
  const isConditional = opcode >= Opcode.OP_IF && opcode <= Opcode.OP_ENDIF
  if (!isExecuted && !isConditional) return undefined
  const operation = OPERATIONS.get(opcode)
  return operation === undefined ? 'BAD_OPCODE' : operation(machine)
}

function push(machine: ScriptMachine, opcode: number, data: Uint8Array): ScriptFailure {
  if (machine.has(ScriptFlag.MINIMALDATA) && !isMinimalPush(opcode, data)) return 'MINIMALDATA'
  return machine.push(data)
}
