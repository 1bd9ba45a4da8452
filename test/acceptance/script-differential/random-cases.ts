/**
 * Random scripts from a grammar, so that most of them get far: arithmetic with the right or a wrong
 * result, nested branches, lock times, signatures of every kind of badness, code separators, pushes in
 * any encoding. Signatures come from the witness: `DEPTH 1SUB ROLL` brings up the bottom item.
 */

import * as fc from 'fast-check'
import { Opcode } from '../../../src/bitcoin/opcodes.ts'
import { minimalPush } from '../../../src/bitcoin/script.ts'
import { concatBytes, hexToBytes } from '../../../src/primitives/bytes.ts'
import { INTERESTING_ITEMS } from './opcode-cases.ts'
import {
  type BadSignature,
  ecdsaKeys,
  ecdsaSignatures,
  schnorrSignatures,
  tapscriptKeys,
} from './random-signatures.ts'
import {
  leafCase,
  type SpendCase,
  type SpendShape,
  type StackItem,
  scriptHashCase,
} from './spend-case.ts'

type Form = 'P2WSH' | 'tapscript'

/** A piece of a script. */
interface Fragment {
  readonly bytes: Uint8Array
  /** Signatures that it takes from the bottom of the stack, in order. */
  readonly signatures: readonly BadSignature[]
  /** Where its OP_CODESEPARATOR is executed. */
  readonly isSeparator?: boolean
}

const FROM_BOTTOM = Uint8Array.of(Opcode.OP_DEPTH, Opcode.OP_1SUB, Opcode.OP_ROLL)
const plain = (...parts: readonly Uint8Array[]): Fragment => ({
  bytes: concatBytes(...parts),
  signatures: [],
})
const op = (...opcodes: readonly number[]): Uint8Array => Uint8Array.from(opcodes)

/** Script's encoding, of numbers of any size. */
export function scriptNumber(value: bigint): Uint8Array {
  const bytes: number[] = []
  for (let rest = value < 0n ? -value : value; rest > 0n; rest >>= 8n) {
    bytes.push(Number(rest & 0xffn))
  }
  if ((bytes.at(-1) ?? 0) >= 0x80) bytes.push(0)
  if (value < 0n) bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) | 0x80
  return Uint8Array.from(bytes)
}

const LIMITS = [0n, 1n, 2n, 16n, 17n, 127n, 128n, 255n, 256n, 32_767n, 32_768n, 8_388_607n]
const EDGES = [2n ** 31n - 2n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 39n - 1n]
const small = fc.constantFrom(...LIMITS)
const edge = fc.constantFrom(...EDGES)
const numbers = fc
  .oneof({ arbitrary: small, weight: 5 }, { arbitrary: edge, weight: 1 })
  .chain((value) => fc.constantFrom(value, value, -value))

/** Any of the four encodings of a push, mostly the shortest. */
const pushes = (item: Uint8Array): fc.Arbitrary<Uint8Array> =>
  fc.oneof(
    { arbitrary: fc.constant(minimalPush(item)), weight: 40 },
    { arbitrary: fc.constantFrom(1, 2, 4).map((width) => longPush(item, width)), weight: 1 },
  )

/** OP_PUSHDATA1, 2 or 4. */
export function longPush(item: Uint8Array, width: number): Uint8Array {
  const opcode = { 1: 0x4c, 2: 0x4d, 4: 0x4e }[width] ?? 0x4e
  const length = Array.from({ length: width }, (_, i) => Math.floor(item.length / 256 ** i) & 0xff)
  return concatBytes(Uint8Array.of(opcode, ...length), item)
}

const pushedNumbers = numbers.chain((value) => pushes(scriptNumber(value)))

const truth = (value: boolean): bigint => (value ? 1n : 0n)
/** Written down a second time, from the list of opcodes and not from the engine. */
const BINARY: readonly (readonly [number, (a: bigint, b: bigint) => bigint])[] = [
  [Opcode.OP_ADD, (a, b) => a + b],
  [Opcode.OP_SUB, (a, b) => a - b],
  [Opcode.OP_BOOLAND, (a, b) => truth(a !== 0n && b !== 0n)],
  [Opcode.OP_BOOLOR, (a, b) => truth(a !== 0n || b !== 0n)],
  [Opcode.OP_NUMEQUAL, (a, b) => truth(a === b)],
  [Opcode.OP_NUMNOTEQUAL, (a, b) => truth(a !== b)],
  [Opcode.OP_LESSTHAN, (a, b) => truth(a < b)],
  [Opcode.OP_GREATERTHAN, (a, b) => truth(a > b)],
  [Opcode.OP_LESSTHANOREQUAL, (a, b) => truth(a <= b)],
  [Opcode.OP_GREATERTHANOREQUAL, (a, b) => truth(a >= b)],
  [Opcode.OP_MIN, (a, b) => (a < b ? a : b)],
  [Opcode.OP_MAX, (a, b) => (a > b ? a : b)],
]
const UNARY: readonly (readonly [number, (a: bigint) => bigint])[] = [
  [Opcode.OP_1ADD, (a) => a + 1n],
  [Opcode.OP_1SUB, (a) => a - 1n],
  [Opcode.OP_NEGATE, (a) => -a],
  [Opcode.OP_ABS, (a) => (a < 0n ? -a : a)],
  [Opcode.OP_NOT, (a) => truth(a === 0n)],
  [Opcode.OP_0NOTEQUAL, (a) => truth(a !== 0n)],
]

