/**
 * What the write-ahead log keeps about undecided heights: own votes (a notarize above view 0 with
 * its justification, which is also its defence), bodies, and certificates. Without the certificates
 * and bodies, a crash of every node at once could leave a view that can be neither notarized nor
 * nullified. Framing and checksums are the log's.
 */

import { type ByteReader, DecodeError, decodeAll, encodeWith } from '../primitives/codec.ts'
import { type Certificate, readCertificate, writeCertificate } from './certificate.ts'
import { type Justification, readJustification, writeJustification } from './justification.ts'
import { MAX_BLOCK_MESSAGE_BYTES } from './messages.ts'
import { readVote, type Vote, writeVote } from './votes.ts'

export interface VoteRecord {
  readonly kind: 'vote'
  readonly height: number
  readonly vote: Vote
  /** With a notarize above view 0. */
  readonly justification?: Justification
}

interface BlockRecord {
  readonly kind: 'block'
  readonly height: number
  /** The whole encoded block. */
  readonly block: Uint8Array
}

interface CertificateRecord {
  readonly kind: 'certificate'
  readonly height: number
  readonly certificate: Certificate
}

export type WalRecord = VoteRecord | BlockRecord | CertificateRecord

const VOTE = 1
const BLOCK = 2
const CERTIFICATE = 3

export function encodeWalRecord(record: WalRecord): Uint8Array {
  return encodeWith((writer) => {
    switch (record.kind) {
      case 'vote':
        writer.u8(VOTE).safeU64(record.height)
        writeVote(writer, record.vote)
        writer.bool(record.justification !== undefined)
        if (record.justification !== undefined) writeJustification(writer, record.justification)
        break
      case 'block':
        writer.u8(BLOCK).safeU64(record.height).varBytes(record.block)
        break
      case 'certificate':
        writer.u8(CERTIFICATE).safeU64(record.height)
        writeCertificate(writer, record.certificate)
        break
    }
  })
}

/** @throws DecodeError, also when a record's height is not that of its contents. */
export function decodeWalRecord(bytes: Uint8Array): WalRecord {
  return decodeAll(bytes, readWalRecord)
}

function readWalRecord(reader: ByteReader): WalRecord {
  const code = reader.u8()
  const height = reader.safeU64()
  switch (code) {
    case VOTE: {
      const vote = readVote(reader)
      requireHeight(height, vote.height)
      const record = { kind: 'vote' as const, height, vote }
      return reader.bool() ? { ...record, justification: readJustification(reader) } : record
    }
    case BLOCK:
      return { kind: 'block', height, block: reader.varBytes(MAX_BLOCK_MESSAGE_BYTES) }
    case CERTIFICATE: {
      const certificate = readCertificate(reader)
      requireHeight(height, certificate.height)
      return { kind: 'certificate', height, certificate }
    }
    default:
      throw new DecodeError(`unknown log record ${code}`)
  }
}

function requireHeight(recorded: number, actual: number): void {
  if (recorded !== actual) throw new DecodeError('log record under another height')
}
