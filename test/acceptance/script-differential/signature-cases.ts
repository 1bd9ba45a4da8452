/** Signatures in scripts: hash types, code separators, FindAndDelete, budgets, multisignatures. */

import { Opcode } from '../../../src/bitcoin/opcodes.ts'
import { minimalPush } from '../../../src/bitcoin/script.ts'
import { concatBytes } from '../../../src/primitives/bytes.ts'
import {
  compressedKey,
  leafCase,
  type SpendCase,
  type SpendShape,
  type StackItem,
  scriptHashCase,
  xOnlyKey,
} from './spend-case.ts'

const EMPTY = new Uint8Array()
const op = (...opcodes: readonly number[]): Uint8Array => Uint8Array.from(opcodes)
const KEY = minimalPush(compressedKey(0))
const XONLY = minimalPush(xOnlyKey(0))
const HASH_TYPES = Array.from({ length: 256 }, (_, hashType) => hashType)

const ecdsa =
  (scriptCode: Uint8Array, hashType = 1, key = 0): StackItem =>
  (signer) =>
    signer.ecdsa(key, scriptCode, hashType)

const schnorr =
  (script: Uint8Array, codeSeparator = 0xffff_ffff, hashType = 0, key = 0): StackItem =>
  (signer) =>
    signer.schnorr(key, hashType, { script, codeSeparator })

/** Every hash type; SINGLE of the second input has no matching output. */
function hashTypeCases(): SpendCase[] {
  const v0 = concatBytes(KEY, op(Opcode.OP_CHECKSIG))
  const leaf = concatBytes(XONLY, op(Opcode.OP_CHECKSIG))
  return HASH_TYPES.flatMap((hashType) =>
    [false, true].flatMap((isSecond) => {
      const name = `hash type ${hashType}, ${isSecond ? 'second input' : 'only input'}`
      const shape: SpendShape = { isSecond }
      return [
        scriptHashCase(name, v0, [ecdsa(v0, hashType)], shape),
        leafCase(name, leaf, [schnorr(leaf, undefined, hashType)], shape),
      ]
    }),
  )
}

/** Signatures over the script from every byte, and with every position, of a script full of separators. */
function codeSeparatorCases(): SpendCase[] {
  const sep = op(Opcode.OP_CODESEPARATOR)
  const bodies: readonly (readonly Uint8Array[])[] = [
    [sep],
    [sep, sep],
    [op(0x00, 0x63), sep, op(0x68)],
    [op(0x51, 0x63), sep, op(0x68)],
    [minimalPush(new Uint8Array(80).fill(0xab)), op(0x75), sep],
    [minimalPush(new Uint8Array(80).fill(0xab)), op(0x75)],
    [sep, op(0x61, 0x61)],
    [op(0x61), sep, op(0x61)],
  ]
  return bodies.flatMap((parts, b) => {
    const body = concatBytes(...parts)
    // A separator behind the check is part of what v0 signs.
    const v0 = concatBytes(body, KEY, op(Opcode.OP_CHECKSIG), sep)
    const leaf = concatBytes(body, XONLY, op(Opcode.OP_CHECKSIG), sep)
    return [
      ...Array.from({ length: body.length + 1 }, (_, from) =>
        scriptHashCase(`separators ${b}, signed from byte ${from}`, v0, [ecdsa(v0.subarray(from))]),
      ),
      ...[0, 1, 2, 3, 4, 5, 0xffff_ffff].map((at) =>
        leafCase(`separators ${b}, signed with position ${at}`, leaf, [schnorr(leaf, at)]),
      ),
      leafCase(`separators ${b}, signed for another leaf`, leaf, [schnorr(v0)]),
    ]
  })
}