/** The result compared with the right one, seldom with another. */
const compared = (expected: bigint): fc.Arbitrary<Uint8Array> =>
  fc
    .oneof({ arbitrary: fc.constant(expected), weight: 15 }, { arbitrary: numbers, weight: 1 })
    .map((value) => concatBytes(minimalPush(scriptNumber(value)), op(Opcode.OP_EQUALVERIFY)))

const binaryFragments = fc
  .tuple(fc.constantFrom(...BINARY), numbers, numbers)
  .chain(([[opcode, compute], a, b]) =>
    fc
      .tuple(pushes(scriptNumber(a)), pushes(scriptNumber(b)), compared(compute(a, b)))
      .map(([left, right, check]) => plain(left, right, op(opcode), check)),
  )

const unaryFragments = fc
  .tuple(fc.constantFrom(...UNARY), numbers)
  .chain(([[opcode, compute], a]) =>
    fc
      .tuple(pushes(scriptNumber(a)), compared(compute(a)))
      .map(([operand, check]) => plain(operand, op(opcode), check)),
  )

const withinFragments = fc
  .tuple(pushedNumbers, pushedNumbers, pushedNumbers, fc.boolean())
  .map(([x, low, high, negate]) =>
    plain(x, low, high, op(Opcode.OP_WITHIN, ...(negate ? [Opcode.OP_NOT] : []), Opcode.OP_VERIFY)),
  )

/** Whatever happens, with the stack left as it comes out. */
const wildFragments = fc
  .array(
    fc.oneof(
      { arbitrary: fc.constantFrom(...INTERESTING_ITEMS).chain(pushes), weight: 4 },
      { arbitrary: fc.integer({ min: 0x4f, max: 0xba }).map((code) => op(code)), weight: 3 },
      { arbitrary: fc.nat(255).map((code) => op(code)), weight: 1 },
    ),
    { maxLength: 6 },
  )
  .map((parts) => plain(...parts))

/** Pushed and dropped again, up to the limits of an element. */
const bulkFragments = fc
  .tuple(fc.constantFrom(0, 1, 75, 76, 255, 256, 257, 519, 520, 521), fc.nat(255))
  .chain(([length, byte]) => pushes(new Uint8Array(length).fill(byte)))
  .chain((push) =>
    fc
      .constantFrom(0x75, 0x82, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa)
      .map((code) =>
        plain(push, op(code, ...(code === 0x75 ? [] : [0x75, ...(code === 0x82 ? [0x75] : [])]))),
      ),
  )

const shuffleFragments = fc
  .tuple(
    fc.array(fc.constantFrom(...INTERESTING_ITEMS), { minLength: 6, maxLength: 6 }),
    fc.array(
      fc.constantFrom(
        0x6b,
        0x6c,
        0x6e,
        0x6f,
        0x70,
        0x71,
        0x72,
        0x73,
        0x76,
        0x77,
        0x78,
        0x7b,
        0x7c,
        0x7d,
      ),
      { maxLength: 8 },
    ),
    fc.constantFrom(...INTERESTING_ITEMS),
  )
  .map(([items, codes, last]) =>
    plain(...items.map(minimalPush), op(...codes), minimalPush(last), op(Opcode.OP_EQUAL)),
  )

const conditions = fc
  .oneof(
    { arbitrary: fc.constantFrom('', '01'), weight: 20 },
    { arbitrary: fc.constantFrom('02', '80', '0100', '00'), weight: 1 },
  )
  .chain((hex) => pushes(hexToBytes(hex)))

