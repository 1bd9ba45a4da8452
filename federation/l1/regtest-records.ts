/**
 * What an embedded regtest chain writes down, in order: blocks as they came, and which of them were
 * declared invalid or valid again. Replaying the records makes the same chain.
 *
 *     record = kind u8 ‖ (1: block bytes | 2: hash of a block now invalid | 3: … valid again)
 */

import { DecodeError, decodeAll, encodeWith } from '../../src/primitives/codec.ts'
import { type BlockHash, readBlockHash, writeReversed } from '../../src/primitives/hashes.ts'
import { type BitcoinBlock, decodeBitcoinBlock, encodeBitcoinBlock } from './block-codec.ts'

export type RegtestRecord =
  | { readonly kind: 'block'; readonly block: BitcoinBlock }
  | { readonly kind: 'invalidate' | 'reconsider'; readonly hash: BlockHash }

const BLOCK = 1
const INVALIDATE = 2
const RECONSIDER = 3

export function encodeRegtestRecord(record: RegtestRecord): Uint8Array {
  return encodeWith((writer) => {
    if (record.kind === 'block') {
      writer.u8(BLOCK).bytes(encodeBitcoinBlock(record.block))
    } else {
      writer.u8(record.kind === 'invalidate' ? INVALIDATE : RECONSIDER)
      writeReversed(writer, record.hash)
    }
  })
}

/** @throws DecodeError */
export function decodeRegtestRecord(bytes: Uint8Array): RegtestRecord {
  return decodeAll(bytes, (reader): RegtestRecord => {
    const kind = reader.u8()
    if (kind === BLOCK) {
      return { kind: 'block', block: decodeBitcoinBlock(reader.bytes(reader.remaining)) }
    }
    if (kind === INVALIDATE) return { kind: 'invalidate', hash: readBlockHash(reader) }
    if (kind === RECONSIDER) return { kind: 'reconsider', hash: readBlockHash(reader) }
    throw new DecodeError(`unknown record ${kind}`)
  })
}
