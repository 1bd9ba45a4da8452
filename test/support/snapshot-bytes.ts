/** Snapshots in memory: taken, read, cut into their sections and put together again. */

import type { ChainService } from '../../src/node/chain-service.ts'
import { concatBytes } from '../../src/primitives/bytes.ts'
import { ByteReader } from '../../src/primitives/codec.ts'
import { exportSnapshot } from '../../src/storage/snapshot-export.ts'
import {
  type ByteSource,
  encodePreamble,
  encodeSection,
} from '../../src/storage/snapshot-sections.ts'

export async function snapshotOf({
  params,
  database,
}: Pick<ChainService, 'params' | 'database'>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  for await (const { bytes } of exportSnapshot(params, database).pieces) pieces.push(bytes)
  return concatBytes(...pieces)
}

export function sourceOf(bytes: Uint8Array): ByteSource {
  let offset = 0
  return {
    async read(length) {
      const piece = bytes.subarray(offset, offset + length)
      offset += piece.length
      return piece
    },
  }
}

export interface RawSection {
  readonly kind: number
  readonly payload: Uint8Array
}

export function sectionsOf(snapshot: Uint8Array): RawSection[] {
  const reader = new ByteReader(snapshot)
  reader.bytes(encodePreamble().length)
  const sections: RawSection[] = []
  while (reader.remaining > 0) {
    const kind = reader.u8()
    sections.push({ kind, payload: reader.bytes(reader.u32()) })
    reader.u32()
  }
  return sections
}

/** With right checksums, whatever the payloads say. */
export function snapshotFrom(sections: readonly RawSection[]): Uint8Array {
  return concatBytes(
    encodePreamble(),
    ...sections.map(({ kind, payload }) => encodeSection(kind, payload)),
  )
}
