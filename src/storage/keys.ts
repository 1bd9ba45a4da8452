/**
 * Every key of the database. A key is one prefix byte and the record's own key, so that each kind of
 * record is one contiguous range. Numbers in keys are big-endian: they sort as numbers. Hashes are
 * bytes in the order in which the hash function gives them.
 *
 * A prefix is never used for anything else again, not even after its records are gone.
 */

import type { Offence } from '../chain/evidence.ts'
import { AssertionError } from '../primitives/assert.ts'
import { hexToBytes, utf8 } from '../primitives/bytes.ts'
import { encodeWith } from '../primitives/codec.ts'
import { hashToBytes, type XOnlyKey } from '../primitives/hashes.ts'

/** `key -> value`; the values' encodings are in `records.ts`. */
export const KEY_PREFIX = {
  /** name -> value: format version, chain id, tip, the genesis block, where a snapshot began */
  meta: 0x01,
  /** state key (namespace byte ‖ record key, ≤ 64 bytes) -> state value, as the chain gives them */
  state: 0x02,
  /** height u32be -> block bytes as peers exchange them */
  block: 0x10,
  /** height u32be -> block hash, time, median time, size, weight */
  blockInfo: 0x11,
  /** block hash -> height */
  heightByHash: 0x12,
  /** height u32be -> certificate */
  certificate: 0x13,
  /** height u32be -> the state records that the block replaced */
  undo: 0x14,
  /** index u32be, from 0 -> how the validators of one epoch hand over to those of the next */
  handover: 0x15,
  /** txid -> height, position in the block */
  transaction: 0x20,
  /** outpoint -> txid, input index and height of the transaction that spends it */
  spend: 0x21,
  /** script hash ‖ height u32be ‖ position u32be -> what the transaction does to the script, txid */
  scriptHistory: 0x30,
  /** script hash ‖ outpoint -> value, height, position */
  scriptUnspent: 0x31,
  /** script hash -> totals over the script's history */
  scriptStats: 0x32,
  /** L1 outpoint of a minted deposit -> the L1 output's value and script */
  depositPrevout: 0x40,
  /** outpoint of a coin that came with a snapshot -> its value and script */
  snapshotOutput: 0x41,
  /** L1 txid -> height of the last block whose L1 section proves the transaction */
  l1Transaction: 0x42,
  /** height u32be ‖ signer u16be -> height of the block that carries it, the two votes */
  evidence: 0x50,
  /** height u32be ‖ signer u16be -> the two votes: not in a block yet */
  waitingEvidence: 0x51,
  /** validator key (32 bytes) -> its newest freeze vote: not in a block yet */
  waitingFreezeVote: 0x52,
} as const

/** Longest state key that the chain may use. Not consensus-critical: an assertion on our own code. */
export const STATE_KEY_BYTES_MAX = 64

export type MetaName = 'format' | 'chain' | 'tip' | 'genesis' | 'start'

export function metaKey(name: MetaName): Uint8Array {
  return prefixed(KEY_PREFIX.meta, utf8(name))
}

/** `keyHex` is the state key in lower-case hex. */
export function stateKey(keyHex: string): Uint8Array {
  return prefixed(KEY_PREFIX.state, hexToBytes(keyHex))
}

type HeightKind = 'block' | 'blockInfo' | 'certificate' | 'undo'

export function heightKey(kind: HeightKind, height: number): Uint8Array {
  const key = new Uint8Array(5)
  key[0] = KEY_PREFIX[kind]
  writeU32be(key, 1, height)
  return key
}

/** `hash` is 32 bytes in SHA256d's order; so is `txid` below. */
export function heightByHashKey(hash: Uint8Array): Uint8Array {
  return prefixed(KEY_PREFIX.heightByHash, hash)
}

export function transactionKey(txid: Uint8Array): Uint8Array {
  return prefixed(KEY_PREFIX.transaction, txid)
}

