/**
 * Rules of a transaction against the coins that it spends: existence, amounts, time locks (BIP68,
 * BIP113), scripts. Pure; the caller applies the outcome.
 */

import { CONSENSUS_FLAGS } from '../bitcoin/script-flags.ts'
import { countSigops } from '../bitcoin/sigops.ts'
import type { Transaction, TxOutput } from '../bitcoin/transaction.ts'
import { verifyInput } from '../bitcoin/verify-input.ts'
import type { CheckBatch } from '../primitives/check-batch.ts'
import { ok, type Rejection, type Result, reject } from '../primitives/result.ts'
import { isSats, type Sats } from '../primitives/units.ts'
import type { Coin, CoinView } from './coin.ts'
import { MAX_BLOCK_SIGOPS } from './params.ts'

/** Where the transaction would stand. */
export interface SpendContext {
  /** Of its block. */
  readonly height: number
  /** Of the block before (BIP113), seconds. */
  readonly medianTimePast: number
}

export interface ConnectedTransaction {
  readonly fee: Sats
  /** The coins it spends, in input order. */
  readonly spent: readonly Coin[]
  readonly sigops: number
}

/** Signatures already checked need not be checked again. */
export interface ScriptCache {
  /** True when exactly this transaction with exactly these spent outputs has passed before. */
  has(transaction: Transaction, spent: readonly TxOutput[]): boolean
  add(transaction: Transaction, spent: readonly TxOutput[]): void
}

export const NO_SCRIPT_CACHE: ScriptCache = { has: () => false, add: () => undefined }

/** The transaction must have passed `checkTransaction`, and not be a coinbase or a mint. */
export function connectTransaction(
  transaction: Transaction,
  coins: CoinView,
  context: SpendContext,
  cache: ScriptCache = NO_SCRIPT_CACHE,
): Result<ConnectedTransaction, Rejection> {
  const spending = spendCoins(transaction, coins, context)
  if (!spending.ok) return spending
  const { spent } = spending.value
  if (cache.has(transaction, spent)) return spending
  const scripts = verifyScripts(transaction, spent)
  if (!scripts.ok) return scripts
  cache.add(transaction, spent)
  return spending
}

/** Every rule but the scripts. */
export function spendCoins(
  transaction: Transaction,
  coins: CoinView,
  context: SpendContext,
): Result<ConnectedTransaction, Rejection> {
  const spent: Coin[] = []
  let valueIn = 0n
  for (const input of transaction.inputs) {
    const coin = coins.findCoin(input.prevout)
    if (coin === undefined) return reject('bad-txns-inputs-missingorspent', 'missing')
    spent.push(coin)
    valueIn += coin.value
  }
  let valueOut = 0n
  for (const output of transaction.outputs) valueOut += output.value
  if (valueIn < valueOut) return reject('bad-txns-in-belowout')
  const fee = valueIn - valueOut
  if (!isSats(fee)) return reject('bad-txns-fee-outofrange')

  if (!isFinal(transaction, context)) return reject('bad-txns-nonfinal', 'premature')
  if (!sequenceLocksPassed(transaction, spent, context))
    return reject('non-BIP68-final', 'premature')

  // Before any script runs: what no block can hold must not cost this node the work.
  const sigops = countSigops(transaction, spent)
  if (sigops > MAX_BLOCK_SIGOPS) return reject('bad-txns-too-many-sigops')
  return ok({ fee, spent, sigops })
}

/** The scripts of all inputs. With `checks`, what they say holds when the batch does. */
export function verifyScripts(
  transaction: Transaction,
  spent: readonly TxOutput[],
  checks?: CheckBatch,
): Result<void, Rejection> {
  for (let index = 0; index < transaction.inputs.length; index++) {
    const verdict = verifyInput(transaction, index, spent, CONSENSUS_FLAGS, checks)
    if (!verdict.ok) {
      const { code, detail } = verdict.error
      return rejectScripts(code, `input ${index}${detail === undefined ? '' : `: ${detail}`}`)
    }
  }
  return ok(undefined)
}

/** `code` is a script error; Core's words around it. */
export function rejectScripts(code: string, where: string): Result<never, Rejection> {
  return reject(`mandatory-script-verify-flag-failed (${code})`, 'invalid', where)
}

const LOCKTIME_THRESHOLD = 500_000_000
const SEQUENCE_FINAL = 0xffff_ffff

function isFinal(transaction: Transaction, context: SpendContext): boolean {
  const { lockTime } = transaction
  if (lockTime === 0) return true
  // BIP113: a time is compared with the median time past, not with the block's own time.
  const limit = lockTime < LOCKTIME_THRESHOLD ? context.height : context.medianTimePast
  if (lockTime < limit) return true
  return transaction.inputs.every((input) => input.sequence === SEQUENCE_FINAL)
}

const SEQUENCE_LOCK_DISABLE = 0x8000_0000
const SEQUENCE_LOCK_TYPE_TIME = 0x0040_0000
const SEQUENCE_LOCK_MASK = 0x0000_ffff
/** BIP68: time locks count in units of 512 seconds. */
const SEQUENCE_TIME_SHIFT = 9

function sequenceLocksPassed(
  transaction: Transaction,
  spent: readonly Coin[],
  context: SpendContext,
): boolean {
  // BIP68: version is compared as an unsigned number.
  if (transaction.version < 2) return true
  for (let index = 0; index < spent.length; index++) {
    const coin = spent[index]
    const sequence = transaction.inputs[index]?.sequence
    if (coin === undefined || sequence === undefined || sequence >= SEQUENCE_LOCK_DISABLE) continue
    const units = sequence & SEQUENCE_LOCK_MASK
    if ((sequence & SEQUENCE_LOCK_TYPE_TIME) === 0) {
      if (context.height < coin.height + units) return false
    } else if (context.medianTimePast < coin.medianTimeBefore + units * 2 ** SEQUENCE_TIME_SHIFT) {
      return false
    }
  }
  return true
}
