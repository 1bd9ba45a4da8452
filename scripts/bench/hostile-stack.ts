/**
 * Hostile fillers that keep the interpreter busy: one tapscript as long as a block, which has no limit of
 * operations. Each is the same few opcodes over and over, on a stack that makes them expensive.
 */

import { Opcode } from '../../src/bitcoin/opcodes.ts'
import { concatBytes } from '../../src/primitives/bytes.ts'
import { type Filler, oneTransaction, repeated, scriptOf, tapscript } from './hostile-filler.ts'

const { OP_0, OP_1, OP_1ADD, OP_1SUB, OP_2, OP_2DROP, OP_2DUP, OP_2ROT, OP_2SWAP, OP_3DUP } = Opcode
const { OP_ABS, OP_ADD, OP_CHECKLOCKTIMEVERIFY, OP_CHECKSEQUENCEVERIFY, OP_DEPTH, OP_DROP } = Opcode
const { OP_DUP, OP_ELSE, OP_ENDIF, OP_EQUALVERIFY, OP_FROMALTSTACK, OP_IF, OP_IFDUP } = Opcode
const { OP_NEGATE, OP_NOP, OP_NOT, OP_PICK, OP_ROLL, OP_ROT, OP_SIZE, OP_SUB } = Opcode
const { OP_TOALTSTACK, OP_TUCK, OP_WITHIN } = Opcode

interface StackScript {
  readonly name: string
  /** Items that the script finds. */
  readonly items?: readonly Uint8Array[]
  readonly before?: Uint8Array
  readonly body: Uint8Array
  /** Once for each body, after all of them. */
  readonly closing?: Uint8Array
  /** Leaves one true item. */
  readonly after: Uint8Array
}

const bytes = (...opcodes: readonly number[]): Uint8Array => Uint8Array.of(...opcodes)

/** As many items as leave room for what a body adds. */
const DEEP_ITEMS = 996
const DEEP = repeated(bytes(OP_1), DEEP_ITEMS)
const DROP_DEEP = concatBytes(repeated(bytes(OP_2DROP), DEEP_ITEMS / 2 - 1), bytes(OP_DROP))
const DEPTH_NUMBER = Uint8Array.of((DEEP_ITEMS - 1) & 0xff, (DEEP_ITEMS - 1) >> 8)
const ZEROS = new Uint8Array(520)
const ONE_AT_THE_END = Uint8Array.of(...new Uint8Array(519), 1)
const BIG_NUMBER = Uint8Array.of(0xfe, 0xff, 0xff, 0x7f)

