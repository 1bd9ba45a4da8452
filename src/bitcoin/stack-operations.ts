/** Opcodes that move stack items, and the comparisons of whole items. */

import { equalBytes } from '../primitives/bytes.ts'
import { Opcode } from './opcodes.ts'
import { needing, type Operation, type ScriptMachine } from './script-machine.ts'
import { isTruthy } from './script-number.ts'

/** Lifts `count` items from `depth` items below the top onto the top. */
function lift(machine: ScriptMachine, depth: number, count: number): undefined {
  machine.stack.push(...machine.stack.splice(-depth, count))
}

/** Copies the items from `depth` down to `depth - count + 1` below the top onto the top. */
function copy(machine: ScriptMachine, depth: number, count: number): undefined {
  const from = machine.stack.length - depth
  machine.stack.push(...machine.stack.slice(from, from + count))
}

/** OP_PICK and OP_ROLL: the item n below the top. */
function deep(keep: boolean): Operation {
  return needing(2, (machine) => {
    const depth = machine.popNumber()
    if (depth === undefined) return 'SCRIPTNUM'
    if (depth < 0 || depth >= machine.stack.length) return 'INVALID_STACK_OPERATION'
    return keep ? copy(machine, depth + 1, 1) : lift(machine, depth + 1, 1)
  })
}

function toAltStack(machine: ScriptMachine): undefined {
  machine.altStack.push(machine.pop())
}

function fromAltStack(machine: ScriptMachine): 'INVALID_ALTSTACK_OPERATION' | undefined {
  const item = machine.altStack.pop()
  if (item === undefined) return 'INVALID_ALTSTACK_OPERATION'
  return machine.push(item)
}

function drop(machine: ScriptMachine, count: number): undefined {
  machine.stack.length -= count
}

function equal(machine: ScriptMachine): boolean {
  return equalBytes(machine.pop(), machine.pop())
}

export const STACK_OPERATIONS: ReadonlyMap<number, Operation> = new Map([
  [Opcode.OP_TOALTSTACK, needing(1, toAltStack)],
  [Opcode.OP_FROMALTSTACK, fromAltStack],
  [Opcode.OP_2DROP, needing(2, (m) => drop(m, 2))],
  [Opcode.OP_2DUP, needing(2, (m) => copy(m, 2, 2))],
  [Opcode.OP_3DUP, needing(3, (m) => copy(m, 3, 3))],
  [Opcode.OP_2OVER, needing(4, (m) => copy(m, 4, 2))],
  [Opcode.OP_2ROT, needing(6, (m) => lift(m, 6, 2))],
  [Opcode.OP_2SWAP, needing(4, (m) => lift(m, 4, 2))],
  [Opcode.OP_IFDUP, needing(1, (m) => (isTruthy(m.peek()) ? copy(m, 1, 1) : undefined))],
  [Opcode.OP_DEPTH, (m) => m.pushNumber(m.stack.length)],
  [Opcode.OP_DROP, needing(1, (m) => drop(m, 1))],
  [Opcode.OP_DUP, needing(1, (m) => copy(m, 1, 1))],
  [Opcode.OP_NIP, needing(2, (m) => void m.stack.splice(-2, 1))],
  [Opcode.OP_OVER, needing(2, (m) => copy(m, 2, 1))],
  [Opcode.OP_PICK, deep(true)],
  [Opcode.OP_ROLL, deep(false)],
  [Opcode.OP_ROT, needing(3, (m) => lift(m, 3, 1))],
  [Opcode.OP_SWAP, needing(2, (m) => lift(m, 2, 1))],
  [Opcode.OP_TUCK, needing(2, (m) => void m.stack.splice(-2, 0, m.peek()))],
  [Opcode.OP_SIZE, needing(1, (m) => m.pushNumber(m.peek().length))],
  [Opcode.OP_EQUAL, needing(2, (m) => m.pushBoolean(equal(m)))],
  [Opcode.OP_EQUALVERIFY, needing(2, (m) => (equal(m) ? undefined : 'EQUALVERIFY'))],
])
