/** What is read out of scripts, signatures and addresses that an attacker wrote. */

import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeAddress, encodeAddress, L1_ADDRESS_NETWORKS } from '../../src/bitcoin/address.ts'
import { isMinimalPush, readOperation } from '../../src/bitcoin/opcodes.ts'
import {
  classifyOutput,
  minimalPush,
  p2trScript,
  p2wpkhScript,
  p2wshScript,
  witnessScript,
} from '../../src/bitcoin/script.ts'
import { scriptAsm } from '../../src/bitcoin/script-asm.ts'
import { decodeScriptNumber, encodeScriptNumber } from '../../src/bitcoin/script-number.ts'
import { compactSignature, isStrictDer } from '../../src/bitcoin/signature-encoding.ts'
import { controlBlock, parseControlBlock } from '../../src/bitcoin/taproot.ts'
import { decodeTransaction } from '../../src/bitcoin/transaction.ts'
import { concatBytes, hexToBytes } from '../../src/primitives/bytes.ts'
import { DecodeError } from '../../src/primitives/codec.ts'
import { spoiled } from './byte-mutations.ts'
import { items, scripts } from './generated-scripts.ts'

/** The longest name of an opcode, with a space. */
const WORD_LENGTH_MAX = 25

/** Where reading ends: behind the script, or before the operation that is cut short. */
function readThrough(script: Uint8Array): number {
  let offset = 0
  while (offset < script.length) {
    const operation = readOperation(script, offset)
    if (operation === undefined) break
    if (operation.next <= offset || operation.next > script.length) return -1
    offset = operation.next
  }
  return offset
}

describe('reading a script', () => {
  it('moves forward, stays inside, and writes text of bounded length', () => {
    fc.assert(
      fc.property(scripts, (script) => {
        expect(readThrough(script)).toBeGreaterThanOrEqual(0)
        expect(scriptAsm(script).length).toBeLessThanOrEqual((script.length + 1) * WORD_LENGTH_MAX)
        expect(classifyOutput(script).kind).toMatch(/^[a-z0-9_]+$/)
      }),
      { numRuns: 1_000 },
    )
  })

  it('knows the one minimal push of every item', () => {
    fc.assert(
      fc.property(items, (item) => {
        const operation = readOperation(minimalPush(item), 0)
        if (operation?.data === undefined) return
        expect(operation.data).toEqual(item)
        expect(isMinimalPush(operation.opcode, item)).toBe(true)
      }),
    )
  })

  it('reads every number as it was written, and a minimal one in one form only', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 6 }), (bytes) => {
        const value = decodeScriptNumber(bytes, true, 6)
        if (value !== undefined) expect(encodeScriptNumber(value)).toEqual(bytes)
        const lax = decodeScriptNumber(bytes, false, 6)
        if (lax === undefined) throw new TypeError('any bytes are a number')
        expect(decodeScriptNumber(encodeScriptNumber(lax), true, 6)).toBe(lax === 0 ? 0 : lax)
      }),
      { numRuns: 2_000 },
    )
  })

  it('takes signatures and control blocks apart without looking beyond them', () => {
    const corpus = [
      hexToBytes('300602010102010101'),
      hexToBytes(`3045022100${'81'.repeat(32)}0220${'11'.repeat(32)}01`),
      controlBlock(new Uint8Array(32).fill(9), 1, [new Uint8Array(32), new Uint8Array(32).fill(1)]),
    ]
    fc.assert(
      fc.property(spoiled(corpus), (bytes) => {
        const compact = compactSignature(bytes)
        if (compact !== undefined) {
          expect(compact).toHaveLength(64)
          expect(isStrictDer(bytes)).toBe(true)
        }
        const control = parseControlBlock(bytes)
        if (control === undefined) return
        const { internal, parity, path, leafVersion } = control
        expect(controlBlock(internal, parity, path, leafVersion)).toEqual(bytes)
      }),
      { numRuns: 1_500 },
    )
  })
})

describe('an address', () => {
  const network = L1_ADDRESS_NETWORKS.regtest
  const outputs = [
    p2wpkhScript(new Uint8Array(20).fill(1)),
    p2wshScript(new Uint8Array(32).fill(2)),
    p2trScript(new Uint8Array(32).fill(3)),
    witnessScript({ version: 16, program: p2trScript(new Uint8Array(32).fill(4)) }),
    witnessScript({ version: 2, program: Uint8Array.of(1, 2) }),
    concatBytes(hexToBytes('76a914'), new Uint8Array(20).fill(5), hexToBytes('88ac')),
    concatBytes(hexToBytes('a914'), new Uint8Array(20).fill(6), hexToBytes('87')),
  ]
  const addresses = outputs.map((script) => {
    const text = encodeAddress(script, network)
    if (text === undefined) throw new TypeError('no address')
    return text
  })
  const damage = fc
    .tuple(fc.constantFrom(...addresses), fc.nat(100), fc.string({ maxLength: 3 }), fc.nat(3))
    .map(([text, place, part, removed]) => {
      const at = place % (text.length + 1)
      return text.slice(0, at) + part + text.slice(at + removed)
    })
  const long = fc
    .tuple(fc.constantFrom(...addresses, '1', 'bcrt1', 'q'), fc.nat(3_000))
    .map(([text, times]) => text.repeat(times))
  const texts = fc.oneof(
    { weight: 6, arbitrary: damage },
    fc.string({ unit: 'binary', maxLength: 120 }),
    fc.constantFrom(...addresses).map((text) => text.toUpperCase()),
    long,
  )

  it('has one spelling but for the case of bech32, and anything else is refused by a code', () => {
    let understood = 0
    fc.assert(
      fc.property(texts, (text) => {
        const decoded = decodeAddress(text, network)
        if (!decoded.ok) {
          expect(decoded.error.code).toMatch(/^address-(?:format|checksum|network|program)$/)
          return
        }
        understood += 1
        const again = encodeAddress(decoded.value, network)
        expect([text, text.toLowerCase()]).toContain(again)
      }),
      { numRuns: 3_000 },
    )
    expect(understood).toBeGreaterThan(100)
    for (const [i, script] of outputs.entries()) {
      expect(decodeAddress(addresses[i] ?? '', network)).toEqual({ ok: true, value: script })
    }
  })
})

describe('a transaction that only announces', () => {
  it('is refused before room is made for what it announces', () => {
    // Version, then 2^32 - 1 inputs; or marker, flag, and as many; or outputs; or witness items.
    const input = `${'07'.repeat(36)}00ffffffff`
    for (const hex of [
      '02000000feffffffff',
      '020000000001feffffffff',
      `0200000001${input}feffffffff`,
      `02000000000101${input}01${'00'.repeat(8)}00feffffffff`,
      `02000000000101${input}01${'00'.repeat(8)}0001feffffffff`,
    ]) {
      const bytes = concatBytes(hexToBytes(hex), new Uint8Array(20))
      expect(() => decodeTransaction(bytes)).toThrow(DecodeError)
    }
  })
})
