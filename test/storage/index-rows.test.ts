import { expect, it } from 'vitest'
import { encodeOutPoint, transactionId } from '../../src/bitcoin/transaction.ts'
import { AssertionError } from '../../src/primitives/assert.ts'
import { bytesToHex, utf8 } from '../../src/primitives/bytes.ts'
import { hashToBytes, reversedToBytes } from '../../src/primitives/hashes.ts'
import type { Write } from '../../src/runtime/runtime.ts'
import { blockRows, scriptHash } from '../../src/storage/index-rows.ts'
import {
  heightKey,
  KEY_PREFIX,
  metaKey,
  scriptHistoryKey,
  scriptUnspentKey,
  spendKey,
  stateKey,
  transactionKey,
} from '../../src/storage/keys.ts'
import { NO_STATS, scriptEventRecord, tipRecord } from '../../src/storage/records.ts'
import { ChainOfBlocks, pay, scriptOf, spendTo } from './chain-of-blocks.ts'

const EMPTY_BEFORE = { medianTime: 5, stats: () => NO_STATS }

/** The batch's effect: what the last write to each key says. */
function effect(writes: readonly Write[]): Map<string, Uint8Array | undefined> {
  return new Map(
    writes.map((write) => [bytesToHex(write.key), write.kind === 'put' ? write.value : undefined]),
  )
}

it('puts block, certificate, undo, state and tip into one batch', () => {
  const chain = new ChainOfBlocks()
  chain.genesis()
  const delta = { puts: new Map([['63aa', utf8('v')]]), deletes: new Set(['63bb']) }
  const committed = chain.next({ delta })
  const rows = effect(blockRows(committed, EMPTY_BEFORE).writes)
  const at = (key: Uint8Array): Uint8Array | undefined => rows.get(bytesToHex(key))
  expect(at(heightKey('block', 1))).toBe(committed.blockBytes)
  expect(at(heightKey('certificate', 1))).toBe(committed.certificate)
  expect(at(heightKey('undo', 1))).toBe(committed.undo)
  expect(at(stateKey('63aa'))).toStrictEqual(utf8('v'))
  expect(rows.has(bytesToHex(stateKey('63bb')))).toBe(true)
  expect(at(stateKey('63bb'))).toBeUndefined()
  expect(tipRecord.decode(at(metaKey('tip'))!)).toEqual({ height: 1, hash: committed.hash })
  expect(rows.has(bytesToHex(metaKey('genesis')))).toBe(false)
})

it('leaves no unspent row for an output that its own block spends', () => {
  const chain = new ChainOfBlocks()
  chain.genesis()
  const first = chain.next({ coinbaseOutputs: [pay(1, 900)] })
  const origin = { txid: transactionId(first.block.transactions[0]!), vout: 0 }
  const parent = spendTo([origin], [pay(2, 800)])
  const middle = { txid: transactionId(parent), vout: 0 }
  const child = spendTo([middle], [pay(3, 700)])
  const rows = blockRows(chain.next({ transactions: [parent, child] }), EMPTY_BEFORE)
  const written = effect(rows.writes)
  const through = scriptHash(scriptOf(2))
  expect(
    written.get(bytesToHex(scriptUnspentKey(hashToBytes(through), encodeOutPoint(middle)))),
  ).toBeUndefined()
  expect(rows.stats.get(through)).toEqual({
    txCount: 2,
    fundedCount: 1,
    fundedSum: 800n,
    spentCount: 1,
    spentSum: 800n,
  })
  const event = written.get(bytesToHex(scriptHistoryKey(hashToBytes(through), 2, 2)))!
  expect(scriptEventRecord.decode(event)).toEqual({
    funds: false,
    spends: true,
    txid: transactionId(child),
  })
  expect(written.has(bytesToHex(spendKey(encodeOutPoint(middle))))).toBe(true)
  expect(written.has(bytesToHex(transactionKey(reversedToBytes(middle.txid))))).toBe(true)
})

it('refuses spent coins that do not match the transactions, as our own mistake', () => {
  const committed = { ...new ChainOfBlocks().genesis(), spent: [] }
  expect(() => blockRows(committed, EMPTY_BEFORE)).toThrow(AssertionError)
})

it('gives every kind of record a prefix of its own', () => {
  const prefixes = Object.values(KEY_PREFIX)
  expect(new Set(prefixes).size).toBe(prefixes.length)
  expect(prefixes.every((prefix) => prefix > 0 && prefix < 0xff)).toBe(true)
})
