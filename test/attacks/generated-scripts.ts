/** Scripts as an attacker writes them: every opcode, odd pushes and numbers, much of the same. */

import * as fc from 'fast-check'
import { Opcode } from '../../src/bitcoin/opcodes.ts'
import { minimalPush } from '../../src/bitcoin/script.ts'
import { encodeScriptNumber } from '../../src/bitcoin/script-number.ts'
import { concatBytes, hexToBytes } from '../../src/primitives/bytes.ts'

const KEYS = [
  new Uint8Array(33).fill(2),
  new Uint8Array(32).fill(3),
  new Uint8Array(65).fill(4),
  new Uint8Array(),
]
/** Strict DER with a hash type, BIP340's two sizes, and what is no signature. */
const SIGNATURES = [
  hexToBytes('300602010102010101'),
  new Uint8Array(64).fill(5),
  new Uint8Array(65).fill(1),
  new Uint8Array(),
  Uint8Array.of(1),
]
/** What scripts push and witnesses hold. */
export const items = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: -2, max: 25 }).map(encodeScriptNumber) },
  { weight: 2, arbitrary: fc.constantFrom(...KEYS, ...SIGNATURES) },
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 }).map(encodeScriptNumber),
  fc.uint8Array({ maxLength: 6 }),
  fc.integer({ min: 519, max: 521 }).map((length) => new Uint8Array(length)),
)

const SIGNATURE_OPCODES = [
  Opcode.OP_CHECKSIG,
  Opcode.OP_CHECKSIGVERIFY,
  Opcode.OP_CHECKSIGADD,
  Opcode.OP_CHECKMULTISIG,
  Opcode.OP_CHECKMULTISIGVERIFY,
]

/** m of n with whatever for signatures and keys. */
const multisig = fc
  .tuple(fc.array(items, { maxLength: 3 }), fc.array(fc.constantFrom(...KEYS), { maxLength: 4 }))
  .map(([signatures, keys]) =>
    concatBytes(
      Uint8Array.of(Opcode.OP_0),
      ...signatures.map(minimalPush),
      minimalPush(encodeScriptNumber(signatures.length)),
      ...keys.map(minimalPush),
      minimalPush(encodeScriptNumber(keys.length)),
      Uint8Array.of(Opcode.OP_CHECKMULTISIG),
    ),
  )

const words = fc.oneof(
  { weight: 4, arbitrary: items.map(minimalPush) },
  // Operations that exist, reserved ones, and OP_SUCCESS.
  { weight: 6, arbitrary: fc.integer({ min: 0x4c, max: 0xba }).map((code) => Uint8Array.of(code)) },
  { weight: 2, arbitrary: fc.constantFrom(...SIGNATURE_OPCODES).map((c) => Uint8Array.of(c)) },
  { weight: 1, arbitrary: multisig },
  { weight: 1, arbitrary: fc.nat(255).map((code) => Uint8Array.of(code)) },
)
const grammar = fc.array(words, { maxLength: 30 }).map((list) => concatBytes(...list))
/** The same again and again: what a limit is for. */
const repeated = fc
  .tuple(fc.array(words, { minLength: 1, maxLength: 4 }), fc.integer({ min: 1, max: 1_200 }))
  .map(([list, times]) => {
    const part = concatBytes(...list)
    const count = Math.min(times, Math.floor(20_000 / part.length))
    return concatBytes(...Array.from({ length: count }, () => part))
  })
export const scripts = fc.oneof(
  { weight: 6, arbitrary: grammar },
  { weight: 2, arbitrary: repeated },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }) },
)
