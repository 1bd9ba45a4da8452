/**
 * `causeway node doctor`: what this machine gives the program, and what would make it better. It looks
 * at the installation; how a running node is, `node status` says.
 */

import type { Command } from 'commander'
import { installNativeBackends } from '../runtime/native-backends.ts'
import type { CliIo } from './cli-io.ts'
import { type CommandCall, handle } from './command-context.ts'
import { fields } from './output.ts'
import { PROGRAM_VERSION } from './program-version.ts'

export function addDoctorCommand(node: Command, io: CliIo): void {
  const doctor = node
    .command('doctor')
    .description('what the program uses on this machine, and what would be better')
  handle(doctor, io, runDoctor)
}

async function runDoctor({ context }: CommandCall): Promise<void> {
  const { secp256k1, sha256, hint } = installNativeBackends(context.io.env)
  const result = {
    version: PROGRAM_VERSION,
    node: process.versions.node,
    secp256k1,
    sha256,
    hint: hint ?? null,
  }
  context.output.result(result, () =>
    fields([
      ['causeway', result.version],
      ['Node.js', result.node],
      ['secp256k1', secp256k1],
      ['SHA-256', sha256],
      ['hint', hint],
    ]),
  )
}
