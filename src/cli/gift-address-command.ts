/**
 * `causeway federation gift-address`: the L1 address whose payments fill the fee reserve. It is the deposit
 * address of nobody, derived here; members watch it without being asked.
 */

import type { Command } from 'commander'
import { z } from 'zod'
import { CHANGE_RECIPIENT } from '../chain/peg/deposit-address.ts'
import { chainIdentity } from './chain-identity.ts'
import { CliError } from './cli-error.ts'
import type { CliIo } from './cli-io.ts'
import { type CommandCall, handle } from './command-context.ts'
import { EXIT } from './exit-codes.ts'
import { btc, fields } from './output.ts'
import { deriveDepositAddress } from './peg-checks.ts'
import { requireSynced } from './wallet-session.ts'

export function addGiftAddressCommand(group: Command, io: CliIo): void {
  const command = group
    .command('gift-address')
    .description('the L1 address whose payments fill the fee reserve; nobody gets them back')
    .option('--genesis <file>', 'derive with this genesis file instead of what the node serves')
  handle(command, io, showGiftAddress)
}

const giftOptions = z.object({ genesis: z.string().optional() })

async function showGiftAddress({ context, options }: CommandCall): Promise<void> {
  const status = await context.node.status()
  requireSynced(status)
  const { keyEpoch, groupKey, feeReserve } = status.peg
  if (keyEpoch === null || groupKey === null) {
    throw new CliError(EXIT.syncing, 'peg-closed', 'the peg is not open yet: there is no key')
  }
  const identity = await chainIdentity(context, status, giftOptions.parse(options).genesis)
  const recipient = CHANGE_RECIPIENT
  const address = deriveDepositAddress({ identity, keyEpoch, groupKey, recipient })
  const { minDepositSats, l1Depth } = identity.genesis.peg
  const result = { address, keyEpoch, groupKey, minDepositSats, feeReserveSats: feeReserve }
  context.output.result(result, () =>
    fields([
      ['gift address', context.output.paint('bold', address)],
      ['at least', btc(minDepositSats)],
      ['after', `${l1Depth + 1} L1 confirmations; more for large amounts`],
      ['fee reserve now', btc(feeReserve)],
      ['take care', 'a gift belongs to nobody and cannot be taken back'],
    ]),
  )
}
