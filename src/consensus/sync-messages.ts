/**
 * The catch-up protocol's question and answer: decided blocks from a height on, each with the
 * certificate that made it final. One question and one answer per stream, open to any peer.
 */

import {
  type ByteReader,
  type ByteWriter,
  DecodeError,
  decodeAll,
  encodeWith,
} from '../primitives/codec.ts'
import { type Certificate, readCertificate, writeCertificate } from './certificate.ts'
import { MAX_BLOCK_MESSAGE_BYTES } from './messages.ts'

export interface DecidedRequest {
  readonly fromHeight: number
  /** 1 … 64 */
  readonly count: number
}

export interface DecidedBlock {
  /** The whole encoded block, opaque here. */
  readonly block: Uint8Array
  readonly certificate: Certificate
}

export const MAX_DECIDED_COUNT = 64
/** An answer stops before it gets longer than this, but holds at least one block if there is one. */
export const MAX_DECIDED_BYTES = 4_000_000

export function encodeDecidedRequest(request: DecidedRequest): Uint8Array {
  return encodeWith((writer) => writer.safeU64(request.fromHeight).u8(request.count))
}

/** @throws DecodeError */
export function decodeDecidedRequest(bytes: Uint8Array): DecidedRequest {
  return decodeAll(bytes, (reader) => {
    const request = { fromHeight: reader.safeU64(), count: reader.u8() }
    if (request.count < 1 || request.count > MAX_DECIDED_COUNT) {
      throw new DecodeError(`count ${request.count} out of range`)
    }
    return request
  })
}

function writeDecidedBlock(writer: ByteWriter, decided: DecidedBlock): void {
  writeCertificate(writer, decided.certificate)
  writer.varBytes(decided.block)
}

function readDecidedBlock(reader: ByteReader): DecidedBlock {
  const certificate = readCertificate(reader)
  if (certificate.type !== 'finalize') throw new DecodeError('not a finality certificate')
  return { certificate, block: reader.varBytes(MAX_BLOCK_MESSAGE_BYTES) }
}

export function encodeDecidedAnswer(blocks: readonly DecidedBlock[]): Uint8Array {
  return encodeWith((writer) => writer.list(blocks, writeDecidedBlock))
}

/** @throws DecodeError, also when the certificates' heights are not contiguous and ascending. */
export function decodeDecidedAnswer(bytes: Uint8Array): readonly DecidedBlock[] {
  const blocks = decodeAll(bytes, (reader) => reader.list(MAX_DECIDED_COUNT, readDecidedBlock))
  const first = blocks[0]?.certificate.height ?? 0
  if (blocks.some((decided, i) => decided.certificate.height !== first + i)) {
    throw new DecodeError('decided blocks are not contiguous')
  }
  return blocks
}