/** Two checks with a separator between them: each signs what comes after its own. */
function twoPartCases(): SpendCase[] {
  const first = concatBytes(KEY, op(Opcode.OP_CHECKSIGVERIFY, Opcode.OP_CODESEPARATOR))
  const v0 = concatBytes(first, KEY, op(Opcode.OP_CHECKSIG))
  const second = v0.subarray(first.length)
  const leaf = concatBytes(
    XONLY,
    op(Opcode.OP_CHECKSIGVERIFY, Opcode.OP_CODESEPARATOR),
    XONLY,
    op(Opcode.OP_CHECKSIG),
  )
  return [
    scriptHashCase('two parts', v0, [ecdsa(second), ecdsa(v0)]),
    scriptHashCase('two parts, both sign all', v0, [ecdsa(v0), ecdsa(v0)]),
    scriptHashCase('two parts, both sign the second', v0, [ecdsa(second), ecdsa(second)]),
    leafCase('two parts', leaf, [schnorr(leaf, 2), schnorr(leaf)]),
    leafCase('two parts, both before', leaf, [schnorr(leaf), schnorr(leaf)]),
    leafCase('two parts, both after', leaf, [schnorr(leaf, 2), schnorr(leaf, 2)]),
    leafCase('two parts, by byte offset', leaf, [schnorr(leaf, 34), schnorr(leaf)]),
  ]
}

/** Legacy scripts delete the signature from what it signs; a witness script that holds it does not. */
function findAndDeleteCases(): SpendCase[] {
  // A "signature" that stands in the script: with deletion its hash would be another.
  const held = concatBytes(op(0x30, 6, 2, 1, 1, 2, 1, 1, 1))
  const push = minimalPush(held)
  const v0 = concatBytes(push, op(Opcode.OP_DROP), KEY, op(Opcode.OP_CHECKSIG))
  const multi = concatBytes(push, op(Opcode.OP_DROP, 0x51), KEY, op(0x51, Opcode.OP_CHECKMULTISIG))
  return [
    scriptHashCase('held signature, signed whole', v0, [ecdsa(v0)]),
    scriptHashCase('held signature, signed without it', v0, [ecdsa(v0.subarray(push.length))]),
    scriptHashCase('held signature itself', v0, [held]),
    scriptHashCase('held signature in a multisignature', multi, [EMPTY, ecdsa(multi)]),
    scriptHashCase('held signature in a multisignature itself', multi, [EMPTY, held]),
    scriptHashCase('key pushed twice', concatBytes(KEY, op(Opcode.OP_DROP), v0), [
      ecdsa(concatBytes(KEY, op(Opcode.OP_DROP), v0)),
    ]),
  ]
}

/** BIP342's budget: 50 + witness bytes, 50 for each non-empty signature, unknown keys included. */
function budgetCases(): SpendCase[] {
  return [1, 2, 3, 4, 5, 6, 7].flatMap((checks) => {
    const check = concatBytes(op(Opcode.OP_2DUP), op(Opcode.OP_CHECKSIGVERIFY))
    const loop = concatBytes(
      XONLY,
      ...Array.from({ length: checks }, () => check),
      op(Opcode.OP_CHECKSIG),
    )
    const unknown = concatBytes(
      minimalPush(compressedKey(0)),
      ...Array.from({ length: checks }, () => check),
      op(Opcode.OP_CHECKSIG),
    )
    const adding = concatBytes(
      ...Array.from({ length: checks }, () =>
        concatBytes(op(Opcode.OP_DUP, 0x00), XONLY, op(Opcode.OP_CHECKSIGADD, Opcode.OP_DROP)),
      ),
      op(Opcode.OP_DROP, 0x51),
    )
    const padded = (bytes: number) => {
      const script = concatBytes(
        minimalPush(new Uint8Array(bytes).fill(9)),
        op(Opcode.OP_DROP),
        loop,
      )
      return leafCase(`${checks + 1} checks, ${bytes} bytes more`, script, [schnorr(script)])
    }
    const empty = concatBytes(
      ...Array.from({ length: checks * 3 }, () =>
        concatBytes(op(0x00), op(0x51), op(Opcode.OP_CHECKSIG, 0x75)),
      ),
      op(0x51),
    )
    return [
      leafCase(`${checks + 1} checks`, loop, [schnorr(loop)]),
      leafCase(`${checks + 1} checks with an unknown key`, unknown, [Uint8Array.of(1)]),
      leafCase(`${checks} additions`, adding, [schnorr(adding)]),
      leafCase(`${checks * 3} empty signatures`, empty),
      leafCase(
        `${checks + 1} checks, annex`,
        loop,
        [schnorr(loop)],
        {},
        { annex: new Uint8Array(40).fill(0x50) },
      ),
      ...Array.from({ length: 52 }, (_, bytes) => padded(bytes + 2)),
    ]
  })
}

