/**
 * A snapshot: the state after a final block as a file, for starting a node without the blocks before.
 * `docs/spec/snapshot.md` is the format. Nothing in it is trusted: the head leads from the validators'
 * certificate to a state root, and the records count only when they have exactly that root. The
 * validators follow from the genesis ones by the handovers in the head.
 *
 * Encodings and the checks of the head; the storage folder reads and writes the file as a stream.
 * Leaves out history: blocks, transactions and undo records below the snapshot.
 */

import {
  type BlockHeader,
  decodeHeader,
  encodeHeader,
  HEADER_BYTES,
  headerHash,
  MEDIAN_TIME_SPAN,
} from '../bitcoin/header.ts'
import { decodeCertificate } from '../consensus/certificate.ts'
import { validatorSetHash } from '../consensus/validator-set.ts'
import { bytesToHex, hexToBytes } from '../primitives/bytes.ts'
import { ByteReader, DecodeError, decodeAll, encodeWith } from '../primitives/codec.ts'
import { type Hash32, readHash32, writeHash32 } from '../primitives/hashes.ts'
import { ok, type Rejection, type Result, reject } from '../primitives/result.ts'
import { type Block, decodeBlock } from './block.ts'
import { checkBinding } from './connect-block.ts'
import { checkFinality } from './finality.ts'
import { genesisBlock } from './genesis-state.ts'
import {
  followHandovers,
  type Handover,
  MAX_HANDOVERS,
  readHandover,
  validatorsOfHeight,
  writeHandover,
} from './handover.ts'
import { type ChainParams, MAX_BLOCK_BYTES } from './params.ts'
import type { StateKey } from './state.ts'

/** First bytes of the file; the line end tells when a file was sent as text. */
export const SNAPSHOT_MAGIC: Uint8Array = hexToBytes('ca5e736e61700d0a')
export const SNAPSHOT_VERSION = 1

/** What a section holds. */
export const SECTION = { head: 1, records: 2, end: 3 } as const

/** A section of records ends with the record that reaches one of these two. */
export const SECTION_RECORDS_MAX = 4_096
export const SECTION_TARGET_BYTES = 256 << 10

/** Headers before the snapshot's own: what the next block's median time depends on. */
export const SNAPSHOT_HEADERS_MAX = MEDIAN_TIME_SPAN

const CERTIFICATE_BYTES_MAX = 20_000
const KEY_BYTES_MAX = 64
const VALUE_BYTES_MAX = 4_000_000
/** Of the lengths of a key and a value. */
const LENGTHS_BYTES_MAX = 6

/** Longest payload of a section; a longer one is refused before memory is set aside for it. */
export const SECTION_BYTES_MAX: number =
  SECTION_TARGET_BYTES + KEY_BYTES_MAX + VALUE_BYTES_MAX + SECTION_RECORDS_MAX * LENGTHS_BYTES_MAX

export interface SnapshotHead {
  readonly chainId: Hash32
  readonly height: number
  /** As peers exchange it. */
  readonly blockBytes: Uint8Array
  readonly certificate: Uint8Array
  /** From the genesis validators to those of the block. */
  readonly handovers: readonly Handover[]
  /** Of the blocks before, oldest first: `SNAPSHOT_HEADERS_MAX`, or all of them. */
  readonly headers: readonly BlockHeader[]
}

export type SnapshotRecord = readonly [StateKey, Uint8Array]

export function encodeSnapshotHead(head: SnapshotHead): Uint8Array {
  return encodeWith((writer) => {
    writeHash32(writer, head.chainId)
    writer.u32(head.height).varBytes(head.blockBytes).varBytes(head.certificate)
    writer.list(head.handovers, writeHandover)
    writer.list(head.headers, (w, header) => w.bytes(encodeHeader(header)))
  })
}

