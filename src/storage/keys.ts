/**
 * Every key of the database. A key is one prefix byte and the record's own key, so that each kind of
 * record is one contiguous range. Numbers in keys are big-endian: they sort as numbers. Txids and
 * block hashes are in SHA256d's byte order, script hashes in SHA-256's.
 *
 * A prefix is never used for anything else again, not even after its records are gone.
 */

import { encodeOutPoint, type OutPoint } from '../bitcoin/transaction.ts'
import { concatBytes, hexToBytes, utf8 } from '../primitives/bytes.ts'
import {
  type BlockHash,
  type Hash32,
  hashToBytes,
  reversedToBytes,
  type Txid,
} from '../primitives/hashes.ts'

/** `key -> value`; the values' encodings are in `records.ts`. */
export const KEY_PREFIX = {
  /** name -> value: format version, chain id, tip, the genesis block */
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
} as const

/** Longest state key that the chain may use. Not consensus-critical: an assertion on our own code. */
export const STATE_KEY_BYTES_MAX = 64

export type MetaName = 'format' | 'chain' | 'tip' | 'genesis'

export function metaKey(name: MetaName): Uint8Array {
  return prefixed(KEY_PREFIX.meta, utf8(name))
}

/** `keyHex` is the state key in lower-case hex. */
export function stateKey(keyHex: string): Uint8Array {
  return prefixed(KEY_PREFIX.state, hexToBytes(keyHex))
}

type HeightKind = 'block' | 'blockInfo' | 'certificate' | 'undo'

export function heightKey(kind: HeightKind, height: number): Uint8Array {
  return prefixed(KEY_PREFIX[kind], u32be(height))
}

export function heightByHashKey(hash: BlockHash): Uint8Array {
  return prefixed(KEY_PREFIX.heightByHash, reversedToBytes(hash))
}

export function transactionKey(txid: Txid): Uint8Array {
  return prefixed(KEY_PREFIX.transaction, reversedToBytes(txid))
}

export function spendKey(outPoint: OutPoint): Uint8Array {
  return prefixed(KEY_PREFIX.spend, encodeOutPoint(outPoint))
}

export function depositPrevoutKey(outPoint: OutPoint): Uint8Array {
  return prefixed(KEY_PREFIX.depositPrevout, encodeOutPoint(outPoint))
}

/** Start of the range of all history rows of a script. */
export function scriptHistoryPrefix(scriptHash: Hash32): Uint8Array {
  return prefixed(KEY_PREFIX.scriptHistory, hashToBytes(scriptHash))
}

export function scriptHistoryKey(scriptHash: Hash32, height: number, position: number): Uint8Array {
  return concatBytes(scriptHistoryPrefix(scriptHash), u32be(height), u32be(position))
}

/** Start of the range of all unspent rows of a script. */
export function scriptUnspentPrefix(scriptHash: Hash32): Uint8Array {
  return prefixed(KEY_PREFIX.scriptUnspent, hashToBytes(scriptHash))
}

export function scriptUnspentKey(scriptHash: Hash32, outPoint: OutPoint): Uint8Array {
  return concatBytes(scriptUnspentPrefix(scriptHash), encodeOutPoint(outPoint))
}

export function scriptStatsKey(scriptHash: Hash32): Uint8Array {
  return prefixed(KEY_PREFIX.scriptStats, hashToBytes(scriptHash))
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
  // Prefix bytes are far below 0xff, so this is reached for an all-ff argument only.
  return concatBytes(prefix, Uint8Array.of(0xff))
}

function prefixed(prefix: number, rest: Uint8Array): Uint8Array {
  const key = new Uint8Array(1 + rest.length)
  key[0] = prefix
  key.set(rest, 1)
  return key
}

function u32be(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value, false)
  return bytes
}
