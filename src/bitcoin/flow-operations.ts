/** Opcodes that decide what runs: conditionals, VERIFY, RETURN, NOPs, lock times (BIP65, BIP112). */

import { Opcode } from './opcodes.ts'
import type { ScriptErrorCode, ScriptFailure } from './script-error.ts'
import { ScriptFlag } from './script-flags.ts'
import { needing, type Operation, type ScriptMachine } from './script-machine.ts'
import { isTruthy } from './script-number.ts'

/** BIP65, BIP112: lock times are numbers of up to 5 bytes. */
const LOCKTIME_NUMBER_BYTES = 5
/** BIP112: bit 31 of the operand makes OP_CHECKSEQUENCEVERIFY do nothing. */
const SEQUENCE_DISABLE_BIT = 31

/** Also called where nothing runs, to keep the nesting right. */
function conditional(runsWhen: boolean): Operation {
  return (machine) => {
    if (!machine.conditions.allTrue) {
      machine.conditions.push(false)
      return undefined
    }
    if (machine.stack.length < 1) return 'INVALID_STACK_OPERATION'
    const argument = machine.pop()
    const failure = isMinimalCondition(argument) ? undefined : minimalIfRule(machine)
    if (failure !== undefined) return failure
    machine.conditions.push(isTruthy(argument) === runsWhen)
    return undefined
  }
}

function isMinimalCondition(argument: Uint8Array): boolean {
  return argument.length === 0 || (argument.length === 1 && argument[0] === 1)
}

/** BIP342 makes minimal arguments consensus in tapscript; in v0 a flag does. */
function minimalIfRule(machine: ScriptMachine): ScriptFailure {
  if (machine.run.context.version === 'tapscript') return 'TAPSCRIPT_MINIMALIF'
  return machine.has(ScriptFlag.MINIMALIF) ? 'MINIMALIF' : undefined
}

function otherwise(machine: ScriptMachine): ScriptFailure {
  if (machine.conditions.isEmpty) return 'UNBALANCED_CONDITIONAL'
  machine.conditions.toggleTop()
  return undefined
}

function endIf(machine: ScriptMachine): ScriptFailure {
  if (machine.conditions.isEmpty) return 'UNBALANCED_CONDITIONAL'
  machine.conditions.pop()
  return undefined
}

function fail(code: ScriptErrorCode): Operation {
  return () => code
}

function upgradableNop(machine: ScriptMachine): ScriptFailure {
  return machine.has(ScriptFlag.DISCOURAGE_UPGRADABLE_NOPS)
    ? 'DISCOURAGE_UPGRADABLE_NOPS'
    : undefined
}

/** Both leave their operand on the stack. */
function lockTime(flag: number, isSatisfied: Check): Operation {
  const check = needing(1, (machine) => {
    const operand = machine.readNumber(machine.peek(), LOCKTIME_NUMBER_BYTES)
    if (operand === undefined) return 'SCRIPTNUM'
    if (operand < 0) return 'NEGATIVE_LOCKTIME'
    return isSatisfied(machine, operand) ? undefined : 'UNSATISFIED_LOCKTIME'
  })
  return (machine) => (machine.has(flag) ? check(machine) : undefined)
}

type Check = (machine: ScriptMachine, operand: number) => boolean

const checkLockTime: Check = (machine, operand) => machine.run.checker.checkLockTime(operand)

const checkSequence: Check = (machine, operand) => {
  // Bit operators see 32 bits with a sign; the operand has up to 39.
  const isDisabled = Math.floor(operand / 2 ** SEQUENCE_DISABLE_BIT) % 2 === 1
  return isDisabled || machine.run.checker.checkSequence(operand)
}

export const FLOW_OPERATIONS: ReadonlyMap<number, Operation> = new Map([
  [Opcode.OP_NOP, () => undefined],
  [Opcode.OP_IF, conditional(true)],
  [Opcode.OP_NOTIF, conditional(false)],
  [Opcode.OP_VERIF, fail('BAD_OPCODE')],
  [Opcode.OP_VERNOTIF, fail('BAD_OPCODE')],
  [Opcode.OP_ELSE, otherwise],
  [Opcode.OP_ENDIF, endIf],
  [Opcode.OP_VERIFY, needing(1, (m) => (isTruthy(m.pop()) ? undefined : 'VERIFY'))],
  [Opcode.OP_RETURN, fail('OP_RETURN')],
  [Opcode.OP_CHECKLOCKTIMEVERIFY, lockTime(ScriptFlag.CHECKLOCKTIMEVERIFY, checkLockTime)],
  [Opcode.OP_CHECKSEQUENCEVERIFY, lockTime(ScriptFlag.CHECKSEQUENCEVERIFY, checkSequence)],
  [Opcode.OP_NOP1, upgradableNop],
  [Opcode.OP_NOP4, upgradableNop],
  [Opcode.OP_NOP5, upgradableNop],
  [Opcode.OP_NOP6, upgradableNop],
  [Opcode.OP_NOP7, upgradableNop],
  [Opcode.OP_NOP8, upgradableNop],
  [Opcode.OP_NOP9, upgradableNop],
  [Opcode.OP_NOP10, upgradableNop],
])
