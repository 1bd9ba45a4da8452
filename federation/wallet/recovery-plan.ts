/**
 * Recovery transactions: every open coin to one address, in as many transactions as their weight asks for.
 * The same coins, address and rate give the same bytes, so that two holders of keys can compare. Version 2
 * and the leaf's delay as sequence (BIP68, BIP112), which lets nobody put one into a block too early.
 */

import {
  encodeOutPoint,
  type Transaction,
  transactionSizes,
} from '../../src/bitcoin/transaction.ts'
import { dustLimit } from '../../src/chain/peg/batch-transaction.ts'
import { recoveryLeafScript } from '../../src/chain/peg/deposit-address.ts'
import { blocksUntilOpen } from '../../src/chain/peg/recovery-opening.ts'
import { compareBytes } from '../../src/primitives/bytes.ts'
import { type Sats, sats } from '../../src/primitives/units.ts'
import { RecoveryError } from './recovery-error.ts'
import { opensAt, type RecoveryCoin, type RecoveryNetwork } from './recovery-leaf.ts'

/** Below Bitcoin's standard 400,000. */
const TRANSACTION_WEIGHT_MAX = 390_000
const OUTPOINT_AND_SEQUENCE_BYTES = 36 + 1 + 4
const SIGNATURE_BYTES = 64
const CONTROL_BLOCK_BYTES = 33

export interface RecoveryOrder {
  /** Output script on L1. */
  readonly to: Uint8Array
  /** Satoshis per 1,000 virtual bytes. */
  readonly feeRate: bigint
  /** The fee may be more than a tenth of what is moved. */
  readonly mayCostMuch?: boolean
  /** The highest block of L1. */
  readonly l1TipHeight: number
}

export interface RecoveryTransaction {
  readonly transaction: Transaction
  /** In input order. */
  readonly coins: readonly RecoveryCoin[]
  readonly fee: Sats
}

export interface Recovery {
  readonly transactions: readonly RecoveryTransaction[]
  /** Open, but not worth the fee of their input. */
  readonly tooSmall: readonly RecoveryCoin[]
  readonly notOpen: readonly RecoveryCoin[]
}

/** Weight that the signed recovery input adds. */
export function recoveryInputWeight({ recovery }: RecoveryNetwork): number {
  const leaf = recoveryLeafScript(recovery).length
  const absent = recovery.keys.length - recovery.threshold
  const witness =
    1 +
    recovery.threshold * (1 + SIGNATURE_BYTES) +
    absent +
    (leaf < 0xfd ? 1 : 3) +
    leaf +
    (1 + CONTROL_BLOCK_BYTES)
  return OUTPOINT_AND_SEQUENCE_BYTES * 4 + witness
}

/** @throws RecoveryError `no-coins`, `not-open`, `dust`, `high-fee`. */
export function planRecovery(
  network: RecoveryNetwork,
  coins: readonly RecoveryCoin[],
  order: RecoveryOrder,
): Recovery {
  if (coins.length === 0) throw new RecoveryError('no-coins', 'there is nothing to recover')
  const isOpen = (coin: RecoveryCoin): boolean =>
    blocksUntilOpen(opensAt(network, coin), order.l1TipHeight) === 0
  const open = coins.filter(isOpen).toSorted(byOutPoint)
  if (open.length === 0) throw notOpen(network, coins, order.l1TipHeight)
  const inputFee = feeOfWeight(recoveryInputWeight(network), order.feeRate)
  const worth = open.filter((coin) => coin.value > inputFee)
  const transactions: RecoveryTransaction[] = []
  const perTransaction = inputsPerTransaction(network, order)
  for (let at = 0; at < worth.length; at += perTransaction) {
    transactions.push(buildOne(network, worth.slice(at, at + perTransaction), order))
  }
  if (transactions.length === 0) {
    throw new RecoveryError('dust', 'no coin is worth the fee of its input at this rate')
  }
  return {
    transactions,
    tooSmall: open.filter((coin) => coin.value <= inputFee),
    notOpen: coins.filter((coin) => !isOpen(coin)),
  }
}

function byOutPoint(a: RecoveryCoin, b: RecoveryCoin): number {
  return compareBytes(encodeOutPoint(a.outPoint), encodeOutPoint(b.outPoint))
}

function notOpen(
  network: RecoveryNetwork,
  coins: readonly RecoveryCoin[],
  l1TipHeight: number,
): RecoveryError {
  const first = Math.min(...coins.map((coin) => opensAt(network, coin)))
  const left = blocksUntilOpen(first, l1TipHeight)
  return new RecoveryError(
    'not-open',
    `no coin is open yet: the first opens with L1 block ${first}, after ${left} more`,
  )
}

function unsigned(
  { recovery }: RecoveryNetwork,
  coins: readonly RecoveryCoin[],
  output: { readonly value: Sats; readonly script: Uint8Array },
): Transaction {
  return {
    version: 2,
    inputs: coins.map(({ outPoint }) => ({
      prevout: outPoint,
      scriptSig: new Uint8Array(),
      sequence: recovery.delayBlocks,
      witness: [],
    })),
    outputs: [output],
    lockTime: 0,
  }
}

/** Weight of everything but the inputs; generous for the two counts. */
function overheadWeight(network: RecoveryNetwork, to: Uint8Array): number {
  const empty = unsigned(network, [], { value: sats(0), script: to })
  return transactionSizes(empty).strippedBytes * 4 + 2 * 4 + 2
}

function inputsPerTransaction(network: RecoveryNetwork, { to }: RecoveryOrder): number {
  const room = TRANSACTION_WEIGHT_MAX - overheadWeight(network, to)
  return Math.floor(room / recoveryInputWeight(network))
}

function buildOne(
  network: RecoveryNetwork,
  coins: readonly RecoveryCoin[],
  { to, feeRate, mayCostMuch }: RecoveryOrder,
): RecoveryTransaction {
  const weight = overheadWeight(network, to) + coins.length * recoveryInputWeight(network)
  const fee = feeOfWeight(weight, feeRate)
  const total = coins.reduce((sum, { value }) => sum + value, 0n)
  if (total - fee < dustLimit(to)) {
    throw new RecoveryError(
      'dust',
      `${coins.length} coins of ${total} satoshis leave less than an output after a fee of ${fee}`,
    )
  }
  if (fee * 10n > total && mayCostMuch !== true) {
    throw new RecoveryError('high-fee', `a fee of ${fee} satoshis for moving ${total}`)
  }
  const transaction = unsigned(network, coins, { value: sats(total - fee), script: to })
  return { transaction, coins, fee: sats(fee) }
}

function feeOfWeight(weight: number, feeRate: bigint): bigint {
  return (BigInt(Math.ceil(weight / 4)) * feeRate + 999n) / 1_000n
}
