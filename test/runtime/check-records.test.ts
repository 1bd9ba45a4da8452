import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  createRecordCheck,
  RECORD_BYTES,
  writeEcdsa,
  writeSchnorr,
  writeTweak,
} from '../../src/runtime/check-records.ts'
import { HOLDING, type SampleCheck } from '../support/signature-checks.ts'

function write(records: Uint8Array, index: number, check: SampleCheck): boolean {
  const [first, second, third] = check.parts
  if (check.kind === 'schnorr') return writeSchnorr(records, index, first, second, third)
  if (check.kind === 'ecdsa') return writeEcdsa(records, index, first, second, third)
  return writeTweak(records, index, first, second, third, check.parity)
}

describe('check records', () => {
  it('hold what was written, in shared memory as in private', () => {
    for (const memory of [ArrayBuffer, SharedArrayBuffer]) {
      const records = new Uint8Array(new memory(HOLDING.length * RECORD_BYTES + 16), 16)
      const check = createRecordCheck(records)
      for (const [i, each] of HOLDING.entries()) expect(write(records, i, each)).toBe(true)
      expect(HOLDING.every((_, i) => check(i))).toBe(true)
      // Any byte of any record counts, but for the padding and the parity that only tweaks have.
      for (const [i, { kind }] of HOLDING.slice(0, 3).entries()) {
        const used = { schnorr: 130, ecdsa: 131, tweak: 98 }[kind]
        for (let byte = kind === 'tweak' ? 1 : 2; byte < used; byte += 1) {
          const at = i * RECORD_BYTES + byte
          records[at] = (records[at] ?? 0) ^ 1
          expect(check(i), `${kind}, byte ${String(byte)}`).toBe(false)
          records[at] = (records[at] ?? 0) ^ 1
        }
        expect(check(i)).toBe(true)
      }
    }
  })

  it('fail when they were never written', () => {
    expect(createRecordCheck(new Uint8Array(RECORD_BYTES))(0)).toBe(false)
  })

  it('fail, and throw nothing, whatever bytes they are', () => {
    const records = new Uint8Array(RECORD_BYTES)
    const check = createRecordCheck(records)
    const bytes = fc.uint8Array({ minLength: RECORD_BYTES - 1, maxLength: RECORD_BYTES - 1 })
    fc.assert(
      fc.property(fc.nat(4), bytes, (kind, rest) => {
        records[0] = kind
        records.set(rest, 1)
        expect(check(0)).toBe(false)
      }),
      { numRuns: 500 },
    )
  })
})
