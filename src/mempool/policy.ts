/**
 * What this node relays and keeps of what consensus allows: Bitcoin Core's standardness and limits,
 * where they make sense on a chain with fast, final blocks. Nothing here is consensus-critical: a block
 * that breaks these rules is as valid as any other. Codes are Core's.
 */

import { classifyOutput } from '../bitcoin/script.ts'
import { type Transaction, transactionWeight } from '../bitcoin/transaction.ts'
import { MAX_BLOCK_SIGOPS, MAX_BLOCK_WEIGHT } from '../chain/params.ts'
import { unreachable } from '../primitives/assert.ts'
import { ok, type Rejection, type Result, reject } from '../primitives/result.ts'

/** Below it nobody pays for the bandwidth: 1 sat/vB. Satoshis per 1,000 virtual bytes. */
export const MIN_RELAY_FEE_SATS_PER_KVB = 1_000
/** What a replacement adds for its own relay (BIP125 rule 4), satoshis per 1,000 virtual bytes. */
export const INCREMENTAL_FEE_SATS_PER_KVB = 1_000
/** Transactions one replacement may push out (BIP125 rule 5): each costs work at every node. */
export const REPLACEMENT_EVICTIONS_MAX = 100
/** Core's MAX_STANDARD_TX_WEIGHT: no transaction takes more than a good part of a block. */
const MAX_STANDARD_WEIGHT = 400_000
/** A fifth of a block's, as in Core. */
export const MAX_STANDARD_SIGOPS = MAX_BLOCK_SIGOPS / 5
/**
 * A signature operation is charged as so much weight at least: who fills a block's signature operations
 * pays as much as who fills its weight.
 */
const WEIGHT_PER_SIGOP = MAX_BLOCK_WEIGHT / MAX_BLOCK_SIGOPS
/** Unconfirmed ancestors of a transaction, itself included; the same for descendants. */
export const CHAIN_TRANSACTIONS_MAX = 25
/** Virtual bytes of a transaction and its unconfirmed ancestors (descendants): Core's 101 kvB. */
export const CHAIN_VSIZE_MAX = 101_000
/** Memory of all transactions together, as `entryMemoryBytes` estimates it: some twenty full blocks. */
export const MEMPOOL_BYTES_MAX = 64 << 20
/** After two weeks the sender has given up, or should send again. */
export const EXPIRY_MS = 336 * 3_600_000
/** Core's MAX_PACKAGE_COUNT and MAX_PACKAGE_WEIGHT: what is judged together fits into one family. */
export const PACKAGE_TRANSACTIONS_MAX = 25
export const PACKAGE_WEIGHT_MAX = 4 * CHAIN_VSIZE_MAX
/** BIP431: version 3 opts in to families of two at most, small enough that nobody can pin them. */
export const TRUC_VERSION = 3
export const TRUC_VSIZE_MAX = 10_000
export const TRUC_CHILD_VSIZE_MAX = 1_000
export const TRUC_FAMILY_MAX = 2
/** Core's MAX_DUST_OUTPUTS_PER_TX: see `ephemeral-dust.ts`. */
const DUST_OUTPUTS_MAX = 1
/** OP_RETURN, push, 80 bytes of data. */
const OP_RETURN_SCRIPT_BYTES_MAX = 83

/** Decoded objects, links and index entries beside the bytes of a transaction. */
const ENTRY_OVERHEAD_BYTES = 2_000

export function entryMemoryBytes(sizeBytes: number): number {
  return sizeBytes + ENTRY_OVERHEAD_BYTES
}

/** The fee at a rate, rounded up to whole satoshis. */
export function feeAtRate(rateSatsPerKvb: number, vsize: number): bigint {
  return BigInt(Math.ceil((rateSatsPerKvb * vsize) / 1_000))
}

/** Virtual bytes that a transaction pays for. */
export function chargedVsize(weight: number, sigops: number): number {
  return Math.ceil(Math.max(weight, sigops * WEIGHT_PER_SIGOP) / 4)
}

/**
 * Least value of an output that is worth its own spending at 3 sat/vB, satoshis. Zero where no coin
 * arises, and for the peg's own outputs, whose minimum is a rule of the chain.
 */
function dustLimitSats(script: Uint8Array): bigint {
  const { kind } = classifyOutput(script)
  switch (kind) {
    case 'p2wpkh':
      return 294n
    case 'p2wsh':
    case 'p2tr':
      return 330n
    case 'p2a':
      return 240n
    case 'p2pkh':
    case 'p2sh':
    case 'unknown':
      return 546n
    case 'op_return':
    case 'withdraw':
      return 0n
    default:
      return unreachable(kind)
  }
}

/** Positions of outputs that are worth less than it costs to spend them. */
export function dustOutputs(transaction: Transaction): readonly number[] {
  const found: number[] = []
  for (const [vout, { script, value }] of transaction.outputs.entries()) {
    // Value 0 marks the carrier of an asset, which consensus judges.
    if (value !== 0n && value < dustLimitSats(script)) found.push(vout)
  }
  return found
}

/** The rules that need nothing but the transaction. */
export function checkStandard(transaction: Transaction): Result<void, Rejection> {
  const weight = transactionWeight(transaction)
  if (weight > MAX_STANDARD_WEIGHT) return reject('tx-size', 'policy', `weight ${weight}`)
  for (const [index, { script }] of transaction.outputs.entries()) {
    const isData = classifyOutput(script).kind === 'op_return'
    if (isData && script.length > OP_RETURN_SCRIPT_BYTES_MAX) {
      return reject('scriptpubkey', 'policy', `output ${index}: OP_RETURN too long`)
    }
  }
  const dust = dustOutputs(transaction)
  if (dust.length > DUST_OUTPUTS_MAX) {
    return reject('dust', 'policy', `outputs ${dust.slice(0, 5).join(', ')} are too small`)
  }
  return ok(undefined)
}

/** Does it pay enough to wait without a child that pays for it? */
export function paysForItself(fee: bigint, vsize: number): boolean {
  return fee >= feeAtRate(MIN_RELAY_FEE_SATS_PER_KVB, vsize)
}
