/** `causeway wallet send` and `sign`: payments on the sidechain, and PSBTs. */

import type { Command } from 'commander'
import { z } from 'zod'
import { classifyOutput } from '../bitcoin/script.ts'
import { encodeTransaction, transactionId } from '../bitcoin/transaction.ts'
import { exportPsbt, readPsbt, signPsbt } from '../wallet/psbt.ts'
import { parseAmount } from './arguments.ts'
import { CliError } from './cli-error.ts'
import type { CliIo } from './cli-io.ts'
import { type CommandCall, handle } from './command-context.ts'
import { EXIT } from './exit-codes.ts'
import { btc, fields } from './output.ts'
import { sidechainScript } from './sidechain-script.ts'
import { confirm, planSpend, sendSpend, signSpend, spendSummary, transactionHex } from './spend.ts'
import {
  chainSource,
  DEFAULT_WALLET,
  openSession,
  scanWallet,
  statusForWallet,
  unlockSession,
} from './wallet-session.ts'

/** As base64. */
const MAX_PSBT_BYTES = 2_000_000

const sendOptions = z.object({
  wallet: z.string().default(DEFAULT_WALLET),
  sats: z.boolean().default(false),
  feeRate: z.string().optional(),
  yes: z.boolean().default(false),
  dryRun: z.boolean().default(false),
  psbt: z.boolean().default(false),
  rbf: z.boolean().default(true),
})

export function addSendCommands(group: Command, io: CliIo): void {
  const send = group
    .command('send')
    .description('pay an address on the sidechain')
    .argument('<amount>', 'bitcoin, e.g. 0.015; or "all"')
    .argument('<address>', 'who gets it')
  addPayingOptions(send)
    .option('--psbt', 'print an unsigned PSBT for another signer, and send nothing')
    .option('--no-rbf', 'do not allow replacing the payment by one with a higher fee')
  handle(send, io, sendPayment)

  const sign = group
    .command('sign')
    .description('sign a PSBT; works without a node')
    .argument('[psbt]', 'base64; read from standard input when left out')
    .option('--wallet <name>', 'which wallet', DEFAULT_WALLET)
    .option('--broadcast', 'send the transaction once every input is signed')
    .option('--yes', 'do not ask')
  handle(sign, io, signForeignPsbt)
}

/** The options of every command that spends. */
export function addPayingOptions(command: Command): Command {
  return command
    .option('--wallet <name>', 'which wallet', DEFAULT_WALLET)
    .option('--sats', 'the amount is in satoshis')
    .option('--fee-rate <rate>', "sat/vB (default: the node's estimate)")
    .option('--yes', 'do not ask')
    .option('--dry-run', 'sign and show, but send nothing')
}

async function sendPayment({ context, args, options }: CommandCall): Promise<void> {
  const [amountText = '', address = ''] = args
  const wanted = sendOptions.parse(options)
  const value = amountText === 'all' ? undefined : parseAmount(amountText, wanted.sats)
  const session = await openSession(context, wanted.wallet)
  const script = sidechainScript(address, session.file.network.addressPrefix)
  if (classifyOutput(script).kind === 'withdraw') {
    context.output.progress('This is a withdraw address: the coins leave for L1.')
  }
  const wallet = await scanWallet(context, wanted.wallet)
  const planned = await planSpend(context, wallet, {
    pay:
      value === undefined
        ? { kind: 'everything', script }
        : { kind: 'amounts', payees: [{ script, value }] },
    feeRate: wanted.feeRate,
    replaceable: wanted.rbf,
  })
  const { plan } = planned
  const summary = { address, valueSats: plan.paid, ...spendSummary(planned) }
  if (wanted.psbt) {
    const psbt = exportPsbt(plan, wallet.session.scripts)
    context.output.result({ psbt, ...summary }, () => psbt)
    return
  }
  if (wanted.dryRun) {
    const signed = await signSpend(context, wallet, plan)
    const result = { sent: false, txid: transactionId(signed), hex: transactionHex(signed) }
    context.output.result({ ...result, ...summary }, () => result.hex)
    return
  }
  const question = `Pay ${btc(plan.paid)} to ${address}, fee ${btc(plan.fee)}?`
  await confirm(context, question, wanted.yes)
  const sent = await sendSpend(context, wallet, planned)
  context.output.result({ sent: true, address, valueSats: plan.paid, ...sent }, () =>
    fields([
      ['sent', btc(plan.paid)],
      ['fee', `${btc(sent.feeSats)} (${sent.feeRateSatsPerVb} sat/vB)`],
      ['transaction', sent.txid],
    ]),
  )
}

const signOptions = z.object({
  wallet: z.string().default(DEFAULT_WALLET),
  broadcast: z.boolean().default(false),
  yes: z.boolean().default(false),
})

async function signForeignPsbt({ context, args, options }: CommandCall): Promise<void> {
  const wanted = signOptions.parse(options)
  const psbt = args[0] ?? (await context.io.readInput(MAX_PSBT_BYTES))
  const session = await openSession(context, wanted.wallet)
  const { scripts } = session
  const { transaction, feeSats } = readPsbt(psbt, scripts)
  const paid = transaction.outputs.reduce((sum, { value }) => sum + value, 0n)
  const question = `Sign a transaction paying ${btc(paid)} in ${transaction.outputs.length} outputs, fee ${btc(feeSats)}?`
  await confirm(context, question, wanted.yes)
  const { key } = await unlockSession(context, session)
  const signed = signPsbt(psbt, scripts, { key, random: context.io.random })
  const hex = signed.transaction === undefined ? null : transactionHex(signed.transaction)
  let txid: string | null = null
  if (wanted.broadcast) {
    if (signed.transaction === undefined) {
      throw new CliError(EXIT.rejected, 'incomplete', 'other signatures are still missing', {
        hint: 'leave out --broadcast and hand the PSBT on',
      })
    }
    await statusForWallet(context, session)
    txid = await chainSource(context).broadcast(encodeTransaction(signed.transaction))
  }
  const { signedInputs } = signed
  const complete = hex !== null
  const result = { psbt: signed.base64, signedInputs, complete, hex, feeSats, txid }
  context.output.result(result, () => txid ?? hex ?? signed.base64)
}
