/** The rows of the deposit book on disk. Keys sort by kind; one byte of kind comes first. */

import { readMerkleProof, writeMerkleProof } from '../../src/bitcoin/merkle.ts'
import { encodeOutPoint, type OutPoint, readOutPoint } from '../../src/bitcoin/transaction.ts'
import type { L1TransactionProof } from '../../src/chain/l1-section.ts'
import { MAX_L1_TRANSACTION_BYTES } from '../../src/chain/params.ts'
import { concatBytes } from '../../src/primitives/bytes.ts'
import { ByteReader, decodeAll, encodeWith } from '../../src/primitives/codec.ts'
import {
  type BlockHash,
  readBlockHash,
  reversedToBytes,
  type Txid,
} from '../../src/primitives/hashes.ts'
import { decodeSats, type Sats } from '../../src/primitives/units.ts'

/** A deposit address under watch. */
export interface Registration {
  readonly keyEpoch: number
  readonly recipient: Uint8Array
  /** The address's output script on L1. */
  readonly script: Uint8Array
}

/** An L1 output that pays a watched address, in the block where it was last seen. */
export interface SeenDeposit {
  readonly outPoint: OutPoint
  readonly value: Sats
  readonly keyEpoch: number
  readonly recipient: Uint8Array
  readonly script: Uint8Array
  readonly l1Height: number
  /** In its block. */
  readonly position: number
}

/** `asked`: through this node's own API. `heard`: from another node. */
export type RegistrationOrigin = 'asked' | 'heard'

export interface StoredRegistration extends Registration {
  /** Counts up; tells the older from the newer. */
  readonly sequence: number
  readonly origin: RegistrationOrigin
  /** False while blocks before the registration are still to be read for it. */
  readonly lookedBack: boolean
  /** The last block that had been read when it came; 0 = none. */
  readonly fromHeight: number
}

export const ROW = {
  registration: 0x01,
  deposit: 0x02,
  /** Height -> hash of a block that was read. */
  scanned: 0x04,
  /** L1 txid -> proof, for deposits that are not minted yet. */
  proof: 0x08,
} as const

const SCRIPT_BYTES_MAX = 42

/** First key and first key behind all rows of a kind. */
export function rowRange(kind: number): readonly [Uint8Array, Uint8Array] {
  return [Uint8Array.of(kind), Uint8Array.of(kind + 1)]
}

export function registrationKey(script: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(ROW.registration), script)
}

export function encodeRegistration(registration: StoredRegistration): Uint8Array {
  return encodeWith((writer) => {
    writer
      .safeU64(registration.sequence)
      .bool(registration.origin === 'asked')
      .bool(registration.lookedBack)
      .u32(registration.fromHeight)
      .u32(registration.keyEpoch)
      .varBytes(registration.recipient)
      .varBytes(registration.script)
  })
}

/** @throws DecodeError */
export function decodeRegistration(bytes: Uint8Array): StoredRegistration {
  return decodeAll(bytes, (reader) => ({
    sequence: reader.safeU64(),
    origin: reader.bool() ? ('asked' as const) : ('heard' as const),
    lookedBack: reader.bool(),
    fromHeight: reader.u32(),
    keyEpoch: reader.u32(),
    recipient: reader.varBytes(SCRIPT_BYTES_MAX).slice(),
    script: reader.varBytes(SCRIPT_BYTES_MAX).slice(),
  }))
}

export function depositKey(outPoint: OutPoint): Uint8Array {
  return concatBytes(Uint8Array.of(ROW.deposit), encodeOutPoint(outPoint))
}

export function encodeDeposit(deposit: SeenDeposit): Uint8Array {
  return encodeWith((writer) => {
    writer
      .bytes(encodeOutPoint(deposit.outPoint))
      .u64(deposit.value)
      .u32(deposit.keyEpoch)
      .varBytes(deposit.recipient)
      .varBytes(deposit.script)
      .u32(deposit.l1Height)
      .u32(deposit.position)
  })
}

/** @throws DecodeError */
export function decodeDeposit(bytes: Uint8Array): SeenDeposit {
  return decodeAll(bytes, (reader) => ({
    outPoint: readOutPoint(reader),
    value: decodeSats(reader.u64()),
    keyEpoch: reader.u32(),
    recipient: reader.varBytes(SCRIPT_BYTES_MAX).slice(),
    script: reader.varBytes(SCRIPT_BYTES_MAX).slice(),
    l1Height: reader.u32(),
    position: reader.u32(),
  }))
}

export function proofKey(txid: Txid): Uint8Array {
  return concatBytes(Uint8Array.of(ROW.proof), reversedToBytes(txid))
}

export function encodeProof(proof: L1TransactionProof): Uint8Array {
  return encodeWith((writer) => {
    writer.u32(proof.l1Height).varBytes(proof.transaction)
    writeMerkleProof(writer, proof.merkle)
  })
}

/** @throws DecodeError */
export function decodeProof(bytes: Uint8Array): L1TransactionProof {
  return decodeAll(bytes, (reader) => ({
    l1Height: reader.u32(),
    transaction: reader.varBytes(MAX_L1_TRANSACTION_BYTES).slice(),
    merkle: readMerkleProof(reader),
  }))
}

export function scannedKey(height: number): Uint8Array {
  return encodeWith((writer) => writer.u8(ROW.scanned).u32be(height))
}

/** @throws DecodeError */
export function decodeScanned(key: Uint8Array, value: Uint8Array): readonly [number, BlockHash] {
  return [new ByteReader(key.subarray(1)).u32be(), decodeAll(value, readBlockHash)]
}

export function encodeScanned(hash: BlockHash): Uint8Array {
  return reversedToBytes(hash)
}
