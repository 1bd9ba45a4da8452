/**
 * `causeway chain`: the tip, blocks, transactions, checking that a block is final. Evidence, proofs and
 * snapshots have files of their own.
 */

import type { Command } from 'commander'
import { z } from 'zod'
import { isHex } from '../primitives/bytes.ts'
import { parseWhole } from './arguments.ts'
import { chainIdentity } from './chain-identity.ts'
import { usageError } from './cli-error.ts'
import type { CliIo } from './cli-io.ts'
import { type CommandCall, type CommandContext, handle } from './command-context.ts'
import { addEvidenceCommand } from './evidence-command.ts'
import { verifyFinality } from './finality-check.ts'
import type { esploraTransactionAnswer } from './node-answers.ts'
import { btc, fields, utcTime } from './output.ts'
import { addProofCommand } from './proof-command.ts'
import { addSnapshotCommands } from './snapshot-command.ts'
import { addTestTransactionCommand } from './test-transaction-command.ts'
import { validatorHistory } from './validator-history.ts'

const MAX_HEIGHT = 0xffffffff

export function addChainCommands(program: Command, io: CliIo): void {
  const group = program.command('chain').description('blocks and transactions')
  handle(group.command('tip').description('the last final block'), io, showTip)
  const block = group
    .command('block')
    .description('a block')
    .argument('[height|hash]', 'default: the tip')
  handle(block, io, showBlock)
  const transaction = group.command('tx').description('a transaction').argument('<txid>')
  handle(transaction, io, showTransaction)
  addTestTransactionCommand(group, io)
  const verify = group
    .command('verify')
    .description('check the validators’ certificate of a block')
    .argument('[height]', 'default: the tip')
    .option('--genesis <file>', 'check against this genesis file instead of what the node serves')
  handle(verify, io, verifyBlock)
  addEvidenceCommand(group, io)
  addProofCommand(group, io)
  addSnapshotCommands(group, io)
}

async function showTip({ context }: CommandCall): Promise<void> {
  const status = await context.node.status()
  const { height, blockHash, blockTimeMs, synced, halted, network, chainId } = status
  context.output.result({ height, blockHash, blockTimeMs, synced, halted, network, chainId }, () =>
    fields([
      ['height', context.output.paint('bold', String(height))],
      ['block', blockHash],
      ['time', utcTime(Math.floor(blockTimeMs / 1_000))],
      ['network', network],
      ['synced', synced ? 'yes' : 'no, catching up'],
      ['halted', halted ?? undefined],
    ]),
  )
}

async function showBlock({ context, args }: CommandCall): Promise<void> {
  const block = await context.node.block(await resolveBlock(context, args[0]))
  context.output.result(block, () =>
    fields([
      ['height', String(block.height)],
      ['block', block.id],
      ['previous', block.previousblockhash ?? undefined],
      ['time', utcTime(block.timestamp)],
      ['transactions', String(block.tx_count)],
      ['size', `${block.size} bytes, ${block.weight} WU`],
    ]),
  )
}

function resolveBlock(context: CommandContext, text: string | undefined): Promise<string> {
  if (text === undefined) return context.node.tipHash()
  if (isHex(text, 32)) return Promise.resolve(text)
  return context.node.blockHash(parseWhole(text, 'the height', { min: 0, max: MAX_HEIGHT }))
}

async function showTransaction({ context, args }: CommandCall): Promise<void> {
  const [txid = ''] = args
  if (!isHex(txid, 32))
    throw usageError(`not a transaction id: ${txid}`, '64 lower-case hex digits')
  const transaction = await context.node.transaction(txid)
  context.output.result(transaction, () => describeTransaction(transaction))
}

function describeTransaction(transaction: z.infer<typeof esploraTransactionAnswer>): string {
  const { status, vin, vout } = transaction
  const inputs = vin.map(({ txid, vout: index, is_coinbase, is_pegin, prevout }) => {
    if (is_coinbase) return '  coinbase'
    const from = is_pegin === true ? 'L1 deposit' : (prevout?.scriptpubkey_address ?? '')
    const value = prevout === null || prevout === undefined ? '' : btc(prevout.value)
    return `  ${txid}:${index}  ${value}  ${from}`.trimEnd()
  })
  const outputs = vout.map(
    ({ value, scriptpubkey_address, scriptpubkey_type }, index) =>
      `  ${index}  ${btc(value)}  ${scriptpubkey_address ?? scriptpubkey_type}`,
  )
  return [
    fields([
      ['transaction', transaction.txid],
      [
        'status',
        status.confirmed ? `final in block ${status.block_height ?? '?'}` : 'waiting for a block',
      ],
      ['fee', btc(transaction.fee)],
      ['size', `${transaction.size} bytes, ${Math.ceil(transaction.weight / 4)} vB`],
    ]),
    'inputs',
    ...inputs,
    'outputs',
    ...outputs,
  ].join('\n')
}

async function verifyBlock({ context, args, options }: CommandCall): Promise<void> {
  const { genesis } = z.object({ genesis: z.string().optional() }).parse(options)
  const status = await context.node.status()
  const identity = await chainIdentity(context, status, genesis)
  const height =
    args[0] === undefined
      ? status.height
      : parseWhole(args[0], 'the height', { min: 1, max: MAX_HEIGHT })
  const { handovers } = await context.node.handovers()
  const sets = validatorHistory(identity, handovers)
  const finality = verifyFinality(identity, sets, height, await context.node.certificate(height))
  context.output.result({ verified: true, ...finality }, () =>
    fields([
      ['height', String(finality.height)],
      ['block', finality.blockHash],
      ['signed by', `${finality.signers.length} of ${finality.validators} validators`],
      ['final', context.output.paint('green', 'yes')],
    ]),
  )
}
