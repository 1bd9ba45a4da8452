/** `causeway peg`: bringing bitcoin in (deposit-address, deposits, claim); taking it out is next door. */

import type { Command } from 'commander'
import { z } from 'zod'
import { walletAddress } from '../wallet/wallet.ts'
import { findOutPoint } from './arguments.ts'
import { chainIdentity } from './chain-identity.ts'
import { CliError, usageError } from './cli-error.ts'
import type { CliIo } from './cli-io.ts'
import { type CommandCall, type CommandContext, handle } from './command-context.ts'
import { depositState } from './deposit-state.ts'
import { EXIT } from './exit-codes.ts'
import type { NodeStatus } from './node-answers.ts'
import { btc, fields, table } from './output.ts'
import { depositRecipient, verifyDepositAddress } from './peg-checks.ts'
import { addReleaseCommands } from './peg-release-command.ts'
import { addPegStatusCommand } from './peg-status-command.ts'
import { qrBlock } from './qr-code.ts'
import { DEFAULT_WALLET, openSession, requireSynced } from './wallet-session.ts'

const depositAddressOptions = z.object({
  wallet: z.string().default(DEFAULT_WALLET),
  genesis: z.string().optional(),
  qr: z.boolean().optional(),
})

export function addPegCommands(program: Command, io: CliIo): void {
  const group = program.command('peg').description('bring bitcoin in, take bitcoin out')
  const address = group
    .command('deposit-address')
    .description('the L1 address whose payments arrive here; checked, reusable, never expires')
    .argument('[recipient]', 'sidechain address (default: one of the wallet)')
    .option('--wallet <name>', 'wallet that receives when no recipient is given', DEFAULT_WALLET)
    .option('--genesis <file>', 'check against this genesis file instead of what the node serves')
    .option('--qr', 'show a QR code')
    .option('--no-qr', 'show none')
  handle(address, io, depositAddress)

  const deposits = group
    .command('deposits')
    .description('deposits and how far they are, newest first')
    .argument('[recipient]', 'only those to this sidechain address')
  handle(deposits, io, listDeposits)

  const claim = group
    .command('claim')
    .description('tell the federation of a deposit that no node had heard of')
    .argument('<outpoint>', 'the L1 output, TXID:VOUT')
    .argument('<recipient>', 'the sidechain address it was meant for')
  handle(claim, io, claimDeposit)

  addReleaseCommands(group, io)
  addPegStatusCommand(group, io)
}

/** @throws CliError exit 5 while there is no group key, exit 6 while the peg is frozen. */
function requireOpenPeg(status: NodeStatus): void {
  requireSynced(status)
  if (status.peg.state === 'frozen') {
    throw new CliError(
      EXIT.rejected,
      'peg-frozen',
      'the peg is frozen: what comes in now cannot leave again',
      {
        hint: 'see why: causeway federation status',
      },
    )
  }
  if (status.peg.state === 'closed') {
    throw new CliError(EXIT.syncing, 'peg-closed', 'the peg is not open yet: there is no key', {
      hint: 'try again in a moment; see causeway federation members',
    })
  }
}

async function depositAddress({ context, args, options }: CommandCall): Promise<void> {
  const wanted = depositAddressOptions.parse(options)
  const status = await context.node.status()
  requireOpenPeg(status)
  const recipient = args[0] ?? (await walletRecipient(context, wanted.wallet))
  const script = depositRecipient(recipient, status.addressPrefix)
  const identity = await chainIdentity(context, status, wanted.genesis)
  const answer = await context.node.depositAddress(recipient)
  const { keyEpoch, groupKey } = status.peg
  if (keyEpoch === null || groupKey === null) {
    throw new CliError(EXIT.syncing, 'peg-closed', 'the node names no group key')
  }
  if (answer.keyEpoch !== keyEpoch || answer.groupKey !== groupKey) {
    throw new CliError(
      EXIT.verificationFailed,
      'key-epoch-mismatch',
      `the node's status has key epoch ${keyEpoch}, its deposit address is of ${answer.keyEpoch}`,
      { hint: 'the key may just have changed: try again' },
    )
  }
  verifyDepositAddress(answer.address, { identity, keyEpoch, groupKey, recipient: script })
  const { address } = answer
  const { minDepositSats, l1Depth } = identity.genesis.peg
  // Made here, not by the node: a foreign URI could carry another address.
  const uri = `bitcoin:${address}`
  const result = { address, uri, recipient, keyEpoch, groupKey, minDepositSats, l1Depth }
  context.output.result({ ...result, verified: true }, () =>
    [
      qrBlock(context, address.toUpperCase(), wanted.qr),
      fields([
        ['deposit address', context.output.paint('bold', address)],
        ['arrives at', recipient],
        ['at least', btc(minDepositSats)],
        ['after', `${l1Depth + 1} L1 confirmations; more for large amounts`],
        ['checked', `against the group key of key epoch ${keyEpoch}`],
        ['watch it', `causeway peg status ${recipient} --wait`],
      ]),
    ].join(''),
  )
}

async function walletRecipient(context: CommandContext, wallet: string): Promise<string> {
  const { file } = await openSession(context, wallet)
  return walletAddress(file, file.next.receive)
}

async function listDeposits({ context, args }: CommandCall): Promise<void> {
  const { deposits } = await context.node.deposits(args[0])
  context.output.result({ deposits }, () =>
    deposits.length === 0
      ? 'no deposits yet; get an address: causeway peg deposit-address'
      : table(
          ['L1 OUTPUT', 'AMOUNT', 'STATUS', 'RECIPIENT'],
          deposits.map((deposit) => [
            `${deposit.l1Txid}:${deposit.vout}`,
            btc(deposit.valueSats),
            depositState(deposit),
            deposit.recipient,
          ]),
        ),
  )
}

async function claimDeposit({ context, args }: CommandCall): Promise<void> {
  const [outPointText = '', recipient = ''] = args
  const outPoint = findOutPoint(outPointText)
  if (outPoint === undefined) {
    throw usageError(`not an L1 output: ${outPointText}`, 'write TXID:VOUT')
  }
  const { txid: l1Txid, vout } = outPoint
  const status = await context.node.status()
  depositRecipient(recipient, status.addressPrefix)
  const { accepted } = await context.node.claimDeposit({ l1Txid, vout, recipient })
  if (!accepted) {
    throw new CliError(EXIT.rejected, 'claim-refused', 'the node did not accept the claim')
  }
  context.output.result({ accepted, l1Txid, vout, recipient }, () =>
    fields([
      ['claimed', `${l1Txid}:${vout}`],
      ['watch it', `causeway peg status ${l1Txid}:${vout} --wait`],
    ]),
  )
}
