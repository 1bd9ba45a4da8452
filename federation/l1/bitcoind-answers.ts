/**
 * The results of bitcoind's RPC calls that are used here, checked. Everything is strict and bounded;
 * fields that are not used are not looked at, so that Core and Knots of any version fit. Amounts are
 * JSON numbers of bitcoin with eight places: a double holds every amount up to 21,000,000 exactly
 * enough to round back to satoshis.
 */

import { z } from 'zod'
import { HEADER_BYTES } from '../../src/bitcoin/header.ts'
import { hexToBytes } from '../../src/primitives/bytes.ts'
import { DecodeError } from '../../src/primitives/codec.ts'
import { toBlockHash, toTxid } from '../../src/primitives/hashes.ts'
import { MAX_SATS, sats } from '../../src/primitives/units.ts'
import { L1ProtocolError } from './l1-error.ts'

const SATS_PER_BTC = 1e8
/** Core's MAX_SCRIPT_SIZE; a longer output script can never be spent. Twice, for hex. */
const SCRIPT_HEX_MAX = 20_000
const REASON_LENGTH_MAX = 300
/** The mempool of a busy mainnet node. */
const MEMPOOL_TRANSACTIONS_MAX = 500_000

const HASH = z.string().regex(/^[0-9a-f]{64}$/)
const HEX = z.string().regex(/^(?:[0-9a-f]{2})*$/)
const HEIGHT = z.int().min(0).max(0xffff_ffff)
const BTC = z
  .number()
  .min(0)
  .max(Number(MAX_SATS) / SATS_PER_BTC)

export const BLOCK_HASH_ANSWER = HASH.transform(toBlockHash)

/** 80 bytes. */
export const RAW_HEADER_ANSWER = HEX.length(HEADER_BYTES * 2).transform(hexToBytes)

export const HEADER_ANSWER = z.object({
  hash: BLOCK_HASH_ANSWER,
  height: HEIGHT,
  /** -1 outside the best chain. */
  confirmations: z.int().min(-1),
})

export const RAW_ANSWER = HEX.transform(hexToBytes)

/** Null: spent, or never there. */
export const UNSPENT_ANSWER = z
  .object({
    value: BTC.transform((value) => sats(Math.round(value * SATS_PER_BTC))),
    confirmations: z.int().min(0),
    coinbase: z.boolean(),
    scriptPubKey: z.object({ hex: HEX.max(SCRIPT_HEX_MAX).transform(hexToBytes) }),
  })
  .nullable()

export const ACCEPTANCE_ANSWER = z.tuple([
  z.object({
    txid: HASH,
    /** Absent when a package as a whole was refused. */
    allowed: z.boolean().optional(),
    'reject-reason': z.string().max(REASON_LENGTH_MAX).optional(),
    'package-error': z.string().max(REASON_LENGTH_MAX).optional(),
  }),
])

export const TXID_ANSWER = HASH.transform(toTxid)

export const TXIDS_ANSWER = z.array(TXID_ANSWER).max(MEMPOOL_TRANSACTIONS_MAX)

export const MEMPOOL_ENTRY_ANSWER = z.object({ wtxid: HASH })

const RATE = BTC.transform((rate) => Math.ceil(rate * SATS_PER_BTC - 1e-6))

/** `feerate` is absent when there is too little data. */
export const FEE_ESTIMATE_ANSWER = z.object({ feerate: RATE.optional() })

export const MEMPOOL_INFO_ANSWER = z.object({ mempoolminfee: RATE })

/** @throws L1ProtocolError unless the answer has the shape. */
export function checkAnswer<T>(method: string, schema: z.ZodType<T>, answer: unknown): T {
  const parsed = schema.safeParse(answer)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const where = issue?.path.map(String).join('.') ?? ''
  throw new L1ProtocolError(`${method}: unexpected answer at "${where}": ${issue?.message ?? ''}`)
}

/** @throws L1ProtocolError where `decode` throws DecodeError. */
export function decodeAnswer<T>(method: string, decode: () => T): T {
  try {
    return decode()
  } catch (cause) {
    if (cause instanceof DecodeError) {
      throw new L1ProtocolError(`${method}: undecodable answer: ${cause.message}`, { cause })
    }
    throw cause
  }
}
