/**
 * Output scripts: the forms this chain and Bitcoin know, and building them. Witness programs are
 * BIP141 (v0), BIP341 (v1) and Core's pay-to-anchor; a withdraw output is witness version 16 with
 * an L1 output script as its program.
 */

import { assert } from '../primitives/assert.ts'
import { bytesToHex, concatBytes } from '../primitives/bytes.ts'
import { Opcode } from './opcodes.ts'

export type OutputKind =
  | { readonly kind: 'p2wpkh'; readonly program: Uint8Array }
  | { readonly kind: 'p2wsh'; readonly program: Uint8Array }
  | { readonly kind: 'p2tr'; readonly program: Uint8Array }
  | { readonly kind: 'p2a' }
  /** Everything after OP_RETURN, unparsed. */
  | { readonly kind: 'op_return'; readonly data: Uint8Array }
  /** A burn that asks for `l1Script` to be paid on L1. */
  | { readonly kind: 'withdraw'; readonly l1Script: Uint8Array }
  | { readonly kind: 'p2pkh'; readonly hash: Uint8Array }
  | { readonly kind: 'p2sh'; readonly hash: Uint8Array }
  | { readonly kind: 'unknown' }

export interface WitnessProgram {
  /** 0 … 16 */
  readonly version: number
  /** 2 … 40 bytes */
  readonly program: Uint8Array
}

const WITHDRAW_VERSION = 16
const PROGRAM_BYTES_MIN = 2
const PROGRAM_BYTES_MAX = 40
const WITHDRAW_TARGETS: ReadonlySet<OutputKind['kind']> = new Set([
  'p2pkh',
  'p2sh',
  'p2wpkh',
  'p2wsh',
  'p2tr',
])
const UNKNOWN: OutputKind = { kind: 'unknown' }

/** Pay-to-anchor: witness v1 with the two bytes 4e73. */
export const P2A_SCRIPT: Uint8Array = Uint8Array.of(0x51, 0x02, 0x4e, 0x73)

/** BIP141: a version opcode and one direct push of 2 to 40 bytes. */
export function findWitnessProgram(script: Uint8Array): WitnessProgram | undefined {
  const [opcode, length] = script
  if (opcode === undefined || length === undefined || script.length !== length + 2) return undefined
  if (length < PROGRAM_BYTES_MIN || length > PROGRAM_BYTES_MAX) return undefined
  const isVersion = opcode >= Opcode.OP_1 && opcode <= Opcode.OP_16
  if (opcode !== Opcode.OP_0 && !isVersion) return undefined
  return { version: isVersion ? opcode - Opcode.OP_1 + 1 : 0, program: script.subarray(2) }
}

/** @throws AssertionError unless the version is 0 … 16 and the program 2 … 40 bytes. */
export function witnessScript({ version, program }: WitnessProgram): Uint8Array {
  assert(version >= 0 && version <= 16, 'witness version out of range')
  assert(
    program.length >= PROGRAM_BYTES_MIN && program.length <= PROGRAM_BYTES_MAX,
    'witness program length out of range',
  )
  const opcode = version === 0 ? Opcode.OP_0 : Opcode.OP_1 + version - 1
  return concatBytes(Uint8Array.of(opcode, program.length), program)
}

/** What an output script is. The payloads are views of the script. */
export function classifyOutput(script: Uint8Array): OutputKind {
  if (script[0] === Opcode.OP_RETURN) return { kind: 'op_return', data: script.subarray(1) }
  const witness = findWitnessProgram(script)
  return witness === undefined ? classifyHashOutput(script) : classifyWitness(witness)
}

function classifyWitness({ version, program }: WitnessProgram): OutputKind {
  if (version === 0 && program.length === 20) return { kind: 'p2wpkh', program }
  if (version === 0 && program.length === 32) return { kind: 'p2wsh', program }
  if (version === 1 && program.length === 32) return { kind: 'p2tr', program }
  if (version === 1 && program.length === 2 && program[0] === 0x4e && program[1] === 0x73) {
    return { kind: 'p2a' }
  }
  if (version === WITHDRAW_VERSION && isWithdrawTarget(program)) {
    return { kind: 'withdraw', l1Script: program }
  }
  return UNKNOWN
}