/** Orders, repeated and missing signatures, and the dummy item. */
function multisigCases(): SpendCase[] {
  const keys = [0, 1, 2].map((key) => minimalPush(compressedKey(key)))
  const bad = minimalPush(Uint8Array.of(5))
  const scriptOf = (
    count: number,
    list: readonly Uint8Array[],
    end = op(Opcode.OP_CHECKMULTISIG),
  ) => concatBytes(op(0x50 + count), ...list, op(0x50 + list.length), end)
  const two = scriptOf(2, keys)
  const negated = concatBytes(two, op(Opcode.OP_NOT))
  const by = (script: Uint8Array, ...signers: readonly number[]): StackItem[] =>
    signers.map((key) => (key < 0 ? EMPTY : ecdsa(script, 1, key)))
  const firstBad = scriptOf(1, [bad, ...keys.slice(1)])
  const lastBad = scriptOf(1, [...keys.slice(0, 2), bad])
  const lists = [
    [0, 1],
    [0, 2],
    [1, 2],
    [1, 0],
    [2, 0],
    [0, 0],
    [2, 2],
    [-1, 2],
    [0, -1],
    [-1, -1],
    [0],
    [0, 1, 2],
  ]
  return [
    ...lists.flatMap((list) => [
      scriptHashCase(`2 of 3 by ${list.join()}`, two, [EMPTY, ...by(two, ...list)]),
      scriptHashCase(`2 of 3 by ${list.join()}, without the dummy`, two, by(two, ...list)),
      scriptHashCase(`2 of 3 by ${list.join()}, another dummy`, two, [
        Uint8Array.of(0),
        ...by(two, ...list),
      ]),
      scriptHashCase(`2 of 3 by ${list.join()}, negated`, negated, [
        EMPTY,
        ...by(negated, ...list),
      ]),
    ]),
    // Keys that are not reached may be anything.
    scriptHashCase('a bad first key, not reached', firstBad, [EMPTY, ...by(firstBad, 2)]),
    scriptHashCase('a bad first key, reached', firstBad, [EMPTY, ...by(firstBad, 0)]),
    scriptHashCase('a bad last key', lastBad, [EMPTY, ...by(lastBad, 0)]),
    scriptHashCase('a bad signature, not reached', two, [EMPTY, Uint8Array.of(1), EMPTY]),
    scriptHashCase('a bad signature behind a good one', two, [
      EMPTY,
      Uint8Array.of(1),
      ...by(two, 2),
    ]),
    scriptHashCase('bad signatures without the dummy', two, [Uint8Array.of(1), Uint8Array.of(1)]),
    scriptHashCase(
      'failing, verified',
      scriptOf(1, keys, op(Opcode.OP_CHECKMULTISIGVERIFY, 0x51)),
      [EMPTY, EMPTY],
    ),
  ]
}

export function signatureCases(): SpendCase[] {
  return [
    ...hashTypeCases(),
    ...codeSeparatorCases(),
    ...twoPartCases(),
    ...findAndDeleteCases(),
    ...budgetCases(),
    ...multisigCases(),
  ]
}