/** `outPoint` is 36 bytes as in a transaction, here and below. */
export function spendKey(outPoint: Uint8Array): Uint8Array {
  return prefixed(KEY_PREFIX.spend, outPoint)
}

export function depositPrevoutKey(outPoint: Uint8Array): Uint8Array {
  return prefixed(KEY_PREFIX.depositPrevout, outPoint)
}

export function snapshotOutputKey(outPoint: Uint8Array): Uint8Array {
  return prefixed(KEY_PREFIX.snapshotOutput, outPoint)
}

/** `txid` is 32 bytes in SHA256d's order. */
export function l1TransactionKey(txid: Uint8Array): Uint8Array {
  return prefixed(KEY_PREFIX.l1Transaction, txid)
}

type EvidenceRow = 'evidence' | 'waitingEvidence'

export function evidenceKey(kind: EvidenceRow, { height, signer }: Offence): Uint8Array {
  const key = new Uint8Array(7)
  key[0] = KEY_PREFIX[kind]
  writeU32be(key, 1, height)
  key[5] = signer >>> 8
  key[6] = signer
  return key
}

/** Start of the range of all evidence rows. */
export function evidencePrefix(kind: EvidenceRow): Uint8Array {
  return Uint8Array.of(KEY_PREFIX[kind])
}

export function waitingFreezeVoteKey(validator: XOnlyKey): Uint8Array {
  return prefixed(KEY_PREFIX.waitingFreezeVote, hashToBytes(validator))
}

/** Start of the range of all freeze votes that wait. */
export function waitingFreezeVotePrefix(): Uint8Array {
  return Uint8Array.of(KEY_PREFIX.waitingFreezeVote)
}

/** Start of the range of all history rows of a script; `scriptHash` is 32 bytes, here and below. */
export function scriptHistoryPrefix(scriptHash: Uint8Array): Uint8Array {
  return prefixed(KEY_PREFIX.scriptHistory, scriptHash)
}

export function scriptHistoryKey(
  scriptHash: Uint8Array,
  height: number,
  position: number,
): Uint8Array {
  const key = new Uint8Array(1 + scriptHash.length + 8)
  key[0] = KEY_PREFIX.scriptHistory
  key.set(scriptHash, 1)
  writeU32be(key, 1 + scriptHash.length, height)
  writeU32be(key, 5 + scriptHash.length, position)
  return key
}

/** Start of the range of all unspent rows of a script. */
export function scriptUnspentPrefix(scriptHash: Uint8Array): Uint8Array {
  return prefixed(KEY_PREFIX.scriptUnspent, scriptHash)
}

export function scriptUnspentKey(scriptHash: Uint8Array, outPoint: Uint8Array): Uint8Array {
  const key = new Uint8Array(1 + scriptHash.length + outPoint.length)
  key[0] = KEY_PREFIX.scriptUnspent
  key.set(scriptHash, 1)
  key.set(outPoint, 1 + scriptHash.length)
  return key
}

export function scriptStatsKey(scriptHash: Uint8Array): Uint8Array {
  return prefixed(KEY_PREFIX.scriptStats, scriptHash)
}

/** The least key above every key that starts with `prefix`: the exclusive end of its range. */
export function endOfPrefix(prefix: Uint8Array): Uint8Array {
  const end = prefix.slice()
  for (let i = end.length - 1; i >= 0; i--) {
    const byte = end[i] ?? 0
    if (byte < 0xff) {
      end[i] = byte + 1
      return end.slice(0, i + 1)
    }
  }
  throw new AssertionError('prefixes begin with a byte below ff')
}

function prefixed(prefix: number, rest: Uint8Array): Uint8Array {
  const key = new Uint8Array(1 + rest.length)
  key[0] = prefix
  key.set(rest, 1)
  return key
}

function writeU32be(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}

/** `index` counts the handovers from 0. */
export function handoverKey(index: number): Uint8Array {
  return prefixed(
    KEY_PREFIX.handover,
    encodeWith((writer) => writer.u32be(index)),
  )
}
