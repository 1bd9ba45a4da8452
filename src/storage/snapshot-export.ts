/** A chain database as the bytes of a snapshot, in pieces: the same state always gives the same records. */

import { encodeBlock } from '../chain/block.ts'
import { decodeHandover } from '../chain/handover.ts'
import type { ChainParams } from '../chain/params.ts'
import {
  encodeSnapshotEnd,
  encodeSnapshotHead,
  encodeSnapshotRecords,
  SECTION,
  SECTION_RECORDS_MAX,
  SECTION_TARGET_BYTES,
  SNAPSHOT_HEADERS_MAX,
  type SnapshotHead,
  type SnapshotRecord,
} from '../chain/snapshot.ts'
import { present } from '../primitives/assert.ts'
import type { ChainDatabase } from './chain-database.ts'
import { encodePreamble, encodeSection } from './snapshot-sections.ts'
import { StorageError } from './storage-error.ts'

/** What an export is about, known before it starts. */
export interface SnapshotExport {
  readonly head: SnapshotHead
  /** The file, in order. The database must not move on meanwhile. @throws StorageError */
  readonly pieces: AsyncIterable<ExportedPiece>
}

export interface ExportedPiece {
  readonly bytes: Uint8Array
  /** So far. */
  readonly records: number
}

/** @throws StorageError when there is no block above 0 yet. */
export function exportSnapshot(params: ChainParams, database: ChainDatabase): SnapshotExport {
  const tip = database.tip()
  if (tip === undefined || tip.height === 0) {
    throw new StorageError('there is no block yet: a snapshot starts at block 1 or later')
  }
  const { block, certificate } = present(database.findBlock(tip.hash), 'block of the tip')
  const first = Math.max(0, tip.height - SNAPSHOT_HEADERS_MAX)
  const head: SnapshotHead = {
    chainId: params.chainId,
    height: tip.height,
    blockBytes: encodeBlock(block),
    certificate,
    handovers: database.handovers.all().map(decodeHandover),
    headers: Array.from({ length: tip.height - first }, (_, index) =>
      present(database.findHeader(first + index), 'header of an earlier block'),
    ),
  }
  return { head, pieces: piecesOf(head, database) }
}

async function* piecesOf(
  head: SnapshotHead,
  database: ChainDatabase,
): AsyncIterable<ExportedPiece> {
  yield { bytes: encodePreamble(), records: 0 }
  yield { bytes: encodeSection(SECTION.head, encodeSnapshotHead(head)), records: 0 }
  let count = 0
  let bytes = 0
  let records: SnapshotRecord[] = []
  const section = (): ExportedPiece => {
    count += records.length
    const payload = encodeSnapshotRecords(records)
    records = []
    bytes = 0
    return { bytes: encodeSection(SECTION.records, payload), records: count }
  }
  for await (const record of database.stateRange('')) {
    const [key, value] = record
    records.push(record)
    bytes += key.length / 2 + value.length
    if (records.length === SECTION_RECORDS_MAX || bytes >= SECTION_TARGET_BYTES) yield section()
  }
  if (records.length > 0) yield section()
  yield { bytes: encodeSection(SECTION.end, encodeSnapshotEnd(count)), records: count }
}
