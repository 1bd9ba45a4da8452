/**
 * The values of the database, one encoding for each kind of record (`keys.ts` says which key holds
 * which). Little-endian, exact length: a record with bytes missing or left over is damage.
 */

import {
  type BlockHeader,
  decodeHeader,
  encodeHeader,
  HEADER_BYTES,
  MEDIAN_TIME_SPAN,
} from '../bitcoin/header.ts'
import type { OutPoint, TxOutput } from '../bitcoin/transaction.ts'
import { type FreezeVote, readFreezeVote, writeFreezeVote } from '../chain/peg/freeze-vote.ts'
import { type Evidence, readEvidence, writeEvidence } from '../consensus/evidence.ts'
import { assert } from '../primitives/assert.ts'
import {
  type ByteReader,
  type ByteWriter,
  DecodeError,
  decodeAll,
  encodeWith,
} from '../primitives/codec.ts'
import {
  type BlockHash,
  type Hash32,
  readBlockHash,
  readHash32,
  readTxid,
  type Txid,
  writeHash32,
  writeReversed,
} from '../primitives/hashes.ts'
import { decodeSats, type Sats } from '../primitives/units.ts'
import { StorageCorruptError } from './storage-error.ts'

/** What is written may be rawer than what is read: ids as bytes, where they are at hand. */
export interface RecordCodec<T, Written = T> {
  encode(value: Written): Uint8Array
  /** @throws StorageCorruptError */
  decode(bytes: Uint8Array): T
}

/**
 * Fills a record of fixed length, byte by byte: there are ten of them for every transaction, and a
 * DataView would make the engine move each small array out of its young heap.
 */
class FixedWriter {
  readonly #bytes: Uint8Array
  #offset = 0

  constructor(lengthBytes: number) {
    this.#bytes = new Uint8Array(lengthBytes)
  }

  u8(value: number): this {
    this.#bytes[this.#offset++] = value
    return this
  }

