/**
 * The block extension: what Causeway adds to Bitcoin's header. A coinbase output
 * `OP_RETURN ca5e20‖hash` commits to it, so it is bound to the block id. Little-endian; 259 bytes, and
 * the evidence of double votes and the freeze votes that the block carries.
 */

import { type Evidence, readEvidence, writeEvidence } from '../consensus/evidence.ts'
import type { ByteReader, ByteWriter } from '../primitives/codec.ts'
import { DecodeError, encodeWith } from '../primitives/codec.ts'
import {
  type BlockHash,
  type Hash32,
  hash32FromBytes,
  readBlockHash,
  readHash32,
  writeHash32,
  writeReversed,
} from '../primitives/hashes.ts'
import { taggedHash } from '../primitives/sha256.ts'
import { decodeSats, type Sats } from '../primitives/units.ts'
import { MAX_EVIDENCE_PER_BLOCK, MAX_FREEZE_VOTES_PER_BLOCK } from './params.ts'
import { type FreezeVote, readFreezeVote, writeFreezeVote } from './peg/freeze-vote.ts'

/** The peg's books after the block, satoshis. */
export interface PegTotals {
  readonly supply: Sats
  /** Net amounts owed to releases that are not yet paid (proved) on L1. */
  readonly pendingReleases: Sats
  /** Rounding gains of batch fees, kept for the federation's own L1 costs. */
  readonly feeReserve: Sats
  /** L1 fees of batches that are not yet confirmed. */
  readonly inFlightFees: Sats
  readonly reserves: Sats
}

export interface BlockExtension {
  readonly height: number
  /** Consensus view in which the block was first proposed. */
  readonly view: number
  /** Milliseconds since the Unix epoch. */
  readonly timeMs: number
  /** Index in the validator set. */
  readonly proposer: number
  /** Of the state after this block; the coinbase's own outputs enter with the next one. */
  readonly stateRoot: Hash32
  readonly validatorSetHash: Hash32
  readonly nextValidatorSetHash: Hash32
  readonly paramsHash: Hash32
  /** Last L1 header in the state after this block. */
  readonly l1Height: number
  readonly l1Hash: BlockHash
  readonly l1SectionHash: Hash32
  /** L1 fee rate for batches built in this block, satoshis per 1,000 virtual bytes. */
  readonly feeRate: number
  readonly totals: PegTotals
  /** Ascending by height and signer. */
  readonly evidence: readonly Evidence[]
  /** Ascending by validator key. */
  readonly freezeVotes: readonly FreezeVote[]
}

const EXTENSION_VERSION = 1

export function writeExtension(writer: ByteWriter, extension: BlockExtension): void {
  writer
    .u8(EXTENSION_VERSION)
    .u32(extension.height)
    .u32(extension.view)
    .safeU64(extension.timeMs)
    .u16(extension.proposer)
  writeHash32(writer, extension.stateRoot)
  writeHash32(writer, extension.validatorSetHash)
  writeHash32(writer, extension.nextValidatorSetHash)
  writeHash32(writer, extension.paramsHash)
  writer.u32(extension.l1Height)
  writeReversed(writer, extension.l1Hash)
  writeHash32(writer, extension.l1SectionHash)
  writer.u32(extension.feeRate)
  writeTotals(writer, extension.totals)
  writer.list(extension.evidence, writeEvidence)
  writer.list(extension.freezeVotes, writeFreezeVote)
}

/** @throws DecodeError */
export function readExtension(reader: ByteReader): BlockExtension {
  if (reader.u8() !== EXTENSION_VERSION) throw new DecodeError('unknown extension version')
  return {
    height: reader.u32(),
    view: reader.u32(),
    timeMs: reader.safeU64(),
    proposer: reader.u16(),
    stateRoot: readHash32(reader),
    validatorSetHash: readHash32(reader),
    nextValidatorSetHash: readHash32(reader),
    paramsHash: readHash32(reader),
    l1Height: reader.u32(),
    l1Hash: readBlockHash(reader),
    l1SectionHash: readHash32(reader),
    feeRate: reader.u32(),
    totals: readTotals(reader),
    evidence: reader.list(MAX_EVIDENCE_PER_BLOCK, readEvidence),
    freezeVotes: reader.list(MAX_FREEZE_VOTES_PER_BLOCK, readFreezeVote),
  }
}

export function writeTotals(writer: ByteWriter, totals: PegTotals): void {
  writer
    .u64(totals.supply)
    .u64(totals.pendingReleases)
    .u64(totals.feeReserve)
    .u64(totals.inFlightFees)
    .u64(totals.reserves)
}

export function readTotals(reader: ByteReader): PegTotals {
  return {
    supply: decodeSats(reader.u64()),
    pendingReleases: decodeSats(reader.u64()),
    feeReserve: decodeSats(reader.u64()),
    inFlightFees: decodeSats(reader.u64()),
    reserves: decodeSats(reader.u64()),
  }
}

/** What the coinbase commits to. */
export function extensionHash(extension: BlockExtension): Hash32 {
  const bytes = encodeWith((writer) => writeExtension(writer, extension))
  return hash32FromBytes(taggedHash('causeway/extension', bytes))
}
