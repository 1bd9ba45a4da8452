/** `causeway wallet`: create, restore, list, address, balance, history; see wallet-send-command. */

import type { Command } from 'commander'
import { z } from 'zod'
import { parseGenesis } from '../../genesis/network.ts'
import { accountDescriptor, type CoinType } from '../wallet/account.ts'
import { createMnemonic, parseMnemonic } from '../wallet/mnemonic.ts'
import { readHistory } from '../wallet/scan.ts'
import { createWalletFile, walletAddress } from '../wallet/wallet.ts'
import { listWallets, type WalletFile, walletPath, writeWalletFile } from '../wallet/wallet-file.ts'
import { parseWhole } from './arguments.ts'
import { CliError, usageError } from './cli-error.ts'
import type { CliIo } from './cli-io.ts'
import { type CommandCall, handle } from './command-context.ts'
import { EXIT } from './exit-codes.ts'
import { readJsonFile } from './json-file.ts'
import { btc, fields, table, utcTime } from './output.ts'
import { qrBlock } from './qr-code.ts'
import { addSendCommands } from './wallet-send-command.ts'
import {
  advanceSession,
  DEFAULT_WALLET,
  newPassphrase,
  openSession,
  scanWallet,
  walletsDirectory,
} from './wallet-session.ts'

/** Room for 24 words and white space. */
const MAX_MNEMONIC_BYTES = 2_000
const MAX_HISTORY = 1_000

const walletOption = z.object({ wallet: z.string().default(DEFAULT_WALLET) })

const createOptions = walletOption.extend({
  words: z.string().default('12'),
  type: z.string(),
  passphrase: z.boolean(),
  genesis: z.string().optional(),
})

export function addWalletCommands(program: Command, io: CliIo): void {
  const group = program.command('wallet').description('keys, addresses, balances and payments')
  const create = addCreationOptions(group.command('create'))
    .description('make a new wallet and show its recovery words')
    .option('--words <12|24>', 'number of recovery words', '12')
  handle(create, io, createWallet)
  const restore = addCreationOptions(group.command('restore')).description(
    'make a wallet from recovery words, asked for or read from standard input',
  )
  handle(restore, io, restoreWallet)
  handle(group.command('list').description('the wallets in this home'), io, list)
  const address = withWallet(group.command('address'))
    .description('an address to receive at; works without a node')
    .option('--new', 'a fresh one, even if the last was not used')
    .option('--index <n>', 'the address at this position')
    .option('--descriptor', 'show the output descriptor, to watch the wallet elsewhere')
    .option('--qr', 'show a QR code')
    .option('--no-qr', 'show none')
  handle(address, io, showAddress)
  const balance = withWallet(group.command('balance')).description('what the wallet can spend')
  handle(balance, io, showBalance)
  const history = withWallet(group.command('history'))
    .description('payments in and out, newest first')
    .option('--limit <n>', `at most this many, up to ${MAX_HISTORY}`, '25')
  handle(history, io, showHistory)
  addSendCommands(group, io)
}

function withWallet(command: Command): Command {
  return command.option('--wallet <name>', 'which wallet', DEFAULT_WALLET)
}

function addCreationOptions(command: Command): Command {
  return withWallet(command)
    .option('--type <taproot|segwit>', 'BIP86 (P2TR) or BIP84 (P2WPKH) addresses', 'taproot')
    .option('--no-passphrase', 'leave the file readable to whoever gets hold of it')
    .option('--genesis <file>', "the network's genesis file (default: the local devnet)")
}

async function createWallet(call: CommandCall): Promise<void> {
  const { context } = call
  const { words } = createOptions.parse(call.options)
  if (words !== '12' && words !== '24') throw usageError(`--words is 12 or 24, not ${words}`)
  const mnemonic = createMnemonic(context.io.random, words === '12' ? 12 : 24)
  const { name, path, file } = await storeWallet(call, mnemonic)
  const address = walletAddress(file, 0)
  context.output.result({ wallet: name, path, mnemonic, address, network: file.network.name }, () =>
    [
      fields([
        ['wallet', `${name} (${path})`],
        ['network', file.network.name],
        ['address', address],
      ]),
      '',
      context.output.paint('bold', 'Recovery words: write them down. They are shown only now.'),
      mnemonic,
    ].join('\n'),
  )
}

async function restoreWallet(call: CommandCall): Promise<void> {
  const { context } = call
  const { io } = context
  const typed = io.stdinIsTerminal
    ? await io.ask('Recovery words: ', { secret: true })
    : await io.readInput(MAX_MNEMONIC_BYTES)
  const { name, path, file } = await storeWallet(call, parseMnemonic(typed))
  const address = walletAddress(file, 0)
  context.output.result({ wallet: name, path, address, network: file.network.name }, () =>
    fields([
      ['wallet', `${name} (${path})`],
      ['network', file.network.name],
      ['first address', address],
    ]),
  )
}

interface StoredWallet {
  readonly name: string
  readonly path: string
  readonly file: WalletFile
}

