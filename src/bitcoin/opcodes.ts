/**
 * The opcodes of Bitcoin Script: numbers, names, and reading a script one operation at a time.
 * What an opcode does is in `interpreter.ts` and the `*-operations.ts` files.
 */

/** Numbers as in Bitcoin Core's script.h. */
export const Opcode = {
  OP_0: 0x00,
  OP_PUSHDATA1: 0x4c,
  OP_PUSHDATA2: 0x4d,
  OP_PUSHDATA4: 0x4e,
  OP_1NEGATE: 0x4f,
  OP_RESERVED: 0x50,
  OP_1: 0x51,
  OP_2: 0x52,
  OP_3: 0x53,
  OP_4: 0x54,
  OP_5: 0x55,
  OP_6: 0x56,
  OP_7: 0x57,
  OP_8: 0x58,
  OP_9: 0x59,
  OP_10: 0x5a,
  OP_11: 0x5b,
  OP_12: 0x5c,
  OP_13: 0x5d,
  OP_14: 0x5e,
  OP_15: 0x5f,
  OP_16: 0x60,
  OP_NOP: 0x61,
  OP_VER: 0x62,
  OP_IF: 0x63,
  OP_NOTIF: 0x64,
  OP_VERIF: 0x65,
  OP_VERNOTIF: 0x66,
  OP_ELSE: 0x67,
  OP_ENDIF: 0x68,
  OP_VERIFY: 0x69,
  OP_RETURN: 0x6a,
  OP_TOALTSTACK: 0x6b,
  OP_FROMALTSTACK: 0x6c,
  OP_2DROP: 0x6d,
  OP_2DUP: 0x6e,
  OP_3DUP: 0x6f,
  OP_2OVER: 0x70,
  OP_2ROT: 0x71,
  OP_2SWAP: 0x72,
  OP_IFDUP: 0x73,
  OP_DEPTH: 0x74,
  OP_DROP: 0x75,
  OP_DUP: 0x76,
  OP_NIP: 0x77,
  OP_OVER: 0x78,
  OP_PICK: 0x79,
  OP_ROLL: 0x7a,
  OP_ROT: 0x7b,
  OP_SWAP: 0x7c,
  OP_TUCK: 0x7d,
  OP_CAT: 0x7e,
  OP_SUBSTR: 0x7f,
  OP_LEFT: 0x80,
  OP_RIGHT: 0x81,
  OP_SIZE: 0x82,
  OP_INVERT: 0x83,
  OP_AND: 0x84,
  OP_OR: 0x85,
  OP_XOR: 0x86,
  OP_EQUAL: 0x87,
  OP_EQUALVERIFY: 0x88,
  OP_RESERVED1: 0x89,
  OP_RESERVED2: 0x8a,
  OP_1ADD: 0x8b,
  OP_1SUB: 0x8c,
  OP_2MUL: 0x8d,
  OP_2DIV: 0x8e,
  OP_NEGATE: 0x8f,
  OP_ABS: 0x90,
  OP_NOT: 0x91,
  OP_0NOTEQUAL: 0x92,
  OP_ADD: 0x93,
  OP_SUB: 0x94,
  OP_MUL: 0x95,
  OP_DIV: 0x96,
  OP_MOD: 0x97,
  OP_LSHIFT: 0x98,
  OP_RSHIFT: 0x99,
  OP_BOOLAND: 0x9a,
  OP_BOOLOR: 0x9b,
  OP_NUMEQUAL: 0x9c,
  OP_NUMEQUALVERIFY: 0x9d,
  OP_NUMNOTEQUAL: 0x9e,
  OP_LESSTHAN: 0x9f,
  OP_GREATERTHAN: 0xa0,
  OP_LESSTHANOREQUAL: 0xa1,
  OP_GREATERTHANOREQUAL: 0xa2,
  OP_MIN: 0xa3,
  OP_MAX: 0xa4,
  OP_WITHIN: 0xa5,
  OP_RIPEMD160: 0xa6,
  OP_SHA1: 0xa7,
  OP_SHA256: 0xa8,
  OP_HASH160: 0xa9,
  OP_HASH256: 0xaa,
  OP_CODESEPARATOR: 0xab,
  OP_CHECKSIG: 0xac,
  OP_CHECKSIGVERIFY: 0xad,
  OP_CHECKMULTISIG: 0xae,
  OP_CHECKMULTISIGVERIFY: 0xaf,
  OP_NOP1: 0xb0,
  OP_CHECKLOCKTIMEVERIFY: 0xb1,
  OP_CHECKSEQUENCEVERIFY: 0xb2,
  OP_NOP4: 0xb3,
  OP_NOP5: 0xb4,
  OP_NOP6: 0xb5,
  OP_NOP7: 0xb6,
  OP_NOP8: 0xb7,
  OP_NOP9: 0xb8,
  OP_NOP10: 0xb9,
  OP_CHECKSIGADD: 0xba,
} as const

