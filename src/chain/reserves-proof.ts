/**
 * A proof of reserves as bytes: a head and groups, each behind its length, so that a node can send it
 * while it still reads blocks and nobody needs to hold it whole.
 *
 *     file   = 'CWRSV' ‖ version u8 ‖ frame(head) ‖ frame(group) …
 *     frame  = length u32 ‖ that many bytes
 *     head   = var(chain proof, without a coin) ‖ record of the books ‖ list(epoch u32 ‖ record)
 *     group  = L1 height u32 ‖ record of the L1 header ‖ var(L1 transaction without witness)
 *              ‖ Merkle proof ‖ list(output index u32 ‖ record of the reserve coin)
 *     record = var(value in the state) ‖ state proof
 *
 * A group holds every reserve coin of one L1 transaction. Who checks it: `verify-reserves-proof.ts`.
 */

import { type MerkleProof, readMerkleProof, writeMerkleProof } from '../bitcoin/merkle.ts'
import { concatBytes, equalBytes, utf8 } from '../primitives/bytes.ts'
import {
  ByteReader,
  type ByteWriter,
  DecodeError,
  decodeAll,
  encodeWith,
} from '../primitives/codec.ts'
import { MAX_L1_TRANSACTION_BYTES } from './params.ts'
import { readStateProof, type StateProof, writeStateProof } from './state-proof.ts'

/** A value of the state, and where it stands there. Its key follows from what it is. */
export interface ProvedRecord {
  readonly value: Uint8Array
  readonly proof: StateProof
}

export interface ReservesProofHead {
  /** Of the block, as `verify-proof.ts` checks it. */
  readonly chainProof: Uint8Array
  readonly books: ProvedRecord
  /** The epochs whose addresses hold the coins, and the active one; ascending. */
  readonly keyEpochs: readonly { readonly epoch: number; readonly record: ProvedRecord }[]
}

export interface ReservesProofGroup {
  readonly l1Height: number
  readonly header: ProvedRecord
  /** Without witness. */
  readonly transaction: Uint8Array
  readonly merkle: MerkleProof
  /** Ascending by output. */
  readonly coins: readonly { readonly vout: number; readonly record: ProvedRecord }[]
}

/**
 * Coins of one proof; a federation with more has to consolidate. Taking a coin's records from the state costs
 * a tenth of a millisecond, in which nothing else is done. Not consensus-critical, as all here.
 */
export const RESERVES_PROOF_COINS_MAX = 10_000
const KEY_EPOCHS_MAX = 1_000
const CHAIN_PROOF_BYTES_MAX = 300_000
/** Above a key announcement of 100 members, the longest of these records. */
const VALUE_BYTES_MAX = 20_000
/** A coin's record and proof: some 700 bytes in a state of a million records. */
const FRAME_BYTES_MAX = 64 << 20
const MAGIC = concatBytes(utf8('CWRSV'), Uint8Array.of(1))

/** What a file begins with. */
export function reservesProofStart(head: ReservesProofHead): Uint8Array {
  return concatBytes(MAGIC, frame(encodeHead(head)))
}

/** Behind the start, one for each L1 transaction. */
export function reservesProofPiece(group: ReservesProofGroup): Uint8Array {
  return frame(encodeGroup(group))
}

function frame(bytes: Uint8Array): Uint8Array {
  return encodeWith((writer) => writer.u32(bytes.length).bytes(bytes))
}

/** Frames of a whole file, the head's first. @throws DecodeError */
export function* reservesProofFrames(file: Uint8Array): Iterable<Uint8Array> {
  const reader = new ByteReader(file)
  if (!equalBytes(reader.bytes(MAGIC.length), MAGIC)) {
    throw new DecodeError('not a proof of reserves of this version')
  }
  while (reader.remaining > 0) {
    const length = reader.u32()
    if (length > FRAME_BYTES_MAX) throw new DecodeError('a piece too long')
    yield reader.bytes(length)
  }
}

function encodeHead({ chainProof, books, keyEpochs }: ReservesProofHead): Uint8Array {
  return encodeWith((writer) => {
    writer.varBytes(chainProof)
    writeRecord(writer, books)
    writer.list(keyEpochs, (w, { epoch, record }) => writeRecord(w.u32(epoch), record))
  })
}

/** @throws DecodeError */
export function decodeReservesHead(bytes: Uint8Array): ReservesProofHead {
  return decodeAll(bytes, (reader) => ({
    chainProof: reader.varBytes(CHAIN_PROOF_BYTES_MAX),
    books: readRecord(reader),
    keyEpochs: reader.list(KEY_EPOCHS_MAX, (r) => ({ epoch: r.u32(), record: readRecord(r) })),
  }))
}

function encodeGroup(group: ReservesProofGroup): Uint8Array {
  return encodeWith((writer) => {
    writeRecord(writer.u32(group.l1Height), group.header)
    writer.varBytes(group.transaction)
    writeMerkleProof(writer, group.merkle)
    writer.list(group.coins, (w, { vout, record }) => writeRecord(w.u32(vout), record))
  })
}

/** @throws DecodeError */
export function decodeReservesGroup(bytes: Uint8Array): ReservesProofGroup {
  return decodeAll(bytes, (reader) => ({
    l1Height: reader.u32(),
    header: readRecord(reader),
    transaction: reader.varBytes(MAX_L1_TRANSACTION_BYTES),
    merkle: readMerkleProof(reader),
    coins: reader.list(RESERVES_PROOF_COINS_MAX, (r) => ({
      vout: r.u32(),
      record: readRecord(r),
    })),
  }))
}

function writeRecord(writer: ByteWriter, { value, proof }: ProvedRecord): void {
  writer.varBytes(value)
  writeStateProof(writer, proof)
}

function readRecord(reader: ByteReader): ProvedRecord {
  return { value: reader.varBytes(VALUE_BYTES_MAX), proof: readStateProof(reader) }
}
