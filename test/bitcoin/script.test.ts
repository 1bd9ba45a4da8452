import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isMinimalPush, readOperation } from '../../src/bitcoin/opcodes.ts'
import {
  classifyOutput,
  minimalPush,
  P2A_SCRIPT,
  p2pkhScript,
  p2shScript,
  p2trScript,
  p2wpkhScript,
  p2wshScript,
  withdrawScript,
} from '../../src/bitcoin/script.ts'
import { scriptAsm } from '../../src/bitcoin/script-asm.ts'
import { bytesToHex, hexToBytes } from '../../src/primitives/bytes.ts'

const HASH20 = new Uint8Array(20).fill(7)
const HASH32 = new Uint8Array(32).fill(9)
const L1_SCRIPTS = [
  ['p2pkh', p2pkhScript(HASH20)],
  ['p2sh', p2shScript(HASH20)],
  ['p2wpkh', p2wpkhScript(HASH20)],
  ['p2wsh', p2wshScript(HASH32)],
  ['p2tr', p2trScript(HASH32)],
] as const

describe('classifying an output', () => {
  it.each(L1_SCRIPTS)('knows %s', (kind, script) => {
    const payload = script.length > 30 ? HASH32 : HASH20
    const key = kind === 'p2pkh' || kind === 'p2sh' ? 'hash' : 'program'
    expect(classifyOutput(script)).toEqual({ kind, [key]: payload })
  })

  it.each(L1_SCRIPTS)('knows a withdrawal to %s', (_kind, l1Script) => {
    expect(classifyOutput(withdrawScript(l1Script))).toEqual({ kind: 'withdraw', l1Script })
  })

  it('knows anchors and data', () => {
    expect(classifyOutput(P2A_SCRIPT)).toEqual({ kind: 'p2a' })
    const data = hexToBytes('6a02abcd')
    expect(classifyOutput(data)).toEqual({ kind: 'op_return', data: hexToBytes('02abcd') })
    expect(classifyOutput(hexToBytes('6a')).kind).toBe('op_return')
  })

  it.each([
    ['nothing', ''],
    ['a bare key', `21${'02'.repeat(33)}ac`],
    ['v0 of 21 bytes', `0015${'11'.repeat(21)}`],
    ['v1 of 31 bytes', `511f${'11'.repeat(31)}`],
    ['v2', `5220${'11'.repeat(32)}`],
    ['v1 behind PUSHDATA', `514c20${'11'.repeat(32)}`],
    ['P2PKH with a byte too many', `76a914${'11'.repeat(20)}88ac00`],
    ['a withdrawal to nothing', '600100'],
    ['a withdrawal to an anchor', '600451024e73'],
    ['a withdrawal to data', '60046a021234'],
    ['a withdrawal to v2', `60225220${'11'.repeat(32)}`],
    ['a withdrawal to a withdrawal', `601860160014${'11'.repeat(20)}`],
    ['a withdrawal behind PUSHDATA', `604c160014${'11'.repeat(20)}`],
    ['a withdrawal to P2PKH cut short', `601876a914${'11'.repeat(20)}88`],
    ['a withdrawal with a byte after it', `60160014${'11'.repeat(20)}00`],
  ])('does not know %s', (_what, hex) => {
    expect(classifyOutput(hexToBytes(hex)).kind).toBe('unknown')
  })
})

describe('a minimal push', () => {
  it('pushes its data in the one operation that BIP62 allows', () => {
    const lengths = fc.constantFrom(0, 1, 2, 75, 76, 255, 256, 520, 65_535)
    fc.assert(
      fc.property(lengths, fc.nat(255), (length, fill) => {
        const data = new Uint8Array(length).fill(fill)
        const operation = readOperation(minimalPush(data), 0)
        expect(operation?.next).toBe(minimalPush(data).length)
        if (operation?.data === undefined) expect(length).toBe(1)
        else {
          expect(bytesToHex(operation.data)).toBe(bytesToHex(data))
          expect(isMinimalPush(operation.opcode, operation.data)).toBe(true)
        }
      }),
    )
  })

  it.each([
    ['', '00'],
    ['01', '51'],
    ['10', '60'],
    ['11', '0111'],
    ['81', '4f'],
    ['00', '0100'],
  ])('of %s is %s', (data, push) => {
    expect(bytesToHex(minimalPush(hexToBytes(data)))).toBe(push)
  })
})

describe('a script as text', () => {
  it.each([
    [`5120${'11'.repeat(32)}`, `OP_PUSHNUM_1 OP_PUSHBYTES_32 ${'11'.repeat(32)}`],
    [`0014${'22'.repeat(20)}`, `OP_0 OP_PUSHBYTES_20 ${'22'.repeat(20)}`],
    ['6a4c02abcd', 'OP_RETURN OP_PUSHDATA1 abcd'],
    [
      '4fb1b2bafeff',
      'OP_PUSHNUM_NEG1 OP_CLTV OP_CSV OP_CHECKSIGADD OP_RETURN_254 OP_INVALIDOPCODE',
    ],
    ['5105aa', 'OP_PUSHNUM_1 <push past end>'],
    ['', ''],
  ])('%s', (hex, asm) => {
    expect(scriptAsm(hexToBytes(hex))).toBe(asm)
  })

  it('never fails', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (script) => {
        expect(typeof scriptAsm(script)).toBe('string')
        expect(typeof classifyOutput(script).kind).toBe('string')
      }),
    )
  })
})
