/** `causeway federation recover sign`, `combine` and `send`: from the holders of the keys to L1. */

import type { Command } from 'commander'
import { z } from 'zod'
import { L1_ALREADY_THERE } from '../../../federation/l1/bitcoin-l1.ts'
import {
  combineRecoveryPsbts,
  finishRecovery,
  type RecoveryPsbt,
  readRecoveryPsbt,
  signRecoveryPsbt,
} from '../../../federation/wallet/recovery-psbt.ts'
import { encodeAddress } from '../../bitcoin/address.ts'
import { encodeTransaction, type Transaction, transactionId } from '../../bitcoin/transaction.ts'
import { bytesToHex } from '../../primitives/bytes.ts'
import { CliError } from '../cli-error.ts'
import type { CliIo } from '../cli-io.ts'
import { type CommandCall, type CommandContext, handle } from '../command-context.ts'
import { EXIT } from '../exit-codes.ts'
import { btc, fields } from '../output.ts'
import { confirm } from '../spend.ts'
import { readPsbtFile, readRecoveryKey, requireNewFile, writePsbtFile } from './recovery-files.ts'
import {
  addL1Options,
  findNetwork,
  type KnownNetwork,
  type L1Access,
  l1AddressNetwork,
  l1Options,
  withL1,
} from './recovery-options.ts'

const signOptions = z.object({
  keyFile: z.string(),
  genesis: z.string().optional(),
  yes: z.boolean().default(false),
})
const combineOptions = z.object({ out: z.string(), genesis: z.string().optional() })

export function addSigningCommands(recover: Command, io: CliIo): void {
  const sign = recover
    .command('sign')
    .description('add a recovery key’s signature to a file, in place')
    .argument('<file>')
    .requiredOption('--key-file <file>', 'the key, as recovery-key new made it')
    .option('--genesis <file>', 'the network; default: the genesis file of this home')
    .option('--yes', 'do not ask')
  handle(sign, io, runSign)

  const combine = recover
    .command('combine')
    .description('one file with the signatures of several')
    .argument('<file...>')
    .requiredOption('--out <file>', 'a new file')
    .option('--genesis <file>', 'the network; default: the genesis file of this home')
  handle(combine, io, runCombine)

  const send = recover
    .command('send')
    .description('send signed files to L1; without --l1 print the transactions')
    .argument('<file...>')
  handle(addL1Options(send), io, runSend)
}

interface Shown {
  readonly file: string
  readonly txid: string
  readonly coins: number
  readonly pays: readonly { readonly to: string; readonly valueSats: bigint }[]
  readonly feeSats: bigint
  readonly signatures: number
  readonly needed: number
}

function shown(file: string, psbt: RecoveryPsbt, network: KnownNetwork | undefined): Shown {
  const name = (script: Uint8Array): string =>
    (network === undefined ? undefined : encodeAddress(script, l1AddressNetwork(network))) ??
    bytesToHex(script)
  const { transaction, fee, signers, policy } = psbt
  return {
    file,
    txid: transactionId(transaction),
    coins: transaction.inputs.length,
    pays: transaction.outputs.map(({ script, value }) => ({ to: name(script), valueSats: value })),
    feeSats: fee,
    signatures: signers.length,
    needed: policy.threshold,
  }
}

function shownText({ file, txid, coins, pays, feeSats, signatures, needed }: Shown): string {
  return fields([
    ['file', file],
    ['transaction', txid],
    ['spends', `${coins} coins of the reserves`],
    ...pays.map(({ to, valueSats }) => ['pays', `${btc(valueSats)} to ${to}`] as const),
    ['fee', btc(feeSats)],
    ['signed by', `${signatures} of the ${needed} keys that it needs`],
  ])
}

