/**
 * From coins to a broadcast transaction, for every command that pays: plan, show, confirm, sign,
 * check the result against the chain's own rules, send.
 */

import { CONSENSUS_FLAGS } from '../bitcoin/script-flags.ts'
import { encodeTransaction, type Transaction, transactionId } from '../bitcoin/transaction.ts'
import { verifyInput } from '../bitcoin/verify-input.ts'
import { assert } from '../primitives/assert.ts'
import { bytesToHex } from '../primitives/bytes.ts'
import type { Txid } from '../primitives/hashes.ts'
import type { Sats } from '../primitives/units.ts'
import type { FeeRate } from '../wallet/fee-rate.ts'
import { type PaymentPlan, type PaymentRequest, planPayment } from '../wallet/payment.ts'
import { signPlan } from '../wallet/wallet.ts'
import { parseFeeRateOption } from './arguments.ts'
import { CliError, usageError } from './cli-error.ts'
import type { CommandContext } from './command-context.ts'
import { EXIT } from './exit-codes.ts'
import { advanceSession, type ScannedWallet, unlockSession } from './wallet-session.ts'

export interface SpendOptions {
  readonly pay: PaymentRequest['pay']
  readonly feeRate: string | undefined
  readonly replaceable: boolean
}

export interface PlannedSpend {
  readonly plan: PaymentPlan
  readonly feeRate: FeeRate
}

/** Chooses coins for a payment. @throws WalletError when they do not suffice. */
export async function planSpend(
  context: CommandContext,
  wallet: ScannedWallet,
  options: SpendOptions,
): Promise<PlannedSpend> {
  const { session, scan, source } = wallet
  const feeRate =
    options.feeRate === undefined
      ? await source.estimateFeeRate()
      : parseFeeRateOption(options.feeRate)
  const { script: changeScript } = session.scripts.derive(1, session.file.next.change)
  const request: PaymentRequest = {
    pay: options.pay,
    coins: scan.coins,
    scriptKind: session.file.account.kind,
    feeRate,
    changeScript,
    replaceable: options.replaceable,
  }
  return { plan: planPayment(request, context.io.random), feeRate }
}

/** @throws CliError unless the user says yes; without a terminal only `--yes` says so. */
export async function confirm(
  context: CommandContext,
  question: string,
  isAgreed: boolean,
): Promise<void> {
  if (isAgreed) return
  if (!context.io.stdinIsTerminal) {
    throw usageError('nobody can be asked to confirm this', 'add --yes if it is what you want')
  }
  const answer = await context.io.ask(`${question} [y/N] `)
  if (/^y(es)?$/i.test(answer.trim())) return
  throw new CliError(EXIT.failed, 'declined', 'nothing was done')
}

/** Unlocks, signs and checks every input as a validator would. */
export async function signSpend(
  context: CommandContext,
  wallet: ScannedWallet,
  plan: PaymentPlan,
): Promise<Transaction> {
  const { key } = await unlockSession(context, wallet.session)
  const signed = signPlan(plan, key, context.io.random)
  for (const index of signed.inputs.keys()) {
    const verdict = verifyInput(signed, index, plan.coins, CONSENSUS_FLAGS)
    assert(verdict.ok, `the wallet made a signature that does not verify: input ${index}`)
  }
  return signed
}

export interface SentPayment {
  readonly txid: Txid
  readonly feeSats: Sats
  readonly feeRateSatsPerVb: number
  readonly vsize: number
}

/** Broadcasts and remembers that the change address is taken. */
export async function sendSpend(
  context: CommandContext,
  wallet: ScannedWallet,
  planned: PlannedSpend,
): Promise<SentPayment> {
  const { plan } = planned
  const signed = await signSpend(context, wallet, plan)
  const txid = await wallet.source.broadcast(encodeTransaction(signed))
  if (txid !== transactionId(signed)) {
    throw new CliError(
      EXIT.verificationFailed,
      'wrong-txid',
      `the node acknowledged ${txid}, but the transaction is ${transactionId(signed)}`,
      { hint: `look for it: causeway chain tx ${transactionId(signed)}` },
    )
  }
  if (plan.changeIndex !== undefined) {
    const { receive, change } = wallet.session.file.next
    await advanceSession(context, wallet.session, { receive, change: change + 1 })
  }
  return { txid, ...spendSummary(planned) }
}

export function spendSummary({ plan, feeRate }: PlannedSpend): Omit<SentPayment, 'txid'> {
  return { feeSats: plan.fee, feeRateSatsPerVb: Number(feeRate) / 1_000, vsize: plan.vsize }
}

/** The signed transaction as the network has it, hex. */
export function transactionHex(transaction: Transaction): string {
  return bytesToHex(encodeTransaction(transaction))
}
