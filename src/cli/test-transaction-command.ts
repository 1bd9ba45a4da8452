/** `causeway chain test-tx`: what the node would say to transactions, without sending them. */

import type { Command } from 'commander'
import { CliError, usageError } from './cli-error.ts'
import type { CliIo } from './cli-io.ts'
import { type CommandCall, handle } from './command-context.ts'
import { EXIT } from './exit-codes.ts'
import type { TestedTransaction } from './node-answers.ts'
import { fields } from './output.ts'

export function addTestTransactionCommand(group: Command, io: CliIo): void {
  const command = group
    .command('test-tx')
    .description('ask the node whether it would accept transactions, and send nothing')
    .argument('<hex...>', 'raw transactions, parents before children')
  handle(command, io, testTransactions)
}

async function testTransactions({ context, args }: CommandCall): Promise<void> {
  const hexes = args.flat()
  if (!hexes.every((hex) => /^(?:[0-9a-fA-F]{2})+$/.test(hex))) {
    throw usageError('not a transaction in hex', 'try: causeway wallet send … --dry-run')
  }
  const tested = await context.node.testTransactions(hexes)
  const areAllowed =
    tested.length === hexes.length && tested.every(({ allowed }) => allowed === true)
  context.output.result({ allowed: areAllowed, transactions: tested }, () =>
    tested.map((one) => describe(one, context.output.paint('green', 'yes'))).join('\n\n'),
  )
  if (areAllowed) return
  throw new CliError(EXIT.rejected, 'refused', 'the node would refuse them', { isTold: true })
}

function describe(tested: TestedTransaction, yes: string): string {
  const { txid, allowed, vsize, fees } = tested
  const why = tested['reject-details'] ?? tested['reject-reason'] ?? tested['package-error']
  const refused = allowed === undefined && why === undefined ? 'not looked at' : 'no'
  return fields([
    ['transaction', txid],
    ['accepted', allowed === true ? yes : refused],
    ['why', allowed === true ? undefined : why],
    ['size', vsize === undefined ? undefined : `${vsize} vB`],
    ['fee', fees === undefined ? undefined : `${fees.base.toFixed(8)} BTC`],
  ])
}
