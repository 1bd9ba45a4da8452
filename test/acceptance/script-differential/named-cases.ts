/** Named traps: what published vectors leave thin, each as a spend of its own in both forms where it exists in both. */

import { Opcode } from '../../../src/bitcoin/opcodes.ts'
import { minimalPush } from '../../../src/bitcoin/script.ts'
import { bytesToHex, concatBytes } from '../../../src/primitives/bytes.ts'
import { parseScript } from '../../bitcoin/vectors.ts'
import { programCases } from './program-cases.ts'
import { longPush, scriptNumber } from './random-cases.ts'
import { signatureCases } from './signature-cases.ts'
import {
  leafCase,
  type SpendCase,
  type SpendShape,
  type StackItem,
  scriptHashCase,
} from './spend-case.ts'

/** In both forms. */
function both(
  name: string,
  script: string | Uint8Array,
  items: readonly StackItem[] = [],
  shape: SpendShape = {},
): SpendCase[] {
  const bytes = typeof script === 'string' ? parseScript(script) : script
  return [scriptHashCase(name, bytes, items, shape), leafCase(name, bytes, items, shape)]
}

const repeated = (count: number, ...bytes: readonly number[]): Uint8Array =>
  concatBytes(...Array.from({ length: count }, () => Uint8Array.from(bytes)))
const ONE = Uint8Array.of(Opcode.OP_1)

/** Every way to push data of the lengths where the shortest way changes. */
function pushCases(): SpendCase[] {
  const items = [0, 1, 2, 74, 75, 76, 77, 254, 255, 256, 257, 519, 520, 521].flatMap((length) =>
    (length === 1 ? [0x00, 0x01, 0x10, 0x11, 0x7f, 0x80, 0x81, 0x82] : [0x07]).map((byte) =>
      new Uint8Array(length).fill(byte),
    ),
  )
  return items.flatMap((item) => {
    const direct = item.length > 75 ? [] : [concatBytes(Uint8Array.of(item.length), item)]
    const ways = [
      ...direct,
      minimalPush(item),
      ...(item.length > 255 ? [] : [longPush(item, 1)]),
      longPush(item, 2),
      longPush(item, 4),
    ]
    return ways.flatMap((push) => {
      const name = `push ${item.length} bytes of ${item[0] ?? 'nothing'} as ${bytesToHex(push.subarray(0, 5))}`
      const dropped = concatBytes(push, Uint8Array.of(Opcode.OP_DROP), ONE)
      const skipped = concatBytes(Uint8Array.of(0x00, 0x63), push, Uint8Array.of(0x68), ONE)
      return [
        ...both(name, dropped),
        ...both(`${name}, not executed`, skipped),
        ...both(`${name}, cut short`, concatBytes(ONE, push.subarray(0, -1))),
        ...both(`a witness item of ${item.length} bytes`, dropped.subarray(push.length), [item]),
      ]
    })
  })
}

/** Operands and results around 31, 32 and 39 bits, and encodings that are not the shortest. */
function numberCases(): SpendCase[] {
  const edges = [31n, 32n, 39n, 47n].flatMap((bits) => [2n ** bits - 1n, 2n ** bits])
  const values = [...edges, 2n ** 31n - 2n].flatMap((value) => [value, -value])
  return values.flatMap((value) => {
    const push = minimalPush(scriptNumber(value))
    const check = (code: number, ...after: readonly Uint8Array[]) =>
      concatBytes(push, Uint8Array.of(code), ...after)
    return [
      ...both(
        `${value} 1ADD`,
        check(0x8b, minimalPush(scriptNumber(value + 1n)), Uint8Array.of(0x87)),
      ),
      ...both(
        `${value} 1SUB`,
        check(0x8c, minimalPush(scriptNumber(value - 1n)), Uint8Array.of(0x87)),
      ),
      ...both(
        `${value} NEGATE`,
        check(0x8f, minimalPush(scriptNumber(-value)), Uint8Array.of(0x87)),
      ),
      ...both(
        `${value} DUP ADD`,
        concatBytes(
          push,
          Uint8Array.of(0x76, 0x93),
          minimalPush(scriptNumber(2n * value)),
          Uint8Array.of(0x87),
        ),
      ),
      ...both(`${value} DUP ADD 1ADD`, concatBytes(push, Uint8Array.of(0x76, 0x93, 0x8b))),
      ...both(`${value} as a truth`, push),
      ...both(`${value} VERIFY`, check(0x69, ONE)),
      ...both(`1 ${value} PICK`, concatBytes(ONE, check(0x79))),
      ...both(`1 ${value} ROLL`, concatBytes(ONE, check(0x7a))),
      ...both(`${value} CLTV`, check(0xb1), [], { sequence: 0, lockTime: 150, version: 1 }),
      ...both(`${value} CSV`, check(0xb2), [], { sequence: 10 }),
    ]
  })
}