/** P2PKH: DUP HASH160 <20> EQUALVERIFY CHECKSIG; P2SH (BIP16): HASH160 <20> EQUAL. */
function classifyHashOutput(script: Uint8Array): OutputKind {
  const hex = script.length <= 25 ? bytesToHex(script) : ''
  if (/^76a914[0-9a-f]{40}88ac$/.test(hex)) return { kind: 'p2pkh', hash: script.subarray(3, 23) }
  if (/^a914[0-9a-f]{40}87$/.test(hex)) return { kind: 'p2sh', hash: script.subarray(2, 22) }
  return UNKNOWN
}

/** Exactly the five L1 scripts that a release may pay. */
export function isWithdrawTarget(l1Script: Uint8Array): boolean {
  // Withdraw outputs do not nest.
  if (l1Script[0] === Opcode.OP_16) return false
  return WITHDRAW_TARGETS.has(classifyOutput(l1Script).kind)
}

/** The output script that burns coins for a payment to `l1Script`. @throws AssertionError */
export function withdrawScript(l1Script: Uint8Array): Uint8Array {
  assert(isWithdrawTarget(l1Script), 'not an L1 script that a release may pay')
  return witnessScript({ version: WITHDRAW_VERSION, program: l1Script })
}

/** BIP341: `key` is the 32-byte x-only output key. */
export function p2trScript(key: Uint8Array): Uint8Array {
  assert(key.length === 32, 'a taproot output key is 32 bytes')
  return witnessScript({ version: 1, program: key })
}

/** BIP141: `hash` is HASH160 of the compressed public key, 20 bytes. */
export function p2wpkhScript(hash: Uint8Array): Uint8Array {
  assert(hash.length === 20, 'a key hash is 20 bytes')
  return witnessScript({ version: 0, program: hash })
}

/** BIP141: `hash` is SHA256 of the witness script, 32 bytes. */
export function p2wshScript(hash: Uint8Array): Uint8Array {
  assert(hash.length === 32, 'a script hash is 32 bytes')
  return witnessScript({ version: 0, program: hash })
}

/** The 25-byte script DUP HASH160 <hash> EQUALVERIFY CHECKSIG. */
export function p2pkhScript(hash: Uint8Array): Uint8Array {
  assert(hash.length === 20, 'a key hash is 20 bytes')
  return concatBytes(Uint8Array.of(0x76, 0xa9, 20), hash, Uint8Array.of(0x88, 0xac))
}

/** BIP16: HASH160 <hash> EQUAL. */
export function p2shScript(hash: Uint8Array): Uint8Array {
  assert(hash.length === 20, 'a script hash is 20 bytes')
  return concatBytes(Uint8Array.of(0xa9, 20), hash, Uint8Array.of(0x87))
}

/** The shortest operation that pushes `data` (BIP62 rule 3). At most 65,535 bytes. */
export function minimalPush(data: Uint8Array): Uint8Array {
  const [first = 0] = data
  if (data.length === 0) return Uint8Array.of(Opcode.OP_0)
  if (data.length === 1 && first >= 1 && first <= 16) {
    return Uint8Array.of(Opcode.OP_1 + first - 1)
  }
  if (data.length === 1 && first === 0x81) return Uint8Array.of(Opcode.OP_1NEGATE)
  if (data.length < Opcode.OP_PUSHDATA1) return concatBytes(Uint8Array.of(data.length), data)
  if (data.length <= 0xff) {
    return concatBytes(Uint8Array.of(Opcode.OP_PUSHDATA1, data.length), data)
  }
  assert(data.length <= 0xffff, 'push too long')
  const length = Uint8Array.of(data.length & 0xff, data.length >>> 8)
  return concatBytes(Uint8Array.of(Opcode.OP_PUSHDATA2), length, data)
}
