/**
 * `causeway federation recover` and `recovery-key`: how the holders of the recovery keys take the reserves
 * out of a federation that is dead. Nothing here needs a member to be alive.
 */

import type { Command } from 'commander'
import { z } from 'zod'
import { xOnlyPublicKey } from '../../primitives/secp256k1.ts'
import type { CliIo } from '../cli-io.ts'
import { type CommandCall, handle } from '../command-context.ts'
import { fields } from '../output.ts'
import { createRecoveryKey, readRecoveryKey } from './recovery-files.ts'
import { addPlanCommands } from './recovery-plan-command.ts'
import { addSigningCommands } from './recovery-sign-command.ts'

export function addRecoveryCommands(federation: Command, io: CliIo): void {
  const recover = federation
    .command('recover')
    .description('move the reserves of a dead federation with the recovery keys')
  addPlanCommands(recover, io)
  addSigningCommands(recover, io)

  const key = federation.command('recovery-key').description('keys for the day of recovery')
  const making = key
    .command('new')
    .description('make a key; its public side goes into the genesis file')
    .requiredOption('--out <file>', 'a new file, for its holder alone')
  handle(making, io, runNew)
  const showing = key.command('show').description('the public side of a key').argument('<file>')
  handle(showing, io, runShow)
}

async function runNew(call: CommandCall): Promise<void> {
  const { out } = z.object({ out: z.string() }).parse(call.options)
  showKey(call, out, await createRecoveryKey(out))
}

async function runShow(call: CommandCall): Promise<void> {
  const [file = ''] = call.args
  showKey(call, file, xOnlyPublicKey(await readRecoveryKey(file)))
}

function showKey({ context }: CommandCall, file: string, publicKey: string): void {
  context.output.result({ file, publicKey }, () =>
    fields([
      ['file', file],
      ['public key', publicKey],
    ]),
  )
}