/** BIP112 and BIP68 with versions, which are unsigned, and every bit of a sequence. */
function lockCases(): SpendCase[] {
  const versions = [0, 1, 2, 3, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]
  const sequences = [0, 10, 0x40_0005, 0x8000_000a, 0x80_000a, 0xffff_fffe, 0xffff_ffff]
  const operands = [
    -1n,
    0n,
    9n,
    10n,
    11n,
    0x40_0005n,
    0x40_0006n,
    0x1_000an,
    0x80_000an,
    0x8000_0000n,
    0x8000_000bn,
    0x1_0000_000an,
    0x80_0000_0000n,
  ]
  const relative = versions.flatMap((version) =>
    sequences.flatMap((sequence) =>
      operands.flatMap((operand) =>
        both(
          `version ${version}, sequence ${sequence.toString(16)}: ${operand} CSV`,
          concatBytes(minimalPush(scriptNumber(operand)), Uint8Array.of(0xb2, 0x75), ONE),
          [],
          { version, sequence },
        ),
      ),
    ),
  )
  const absolute = [0, 150, 499_999_999, 500_000_000, 1_000_000_000, 0xffff_ffff].flatMap(
    (lockTime) =>
      [0n, 149n, 150n, 151n, 499_999_999n, 500_000_000n, 1_000_000_000n, 0xffff_ffffn].flatMap(
        (operand) =>
          [0, 0xffff_fffe, 0xffff_ffff].flatMap((sequence) => {
            // What is not final can be in no block, whatever its script says.
            const isFuture = lockTime === 499_999_999 || lockTime === 0xffff_ffff
            if (isFuture && sequence !== 0xffff_ffff) return []
            const script = concatBytes(
              minimalPush(scriptNumber(operand)),
              Uint8Array.of(0xb1, 0x75),
              ONE,
            )
            return both(
              `lock time ${lockTime}, sequence ${sequence.toString(16)}: ${operand} CLTV`,
              script,
              [],
              { version: 1, sequence, lockTime },
            )
          }),
      ),
  )
  return [...relative, ...absolute]
}

/** A true script of this length, within the limits of an element and of operations. */
function sizedScript(bytes: number): Uint8Array {
  const bulk = concatBytes(minimalPush(new Uint8Array(520).fill(7)), Uint8Array.of(Opcode.OP_DROP))
  const count = Math.floor((bytes - 1) / bulk.length)
  const rest = bytes - 1 - count * bulk.length
  const nops = new Uint8Array(Math.min(rest, 180)).fill(Opcode.OP_NOP)
  const last = rest - nops.length
  const filler =
    last === 0 ? [] : [longPush(new Uint8Array(last - 4).fill(7), 2), Uint8Array.of(0x75)]
  return concatBytes(...Array.from({ length: count }, () => bulk), nops, ...filler, ONE)
}

/** Limits at and past their edges. */
function limitCases(): SpendCase[] {
  return [
    ...[9_999, 10_000, 10_001].flatMap((bytes) =>
      both(`a script of ${bytes} bytes`, sizedScript(bytes)),
    ),
    ...[200, 201, 202].flatMap((count) => [
      ...both(`${count} operations`, concatBytes(repeated(count, 0x61), ONE)),
      ...both(
        `${count} operations in a dead branch`,
        concatBytes(Uint8Array.of(0, 0x63), repeated(count - 2, 0x61), Uint8Array.of(0x68), ONE),
      ),
      ...both(
        `${count} unknown operations in a dead branch`,
        concatBytes(Uint8Array.of(0, 0x63), repeated(count - 2, 0xba), Uint8Array.of(0x68), ONE),
      ),
      ...both(
        `${count} operations that do not count`,
        concatBytes(Uint8Array.of(0, 0x63), repeated(count, 0x50), Uint8Array.of(0x68), ONE),
      ),
      ...both(
        `${count} operations, keys of a multisignature included`,
        concatBytes(
          repeated(count - 21, 0x61),
          Uint8Array.of(0, 0),
          repeated(20, 0x51),
          minimalPush(Uint8Array.of(20)),
          Uint8Array.of(0xae),
        ),
      ),
    ]),
    ...[999, 1_000, 1_001].flatMap((count) => [
      ...both(
        `${count} items pushed`,
        concatBytes(repeated(count, 0x51), repeated(Math.min(150, count), 0x75)),
      ),
      ...both(
        `${count} items in the witness`,
        concatBytes(repeated(199, 0x6d)),
        Array.from({ length: count }, () => Uint8Array.of(1)),
      ),
      ...both(
        `${count} items on both stacks`,
        concatBytes(repeated(count - 100, 0x51), repeated(100, 0x6b), repeated(100, 0x51), ONE),
      ),
      ...both(
        `${count} branches`,
        concatBytes(repeated(count, 0x51), repeated(count, 0x63), repeated(count, 0x68), ONE),
      ),
    ]),
    ...[99, 100].flatMap((count) =>
      both(
        `${count} branches, closed`,
        concatBytes(repeated(count, 0x51), repeated(count, 0x63), repeated(count, 0x68), ONE),
      ),
    ),
  ]
}

