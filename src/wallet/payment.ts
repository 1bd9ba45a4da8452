/**
 * Planning a payment: chooses coins and makes the unsigned transaction. BIP125 replaceability is
 * signalled unless asked otherwise. A pure function but for the place of the change output, which
 * is random so that it does not betray itself.
 */

import { type OutPoint, type Transaction, transactionWeight } from '../bitcoin/transaction.ts'
import { concatBytes } from '../primitives/bytes.ts'
import { isSats, type Sats, sats } from '../primitives/units.ts'
import type { Random } from '../runtime/runtime.ts'
import type { KeyPath, ScriptKind } from './account.ts'
import { checkRelayWeight, selectCoins, worthwhileCoins } from './coin-selection.ts'
import { dustThreshold, type FeeRate, feeOfWeight, INPUT_WEIGHT, outputWeight } from './fee-rate.ts'
import { WalletError } from './wallet-error.ts'

/** A coin of this wallet and the key that spends it. */
export interface WalletCoin extends KeyPath {
  readonly outPoint: OutPoint
  readonly value: Sats
  readonly script: Uint8Array
  /** Height of its block; undefined while unconfirmed. */
  readonly height: number | undefined
}

interface Payee {
  readonly script: Uint8Array
  readonly value: Sats
}

export interface PaymentRequest {
  /** What is paid; or, to spend everything, the one script that gets all but the fee. */
  readonly pay:
    | { readonly kind: 'amounts'; readonly payees: readonly Payee[] }
    | { readonly kind: 'everything'; readonly script: Uint8Array }
  readonly coins: readonly WalletCoin[]
  readonly scriptKind: ScriptKind
  readonly feeRate: FeeRate
  readonly changeScript: Uint8Array
  /** BIP125: may be replaced by a higher fee. @default true */
  readonly replaceable?: boolean
}

export interface PaymentPlan {
  /** Unsigned: empty witnesses. */
  readonly transaction: Transaction
  /** The coins spent, in input order. */
  readonly coins: readonly WalletCoin[]
  readonly fee: Sats
  /** What the payees get. */
  readonly paid: Sats
  readonly change: Sats
  readonly changeIndex: number | undefined
  /** Virtual size when signed, at most. */
  readonly vsize: number
}

/** BIP125's highest replaceable sequence; and the highest one that still enables lock times. */
const SEQUENCE_REPLACEABLE = 0xfffffffd
const SEQUENCE_FINAL = 0xfffffffe
/** Marker and flag, and the input count's two further bytes for 253 inputs and more. */
const WITNESS_MARKER_WEIGHT = 2
const LONG_COUNT_WEIGHT = 8

/**
 * @throws WalletError `dust` for an output that nodes would not relay, `insufficient-funds`,
 * `too-large`.
 */
export function planPayment(request: PaymentRequest, random: Random): PaymentPlan {
  return request.pay.kind === 'everything'
    ? planEverything(request, request.pay.script)
    : planAmounts(request, request.pay.payees, random)
}

function planAmounts(
  request: PaymentRequest,
  payees: readonly Payee[],
  random: Random,
): PaymentPlan {
  for (const payee of payees) checkNotDust(payee)
  const target = payees.reduce((sum, { value }) => sum + value, 0n)
  if (!isSats(target)) throw new WalletError('insufficient-funds', 'more than 21 million bitcoin')
  const changeWeight = outputWeight(request.changeScript)
  const selection = selectCoins(weighed(request), {
    target,
    baseWeight: baseWeight(request, payees),
    changeWeight,
    changeInputWeight: INPUT_WEIGHT[request.scriptKind],
    dust: dustThreshold(request.changeScript),
    feeRate: request.feeRate,
  })
  const outputs = [...payees]
  let changeIndex: number | undefined
  if (selection.change > 0n) {
    changeIndex = pick(random, outputs.length + 1)
    outputs.splice(changeIndex, 0, { script: request.changeScript, value: selection.change })
  }
  return finishPlan(request, {
    coins: selection.coins,
    outputs,
    fee: selection.fee,
    paid: target,
    change: selection.change,
    changeIndex,
  })
}

function planEverything(request: PaymentRequest, script: Uint8Array): PaymentPlan {
  const coins = worthwhileCoins(weighed(request), request.feeRate)
  const weight =
    baseWeight(request, [{ script, value: sats(0) }]) +
    coins.length * INPUT_WEIGHT[request.scriptKind]
  checkRelayWeight(weight)
  const total = coins.reduce((sum, { value }) => sum + value, 0n)
  const fee = feeOfWeight(request.feeRate, weight)
  const value = total - fee
  if (coins.length === 0 || !isSats(value)) {
    throw new WalletError(
      'insufficient-funds',
      'there are no coins worth more than the fee to spend them',
    )
  }
  const payee: Payee = { script, value }
  checkNotDust(payee)
  return finishPlan(request, {
    coins,
    outputs: [payee],
    fee,
    paid: value,
    change: sats(0),
    changeIndex: undefined,
  })
}

type Chosen = Omit<PaymentPlan, 'transaction' | 'vsize'> & { readonly outputs: readonly Payee[] }

function finishPlan(request: PaymentRequest, chosen: Chosen): PaymentPlan {
  const { outputs, ...rest } = chosen
  const sequence = (request.replaceable ?? true) ? SEQUENCE_REPLACEABLE : SEQUENCE_FINAL
  const transaction: Transaction = {
    version: 2,
    inputs: chosen.coins.map(({ outPoint }) => ({
      prevout: outPoint,
      scriptSig: new Uint8Array(),
      sequence,
      witness: [],
    })),
    outputs: outputs.map(({ value, script }) => ({ value, script })),
    lockTime: 0,
  }
  return { ...rest, transaction, vsize: Math.ceil(signedWeight(transaction, request) / 4) }
}

function signedWeight(transaction: Transaction, request: PaymentRequest): number {
  const witness = INPUT_WEIGHT[request.scriptKind] - 164
  return (
    transactionWeight(transaction) + WITNESS_MARKER_WEIGHT + transaction.inputs.length * witness
  )
}

/** The candidates with their input weights. */
function weighed(request: PaymentRequest): (WalletCoin & { readonly inputWeight: number })[] {
  const inputWeight = INPUT_WEIGHT[request.scriptKind]
  return request.coins.map((coin) => ({ ...coin, inputWeight }))
}

/** Version, lock time, counts and the payees' outputs. */
function baseWeight(request: PaymentRequest, payees: readonly Payee[]): number {
  const skeleton: Transaction = { version: 2, inputs: [], outputs: payees, lockTime: 0 }
  const counts = request.coins.length >= 0xfd ? LONG_COUNT_WEIGHT : 0
  return transactionWeight(skeleton) + WITNESS_MARKER_WEIGHT + counts
}

function checkNotDust({ script, value }: Payee): void {
  const least = dustThreshold(script)
  if (value < least) {
    throw new WalletError('dust', `${value} sats is too little for this output: at least ${least}`)
  }
}

/** Uniform in 0 … count-1, from 48 random bits: the bias is far below one in a billion. */
function pick(random: Random, count: number): number {
  const bytes = concatBytes(new Uint8Array(2), random.bytes(6))
  return Number(new DataView(bytes.buffer).getBigUint64(0) % BigInt(count))
}