/** One operation of a script. */
export interface ScriptOperation {
  readonly opcode: number
  /** What opcodes up to OP_PUSHDATA4 push; undefined for all others. */
  readonly data: Uint8Array | undefined
  /** Offset of the byte after it. */
  readonly next: number
}

/** The operation at `offset`, which is inside the script; undefined when its push is cut short. */
export function readOperation(script: Uint8Array, offset: number): ScriptOperation | undefined {
  const opcode = script[offset]
  if (opcode === undefined) return undefined
  const start = offset + 1
  if (opcode > Opcode.OP_PUSHDATA4) return { opcode, data: undefined, next: start }
  // OP_PUSHDATA1, 2 and 4 carry the length in that many bytes, little-endian.
  const lengthBytes = opcode < Opcode.OP_PUSHDATA1 ? 0 : 1 << (opcode - Opcode.OP_PUSHDATA1)
  const from = start + lengthBytes
  if (from > script.length) return undefined
  let length = lengthBytes === 0 ? opcode : 0
  for (let i = lengthBytes - 1; i >= 0; i--) length = length * 256 + (script[start + i] ?? 0)
  const next = from + length
  if (next > script.length) return undefined
  return { opcode, data: script.subarray(from, next), next }
}

/** BIP62 rule 3, Core's CheckMinimalPush: could no shorter operation have pushed the same? */
export function isMinimalPush(opcode: number, data: Uint8Array): boolean {
  const [first = 0] = data
  if (data.length === 0) return opcode === Opcode.OP_0
  if (data.length === 1 && first >= 1 && first <= 16) return false
  if (data.length === 1 && first === 0x81) return false
  if (data.length < Opcode.OP_PUSHDATA1) return opcode === data.length
  if (data.length <= 0xff) return opcode === Opcode.OP_PUSHDATA1
  if (data.length <= 0xffff) return opcode === Opcode.OP_PUSHDATA2
  return true
}

/** BIP342: undefined in witness v0 and reserved for upgrades in tapscript. */
export function isOpSuccess(opcode: number): boolean {
  return (
    opcode === 0x50 ||
    opcode === 0x62 ||
    (opcode >= 0x7e && opcode <= 0x81) ||
    (opcode >= 0x83 && opcode <= 0x86) ||
    (opcode >= 0x89 && opcode <= 0x8a) ||
    (opcode >= 0x8d && opcode <= 0x8e) ||
    (opcode >= 0x95 && opcode <= 0x99) ||
    (opcode >= 0xbb && opcode <= 0xfe)
  )
}

/** Switched off since 2010: fails a witness v0 script even where it would not run. */
export function isDisabledOpcode(opcode: number): boolean {
  return (
    (opcode >= Opcode.OP_CAT && opcode <= Opcode.OP_RIGHT) ||
    (opcode >= Opcode.OP_INVERT && opcode <= Opcode.OP_XOR) ||
    (opcode >= Opcode.OP_2MUL && opcode <= Opcode.OP_2DIV) ||
    (opcode >= Opcode.OP_MUL && opcode <= Opcode.OP_RSHIFT)
  )
}