async function runSign({ context, args, options }: CommandCall): Promise<void> {
  const { keyFile, genesis, yes } = signOptions.parse(options)
  const [file = ''] = args
  const network = await networkToCheck(context, genesis)
  const secret = await readRecoveryKey(keyFile)
  const base64 = await readPsbtFile(file)
  const before = shown(file, readRecoveryPsbt(base64, network?.recovery), network)
  if (!yes) context.output.progress(shownText(before))
  await confirm(context, 'Sign?', yes)
  const signer = { secret, random: context.io.random }
  const signed = signRecoveryPsbt(base64, signer, network?.recovery)
  await writePsbtFile(file, signed)
  showFile(context, shown(file, readRecoveryPsbt(signed), network))
}

/** Undefined where no genesis file is at hand: then the file speaks for itself. */
async function networkToCheck(
  context: CommandContext,
  genesis: string | undefined,
): Promise<KnownNetwork | undefined> {
  const network = await findNetwork(context, genesis)
  if (network === undefined) {
    context.output.progress('without --genesis nobody checks which network’s reserves it spends')
  }
  return network
}

async function runCombine({ context, args, options }: CommandCall): Promise<void> {
  const { out, genesis } = combineOptions.parse(options)
  await requireNewFile(out)
  const network = await networkToCheck(context, genesis)
  const files = await Promise.all(args.map(readPsbtFile))
  const combined = combineRecoveryPsbts(files, network?.recovery)
  await writePsbtFile(out, combined)
  showFile(context, shown(out, readRecoveryPsbt(combined), network))
}

function showFile(context: CommandContext, result: Shown): void {
  const isReady = result.signatures >= result.needed
  context.output.result({ ...result, ready: isReady }, () =>
    [
      shownText(result),
      fields([['next', isReady ? `recover send ${result.file} --l1 URL` : 'another key signs']]),
    ].join('\n'),
  )
}

async function runSend({ context, args, options }: CommandCall): Promise<void> {
  const chosen = l1Options.parse(options)
  const network = await findNetwork(context, chosen.genesis)
  if (network === undefined && chosen.l1 !== undefined) {
    throw new CliError(EXIT.usage, 'no-genesis', 'which network is it? name it with --genesis FILE')
  }
  const transactions: Transaction[] = []
  for (const file of args) {
    transactions.push(finishRecovery(await readPsbtFile(file), network?.recovery))
  }
  const results = await withL1(network?.l1Network ?? 'regtest', chosen, async (access) => {
    const sent: object[] = []
    for (const transaction of transactions) sent.push(await sendOne(transaction, access))
    return sent
  })
  context.output.result({ transactions: results }, () =>
    transactions
      .map((transaction) =>
        chosen.l1 === undefined
          ? bytesToHex(encodeTransaction(transaction))
          : fields([['sent', transactionId(transaction)]]),
      )
      .join('\n'),
  )
}

/** @throws CliError when L1 would not take it. */
async function sendOne(transaction: Transaction, access: L1Access | undefined): Promise<object> {
  const raw = encodeTransaction(transaction)
  const txid = transactionId(transaction)
  if (access === undefined) return { txid, sent: false, hex: bytesToHex(raw) }
  const accepted = await access.l1.testAccept(raw)
  const { reason = 'refused' } = accepted
  if (!accepted.allowed && !L1_ALREADY_THERE.has(reason)) throw refusedByL1(txid, reason)
  const outcome = await access.l1.broadcast(raw)
  if (outcome.result === 'rejected') throw refusedByL1(txid, outcome.reason ?? 'refused')
  return { txid, sent: true, result: outcome.result }
}

function refusedByL1(txid: string, reason: string): CliError {
  const isEarly = reason.includes('non-BIP68-final')
  return new CliError(
    EXIT.rejected,
    isEarly ? 'not-open' : 'l1-rejected',
    isEarly ? `${txid} is not open yet (${reason})` : `L1 refuses ${txid}: ${reason}`,
    {
      hint: isEarly
        ? 'wait for more L1 blocks; see: causeway federation recover plan --l1 URL'
        : 'a coin may be spent already: build anew, with --l1 URL',
    },
  )
}
