/** `causeway federation`: who the members are, what the reserves hold, the freeze, and recovery. */

import type { Command } from 'commander'
import type { z } from 'zod'
import { CliError } from './cli-error.ts'
import type { CliIo } from './cli-io.ts'
import { type CommandCall, handle } from './command-context.ts'
import { addDestroyShareCommand } from './destroy-share-command.ts'
import { EXIT } from './exit-codes.ts'
import { addEpochsCommand, describeChange } from './federation-epochs-command.ts'
import { addFreezeCommands } from './freeze-command.ts'
import { addGiftAddressCommand } from './gift-address-command.ts'
import { addMemberChangeCommands } from './member-change-command.ts'
import type { reservesAnswer } from './node-answers.ts'
import { btc, fields, table } from './output.ts'
import { addRecoveryCommands } from './recovery/recovery-command.ts'

export function addFederationCommands(program: Command, io: CliIo): void {
  const group = program.command('federation').description('the members and the reserves')
  handle(
    group.command('members').description('who signs, who is online, and the key epochs'),
    io,
    showMembers,
  )
  handle(
    group.command('reserves').description('the coins on L1 against the supply here'),
    io,
    showReserves,
  )
  addEpochsCommand(group, io)
  addMemberChangeCommands(group, io)
  addDestroyShareCommand(group, io)
  addRecoveryCommands(group, io)
  addFreezeCommands(group, io)
  addGiftAddressCommand(group, io)
}

async function showMembers({ context }: CommandCall): Promise<void> {
  const answer = await context.node.federation()
  const { threshold, members, keyEpochs } = answer
  context.output.result(answer, () => {
    const online = members.filter((member) => member.online).length
    const rows = members.map((member) => [
      String(member.index),
      member.online ? 'online' : 'away',
      `${member.publicKey}${member.self ? ' (this node)' : ''}`,
    ])
    const epochs = keyEpochs.map(({ epoch, state, threshold: needed, groupKey }) => [
      String(epoch),
      state,
      String(needed),
      groupKey,
    ])
    return [
      `${online} of ${members.length} members online, ${threshold} sign`,
      '',
      table(['MEMBER', 'STATE', 'PUBLIC KEY'], rows),
      '',
      epochs.length === 0
        ? 'no key yet'
        : table(['KEY EPOCH', 'STATE', 'THRESHOLD', 'GROUP KEY'], epochs),
      ...describeChange(answer),
    ].join('\n')
  })
}

/** The node's "holds" is not believed: the sums are made again here. @throws CliError exit 9. */
function requireSolvent({ equation, coins }: z.infer<typeof reservesAnswer>): void {
  const owed = equation.supply + equation.pendingReleases + equation.feeReserve
  const held = equation.reserves - equation.inFlightFees
  const inCoins = coins.reduce((sum, { valueSats }) => sum + valueSats, 0n)
  if (owed !== held) {
    throw new CliError(
      EXIT.verificationFailed,
      'not-solvent',
      `supply, pending releases and fee reserve are ${btc(owed)}, the reserves less in-flight fees ${btc(held)}`,
    )
  }
  if (inCoins === equation.reserves) return
  throw new CliError(
    EXIT.verificationFailed,
    'reserves-mismatch',
    `the node says that the reserves are ${btc(equation.reserves)}, but its coins make ${btc(inCoins)}`,
  )
}

type Reserves = z.infer<typeof reservesAnswer>

function firstOpening({ coins }: Reserves): string | undefined {
  const heights = coins.map(({ opensAtL1Height }) => opensAtL1Height)
  const first = heights.reduce((least, height) => Math.min(least, height), Infinity)
  return heights.length === 0 ? undefined : `none before L1 block ${first}`
}

/** With an empty line before them. Versions replace one another: at most one confirms. */
function describeBatches(batches: Reserves['batches']): readonly string[] {
  if (batches.length === 0) return []
  const rows = batches.flatMap(({ id, kind, versions, releases, keyEpoch, signed }) =>
    versions.map(({ txid, feeRateSatsPerKvb, feeSats }, index) => [
      String(id),
      kind,
      String(releases.length),
      String(keyEpoch),
      `${index + 1} of ${versions.length}`,
      `${feeRateSatsPerKvb / 1_000} sat/vB`,
      `${feeSats} sat`,
      index + 1 < versions.length ? 'replaced' : signed ? 'signed' : 'not signed yet',
      txid,
    ]),
  )
  const header = ['BATCH', 'KIND', 'RELEASES', 'KEY EPOCH', 'VERSION', 'FEE RATE', 'FEE', 'STATE']
  return ['', table([...header, 'L1 TRANSACTION'], rows)]
}

async function showReserves({ context }: CommandCall): Promise<void> {
  const answer = await context.node.reserves()
  const { equation, coins, batches } = answer
  requireSolvent(answer)
  const open = batches.filter(({ status }) => status === 'open')
  context.output.result({ ...answer, verified: true }, () =>
    [
      fields([
        ['supply', btc(equation.supply)],
        ['+ pending releases', btc(equation.pendingReleases)],
        ['+ fee reserve', btc(equation.feeReserve)],
        ['= reserves', btc(equation.reserves)],
        ['- in-flight fees', btc(equation.inFlightFees)],
        ['equal', context.output.paint('green', 'yes')],
        ['batches under way', String(open.length)],
        ['recovery keys', firstOpening(answer)],
      ]),
      ...describeBatches(open),
      '',
      table(
        ['L1 OUTPUT', 'AMOUNT', 'KEY EPOCH', 'L1 HEIGHT', 'RECOVERY FROM', 'IN BATCH'],
        coins.map((coin) => [
          `${coin.txid}:${coin.vout}`,
          btc(coin.valueSats),
          String(coin.keyEpoch),
          String(coin.l1Height),
          String(coin.opensAtL1Height),
          coin.inBatch === null ? '-' : String(coin.inBatch),
        ]),
      ),
    ].join('\n'),
  )
}