async function storeWallet(call: CommandCall, mnemonic: string): Promise<StoredWallet> {
  const { context } = call
  const options = createOptions.parse(call.options)
  const path = walletPath(walletsDirectory(context), options.wallet)
  const known = await listWallets(walletsDirectory(context))
  if (known.includes(options.wallet)) {
    throw new CliError(EXIT.failed, 'file-exists', `there is already a wallet at ${path}`, {
      hint: 'choose another name with --wallet NAME',
    })
  }
  if (options.type !== 'taproot' && options.type !== 'segwit') {
    throw usageError(`--type is taproot or segwit, not ${options.type}`)
  }
  const { network, coinType } = await networkOf(options.genesis)
  const file = await createWalletFile({
    mnemonic,
    passphrase: await newPassphrase(context, options.passphrase),
    network,
    coinType,
    kind: options.type === 'taproot' ? 'p2tr' : 'p2wpkh',
    createdMs: context.io.clock.nowMs(),
    random: context.io.random,
  })
  await writeWalletFile(path, file, { replace: false, random: context.io.random })
  return { name: options.wallet, path, file }
}

interface WalletNetwork {
  readonly network: { readonly name: string; readonly addressPrefix: string }
  readonly coinType: CoinType
}

async function networkOf(genesisPath: string | undefined): Promise<WalletNetwork> {
  if (genesisPath === undefined) {
    return { network: { name: 'devnet', addressPrefix: 'bcrt' }, coinType: 1 }
  }
  const { name, addressPrefix, l1 } = parseGenesis(await readJsonFile(genesisPath))
  return { network: { name, addressPrefix }, coinType: l1.network === 'mainnet' ? 0 : 1 }
}

async function list({ context }: CommandCall): Promise<void> {
  const names = await listWallets(walletsDirectory(context))
  const wallets: { name: string; network: string; type: string; locked: boolean }[] = []
  for (const name of names) {
    const { file } = await openSession(context, name)
    wallets.push({
      name,
      network: file.network.name,
      type: file.account.kind === 'p2tr' ? 'taproot' : 'segwit',
      locked: !file.withoutPassphrase,
    })
  }
  context.output.result({ wallets }, () =>
    wallets.length === 0
      ? 'no wallets yet; make one: causeway wallet create'
      : table(
          ['NAME', 'NETWORK', 'TYPE', 'PASSPHRASE'],
          wallets.map(({ name, network, type, locked }) => [
            name,
            network,
            type,
            locked ? 'yes' : 'no',
          ]),
        ),
  )
}

const addressOptions = walletOption.extend({
  new: z.boolean().default(false),
  index: z.string().optional(),
  descriptor: z.boolean().default(false),
  qr: z.boolean().optional(),
})

async function showAddress({ context, options }: CommandCall): Promise<void> {
  const wanted = addressOptions.parse(options)
  let session = await openSession(context, wanted.wallet)
  const { next } = session.file
  const index =
    wanted.index === undefined
      ? next.receive + (wanted.new ? 1 : 0)
      : parseWhole(wanted.index, '--index', { min: 0, max: 0x7fffffff })
  if (wanted.new) session = await advanceSession(context, session, { ...next, receive: index })
  const address = walletAddress(session.file, index)
  const descriptor = wanted.descriptor ? accountDescriptor(session.file.account) : undefined
  context.output.result(
    { wallet: session.name, address, index, descriptor },
    () => `${qrBlock(context, address.toUpperCase(), wanted.qr)}${address}\n${descriptor ?? ''}`,
  )
}

async function showBalance({ context, options }: CommandCall): Promise<void> {
  const { wallet } = walletOption.parse(options)
  const { scan, status } = await scanWallet(context, wallet)
  const sum = (confirmed: boolean): bigint =>
    scan.coins
      .filter(({ height }) => (height !== undefined) === confirmed)
      .reduce((total, { value }) => total + value, 0n)
  const confirmedSats = sum(true)
  const unconfirmedSats = sum(false)
  const totalSats = confirmedSats + unconfirmedSats
  const coins = scan.coins.length
  const result = { wallet, totalSats, confirmedSats, unconfirmedSats, coins, height: status.height }
  context.output.result(result, () =>
    fields([
      ['balance', context.output.paint('bold', btc(totalSats))],
      ['not yet in a block', unconfirmedSats > 0n ? btc(unconfirmedSats) : undefined],
      ['coins', String(coins)],
      ['height', String(status.height)],
    ]),
  )
}

async function showHistory({ context, options }: CommandCall): Promise<void> {
  const { wallet, limit } = walletOption.extend({ limit: z.string() }).parse(options)
  const most = parseWhole(limit, '--limit', { min: 1, max: MAX_HISTORY })
  const { scan, source } = await scanWallet(context, wallet)
  const entries = await readHistory(source, scan.used, most)
  const transactions = entries.map(({ txid, netSats, feeSats, height, blockTime }) => ({
    txid,
    netSats,
    feeSats: feeSats ?? null,
    height: height ?? null,
    blockTime: blockTime ?? null,
  }))
  context.output.result({ wallet, transactions }, () => historyTable(transactions))
}

interface HistoryRow {
  readonly txid: string
  readonly netSats: bigint
  readonly height: number | null
  readonly blockTime: number | null
}

function historyTable(rows: readonly HistoryRow[]): string {
  if (rows.length === 0) return 'no payments yet'
  return table(
    ['TIME', 'HEIGHT', 'AMOUNT', 'TRANSACTION'],
    rows.map(({ txid, netSats, height, blockTime }) => [
      blockTime === null ? 'waiting' : utcTime(blockTime),
      height === null ? '-' : String(height),
      `${netSats >= 0n ? '+' : ''}${btc(netSats)}`,
      txid,
    ]),
  )
}
