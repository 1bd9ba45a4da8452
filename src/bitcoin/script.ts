/**
 * Output scripts: the forms this chain and Bitcoin know, and building them. Witness programs are
 * BIP141 (v0), BIP341 (v1) and Core's pay-to-anchor; a withdraw output is witness version 16 with
 * an L1 output script as its program.
 */

import { assert } from '../primitives/assert.ts'
import { concatBytes, equalBytes } from '../primitives/bytes.ts'
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

/** Pay-to-anchor: witness v1 with the two bytes 4e73. */
export const P2A_SCRIPT: Uint8Array = Uint8Array.of(0x51, 0x02, 0x4e, 0x73)

/** BIP141: a version opcode and one direct push of 2 to 40 bytes. */
export function findWitnessProgram(script: Uint8Array): WitnessProgram | undefined {
  const version = findWitnessVersion(script)
  return version === undefined ? undefined : { version, program: script.subarray(2) }
}

function findWitnessVersion(script: Uint8Array): number | undefined {
  const opcode = script[0]
  const length = script[1]
  if (opcode === undefined || length === undefined || script.length !== length + 2) return undefined
  if (length < PROGRAM_BYTES_MIN || length > PROGRAM_BYTES_MAX) return undefined
  if (opcode === Opcode.OP_0) return 0
  const isVersion = opcode >= Opcode.OP_1 && opcode <= Opcode.OP_16
  return isVersion ? opcode - Opcode.OP_1 + 1 : undefined
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
  const kind = outputKind(script)
  switch (kind) {
    case 'p2wpkh':
    case 'p2wsh':
    case 'p2tr':
      return { kind, program: script.subarray(2) }
    case 'withdraw':
      return { kind, l1Script: script.subarray(2) }
    case 'op_return':
      return { kind, data: script.subarray(1) }
    case 'p2pkh':
      return { kind, hash: script.subarray(3, 23) }
    case 'p2sh':
      return { kind, hash: script.subarray(2, 22) }
    case 'p2a':
    case 'unknown':
      return { kind }
  }
}

/** The same without its payload: rules ask for it several times per output. */
export function outputKind(script: Uint8Array): OutputKind['kind'] {
  if (script[0] === Opcode.OP_RETURN) return 'op_return'
  const programLength = script.length - 2
  switch (findWitnessVersion(script)) {
    case undefined:
      return hashOutputKind(script)
    case 0:
      if (programLength === 20) return 'p2wpkh'
      return programLength === 32 ? 'p2wsh' : 'unknown'
    case 1:
      if (programLength === 32) return 'p2tr'
      return equalBytes(script, P2A_SCRIPT) ? 'p2a' : 'unknown'
    case WITHDRAW_VERSION:
      return isWithdrawTarget(script.subarray(2)) ? 'withdraw' : 'unknown'
    default:
      return 'unknown'
  }
}

/** P2PKH: DUP HASH160 <20> EQUALVERIFY CHECKSIG; P2SH (BIP16): HASH160 <20> EQUAL. */
function hashOutputKind(script: Uint8Array): 'p2pkh' | 'p2sh' | 'unknown' {
  const { length } = script
  if (length === 25 && equalBytes(script, p2pkhScript(script.subarray(3, 23)))) return 'p2pkh'
  if (length === 23 && equalBytes(script, p2shScript(script.subarray(2, 22)))) return 'p2sh'
  return 'unknown'
}

/** Exactly the five L1 scripts that a release may pay. */
export function isWithdrawTarget(l1Script: Uint8Array): boolean {
  // Withdraw outputs do not nest.
  if (l1Script[0] === Opcode.OP_16) return false
  return WITHDRAW_TARGETS.has(outputKind(l1Script))
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