/** @throws DecodeError */
export function decodeSnapshotHead(bytes: Uint8Array): SnapshotHead {
  return decodeAll(bytes, (reader) => ({
    chainId: readHash32(reader),
    height: reader.u32(),
    blockBytes: reader.varBytes(MAX_BLOCK_BYTES),
    certificate: reader.varBytes(CERTIFICATE_BYTES_MAX),
    handovers: reader.list(MAX_HANDOVERS, readHandover),
    headers: reader.list(SNAPSHOT_HEADERS_MAX, (r) => decodeHeader(r.bytes(HEADER_BYTES))),
  }))
}

/**
 * The block of a head that belongs to this chain and is final on it.
 * @throws DecodeError for a malformed block or certificate.
 */
export function checkSnapshotHead(
  params: ChainParams,
  head: SnapshotHead,
): Result<Block, Rejection> {
  if (head.chainId !== params.chainId) {
    return reject('snapshot-chain', 'invalid', `it is of the chain ${head.chainId}`)
  }
  // Block 0 needs no snapshot, and nobody certifies it.
  if (head.height === 0) return reject('snapshot-height', 'invalid', 'a snapshot of block 0')
  const block = decodeBlock(head.blockBytes)
  const { extension, header } = block
  if (extension.height !== head.height) {
    return reject('snapshot-height', 'invalid', `its block has height ${extension.height}`)
  }
  const binding = checkBinding(block)
  if (!binding.ok) return binding
  const certificate = decodeCertificate(head.certificate)
  const sets = followHandovers(params, head.handovers)
  if (!sets.ok) return sets
  const set = validatorsOfHeight(sets.value, head.height)
  const final = checkFinality(params.chainId, set, header, certificate)
  if (!final.ok) return final
  if (certificate.height !== head.height) {
    return reject('snapshot-height', 'invalid', `certified for height ${certificate.height}`)
  }
  if (extension.paramsHash !== params.paramsHash) return reject('bad-params-hash')
  if (extension.validatorSetHash !== validatorSetHash(set)) return reject('bad-validator-set')
  const headers = checkHeaders(params, head, block)
  return headers.ok ? ok(block) : headers
}

/** The headers are the block's ancestors, and as many as there must be. */
function checkHeaders(
  params: ChainParams,
  { headers, height }: SnapshotHead,
  block: Block,
): Result<void, Rejection> {
  const count = Math.min(height, SNAPSHOT_HEADERS_MAX)
  if (headers.length !== count) {
    return reject('snapshot-headers', 'invalid', `${headers.length} headers, not ${count}`)
  }
  let child: BlockHeader = block.header
  for (const header of headers.toReversed()) {
    if (child.previousHash !== headerHash(header)) {
      return reject('snapshot-headers', 'invalid', 'a header is not the next one’s parent')
    }
    child = header
  }
  if (count < height || headerHash(child) === headerHash(genesisBlock(params).header)) {
    return ok(undefined)
  }
  return reject('snapshot-headers', 'invalid', 'the first header is not that of block 0')
}

export function encodeSnapshotRecords(records: readonly SnapshotRecord[]): Uint8Array {
  return encodeWith((writer) => {
    for (const [key, value] of records) writer.varBytes(hexToBytes(key)).varBytes(value)
  })
}

/**
 * Records in the order of the file, at least one. The values share memory with `bytes`.
 * @throws DecodeError
 */
export function decodeSnapshotRecords(bytes: Uint8Array): readonly SnapshotRecord[] {
  const reader = new ByteReader(bytes)
  const records: SnapshotRecord[] = []
  do {
    if (records.length === SECTION_RECORDS_MAX) throw new DecodeError('too many records')
    const key = bytesToHex(reader.varBytes(KEY_BYTES_MAX))
    if (key === '') throw new DecodeError('a record without a key')
    records.push([key, reader.varBytes(VALUE_BYTES_MAX)])
  } while (reader.remaining > 0)
  return records
}

/** `records` is how many there are in the file. */
export function encodeSnapshotEnd(records: number): Uint8Array {
  return encodeWith((writer) => writer.safeU64(records))
}

/** @throws DecodeError */
export function decodeSnapshotEnd(bytes: Uint8Array): number {
  return decodeAll(bytes, (reader) => reader.safeU64())
}