function branchFragments(inner: fc.Arbitrary<Fragment>): fc.Arbitrary<Fragment> {
  const part = fc
    .array(inner, { maxLength: 2 })
    .map((list) => concatBytes(...list.map((f) => f.bytes)))
  return fc
    .tuple(
      conditions,
      fc.constantFrom(Opcode.OP_IF, Opcode.OP_NOTIF),
      fc.array(part, { minLength: 1, maxLength: 3 }),
      fc.nat(30),
    )
    .map(([condition, opcode, parts, slip]) => {
      const body = parts.flatMap((bytes, i) => (i === 0 ? [bytes] : [op(Opcode.OP_ELSE), bytes]))
      // Now and then without its end.
      return plain(condition, op(opcode), ...body, slip === 0 ? op() : op(Opcode.OP_ENDIF))
    })
}

function lockFragments(shape: SpendShape): fc.Arbitrary<Fragment> {
  const { lockTime = 0, sequence = 0xffff_ffff } = shape
  const isTime = lockTime >= 500_000_000
  const past = isTime ? [500_000_000n, BigInt(lockTime)] : [0n, BigInt(lockTime)]
  const absolute = fc
    .oneof(
      { arbitrary: fc.constantFrom(...past), weight: 3 },
      { arbitrary: fc.constantFrom(...ABSOLUTE_EDGES, ...around(lockTime)), weight: 1 },
    )
    .map((value) => ({ value, code: Opcode.OP_CHECKLOCKTIMEVERIFY }))
  const type = BigInt(sequence & 0x40_0000)
  const mature = [type, BigInt(sequence & 0x40_ffff), 0x8000_0000n, 0x1_8000_0001n]
  const relative = fc
    .oneof(
      { arbitrary: fc.constantFrom(...mature), weight: 3 },
      {
        arbitrary: fc.constantFrom(
          ...RELATIVE_EDGES,
          ...around(sequence),
          ...around(sequence & 0x40_ffff),
        ),
        weight: 1,
      },
    )
    .map((value) => ({ value, code: Opcode.OP_CHECKSEQUENCEVERIFY }))
  return fc
    .oneof(absolute, relative)
    .chain(({ value, code }) =>
      pushes(scriptNumber(value)).map((push) => plain(push, op(code, Opcode.OP_DROP))),
    )
}

const ABSOLUTE_EDGES = [-1n, 0n, 1n, 100n, 499_999_999n, 500_000_000n, ...EDGES]
const RELATIVE_EDGES = [-1n, 0n, 1n, 10n, 0x40_0000n, 0x40_0001n, 0xffffn, 0x1_0000n, ...EDGES]

function around(value: number): bigint[] {
  return [BigInt(value) - 1n, BigInt(value), BigInt(value) + 1n]
}

const endings = fc.constantFrom(
  op(Opcode.OP_VERIFY),
  op(Opcode.OP_VERIFY),
  op(Opcode.OP_DROP),
  op(Opcode.OP_NOT, Opcode.OP_VERIFY),
)

function checkSigFragments(form: Form): fc.Arbitrary<Fragment> {
  const keys = form === 'P2WSH' ? ecdsaKeys : tapscriptKeys
  const kinds = form === 'P2WSH' ? ecdsaSignatures : schnorrSignatures
  const single = fc
    .tuple(kinds, keys, endings, fc.boolean())
    .map(([signature, key, ending, verify]) => ({
      bytes: concatBytes(
        FROM_BOTTOM,
        minimalPush(key),
        verify ? op(Opcode.OP_CHECKSIGVERIFY) : concatBytes(op(Opcode.OP_CHECKSIG), ending),
      ),
      signatures: [signature],
    }))
  return form === 'P2WSH' ? fc.oneof(single, multisigFragments()) : fc.oneof(single, addFragments())
}

/** dummy sig… m key… n CHECKMULTISIG. */
function multisigFragments(): fc.Arbitrary<Fragment> {
  const dummies = fc.nat(12).map(
    (n): BadSignature =>
      () =>
        n === 0 ? Uint8Array.of(1) : new Uint8Array(),
  )
  return fc
    .tuple(
      dummies,
      fc.array(ecdsaSignatures, { maxLength: 2 }),
      fc.array(ecdsaKeys, { minLength: 1, maxLength: 4 }),
      endings,
      fc.nat(40),
    )
    .map(([dummy, kinds, keys, ending, slip]) => ({
      bytes: concatBytes(
        ...[dummy, ...kinds].map(() => FROM_BOTTOM),
        minimalPush(scriptNumber(BigInt(slip === 1 ? 21 : slip === 2 ? -1 : kinds.length))),
        ...keys.map(minimalPush),
        minimalPush(scriptNumber(BigInt(slip === 3 ? 21 : slip === 4 ? -1 : keys.length))),
        op(Opcode.OP_CHECKMULTISIG),
        ending,
      ),
      signatures: [dummy, ...kinds],
    }))
}

