/**
 * The chain on disk: final blocks, the state after the last of them, and the indexes that queries use.
 * Every block is one atomic, synced batch, so after a crash the database stands at the end of some
 * block. One writer commits one block after the other; readers may come at any time. A chain that began
 * with a snapshot has block 0 and the blocks from the snapshot's on.
 *
 * Leaves out what a block means: `index-rows.ts` has the rows, the chain folder the rules.
 */

import { type BlockHeader, MEDIAN_TIME_SPAN, medianTime } from '../bitcoin/header.ts'
import {
  encodeOutPoint,
  type OutPoint,
  type Transaction,
  type TxOutput,
} from '../bitcoin/transaction.ts'
import { type Block, decodeBlock } from '../chain/block.ts'
import { assert } from '../primitives/assert.ts'
import { bytesToHex } from '../primitives/bytes.ts'
import { ByteReader, DecodeError } from '../primitives/codec.ts'
import {
  type BlockHash,
  type Hash32,
  hashToBytes,
  readTxid,
  reversedToBytes,
  type Txid,
} from '../primitives/hashes.ts'
import type { KeyValueStore, Write } from '../runtime/runtime.ts'
import { EvidenceTable } from './evidence-table.ts'
import { FreezeVoteTable } from './freeze-vote-table.ts'
import { HandoverTable } from './handover-table.ts'
import { blockRows, type CommittedBlock } from './index-rows.ts'
import {
  depositPrevoutKey,
  endOfPrefix,
  heightByHashKey,
  heightKey,
  l1TransactionKey,
  metaKey,
  scriptHistoryKey,
  scriptHistoryPrefix,
  scriptStatsKey,
  scriptUnspentPrefix,
  snapshotOutputKey,
  spendKey,
  stateKey,
  transactionKey,
} from './keys.ts'
import { RecentMap } from './recent-map.ts'
import {
  type BlockInfo,
  blockInfoRecord,
  type ChainStart,
  chainIdRecord,
  formatRecord,
  heightRecord,
  locationRecord,
  NO_STATS,
  outputRecord,
  type ScriptStats,
  type Spend,
  scriptEventRecord,
  scriptStatsRecord,
  spendRecord,
  startRecord,
  type Tip,
  type TransactionLocation,
  tipRecord,
  type UnspentOutput,
  unspentRecord,
} from './records.ts'
import { StorageCorruptError, StorageMismatchError } from './storage-error.ts'

/** The tip's coinbase counts from the median before the tip, which needs one time more. */
const RECENT_TIMES = MEDIAN_TIME_SPAN + 1
/** Of keys and records. A database of another version is refused; the node can synchronise anew. */
export const FORMAT_VERSION = 3
/**
 * Transactions of decoded blocks in memory, about 3 KB each; a block counts as some more of them. The last
 * two full blocks or the last fifty small ones always fit.
 */
const CACHED_TRANSACTIONS_MAX = 8_000
const BLOCK_COST = 64
/** State records in memory, about 350 bytes each: most outputs are spent soon after they are made. */
const CACHED_STATE_RECORDS_MAX = 100_000
/** Longer state values stay out of memory. */
const CACHED_STATE_VALUE_BYTES_MAX = 512
/** Totals of scripts in memory, about 250 bytes each. */
const CACHED_STATS_MAX = 20_000

/** A stored block with what lists and headers of it show. */
export interface StoredBlock extends BlockInfo {
  readonly height: number
  readonly block: Block
  readonly certificate: Uint8Array
}

export interface StoredTransaction extends TransactionLocation {
  readonly transaction: Transaction
  readonly blockHash: BlockHash
  /** Header time of its block, seconds. */
  readonly time: number
}

export interface HistoryEntry extends TransactionLocation {
  readonly txid: Txid
}

type RecordReader<T> = { readonly decode: (bytes: Uint8Array) => T }

export interface ChainExpectations {
  readonly chainId: Hash32
}

/**
 * Prepares an empty store, or checks that a used one belongs to this chain and format.
 * @throws StorageMismatchError when it does not, StorageCorruptError for damaged records.
 */
