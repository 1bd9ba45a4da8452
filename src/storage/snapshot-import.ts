/**
 * A snapshot into an empty store. The records and their rows go in section by section; what makes the
 * store a chain database (format, chain, tip) comes last and at once, when everything has been
 * verified. After anything else the store is no database and is to be thrown away.
 *
 * Scripts get their unspent outputs, and totals as if each of them had just been paid. History starts
 * after the snapshot's block.
 */

import { headerHash, MEDIAN_TIME_SPAN, medianTime } from '../bitcoin/header.ts'
import { encodeOutPoint, type OutPoint, transactionId } from '../bitcoin/transaction.ts'
import { encodeBlock } from '../chain/block.ts'
import { type Coin, decodeCoin } from '../chain/coin.ts'
import { genesisBlock } from '../chain/genesis-state.ts'
import { encodeHandover } from '../chain/handover.ts'
import type { ChainParams } from '../chain/params.ts'
import type { SnapshotRecord } from '../chain/snapshot.ts'
import { NAMESPACE, outPointOfStateKey } from '../chain/state.ts'
import { present } from '../primitives/assert.ts'
import { type Hash32, hash32FromBytes, hashToBytes } from '../primitives/hashes.ts'
import type { Rejection, Result } from '../primitives/result.ts'
import { sha256 } from '../primitives/sha256.ts'
import type { KeyValueStore, Write } from '../runtime/runtime.ts'
import { FORMAT_VERSION } from './chain-database.ts'
import { handoverRow } from './handover-table.ts'
import { bareBlockRows, isIndexed } from './index-rows.ts'
import { metaKey, scriptStatsKey, scriptUnspentKey, snapshotOutputKey, stateKey } from './keys.ts'
import {
  chainIdRecord,
  formatRecord,
  NO_STATS,
  outputRecord,
  type ScriptStats,
  scriptStatsRecord,
  startRecord,
  unspentRecord,
} from './records.ts'
import {
  type ReadSnapshot,
  readSnapshot,
  type SnapshotProgress,
  type SnapshotSink,
} from './snapshot-reader.ts'
import type { ByteSource } from './snapshot-sections.ts'

/** @throws StorageError when a disk fails. */
export async function importSnapshot(
  params: ChainParams,
  source: ByteSource,
  store: KeyValueStore,
  onProgress: (progress: SnapshotProgress) => void = () => undefined,
): Promise<Result<ReadSnapshot, Rejection>> {
  const rows = new ImportedRows(store)
  const sink: SnapshotSink = {
    async records(records, progress) {
      await rows.add(records)
      onProgress(progress)
    },
  }
  const read = await readSnapshot(params, source, sink)
  if (read.ok) await store.write(closingRows(params, read.value, rows), { sync: true })
  return read
}

/** State rows, and what a chain that saw every coin being made would have under the coins' scripts. */
class ImportedRows {
  readonly #store: KeyValueStore
  /** Scripts that the transaction of the last coin pays; coins of one transaction are neighbours. */
  readonly #paid = new Set<Hash32>()
  #txid = ''

  constructor(store: KeyValueStore) {
    this.#store = store
  }

  /** @throws DecodeError for a coin that is none. */
  async add(records: readonly SnapshotRecord[]): Promise<void> {
    const writes: Write[] = []
    const totals = new Map<Hash32, ScriptStats>()
    for (const [key, value] of records) {
      writes.push({ kind: 'put', key: stateKey(key), value })
      if (!key.startsWith(NAMESPACE.coin)) continue
      this.addCoin(writes, totals, outPointOfStateKey(key), decodeCoin(value))
    }
    addTotals(writes, totals)
    await this.#store.write(writes, { sync: true })
  }

  addCoin(writes: Write[], totals: Map<Hash32, ScriptStats>, outPoint: OutPoint, coin: Coin): void {
    if (outPoint.txid !== this.#txid) this.#paid.clear()
    this.#txid = outPoint.txid
    const outPointBytes = encodeOutPoint(outPoint)
    const { value, script, height } = coin
    writes.push({
      kind: 'put',
      key: snapshotOutputKey(outPointBytes),
      value: outputRecord.encode({ value, script }),
    })
    if (!isIndexed(script)) return
    const hashBytes = sha256(script)
    writes.push({
      kind: 'put',
      key: scriptUnspentKey(hashBytes, outPointBytes),
      // A coin does not say where in its block its transaction stands.
      value: unspentRecord.encode({ value, height, position: 0 }),
    })
    const hash = hash32FromBytes(hashBytes)
    const before = totals.get(hash) ?? this.#storedTotals(hashBytes)
    totals.set(hash, {
      ...before,
      txCount: before.txCount + (this.#paid.has(hash) ? 0 : 1),
      fundedCount: before.fundedCount + 1,
      fundedSum: before.fundedSum + value,
    })
    this.#paid.add(hash)
  }

  #storedTotals(scriptHash: Uint8Array): ScriptStats {
    const bytes = this.#store.get(scriptStatsKey(scriptHash))
    return bytes === undefined ? NO_STATS : scriptStatsRecord.decode(bytes)
  }
}

function addTotals(writes: Write[], totals: ReadonlyMap<Hash32, ScriptStats>): void {
  for (const [hash, stats] of totals) {
    const key = scriptStatsKey(hashToBytes(hash))
    writes.push({ kind: 'put', key, value: scriptStatsRecord.encode(stats) })
  }
}

/** Block 0, the snapshot's block, and what turns the store into a chain database. */
function closingRows(
  params: ChainParams,
  read: ReadSnapshot,
  rows: ImportedRows,
): readonly Write[] {
  const { head, block } = read
  const { height, headers, certificate, blockBytes, handovers } = head
  const genesis = genesisBlock(params)
  const times = [...headers, block.header].slice(-MEDIAN_TIME_SPAN).map(({ time }) => time)
  const none = new Uint8Array()
  const start = { height, headers }
  return [
    ...bareBlockRows(
      {
        height: 0,
        hash: headerHash(genesis.header),
        blockBytes: encodeBlock(genesis),
        block: genesis,
        certificate: none,
        undo: none,
      },
      genesis.header.time,
    ),
    ...coinbaseRows(read, rows),
    // The tip's row comes with the later block.
    ...bareBlockRows(
      { height, hash: headerHash(block.header), blockBytes, block, certificate, undo: none },
      medianTime(times),
    ),
    ...handovers.map((handover, index) => handoverRow(index, encodeHandover(handover))),
    { kind: 'put', key: metaKey('start'), value: startRecord.encode(start) },
    { kind: 'put', key: metaKey('chain'), value: chainIdRecord.encode(params.chainId) },
    { kind: 'put', key: metaKey('format'), value: formatRecord.encode(FORMAT_VERSION) },
  ]
}

/** The coinbase's outputs enter the state with the next block, the index with their own. */
function coinbaseRows({ block }: ReadSnapshot, rows: ImportedRows): readonly Write[] {
  const writes: Write[] = []
  const totals = new Map<Hash32, ScriptStats>()
  const coinbase = present(block.transactions[0], 'coinbase')
  const txid = transactionId(coinbase)
  for (const [vout, { value, script }] of coinbase.outputs.entries()) {
    if (!isIndexed(script)) continue
    const { height } = block.extension
    const coin: Coin = { value, script, height, medianTimeBefore: 0, origin: 'coinbase' }
    rows.addCoin(writes, totals, { txid, vout }, coin)
  }
  addTotals(writes, totals)
  return writes
}
