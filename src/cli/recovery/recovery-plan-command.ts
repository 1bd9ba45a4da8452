/** `causeway federation recover plan` and `build`: which coins, when, and the transactions to be signed. */

import type { Command } from 'commander'
import { z } from 'zod'
import { opensAt, type RecoveryCoin } from '../../../federation/wallet/recovery-leaf.ts'
import { planRecovery, type RecoveryTransaction } from '../../../federation/wallet/recovery-plan.ts'
import { encodeRecoveryPsbt } from '../../../federation/wallet/recovery-psbt.ts'
import { decodeAddress } from '../../bitcoin/address.ts'
import { isWithdrawTarget } from '../../bitcoin/script.ts'
import { outPointKey, transactionId } from '../../bitcoin/transaction.ts'
import { blocksUntilOpen } from '../../chain/peg/recovery-opening.ts'
import { parseFeeRateOption, parseWhole } from '../arguments.ts'
import { CliError, usageError } from '../cli-error.ts'
import type { CliIo } from '../cli-io.ts'
import { type CommandCall, handle } from '../command-context.ts'
import { EXIT } from '../exit-codes.ts'
import { btc, fields, table } from '../output.ts'
import { numberedName, requireNewFile, writePsbtFile } from './recovery-files.ts'
import {
  addL1Options,
  type KnownNetwork,
  l1AddressNetwork,
  l1Options,
  withL1,
} from './recovery-options.ts'
import {
  coinsToRecover,
  type FoundCoins,
  type KnownCoins,
  knownCoins,
  policyText,
} from './recovery-sources.ts'

const MAX_HEIGHT = 0xffff_ffff

const sourceOptions = l1Options.extend({
  proof: z.string().optional(),
  scan: z.boolean().default(false),
  groupKey: z.array(z.string()).default([]),
  recipient: z.array(z.string()).default([]),
  l1Height: z.string().optional(),
})

const buildOptions = sourceOptions.extend({
  to: z.string(),
  feeRate: z.string(),
  out: z.string(),
  highFee: z.boolean().default(false),
})

function addSourceOptions(command: Command): Command {
  return addL1Options(command)
    .option(
      '--proof <file>',
      'the coins of this proof of reserves; default: of this home’s stopped node',
    )
    .option('--scan', 'look for more coins of the same addresses on L1')
    .option(
      '--group-key <epoch:key...>',
      'without node and proof: look for the coins of these keys',
    )
    .option('--recipient <address...>', 'look for deposits to these sidechain addresses as well')
    .option('--l1-height <height>', 'the height of L1, where no bitcoind is named')
}

export function addPlanCommands(recover: Command, io: CliIo): void {
  const plan = recover.command('plan').description('the coins, and when each of them opens')
  handle(addSourceOptions(plan), io, runPlan)
  const build = recover
    .command('build')
    .description('the transactions that move every open coin, to be signed')
    .requiredOption('--to <address>', 'where the bitcoin shall go')
    .requiredOption('--fee-rate <rate>', 'sat/vB')
    .requiredOption('--out <file>', 'a new file; numbered when it takes several transactions')
    .option('--high-fee', 'the fee may be more than a tenth of what is moved')
  handle(addSourceOptions(build), io, runBuild)
}

interface Found extends FoundCoins {
  readonly known: KnownCoins
  readonly l1TipHeight: number
  /** Where the height comes from. */
  readonly isAsked: boolean
}

async function find(
  { context }: CommandCall,
  options: z.infer<typeof sourceOptions>,
): Promise<Found> {
  const known = await knownCoins(context, options)
  return withL1(known.network.l1Network, options, async (access) => {
    const found = await coinsToRecover(known, access, options)
    if (access === undefined) {
      context.output.progress('no bitcoind is named: coins that were spent since are not noticed')
    }
    if (found.gone.length > 0 && !options.scan) {
      context.output.progress('a release may have spent what is gone: --scan finds its change')
    }
    const told =
      options.l1Height === undefined
        ? known.l1Height
        : parseWhole(options.l1Height, 'the height of L1', { min: 0, max: MAX_HEIGHT })
    const l1TipHeight = access === undefined ? told : (await access.l1.tip()).height
    if (l1TipHeight === undefined) {
      throw usageError('how high L1 is decides what is open: use --l1 URL or --l1-height HEIGHT')
    }
    return { ...found, known, l1TipHeight, isAsked: access !== undefined }
  })
}

