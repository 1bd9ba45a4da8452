/** Scripts as text in the form that Esplora shows: rust-bitcoin's opcode names. For people only. */

import { bytesToHex } from '../primitives/bytes.ts'
import { Opcode, readOperation } from './opcodes.ts'

/** Where rust-bitcoin's word differs from Bitcoin Core's. */
const RENAMED = new Map<number, string>([
  [Opcode.OP_1NEGATE, 'OP_PUSHNUM_NEG1'],
  [Opcode.OP_CHECKLOCKTIMEVERIFY, 'OP_CLTV'],
  [Opcode.OP_CHECKSEQUENCEVERIFY, 'OP_CSV'],
  [0xff, 'OP_INVALIDOPCODE'],
])
const NAMES = new Map<number, string>(Object.entries(Opcode).map(([name, code]) => [code, name]))

function opcodeName(opcode: number): string {
  if (opcode >= Opcode.OP_1 && opcode <= Opcode.OP_16) {
    return `OP_PUSHNUM_${opcode - Opcode.OP_1 + 1}`
  }
  return RENAMED.get(opcode) ?? NAMES.get(opcode) ?? `OP_RETURN_${opcode}`
}

/** "OP_PUSHNUM_1 OP_PUSHBYTES_32 …"; a push cut short ends in "<push past end>". */
export function scriptAsm(script: Uint8Array): string {
  const words: string[] = []
  let offset = 0
  while (offset < script.length) {
    const operation = readOperation(script, offset)
    if (operation === undefined) {
      words.push('<push past end>')
      break
    }
    const { opcode, data } = operation
    const isDirectPush = opcode > Opcode.OP_0 && opcode < Opcode.OP_PUSHDATA1
    words.push(isDirectPush ? `OP_PUSHBYTES_${opcode}` : opcodeName(opcode))
    if (data !== undefined && data.length > 0) words.push(bytesToHex(data))
    offset = operation.next
  }
  return words.join(' ')
}