function addFragments(): fc.Arbitrary<Fragment> {
  return fc
    .tuple(schnorrSignatures, numbers, tapscriptKeys, fc.boolean())
    .chain(([signature, count, key, adds]) =>
      compared(count + (adds ? 1n : 0n)).map((check) => ({
        bytes: concatBytes(
          FROM_BOTTOM,
          minimalPush(scriptNumber(count)),
          minimalPush(key),
          op(Opcode.OP_CHECKSIGADD),
          check,
        ),
        signatures: [signature],
      })),
    )
}

const separators = fc.constant({
  bytes: op(Opcode.OP_CODESEPARATOR),
  signatures: [],
  isSeparator: true,
})

function fragments(form: Form, shape: SpendShape): fc.Arbitrary<Fragment> {
  const numeric = fc.oneof(binaryFragments, unaryFragments, withinFragments)
  const flat = fc.oneof(
    numeric,
    lockFragments(shape),
    bulkFragments,
    separators.map(({ bytes }) => plain(bytes)),
  )
  const branches = branchFragments(
    fc.oneof({ arbitrary: branchFragments(flat), weight: 1 }, { arbitrary: flat, weight: 3 }),
  )
  return fc.oneof(
    { arbitrary: numeric, weight: 5 },
    { arbitrary: branches, weight: 4 },
    { arbitrary: lockFragments(shape), weight: 3 },
    { arbitrary: checkSigFragments(form), weight: 6 },
    { arbitrary: separators, weight: 3 },
    { arbitrary: bulkFragments, weight: 1 },
    { arbitrary: shuffleFragments, weight: 1 },
    { arbitrary: wildFragments, weight: 1 },
  )
}

const HEIGHT_LOCKS = [0, 1, 100, 150]
const TIME_LOCKS = [500_000_000, 1_000_000_000]
const RELATIVE_LOCKS = [
  0, 1, 10, 0x40_0000, 0x40_0001, 0x40_000a, 0x0001_000a, 0x8000_0000, 0xffff_fffe,
]

const shapes: fc.Arbitrary<SpendShape> = fc.oneof(
  { arbitrary: fc.constant({}), weight: 2 },
  {
    arbitrary: fc.record({
      version: fc.constantFrom(1, 2, 2, 2, 3, 0, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff),
      sequence: fc.constantFrom(...RELATIVE_LOCKS),
      lockTime: fc.constantFrom(...HEIGHT_LOCKS, ...TIME_LOCKS),
      isSecond: fc.boolean(),
    }),
    weight: 4,
  },
  {
    arbitrary: fc.record({
      version: fc.constantFrom(1, 2),
      sequence: fc.constant(0xffff_ffff),
      lockTime: fc.constantFrom(
        ...HEIGHT_LOCKS,
        ...TIME_LOCKS,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_ffff,
      ),
    }),
    weight: 1,
  },
)

function spendCases(form: Form): fc.Arbitrary<SpendCase> {
  return shapes.chain((shape) =>
    fc
      .tuple(fc.array(fragments(form, shape), { minLength: 1, maxLength: 6 }), fc.nat(12))
      .map(([parts, slip]) => {
        // Mostly the script leaves one true item.
        const ending = slip === 0 ? op() : slip === 1 ? op(Opcode.OP_0) : op(Opcode.OP_1)
        return assemble(form, [...parts, plain(ending)], shape)
      }),
  )
}

function assemble(form: Form, parts: readonly Fragment[], shape: SpendShape): SpendCase {
  const script = concatBytes(...parts.map(({ bytes }) => bytes))
  const items: StackItem[] = []
  let offset = 0
  let separator = 0
  for (const { bytes, signatures, isSeparator = false } of parts) {
    const signedFrom = separator
    for (const sign of signatures) items.push((signer) => sign(signer, script, signedFrom))
    offset += bytes.length
    if (isSeparator) separator = offset
  }
  const name = 'random'
  return form === 'P2WSH'
    ? scriptHashCase(name, script, items, shape)
    : leafCase(name, script, items, shape)
}

/** Deterministic for a seed; half of them P2WSH, half tapscript. */
export function randomCases(count: number, seed: number): SpendCase[] {
  const half = Math.ceil(count / 2)
  return [
    ...fc.sample(spendCases('P2WSH'), { numRuns: half, seed }),
    ...fc.sample(spendCases('tapscript'), { numRuns: half, seed: seed + 1 }),
  ]
}
