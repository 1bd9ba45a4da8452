/**
 * `causeway chain`: the tip, blocks, transactions, checking that a block is final. Evidence, proofs and
 * snapshots have files of their own.
 */

import type { Command } from 'commander'
import type { z } from 'zod'
import { isHex } from '../primitives/bytes.ts'
import { parseWhole } from './arguments.ts'
import { chainIdentity } from './chain-identity.ts'
import { usageError } from './cli-error.ts'
import type { CliIo } from './cli-io.ts'
import { type CommandCall, type CommandContext, contextAt, handle } from './command-context.ts'
import { addEvidenceCommand } from './evidence-command.ts'
import { verifyFinality } from './finality-check.ts'
import type { esploraTransactionAnswer } from './node-answers.ts'
import { btc, fields, utcTime } from './output.ts'
import { addProofCommand } from './proof-command.ts'
import { reservesVerifyOptions, verifyReserves } from './reserves-verify.ts'
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
  const verifying = group
    .command('verify')
    .description('check the reserves, from certificate to L1; or the certificate of one block')
    .argument('[file|height]', 'a proof of reserves, or a block; default: the node’s reserves')
    .option('--genesis <file>', 'check against this genesis file instead of what the node serves')
    .option('--node <url>', 'the same as --api')
    .option('--out <file>', 'keep the proof that was verified')
    .option('--l1 <url>', 'ask this bitcoind whether the coins are unspent')
    .option('--l1-cookie <file>', 'its cookie file')
  handle(verifying, io, verify)
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

/** A number is a block; anything else is a file. */
async function verify(call: CommandCall): Promise<void> {
  const [what] = call.args
  const { node } = reservesVerifyOptions.parse(call.options)
  const asked = node === undefined ? call : { ...call, context: contextAt(call.context, node) }
  if (what === undefined || !/^\d+$/.test(what)) await verifyReserves(asked, what)
  else await verifyBlock(asked, parseWhole(what, 'the height', { min: 1, max: MAX_HEIGHT }))
}

async function verifyBlock({ context, options }: CommandCall, height: number): Promise<void> {
  const { genesis } = reservesVerifyOptions.parse(options)
  const status = await context.node.status()
  const identity = await chainIdentity(context, status, genesis)
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