const SCRIPTS: readonly StackScript[] = [
  {
    name: 'ROLL from the bottom of a full stack',
    before: DEEP,
    body: scriptOf(DEPTH_NUMBER, OP_ROLL),
    after: DROP_DEEP,
  },
  {
    name: 'PICK from the bottom of a full stack',
    before: DEEP,
    body: scriptOf(DEPTH_NUMBER, OP_PICK, OP_DROP),
    after: DROP_DEEP,
  },
  {
    name: '2ROT',
    before: repeated(bytes(OP_1), 6),
    body: bytes(OP_2ROT),
    after: repeated(bytes(OP_DROP), 5),
  },
  { name: 'ROT', before: repeated(bytes(OP_1), 3), body: bytes(OP_ROT), after: bytes(OP_2DROP) },
  { name: '2SWAP on a full stack', before: DEEP, body: bytes(OP_2SWAP), after: DROP_DEEP },
  {
    name: 'TUCK DROP',
    before: bytes(OP_1, OP_1),
    body: bytes(OP_TUCK, OP_DROP),
    after: bytes(OP_DROP),
  },
  {
    name: '3DUP 2DROP DROP',
    before: bytes(OP_1, OP_1, OP_1),
    body: bytes(OP_3DUP, OP_2DROP, OP_DROP),
    after: bytes(OP_2DROP),
  },
  {
    name: 'TOALTSTACK FROMALTSTACK',
    before: bytes(OP_1),
    body: bytes(OP_TOALTSTACK, OP_FROMALTSTACK),
    after: bytes(),
  },
  { name: 'DEPTH DROP', before: bytes(OP_1), body: bytes(OP_DEPTH, OP_DROP), after: bytes() },
  {
    name: 'IFDUP of 520 zeros',
    items: [ZEROS],
    body: bytes(OP_IFDUP),
    after: bytes(OP_DROP, OP_1),
  },
  {
    name: 'IFDUP DROP of 519 zeros and a one',
    items: [ONE_AT_THE_END],
    body: bytes(OP_IFDUP, OP_DROP),
    after: bytes(),
  },
  {
    name: '2DUP EQUALVERIFY of 520 bytes',
    items: [ZEROS, new Uint8Array(520)],
    body: bytes(OP_2DUP, OP_EQUALVERIFY),
    after: bytes(OP_2DROP, OP_1),
  },
  {
    name: 'SIZE DROP of 520 bytes',
    items: [ZEROS],
    body: bytes(OP_SIZE, OP_DROP),
    after: bytes(OP_DROP, OP_1),
  },
  { name: 'pushes of 520 bytes', body: scriptOf(new Uint8Array(520), OP_DROP), after: bytes(OP_1) },
  { name: 'pushes of 75 bytes', body: scriptOf(new Uint8Array(75), OP_DROP), after: bytes(OP_1) },
  { name: 'pushes of one byte', body: scriptOf(bytes(17), OP_DROP), after: bytes(OP_1) },
  {
    name: 'nested IF that run',
    body: bytes(OP_1, OP_IF),
    closing: bytes(OP_ENDIF),
    after: bytes(OP_1),
  },
  {
    name: 'nested IF that do not run',
    before: bytes(OP_0, OP_IF),
    body: bytes(OP_IF),
    closing: bytes(OP_ENDIF),
    after: bytes(OP_ENDIF, OP_1),
  },
  { name: 'ELSE', before: bytes(OP_1, OP_1, OP_IF), body: bytes(OP_ELSE), after: bytes(OP_ENDIF) },
  { name: 'NOP', body: bytes(OP_NOP), after: bytes(OP_1) },
  {
    name: 'NOP that do not run',
    before: bytes(OP_0, OP_IF),
    body: bytes(OP_NOP),
    after: bytes(OP_ENDIF, OP_1),
  },
  { name: 'NEGATE', items: [BIG_NUMBER], body: bytes(OP_NEGATE), after: bytes() },
  { name: 'ABS', items: [BIG_NUMBER], body: bytes(OP_ABS), after: bytes() },
  { name: 'NOT', before: bytes(OP_1), body: bytes(OP_NOT), after: bytes(OP_DROP, OP_1) },
  { name: '1ADD 1SUB', items: [BIG_NUMBER], body: bytes(OP_1ADD, OP_1SUB), after: bytes() },
  {
    name: '2DUP ADD DROP',
    items: [BIG_NUMBER, BIG_NUMBER],
    body: bytes(OP_2DUP, OP_ADD, OP_DROP),
    after: bytes(OP_DROP),
  },
  {
    name: 'DUP SUB',
    items: [BIG_NUMBER],
    body: bytes(OP_DUP, OP_DUP, OP_SUB, OP_DROP),
    after: bytes(),
  },
  {
    name: '3DUP WITHIN DROP',
    items: [BIG_NUMBER, BIG_NUMBER, BIG_NUMBER],
    body: bytes(OP_3DUP, OP_WITHIN, OP_DROP),
    after: bytes(OP_2DROP),
  },
  {
    name: 'CHECKLOCKTIMEVERIFY',
    before: bytes(OP_0),
    body: bytes(OP_CHECKLOCKTIMEVERIFY),
    after: bytes(OP_DROP, OP_1),
  },
  {
    name: 'CHECKSEQUENCEVERIFY, switched off',
    items: [Uint8Array.of(0, 0, 0, 0x80, 0)],
    body: bytes(OP_CHECKSEQUENCEVERIFY),
    after: bytes(),
  },
  { name: '2 DROP', body: bytes(OP_2, OP_DROP), after: bytes(OP_1) },
]

const INPUT_RESERVE = 2_000

function leafOf(script: StackScript, leafBytes: number): Uint8Array {
  const { before = new Uint8Array(), body, closing = new Uint8Array(), after } = script
  const room = leafBytes - before.length - after.length
  const count = Math.max(1, Math.floor(room / (body.length + closing.length)))
  return concatBytes(before, repeated(body, count), repeated(closing, count), after)
}

export const STACK_FILLERS: readonly Filler[] = SCRIPTS.map((script) => ({
  name: `tapscript ${script.name}`,
  make(limits) {
    const leaf = leafOf(script, limits.weight - INPUT_RESERVE)
    return oneTransaction([tapscript(leaf, script.items ?? [])], limits)
  },
}))