async function runPlan(call: CommandCall): Promise<void> {
  const found = await find(call, sourceOptions.parse(call.options))
  const { known, coins, gone, l1TipHeight, isAsked } = found
  const { network } = known
  const rows = coins.map((coin) => coinRow(network, coin, l1TipHeight)).toSorted(byOpening)
  const isOpen = (coin: RecoveryCoin): boolean =>
    blocksUntilOpen(opensAt(network, coin), l1TipHeight) === 0
  const open = coins.filter(isOpen)
  const { recovery } = network
  const result = {
    l1Height: l1TipHeight,
    recovery: { ...recovery },
    coins: rows,
    openSats: valueOf(open),
    totalSats: valueOf(coins),
    gone: gone.map((coin) => outPointKey(coin.outPoint)),
  }
  call.context.output.result(result, () =>
    [
      fields([
        ['recovery', policyText(network)],
        ['L1 height', `${l1TipHeight}${isAsked ? '' : ', as last known'}`],
        ['open now', `${btc(valueOf(open))} in ${open.length} coins`],
        ['in all', `${btc(valueOf(coins))} in ${coins.length} coins`],
        ['already spent', gone.length === 0 ? undefined : `${gone.length} coins`],
      ]),
      '',
      table(
        ['L1 OUTPUT', 'AMOUNT', 'KEY EPOCH', 'AGE', 'OPENS AT', 'BLOCKS LEFT'],
        rows.map((row) => [
          row.outPoint,
          btc(row.valueSats),
          String(row.keyEpoch),
          String(row.age),
          String(row.opensAtL1Height),
          row.blocksLeft === 0 ? 'open' : String(row.blocksLeft),
        ]),
      ),
    ].join('\n'),
  )
}

function valueOf(coins: readonly RecoveryCoin[]): bigint {
  return coins.reduce((sum, coin) => sum + coin.value, 0n)
}

interface CoinRow {
  readonly outPoint: string
  readonly valueSats: bigint
  readonly keyEpoch: number
  /** Confirmations. */
  readonly age: number
  readonly opensAtL1Height: number
  readonly blocksLeft: number
}

function coinRow(network: KnownNetwork, coin: RecoveryCoin, l1TipHeight: number): CoinRow {
  const opens = opensAt(network, coin)
  return {
    outPoint: outPointKey(coin.outPoint),
    valueSats: coin.value,
    keyEpoch: coin.keyEpoch,
    age: Math.max(0, l1TipHeight - coin.l1Height + 1),
    opensAtL1Height: opens,
    blocksLeft: blocksUntilOpen(opens, l1TipHeight),
  }
}

function byOpening(a: CoinRow, b: CoinRow): number {
  return a.opensAtL1Height - b.opensAtL1Height
}

async function runBuild(call: CommandCall): Promise<void> {
  const options = buildOptions.parse(call.options)
  const feeRate = parseFeeRateOption(options.feeRate)
  await requireNewFile(options.out)
  const { known, coins, gone, l1TipHeight } = await find(call, options)
  const to = destination(known.network, options.to)
  const recovery = planRecovery(known.network, coins, {
    to,
    feeRate,
    l1TipHeight,
    mayCostMuch: options.highFee,
  })
  const files: object[] = []
  const lines: string[][] = []
  for (const [i, planned] of recovery.transactions.entries()) {
    const file = numberedName(options.out, i, recovery.transactions.length)
    await requireNewFile(file)
    await writePsbtFile(file, encodeRecoveryPsbt(known.network, planned))
    const told = summary(file, planned)
    files.push(told)
    lines.push([file, String(told.inputs), btc(told.paysSats), btc(told.feeSats), told.txid])
  }
  const left = {
    tooSmall: recovery.tooSmall.length,
    notOpen: recovery.notOpen.length,
    gone: gone.length,
  }
  call.context.output.result({ files, to: options.to, left }, () =>
    [
      fields([
        ['to', options.to],
        ['needs', policyText(known.network)],
        ['not open yet', left.notOpen === 0 ? undefined : `${left.notOpen} coins`],
        ['not worth the fee', left.tooSmall === 0 ? undefined : `${left.tooSmall} coins`],
        ['already spent', left.gone === 0 ? undefined : `${left.gone} coins`],
        ['next', 'causeway federation recover sign FILE --key-file KEY'],
      ]),
      '',
      table(['FILE', 'COINS', 'PAYS', 'FEE', 'TRANSACTION'], lines),
    ].join('\n'),
  )
}

function summary(file: string, { transaction, fee }: RecoveryTransaction) {
  return {
    file,
    txid: transactionId(transaction),
    inputs: transaction.inputs.length,
    paysSats: transaction.outputs.reduce((sum, { value }) => sum + value, 0n),
    feeSats: fee,
  }
}

/** @throws CliError for an address of another network, or of a form that L1 cannot spend. */
function destination(network: KnownNetwork, text: string): Uint8Array {
  const script = decodeAddress(text, l1AddressNetwork(network))
  if (script.ok && isWithdrawTarget(script.value)) return script.value
  const code = script.ok ? 'l1-address-type' : script.error.code
  throw new CliError(EXIT.usage, code, `not an address of Bitcoin ${network.l1Network}: ${text}`, {
    hint: 'the coins are on L1: name an address of a Bitcoin wallet',
  })
}
