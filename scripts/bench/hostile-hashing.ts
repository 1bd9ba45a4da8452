/** Hostile fillers that hash: scripts at the hash budget of their input. */

import { Opcode } from '../../src/bitcoin/opcodes.ts'
import { concatBytes } from '../../src/primitives/bytes.ts'
import {
  type Filler,
  forever,
  type InputRecipe,
  oneTransaction,
  repeated,
  scriptHash,
  tapscript,
} from './hostile-filler.ts'

const { OP_1, OP_DROP, OP_DUP } = Opcode

/** What a hash opcode costs over at most 64 bytes, and over a whole stack element. */
const SHORT_COST = 3
const ELEMENT_COST = 2 + Math.ceil(520 / 64)
const BUDGET_BASE = 200
const ELEMENT = new Uint8Array(520).fill(0x55)

const HASHES = [
  ['RIPEMD160', Opcode.OP_RIPEMD160],
  ['SHA1', Opcode.OP_SHA1],
  ['SHA256', Opcode.OP_SHA256],
  ['HASH160', Opcode.OP_HASH160],
  ['HASH256', Opcode.OP_HASH256],
] as const

/** The largest count for which `cost · count` is within the budget of a witness of `fixed + bytes · count`. */
function hashesWithin(cost: number, fixed: number, bytes: number): number {
  return Math.floor((BUDGET_BASE + fixed / 2) / (cost - bytes / 2))
}

/** The budget's base makes small inputs the cheapest place to hash. `extra` asks for more than is allowed. */
export function shortChain(opcode: number, extra = 0): InputRecipe {
  const count = hashesWithin(SHORT_COST, 3, 1) + extra
  return scriptHash(concatBytes(Uint8Array.of(OP_1), repeated(Uint8Array.of(opcode), count)), [])
}

function longChain(opcode: number, leafBytes: number): InputRecipe {
  const count = Math.min(leafBytes - 1, Math.floor(leafBytes / 2 / SHORT_COST))
  // What does not hash is one long run of pushes and drops, which pays for what does.
  const padding = repeated(Uint8Array.of(OP_1, OP_DROP), Math.floor((leafBytes - count - 1) / 2))
  return tapscript(
    concatBytes(padding, Uint8Array.of(OP_1), repeated(Uint8Array.of(opcode), count)),
    [],
  )
}

/** Whole elements, as often as budget and 201 operations allow. */
function elements(opcode: number): InputRecipe {
  const step = Uint8Array.of(OP_DUP, opcode, OP_DROP)
  const fixed = ELEMENT.length + 10
  const count = Math.min(66, hashesWithin(ELEMENT_COST, fixed, step.length))
  const script = concatBytes(repeated(step, count), Uint8Array.of(OP_DROP, OP_1))
  return scriptHash(script, [ELEMENT])
}

export const HASHING_FILLERS: readonly Filler[] = HASHES.flatMap(([name, opcode]): Filler[] => [
  {
    name: `${name} chains in many inputs`,
    make: (limits) => oneTransaction(forever(shortChain(opcode)), limits),
  },
  {
    name: `${name} chain in one tapscript`,
    make: (limits) => oneTransaction([longChain(opcode, limits.weight - 500)], limits),
  },
  {
    name: `${name} of 520 bytes`,
    make: (limits) => oneTransaction(forever(elements(opcode)), limits),
  },
])

/** One hash more than the budget of an input has. */
export function beyondHashBudget(): InputRecipe {
  return shortChain(Opcode.OP_HASH160, 1)
}
