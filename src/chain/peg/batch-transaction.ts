/**
 * The L1 transaction of a batch: from reserve coins to payments and change. Deterministic: the same
 * state gives the same bytes on every node. Inputs signal replaceability (BIP125) and are taproot
 * key-path spends with the 64-byte SIGHASH_DEFAULT signature, so the size is known before anybody
 * signs.
 */

import type { Transaction, TxOutput } from '../../bitcoin/transaction.ts'
import { transactionSizes } from '../../bitcoin/transaction.ts'
import type { ReserveCoin } from './reserves.ts'

const REPLACEABLE_SEQUENCE = 0xffff_fffd
/** Per input: item count, length and the 64-byte signature. */
const WITNESS_BYTES_PER_INPUT = 1 + 1 + 64
/** BIP141 marker and flag. */
const WITNESS_HEADER_BYTES = 2
/** Bitcoin Core's dust limits at its default relay fee, by output script length. */
const DUST_SATS: Readonly<Record<number, bigint>> = { 22: 294n, 23: 540n, 25: 546n, 34: 330n }

/** Inputs of one batch: the most that one signing session carries. */
export const BATCH_INPUTS_MAX = 100

/** The smallest standard amount for an output script. */
export function dustLimit(script: Uint8Array): bigint {
  return DUST_SATS[script.length] ?? 546n
}

export function buildBatchTransaction(
  inputs: readonly Pick<ReserveCoin, 'outPoint'>[],
  payments: readonly TxOutput[],
  change: readonly TxOutput[],
): Transaction {
  return {
    version: 2,
    inputs: inputs.map((coin) => ({
      prevout: coin.outPoint,
      scriptSig: new Uint8Array(),
      sequence: REPLACEABLE_SEQUENCE,
      witness: [],
    })),
    outputs: [...payments, ...change],
    lockTime: 0,
  }
}

/** Virtual size once every input carries its signature. */
export function signedVsize(unsigned: Transaction): number {
  const { strippedBytes } = transactionSizes(unsigned)
  return vsizeOf(strippedBytes, unsigned.inputs.length)
}

/** The same of a transaction that is only planned, by its number of inputs and its output scripts' lengths. */
export function plannedVsize(inputs: number, bytes: number, outputs: number): number {
  const counts = compactSizeBytes(inputs) + compactSizeBytes(outputs)
  return vsizeOf(VERSION_AND_LOCK_BYTES + counts + inputs * INPUT_BYTES + bytes, inputs)
}

/** Of an output on the wire: amount, script length, script. */
export function outputBytes(script: Uint8Array): number {
  return 8 + compactSizeBytes(script.length) + script.length
}

const VERSION_AND_LOCK_BYTES = 8
/** Outpoint, empty script, sequence. */
const INPUT_BYTES = 36 + 1 + 4

function compactSizeBytes(value: number): number {
  if (value < 0xfd) return 1
  return value <= 0xffff ? 3 : 5
}

function vsizeOf(strippedBytes: number, inputs: number): number {
  const witnessBytes = WITNESS_HEADER_BYTES + inputs * WITNESS_BYTES_PER_INPUT
  return Math.ceil((strippedBytes * 4 + witnessBytes) / 4)
}

/** L1 fee at a rate in satoshis per 1,000 virtual bytes, rounded up. */
export function feeAtRate(vsize: number, feeRate: number): bigint {
  return (BigInt(vsize) * BigInt(feeRate) + 999n) / 1000n
}

/** The rate that a fee amounts to, satoshis per 1,000 virtual bytes, rounded down. */
export function rateOfFee(vsize: number, fee: bigint): number {
  return Number((fee * 1000n) / BigInt(vsize))
}

/** The same transaction with its signatures, in input order. */
export function withSignatures(
  unsigned: Transaction,
  signatures: readonly Uint8Array[],
): Transaction {
  return {
    ...unsigned,
    inputs: unsigned.inputs.map((input, index) => {
      const signature = signatures[index]
      return { ...input, witness: signature === undefined ? [] : [signature] }
    }),
  }
}