const WORDS: readonly string[] = [
  // Conditionals: the empty stack, missing ends, several ELSEs, what a dead branch may hold.
  'IF 1 ENDIF',
  'NOTIF 1 ENDIF',
  '1 IF 1',
  '1 IF 1 ELSE',
  'ENDIF 1',
  'ELSE 1',
  '1 ELSE ENDIF',
  '1 IF ENDIF ENDIF 1',
  '1 IF 1 ELSE 0 ELSE 1 ENDIF',
  '0 IF 0 ELSE 1 ELSE RETURN ENDIF',
  '0 IF RETURN ENDIF 1',
  '0 IF VERIFY ENDIF 1',
  '0 IF VERIF ENDIF 1',
  '0 IF VERNOTIF ENDIF 1',
  '1 IF 1 ELSE VERIF ENDIF',
  '0 IF VER ENDIF 1',
  '0 IF RESERVED ENDIF 1',
  '0 IF RESERVED1 ENDIF 1',
  '0 IF CAT ENDIF 1',
  '0 IF MUL ENDIF 1',
  '0 IF 2MUL ENDIF 1',
  '0 IF INVERT ENDIF 1',
  '0 IF 0xba ENDIF 1',
  '0 IF 0xbb ENDIF 1',
  '0 IF 0xff ENDIF 1',
  '0 IF 0xfe ENDIF 1',
  '0xff',
  '1 0xff',
  '0 IF CHECKSIG CHECKMULTISIG ENDIF 1',
  '0 IF CHECKMULTISIGVERIFY CHECKSIGADD ENDIF 1',
  '0 IF CODESEPARATOR ENDIF 1',
  '0 IF NOP1 NOP10 ENDIF 1',
  '0 NOTIF NOP1 ENDIF 1',
  '0 IF 0 IF 0 IF ELSE ELSE ENDIF ELSE ENDIF ELSE 1 ENDIF',
  '2 IF 1 ENDIF',
  '0x01 0x00 IF 1 ELSE 1 ENDIF',
  '0x01 0x80 NOTIF 1 ENDIF',
  '0x02 0x0100 IF 1 ENDIF',
  '0x02 0x0000 IF 1 ELSE 1 ENDIF',
  '0 IF 0x4c',
  '0 IF 0x02 0x01',
  '1 0x4d 0x01',
  '1 0x4e 0xffffffff',
  '1 0x4e 0x000000ff',
  '0x50 0x4c',
  '0x4c 0x50',
  'CAT 0x4c',
  '0x4c01 CAT',
  // Truth.
  '0x01 0x80',
  '0x02 0x0080',
  '0x02 0x8000',
  '0x02 0x0000',
  '0x03 0x000080',
  '0x05 0x0000000080',
  '0x05 0x0000000001',
  '1 1',
  '',
  '0 1',
  '0x01 0x80 VERIFY 1',
  '0x01 0x80 NOT',
  '0x01 0x80 0NOTEQUAL',
  '0x01 0x80 IFDUP DEPTH 1 EQUALVERIFY',
  '0x01 0x80 0 EQUAL',
  '0x01 0x80 0 NUMEQUAL',
  // Numbers.
  '0x02 0x0100 1 NUMEQUAL',
  '0x01 0x00 0 NUMEQUAL',
  '0x02 0xff00 0 EQUAL NOT',
  '0x02 0x7f00 1ADD',
  '0x04 0xffffff7f 1ADD 0x05 0x0000008000 EQUAL',
  '0x04 0xffffffff 0x04 0xffffffff ADD 0x05 0xfeffffff80 EQUAL',
  '0x05 0x0000008000 0 ADD',
  '0 0x05 0x0000008000 ADD',
  '0x05 0x0000008000 SIZE 5 EQUALVERIFY',
  '1 2 3 WITHIN',
  '2 2 3 WITHIN',
  '3 2 3 WITHIN',
  '2 3 2 WITHIN',
  '-1 -1 0 WITHIN',
  '1 0 1NEGATE PICK',
  '1 1 PICK',
  '1 0 PICK EQUAL',
  '0 PICK',
  '0 ROLL',
  '1 0 ROLL',
  '1 1 ROLL',
  '1 0x02 0x0000 ROLL',
  '1NEGATE ABS',
  '1NEGATE 1ADD NOT',
  '0 NEGATE 0 EQUAL',
  '0 ABS NOT',
  '1 2 MIN 1 EQUAL',
  '1 2 MAX 2 EQUAL',
  '1 2 NUMEQUALVERIFY 1',
  '1 1 NUMEQUALVERIFY 1',
  // The stack.
  '1 TOALTSTACK',
  '1 TOALTSTACK FROMALTSTACK',
  'FROMALTSTACK',
  '1 FROMALTSTACK',
  'TOALTSTACK',
  '1 2 3 4 5 6 2ROT 2 EQUALVERIFY 1 EQUALVERIFY 6 EQUALVERIFY 2DROP DROP 1',
  '1 2 3 4 2SWAP 2 EQUALVERIFY 1 EQUALVERIFY 2DROP 1',
  '1 2 3 4 2OVER 2 EQUALVERIFY 1 EQUALVERIFY 2DROP 2DROP 1',
  '1 2 3 ROT 1 EQUALVERIFY 2DROP 1',
  '1 2 TUCK 2 EQUALVERIFY 1 EQUALVERIFY 2 EQUAL',
  '1 2 NIP 2 EQUAL',
  '1 2 OVER 1 EQUALVERIFY 2DROP 1',
  '1 2 3 3DUP 2DROP 2DROP 2DROP 1',
  '1 2 2DUP EQUALVERIFY 2DROP 1',
  'DEPTH',
  'DEPTH NOT',
  '0 SIZE NOT NIP',
  '1 SIZE 1 EQUALVERIFY',
  '0 DUP EQUAL',
  '1 IFDUP EQUAL',
  // Words that fail or mean nothing.
  'RETURN',
  '1 RETURN',
  'VER',
  '1 VER',
  'RESERVED',
  'RESERVED1',
  'RESERVED2',
  'VERIF',
  'NOP 1',
  'NOP1 1',
  'NOP4 1',
  'NOP10 1',
  'CODESEPARATOR 1',
  'CODESEPARATOR',
  // Counts of a multisignature come before its keys, and its dummy before its signatures.
  'CHECKMULTISIG',
  '0 CHECKMULTISIG',
  '0 0 CHECKMULTISIG',
  '0 0 0 CHECKMULTISIG',
  '1 0 0 CHECKMULTISIG',
  '0 0 1NEGATE CHECKMULTISIG',
  '0 1NEGATE 0 CHECKMULTISIG',
  '0 1 0 CHECKMULTISIG',
  '0 0 0x01 0x15 CHECKMULTISIG',
  '0 0 0x02 0x0000 CHECKMULTISIG',
  '0 0x05 0x0000000001 0 CHECKMULTISIG',
  '0 0 1 CHECKMULTISIG',
  '0 0 0 1 CHECKMULTISIG',
  '0 0 1 1 CHECKMULTISIG',
  '0 1 1 CHECKMULTISIG',
  '0 1 1 1 CHECKMULTISIG',
  '1 1 1 CHECKMULTISIG',
  '0 0 1 1 1 CHECKMULTISIG',
  '0 1 0 2 CHECKMULTISIG',
  '0 2 1 1 2 CHECKMULTISIG',
  '0 0 2 1 1 2 CHECKMULTISIG NOT',
  '0 0 0 2 1 1 2 CHECKMULTISIG NOT',
  '0 0 0 2 1 1 2 CHECKMULTISIGVERIFY 1',
  '0 0 0 0 CHECKMULTISIGVERIFY 1',
  // CHECKSIG and CHECKSIGADD with too few items, and CHECKSIGADD where it does not exist.
  'CHECKSIG',
  '0 CHECKSIG',
  '0 0 CHECKSIG',
  '0 0 CHECKSIG NOT',
  '0 0 CHECKSIGVERIFY 1',
  '0 1 CHECKSIG NOT',
  '1 0 CHECKSIG',
  '1 1 CHECKSIG',
  'CHECKSIGADD',
  '0 CHECKSIGADD',
  '0 0 CHECKSIGADD',
  '0 0 0 CHECKSIGADD',
  '0 0 1 CHECKSIGADD NOT',
  '0 0x05 0x0000000001 1 CHECKSIGADD',
  '0 0x05 0x0000000001 0 CHECKSIGADD',
  '1 0x05 0x0000000001 0 CHECKSIGADD',
  '0 0x02 0x0000 1 CHECKSIGADD',
]

export function namedCases(): SpendCase[] {
  return [
    ...WORDS.flatMap((words) => both(words, words)),
    ...pushCases(),
    ...numberCases(),
    ...lockCases(),
    ...limitCases(),
    ...signatureCases(),
    ...programCases(),
  ]
}