  u32(value: number): this {
    writeU32(this.#bytes, this.#offset, value)
    this.#offset += 4
    return this
  }

  u64(value: bigint): this {
    assert(value >= 0n && value >> 64n === 0n, 'an unsigned 64-bit number')
    return this.u32(Number(value & 0xffff_ffffn)).u32(Number(value >> 32n))
  }

  bytes(value: Uint8Array): this {
    this.#bytes.set(value, this.#offset)
    this.#offset += value.length
    return this
  }

  finish(): Uint8Array {
    assert(this.#offset === this.#bytes.length, 'a fixed record is filled exactly')
    return this.#bytes
  }
}

/** Little-endian. */
function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
  bytes[at + 2] = value >>> 16
  bytes[at + 3] = value >>> 24
}

function fixedCodec<T, Written = T>(
  what: string,
  lengthBytes: number,
  write: (writer: FixedWriter, value: Written) => FixedWriter,
  read: (reader: ByteReader) => T,
): RecordCodec<T, Written> {
  return {
    encode: (value) => write(new FixedWriter(lengthBytes), value).finish(),
    decode: (bytes) => decodeRecord(what, bytes, read),
  }
}

function codec<T>(
  what: string,
  write: (writer: ByteWriter, value: T) => void,
  read: (reader: ByteReader) => T,
): RecordCodec<T> {
  return {
    encode: (value) => encodeWith((writer) => write(writer, value)),
    decode: (bytes) => decodeRecord(what, bytes, read),
  }
}

function decodeRecord<T>(what: string, bytes: Uint8Array, read: (reader: ByteReader) => T): T {
  try {
    return decodeAll(bytes, read)
  } catch (thrown) {
    if (!(thrown instanceof DecodeError)) throw thrown
    throw new StorageCorruptError(`the database holds a damaged record: ${what}`, { cause: thrown })
  }
}

/** An outpoint's 36 bytes, from the txid's 32 bytes in SHA256d's order. */
export function outPointBytes(txid: Uint8Array, vout: number): Uint8Array {
  return new FixedWriter(36).bytes(txid).u32(vout).finish()
}

export interface Tip {
  readonly height: number
  readonly hash: BlockHash
}

export const tipRecord: RecordCodec<Tip> = codec(
  'tip',
  (writer, tip) => writeReversed(writer.u32(tip.height), tip.hash),
  (reader) => ({ height: reader.u32(), hash: readBlockHash(reader) }),
)

/** Where a chain that began with a snapshot begins. Below are block 0 and these headers, no more. */
export interface ChainStart {
  /** Of the snapshot's block. */
  readonly height: number
  /** Of the blocks before it, oldest first. */
  readonly headers: readonly BlockHeader[]
}

export const startRecord: RecordCodec<ChainStart> = codec(
  'start of the chain',
  (writer, start) =>
    writer.u32(start.height).list(start.headers, (w, header) => w.bytes(encodeHeader(header))),
  (reader) => ({
    height: reader.u32(),
    headers: reader.list(MEDIAN_TIME_SPAN, (r) => decodeHeader(r.bytes(HEADER_BYTES))),
  }),
)

/** Evidence in a final block. */
export interface RecordedEvidence {
  /** Of the block that carries it. */
  readonly blockHeight: number
  readonly evidence: Evidence
}

export const evidenceRecord: RecordCodec<RecordedEvidence> = codec(
  'evidence',
  (writer, { blockHeight, evidence }) => writeEvidence(writer.u32(blockHeight), evidence),
  (reader) => ({ blockHeight: reader.u32(), evidence: readEvidence(reader) }),
)

export const waitingEvidenceRecord: RecordCodec<Evidence> = codec(
  'evidence that waits',
  writeEvidence,
  readEvidence,
)

export const waitingFreezeVoteRecord: RecordCodec<FreezeVote> = codec(
  'freeze vote that waits',
  writeFreezeVote,
  readFreezeVote,
)

/** What lists of blocks show without reading the blocks. */
export interface BlockInfo {
  readonly hash: BlockHash
  /** Header time, seconds. */
  readonly time: number
  /** Median of the times of this block and the ten before, seconds. */
  readonly medianTime: number
  /** Of the block as Bitcoin tools parse it. */
  readonly sizeBytes: number
  readonly weight: number
}

export const blockInfoRecord: RecordCodec<BlockInfo> = codec(
  'block info',
  (writer, info) => {
    writeReversed(writer, info.hash)
    writer.u32(info.time).u32(info.medianTime).u32(info.sizeBytes).u32(info.weight)
  },
  (reader) => ({
    hash: readBlockHash(reader),
    time: reader.u32(),
    medianTime: reader.u32(),
    sizeBytes: reader.u32(),
    weight: reader.u32(),
  }),
)

export const heightRecord: RecordCodec<number> = codec(
  'height',
  (writer, height) => writer.u32(height),
  (reader) => reader.u32(),
)

export const formatRecord: RecordCodec<number> = codec(
  'format version',
  (writer, version) => writer.u32(version),
  (reader) => reader.u32(),
)

export const chainIdRecord: RecordCodec<Hash32> = codec('chain id', writeHash32, readHash32)

export interface TransactionLocation {
  readonly height: number
  /** In its block; the coinbase is 0. */
  readonly position: number
}

export const locationRecord: RecordCodec<TransactionLocation> = fixedCodec(
  'transaction location',
  8,
  (writer, location) => writer.u32(location.height).u32(location.position),
  (reader) => ({ height: reader.u32(), position: reader.u32() }),
)

export interface Spend {
  readonly txid: Txid
  /** Index of the spending input. */
  readonly vin: number
  readonly height: number
}

/** With the txid's 32 bytes in SHA256d's order. */
type WithTxidBytes<T> = Omit<T, 'txid'> & { readonly txid: Uint8Array }

export const spendRecord: RecordCodec<Spend, WithTxidBytes<Spend>> = fixedCodec(
  'spend',
  40,
  (writer, spend) => writer.u32(spend.vin).u32(spend.height).bytes(spend.txid),
  (reader) => {
    const vin = reader.u32()
    const height = reader.u32()
    return { txid: readTxid(reader), vin, height }
  },
)

/** What one transaction does to one script. */
export interface ScriptEvent {
  readonly funds: boolean
  readonly spends: boolean
  readonly txid: Txid
}

const FUNDS = 1
const SPENDS = 2

export const scriptEventRecord: RecordCodec<ScriptEvent, WithTxidBytes<ScriptEvent>> = fixedCodec(
  'script history',
  33,
  (writer, event) =>
    writer.u8((event.funds ? FUNDS : 0) | (event.spends ? SPENDS : 0)).bytes(event.txid),
  (reader) => {
    const flags = reader.u8()
    if (flags < FUNDS || flags > (FUNDS | SPENDS)) throw new DecodeError('unknown history flags')
    const txid = readTxid(reader)
    return { funds: (flags & FUNDS) !== 0, spends: (flags & SPENDS) !== 0, txid }
  },
)

export interface UnspentRow extends TransactionLocation {
  readonly value: Sats
}

export const unspentRecord: RecordCodec<UnspentRow> = fixedCodec(
  'script unspent',
  16,
  (writer, row) => writer.u64(row.value).u32(row.height).u32(row.position),
  (reader) => ({
    value: decodeSats(reader.u64()),
    height: reader.u32(),
    position: reader.u32(),
  }),
)

/** Totals over everything that ever happened to a script; the sums may exceed 21 million coins. */
export interface ScriptStats {
  readonly txCount: number
  readonly fundedCount: number
  readonly fundedSum: bigint
  readonly spentCount: number
  readonly spentSum: bigint
}

export const NO_STATS: ScriptStats = {
  txCount: 0,
  fundedCount: 0,
  fundedSum: 0n,
  spentCount: 0,
  spentSum: 0n,
}

export const scriptStatsRecord: RecordCodec<ScriptStats> = fixedCodec(
  'script statistics',
  40,
  (writer, stats) =>
    writer
      .u64(BigInt(stats.txCount))
      .u64(BigInt(stats.fundedCount))
      .u64(stats.fundedSum)
      .u64(BigInt(stats.spentCount))
      .u64(stats.spentSum),
  (reader) => ({
    txCount: reader.safeU64(),
    fundedCount: reader.safeU64(),
    fundedSum: reader.u64(),
    spentCount: reader.safeU64(),
    spentSum: reader.u64(),
  }),
)

/** Longest script of an L1 output that a deposit proof can carry: that of an L1 transaction. */
const L1_SCRIPT_BYTES_MAX = 400_000

export const outputRecord: RecordCodec<TxOutput> = codec(
  'output',
  (writer, output) => writer.u64(output.value).varBytes(output.script),
  (reader) => ({ value: decodeSats(reader.u64()), script: reader.varBytes(L1_SCRIPT_BYTES_MAX) }),
)

/** An unspent output as queries show it. */
export interface UnspentOutput extends UnspentRow {
  readonly outPoint: OutPoint
}
