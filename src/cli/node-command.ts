/** `causeway node`: a node as its API sees it. */

import type { Command } from 'commander'
import type { CliIo } from './cli-io.ts'
import { type CommandCall, handle } from './command-context.ts'
import { fields } from './output.ts'

export function addNodeCommands(program: Command, io: CliIo): void {
  const group = program.command('node').description('run and look at a node')
  handle(group.command('status').description('what the node says of itself'), io, showStatus)
}

async function showStatus({ context }: CommandCall): Promise<void> {
  const status = await context.node.status()
  context.output.result(status, () =>
    fields([
      ['version', status.version],
      ['network', status.network],
      ['height', String(status.height)],
      ['synced', status.synced ? 'yes' : 'no'],
      ['peers', String(status.peers)],
      ['L1', `${status.l1.network}, ${status.l1.state}`],
    ]),
  )
}
