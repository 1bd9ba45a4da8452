/** Opcodes on numbers. Operands have at most 4 bytes; a longer result is fine until it is used. */

import { Opcode } from './opcodes.ts'
import { needing, type Operation } from './script-machine.ts'

function unary(compute: (a: number) => number): Operation {
  return needing(1, (machine) => {
    const a = machine.popNumber()
    if (a === undefined) return 'SCRIPTNUM'
    return machine.pushNumber(compute(a))
  })
}

function binary(compute: (a: number, b: number) => number | boolean): Operation {
  return needing(2, (machine) => {
    const b = machine.popNumber()
    const a = machine.popNumber()
    if (a === undefined || b === undefined) return 'SCRIPTNUM'
    return machine.pushNumber(Number(compute(a, b)))
  })
}

const numEqualVerify: Operation = needing(2, (machine) => {
  const b = machine.popNumber()
  const a = machine.popNumber()
  if (a === undefined || b === undefined) return 'SCRIPTNUM'
  return a === b ? undefined : 'NUMEQUALVERIFY'
})

/** min ≤ x < max */
const within: Operation = needing(3, (machine) => {
  const max = machine.popNumber()
  const min = machine.popNumber()
  const x = machine.popNumber()
  if (x === undefined || min === undefined || max === undefined) return 'SCRIPTNUM'
  return machine.pushBoolean(min <= x && x < max)
})

/** OP_1NEGATE and OP_1 to OP_16. */
function pushes(value: number): Operation {
  return (machine) => machine.pushNumber(value)
}

function smallNumbers(): [number, Operation][] {
  return Array.from({ length: 16 }, (_, i) => [Opcode.OP_1 + i, pushes(i + 1)])
}

export const NUMBER_OPERATIONS: ReadonlyMap<number, Operation> = new Map([
  [Opcode.OP_1NEGATE, pushes(-1)],
  ...smallNumbers(),
  [Opcode.OP_1ADD, unary((a) => a + 1)],
  [Opcode.OP_1SUB, unary((a) => a - 1)],
  [Opcode.OP_NEGATE, unary((a) => -a)],
  [Opcode.OP_ABS, unary(Math.abs)],
  [Opcode.OP_NOT, unary((a) => (a === 0 ? 1 : 0))],
  [Opcode.OP_0NOTEQUAL, unary((a) => (a === 0 ? 0 : 1))],
  [Opcode.OP_ADD, binary((a, b) => a + b)],
  [Opcode.OP_SUB, binary((a, b) => a - b)],
  [Opcode.OP_BOOLAND, binary((a, b) => a !== 0 && b !== 0)],
  [Opcode.OP_BOOLOR, binary((a, b) => a !== 0 || b !== 0)],
  [Opcode.OP_NUMEQUAL, binary((a, b) => a === b)],
  [Opcode.OP_NUMEQUALVERIFY, numEqualVerify],
  [Opcode.OP_NUMNOTEQUAL, binary((a, b) => a !== b)],
  [Opcode.OP_LESSTHAN, binary((a, b) => a < b)],
  [Opcode.OP_GREATERTHAN, binary((a, b) => a > b)],
  [Opcode.OP_LESSTHANOREQUAL, binary((a, b) => a <= b)],
  [Opcode.OP_GREATERTHANOREQUAL, binary((a, b) => a >= b)],
  [Opcode.OP_MIN, binary((a, b) => Math.min(a, b))],
  [Opcode.OP_MAX, binary((a, b) => Math.max(a, b))],
  [Opcode.OP_WITHIN, within],
])
