/**
 * The L1 section of a block: Bitcoin headers, and what is proved under them. It travels in the body
 * outside the transactions; the extension commits to its hash. With it, every rule of the peg is a
 * pure function of the chain: a node without a bitcoind checks every mint.
 */

import { type MerkleProof, readMerkleProof, writeMerkleProof } from '../bitcoin/merkle.ts'
import type { ByteReader, ByteWriter } from '../primitives/codec.ts'
import { encodeWith } from '../primitives/codec.ts'
import { type Hash32, hash32FromBytes } from '../primitives/hashes.ts'
import { taggedHash } from '../primitives/sha256.ts'
import { type MemberChange, readMemberChange, writeMemberChange } from './member-change.ts'
import {
  MAX_CONFIRMATIONS_PER_BLOCK,
  MAX_DEPOSITS_PER_BLOCK,
  MAX_L1_HEADERS_PER_BLOCK,
  MAX_L1_SECTION_BYTES,
  MAX_L1_TRANSACTION_BYTES,
} from './params.ts'
import {
  type KeyEpochAnnouncement,
  readKeyEpochAnnouncement,
  writeKeyEpochAnnouncement,
} from './peg/key-epoch-announcement.ts'

/** An L1 transaction under a header that the state holds. */
export interface L1TransactionProof {
  readonly l1Height: number
  /** Serialised without witness: what the txid hashes. */
  readonly transaction: Uint8Array
  readonly merkle: MerkleProof
}

/** One output of a proved transaction that pays a deposit address. */
export interface DepositClaim {
  readonly vout: number
  readonly keyEpoch: number
  /** Output script on this chain. */
  readonly recipient: Uint8Array
}

export interface DepositProof extends L1TransactionProof {
  readonly claims: readonly DepositClaim[]
}

export interface L1Section {
  /** 80 bytes each, following the last header in the state. */
  readonly headers: readonly Uint8Array[]
  readonly memberChanges: readonly MemberChange[]
  readonly keyEpochs: readonly KeyEpochAnnouncement[]
  readonly confirmations: readonly L1TransactionProof[]
  readonly deposits: readonly DepositProof[]
}

export const EMPTY_L1_SECTION: L1Section = {
  headers: [],
  memberChanges: [],
  keyEpochs: [],
  confirmations: [],
  deposits: [],
}

export function isEmptyL1Section(section: L1Section): boolean {
  return (
    section.headers.length === 0 &&
    section.memberChanges.length === 0 &&
    section.keyEpochs.length === 0 &&
    section.confirmations.length === 0 &&
    section.deposits.length === 0
  )
}

/** Longest script a claim can name: a witness program of 40 bytes and its two opcodes. */
const RECIPIENT_BYTES_MAX = 42
/** One change of keys at a time. */
const MEMBER_CHANGES_MAX = 1
const KEY_EPOCHS_MAX = 1

export function writeL1Section(writer: ByteWriter, section: L1Section): void {
  writer.list(section.headers, (w, header) => w.bytes(header))
  writer.list(section.memberChanges, writeMemberChange)
  writer.list(section.keyEpochs, writeKeyEpochAnnouncement)
  writer.list(section.confirmations, writeProof)
  writer.list(section.deposits, (w, deposit) => {
    writeProof(w, deposit)
    w.list(deposit.claims, (c, claim) => {
      c.u32(claim.vout).u32(claim.keyEpoch).varBytes(claim.recipient)
    })
  })
}

/** @throws DecodeError */
export function readL1Section(reader: ByteReader): L1Section {
  return {
    headers: reader.list(MAX_L1_HEADERS_PER_BLOCK, (r) => r.bytes(80)),
    memberChanges: reader.list(MEMBER_CHANGES_MAX, readMemberChange),
    keyEpochs: reader.list(KEY_EPOCHS_MAX, readKeyEpochAnnouncement),
    confirmations: reader.list(MAX_CONFIRMATIONS_PER_BLOCK, readProof),
    deposits: reader.list(MAX_DEPOSITS_PER_BLOCK, (r) => ({
      ...readProof(r),
      claims: r.list(MAX_DEPOSITS_PER_BLOCK, (c) => ({
        vout: c.u32(),
        keyEpoch: c.u32(),
        recipient: c.varBytes(RECIPIENT_BYTES_MAX),
      })),
    })),
  }
}

function writeProof(writer: ByteWriter, proof: L1TransactionProof): void {
  writer.u32(proof.l1Height).varBytes(proof.transaction)
  writeMerkleProof(writer, proof.merkle)
}

function readProof(reader: ByteReader): L1TransactionProof {
  return {
    l1Height: reader.u32(),
    transaction: reader.varBytes(MAX_L1_TRANSACTION_BYTES),
    merkle: readMerkleProof(reader),
  }
}

export function encodeL1Section(section: L1Section): Uint8Array {
  return encodeWith((writer) => writeL1Section(writer, section))
}

/** True when other nodes can decode it: every limit of `readL1Section`, and the section's own. */
export function fitsL1Section(section: L1Section): boolean {
  const proofs = [...section.confirmations, ...section.deposits]
  return (
    section.headers.length <= MAX_L1_HEADERS_PER_BLOCK &&
    section.memberChanges.length <= MEMBER_CHANGES_MAX &&
    section.keyEpochs.length <= KEY_EPOCHS_MAX &&
    section.confirmations.length <= MAX_CONFIRMATIONS_PER_BLOCK &&
    section.deposits.length <= MAX_DEPOSITS_PER_BLOCK &&
    section.deposits.every(({ claims }) => claims.length <= MAX_DEPOSITS_PER_BLOCK) &&
    proofs.every(({ transaction }) => transaction.length <= MAX_L1_TRANSACTION_BYTES) &&
    encodeL1Section(section).length <= MAX_L1_SECTION_BYTES
  )
}

export function l1SectionHash(section: L1Section): Hash32 {
  return hash32FromBytes(taggedHash('causeway/l1-section', encodeL1Section(section)))
}
