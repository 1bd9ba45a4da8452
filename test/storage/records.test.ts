import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bytesToHex, utf8 } from '../../src/primitives/bytes.ts'
import { reversedToBytes, type Txid } from '../../src/primitives/hashes.ts'
import { endOfPrefix } from '../../src/storage/keys.ts'
import {
  blockInfoRecord,
  heightRecord,
  locationRecord,
  outputRecord,
  type RecordCodec,
  scriptEventRecord,
  scriptStatsRecord,
  spendRecord,
  tipRecord,
  unspentRecord,
} from '../../src/storage/records.ts'
import { StorageCorruptError } from '../../src/storage/storage-error.ts'

/** Ids are written as bytes. */
function withTxidBytes<T extends { readonly txid: Txid }>(
  record: RecordCodec<T, Omit<T, 'txid'> & { readonly txid: Uint8Array }>,
): RecordCodec<T> {
  return {
    encode: (value) => record.encode({ ...value, txid: reversedToBytes(value.txid) }),
    decode: (bytes) => record.decode(bytes),
  }
}

const records: readonly (readonly [string, RecordCodec<unknown>])[] = [
  ['tip', tipRecord],
  ['block info', blockInfoRecord],
  ['height', heightRecord],
  ['location', locationRecord],
  ['spend', withTxidBytes(spendRecord)],
  ['script event', withTxidBytes(scriptEventRecord)],
  ['unspent', unspentRecord],
  ['statistics', scriptStatsRecord],
  ['output', outputRecord],
]

describe.each(records)('the %s record', (_name, record) => {
  it('decodes to what was encoded, or is called damaged', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        try {
          const value = record.decode(bytes)
          expect(record.encode(value)).toStrictEqual(bytes)
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(StorageCorruptError)
        }
      }),
    )
  })

  it('refuses an empty value', () => {
    expect(() => record.decode(new Uint8Array())).toThrow(StorageCorruptError)
  })
})

it('ends the range of a prefix behind everything that starts with it', () => {
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 4 }).filter((prefix) => prefix[0] !== 0xff)
  fc.assert(
    fc.property(bytes, fc.uint8Array({ maxLength: 4 }), (prefix, rest) => {
      const end = bytesToHex(endOfPrefix(prefix))
      expect(bytesToHex(prefix) + bytesToHex(rest) < end).toBe(true)
      expect(bytesToHex(prefix) < end && !end.startsWith(bytesToHex(prefix))).toBe(true)
    }),
  )
  expect(endOfPrefix(utf8('a'))).toStrictEqual(utf8('b'))
})
