import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeWalRecord, encodeWalRecord, type WalRecord } from '../../src/consensus/wal-record.ts'
import { DecodeError } from '../../src/primitives/codec.ts'
import { CoreHarness } from '../support/core-harness.ts'

const harness = new CoreHarness()
const block = harness.block(0, [1])
const records: WalRecord[] = [
  { kind: 'vote', height: 1, vote: harness.vote(0, 'nullify', 0) },
  {
    kind: 'vote',
    height: 1,
    vote: harness.vote(0, 'notarize', 1, block.hash),
    justification: { nulls: [harness.certificate('nullify', 0)] },
  },
  { kind: 'block', height: 1, block: block.bytes },
  { kind: 'certificate', height: 1, certificate: harness.certificate('notarize', 0, block.hash) },
]

describe('log records', () => {
  it.each(records.map((record) => [record.kind, record] as const))(
    '%s survives the codec; cut anywhere it is refused',
    (_, record) => {
      const bytes = encodeWalRecord(record)
      expect(decodeWalRecord(bytes)).toEqual(record)
      for (let cut = 0; cut < bytes.length; cut++) {
        expect(() => decodeWalRecord(bytes.slice(0, cut))).toThrow(DecodeError)
      }
    },
  )

  it('under another height than their contents are refused', () => {
    for (const record of records.filter(({ kind }) => kind !== 'block')) {
      const bytes = encodeWalRecord({ ...record, height: 2 })
      expect(() => decodeWalRecord(bytes)).toThrow('another height')
    }
  })

  it('decoding random bytes throws nothing but DecodeError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        try {
          decodeWalRecord(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
        }
      }),
    )
  })
})