export async function openChainDatabase(
  store: KeyValueStore,
  expectations: ChainExpectations,
): Promise<ChainDatabase> {
  const format = store.get(metaKey('format'))
  if (format === undefined) {
    const writes: Write[] = [
      { kind: 'put', key: metaKey('format'), value: formatRecord.encode(FORMAT_VERSION) },
      { kind: 'put', key: metaKey('chain'), value: chainIdRecord.encode(expectations.chainId) },
    ]
    await store.write(writes, { sync: true })
    return new ChainDatabase(store)
  }
  const version = formatRecord.decode(format)
  if (version !== FORMAT_VERSION) {
    throw new StorageMismatchError(
      `the database has format ${version}, this program uses ${FORMAT_VERSION}; ` +
        'use the matching program, or move the database away and synchronise again',
    )
  }
  const chainBytes = store.get(metaKey('chain'))
  if (chainBytes === undefined) throw new StorageCorruptError('the database names no chain')
  const chainId = chainIdRecord.decode(chainBytes)
  if (chainId !== expectations.chainId) {
    throw new StorageMismatchError(
      `the database holds the chain ${chainId}, this node is configured for ${expectations.chainId}`,
    )
  }
  return new ChainDatabase(store)
}

export class ChainDatabase {
  readonly evidence: EvidenceTable
  readonly freezeVotes: FreezeVoteTable
  readonly handovers: HandoverTable
  readonly #store: KeyValueStore
  readonly #blocks = new RecentMap<number, StoredBlock>(
    CACHED_TRANSACTIONS_MAX,
    ({ block }) => BLOCK_COST + block.transactions.length,
  )
  readonly #state = new RecentMap<string, Uint8Array>(CACHED_STATE_RECORDS_MAX)
  readonly #stats = new RecentMap<Hash32, ScriptStats>(CACHED_STATS_MAX)
  readonly #start: ChainStart | undefined
  /** Header times of the last blocks, oldest first. */
  #times: number[] = []
  #tip: Tip | undefined
  #committing = false

  /** Use `openChainDatabase`. */
  constructor(store: KeyValueStore) {
    this.#store = store
    this.evidence = new EvidenceTable(store)
    this.freezeVotes = new FreezeVoteTable(store)
    this.handovers = new HandoverTable(store)
    this.#tip = this.#read(metaKey('tip'), tipRecord)
    this.#start = this.#read(metaKey('start'), startRecord)
    if (this.#tip === undefined) return
    const first = Math.max(0, this.#tip.height - (RECENT_TIMES - 1))
    for (let height = first; height <= this.#tip.height; height++) {
      this.#times.push(this.#timeAt(height))
    }
  }

  tip(): Tip | undefined {
    return this.#tip
  }

  /** Lowest height above 0 whose block is here; peers that want older ones have to ask others. */
  firstHeight(): number {
    return this.#start?.height ?? 1
  }

  /** Header times of the last 12 blocks, fewer near block 0, the tip's last; seconds. */
  recentTimes(): readonly number[] {
    return this.#times
  }

  /**
   * Makes the next block part of the chain; resolves when it would survive a power failure. Block 0
   * comes first. The caller waits for one commit before it starts another.
   * @throws StorageError when the disk fails; the tip then stands where it stood.
   */
  async commit(committed: CommittedBlock): Promise<void> {
    assert(!this.#committing, 'one commit at a time')
    assert(committed.height === (this.#tip?.height ?? -1) + 1, 'blocks come in order of height')
    assert(
      this.#tip === undefined || committed.block.header.previousHash === this.#tip.hash,
      'a block follows the tip',
    )
    const times = [...this.#times, committed.block.header.time].slice(-RECENT_TIMES)
    const { writes, info, stats } = blockRows(committed, {
      medianTime: medianTime(times.slice(-MEDIAN_TIME_SPAN)),
      stats: (hash) => this.stats(hash),
    })
    const { handover } = committed
    const rows = handover === undefined ? writes : [...writes, this.handovers.nextRow(handover)]
    this.#committing = true
    try {
      await this.#store.write(rows, { sync: true })
    } finally {
      this.#committing = false
    }
    const { height, hash, block, certificate } = committed
    if (handover !== undefined) this.handovers.added(handover)
    this.#times = times
    this.#tip = { height, hash }
    this.#blocks.set(height, { ...info, height, block, certificate })
    for (const [scriptHash, total] of stats) this.#stats.set(scriptHash, total)
    for (const key of committed.delta.deletes) this.#state.delete(key)
    for (const [key, value] of committed.delta.puts) this.#cacheState(key, value)
  }

  // --- state --------------------------------------------------------------------------------

  /** The state's value under a key in lower-case hex. The bytes are shared: do not change them. */
  getState(keyHex: string): Uint8Array | undefined {
    const cached = this.#state.get(keyHex)
    if (cached !== undefined) return cached
    const value = this.#store.get(stateKey(keyHex))
    if (value !== undefined) this.#cacheState(keyHex, value)
    return value
  }

  /** Records whose keys start with the prefix (lower-case hex), ascending. */
  async *stateRange(prefixHex: string): AsyncIterable<readonly [string, Uint8Array]> {
    const prefix = stateKey(prefixHex)
    for await (const [key, value] of this.#store.range(prefix, endOfPrefix(prefix))) {
      yield [bytesToHex(key.subarray(1)), value]
    }
  }

  #cacheState(key: string, value: Uint8Array): void {
    if (value.length <= CACHED_STATE_VALUE_BYTES_MAX) this.#state.set(key, value)
    else this.#state.delete(key)
  }

  // --- blocks and transactions --------------------------------------------------------------

  blockHashAt(height: number): BlockHash | undefined {
    return this.findBlockInfo(height)?.hash
  }

  /** Without reading the block itself. */
  findBlockInfo(height: number): BlockInfo | undefined {
    if (!this.#reaches(height)) return undefined
    return this.#mustRead(heightKey('blockInfo', height), blockInfoRecord)
  }

  findBlock(hash: BlockHash): StoredBlock | undefined {
    const height = this.#read(heightByHashKey(reversedToBytes(hash)), heightRecord)
    return height === undefined || !this.#reaches(height) ? undefined : this.#blockAt(height)
  }

  /** What a peer that synchronises gets. */
  findBlockBytes(
    height: number,
  ): { readonly bytes: Uint8Array; readonly certificate: Uint8Array } | undefined {
    if (!this.#reaches(height)) return undefined
    const bytes = this.#mustGet(heightKey('block', height))
    return { bytes, certificate: this.#mustGet(heightKey('certificate', height)) }
  }

  /** Also of the few blocks below a snapshot's whose headers came with it. */
  findHeader(height: number): BlockHeader | undefined {
    if (this.#reaches(height)) return this.#blockAt(height).block.header
    if (this.#start === undefined || !Number.isInteger(height)) return undefined
    const { headers, height: startHeight } = this.#start
    return height < startHeight ? headers[headers.length - (startHeight - height)] : undefined
  }

  #timeAt(height: number): number {
    const early = this.#reaches(height) ? undefined : this.findHeader(height)
    return early?.time ?? this.#mustRead(heightKey('blockInfo', height), blockInfoRecord).time
  }

  /** The state records that the block replaced, as `encodeDelta` wrote them; a snapshot has none. */
  findUndo(height: number): Uint8Array | undefined {
    if (!this.#reaches(height) || height === this.#start?.height) return undefined
    return this.#mustGet(heightKey('undo', height))
  }

  findTransaction(txid: Txid): StoredTransaction | undefined {
    const location = this.#read(transactionKey(reversedToBytes(txid)), locationRecord)
    if (location === undefined || !this.#reaches(location.height)) return undefined
    const { block, hash, time } = this.#blockAt(location.height)
    const transaction = block.transactions[location.position]
    if (transaction === undefined) throw new StorageCorruptError(`transaction ${txid} is not there`)
    return { ...location, transaction, blockHash: hash, time }
  }

  /** An output, spent or not; of the transactions below a snapshot's block those it had as coins. */
  findOutput(outPoint: OutPoint): TxOutput | undefined {
    const stored = this.findTransaction(outPoint.txid)
    if (stored !== undefined) return stored.transaction.outputs[outPoint.vout]
    return this.#read(snapshotOutputKey(encodeOutPoint(outPoint)), outputRecord)
  }

  /** The transaction that spends a coin; for an L1 outpoint of a deposit, the one that mints it. */
  findSpend(outPoint: OutPoint): Spend | undefined {
    return this.#read(spendKey(encodeOutPoint(outPoint)), spendRecord)
  }

  /** The L1 output behind an input of a mint transaction. */
  depositPrevout(outPoint: OutPoint): TxOutput | undefined {
    return this.#read(depositPrevoutKey(encodeOutPoint(outPoint)), outputRecord)
  }

  /** Of the last block here whose L1 section proves this L1 transaction. */
  findL1ProofHeight(txid: Txid): number | undefined {
    const height = this.#read(l1TransactionKey(reversedToBytes(txid)), heightRecord)
    return height !== undefined && this.#reaches(height) ? height : undefined
  }

  #reaches(height: number): boolean {
    return (
      Number.isInteger(height) &&
      (height === 0 || height >= this.firstHeight()) &&
      this.#tip !== undefined &&
      height <= this.#tip.height
    )
  }

  #blockAt(height: number): StoredBlock {
    const cached = this.#blocks.get(height)
    if (cached !== undefined) return cached
    const info = this.#mustRead(heightKey('blockInfo', height), blockInfoRecord)
    // Block 0's own bytes may be Bitcoin's, without an extension.
    const bytes = this.#mustGet(height === 0 ? metaKey('genesis') : heightKey('block', height))
    const certificate = this.#mustGet(heightKey('certificate', height))
    let block: Block
    try {
      block = decodeBlock(bytes)
    } catch (thrown) {
      if (!(thrown instanceof DecodeError)) throw thrown
      throw new StorageCorruptError(`block ${height} is damaged`, { cause: thrown })
    }
    const stored = { ...info, height, block, certificate }
    this.#blocks.set(height, stored)
    return stored
  }

  // --- scripts ------------------------------------------------------------------------------

  /**
   * Transactions that touch a script (SHA-256 of it), newest first, at most `limit`; with `after`, those
   * older than that transaction. Nothing when `after` is not a transaction of this chain.
   */
  async history(
    scriptHash: Hash32,
    options: { readonly after?: Txid; readonly limit: number },
  ): Promise<readonly HistoryEntry[]> {
    const hash = hashToBytes(scriptHash)
    const prefix = scriptHistoryPrefix(hash)
    let end = endOfPrefix(prefix)
    if (options.after !== undefined) {
      const location = this.#read(transactionKey(reversedToBytes(options.after)), locationRecord)
      if (location === undefined) return []
      end = scriptHistoryKey(hash, location.height, location.position)
    }
    const entries: HistoryEntry[] = []
    const rows = this.#store.range(prefix, end, { reverse: true, limit: options.limit })
    for await (const [key, value] of rows) {
      const reader = new ByteReader(key.subarray(prefix.length))
      const { txid } = scriptEventRecord.decode(value)
      entries.push({ txid, height: reader.u32be(), position: reader.u32be() })
    }
    return entries
  }

  /** Unspent outputs that pay a script, at most `limit`, ordered by outpoint. */
  async unspent(scriptHash: Hash32, limit: number): Promise<readonly UnspentOutput[]> {
    const prefix = scriptUnspentPrefix(hashToBytes(scriptHash))
    const outputs: UnspentOutput[] = []
    for await (const [key, value] of this.#store.range(prefix, endOfPrefix(prefix), { limit })) {
      const reader = new ByteReader(key.subarray(prefix.length))
      const outPoint = { txid: readTxid(reader), vout: reader.u32() }
      outputs.push({ ...unspentRecord.decode(value), outPoint })
    }
    return outputs
  }

  /** All zero for a script that never appeared. */
  stats(scriptHash: Hash32): ScriptStats {
    const cached = this.#stats.get(scriptHash)
    if (cached !== undefined) return cached
    return this.#read(scriptStatsKey(hashToBytes(scriptHash)), scriptStatsRecord) ?? NO_STATS
  }

  // --- records ------------------------------------------------------------------------------

  #read<T>(key: Uint8Array, record: RecordReader<T>): T | undefined {
    const bytes = this.#store.get(key)
    return bytes === undefined ? undefined : record.decode(bytes)
  }

  #mustRead<T>(key: Uint8Array, record: RecordReader<T>): T {
    return record.decode(this.#mustGet(key))
  }

  /** For records that every block that is here has. */
  #mustGet(key: Uint8Array): Uint8Array {
    const bytes = this.#store.get(key)
    if (bytes === undefined) throw new StorageCorruptError('a record of a stored block is missing')
    return bytes
  }
}
