/**
 * The `causeway` program: builds the command tree, runs one command, turns every failure into a
 * message, a hint and an exit code (`exit-codes.ts`).
 */

import { Command, CommanderError } from 'commander'
import { addChainCommands } from './chain-command.ts'
import { toCliError } from './cli-error.ts'
import { type CliIo, createSystemIo } from './cli-io.ts'
import { addGlobalOptions } from './command-context.ts'
import { addDevnetCommand } from './devnet-command.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import { addFederationCommands } from './federation-command.ts'
import { addNodeCommands } from './node-command.ts'
import { reportError } from './output.ts'
import { addPegCommands } from './peg-command.ts'
import { PROGRAM_VERSION } from './program-version.ts'
import { addSimulateCommand } from './simulate-command.ts'
import { addWalletCommands } from './wallet-command.ts'

/** Runs one command. `argv` is without the program's name; returns the exit code. */
export async function runCli(
  argv: readonly string[],
  io: CliIo = createSystemIo(),
): Promise<ExitCode> {
  const json = argv.includes('--json')
  try {
    await createProgram(io, json).parseAsync([...argv], { from: 'user' })
    return EXIT.ok
  } catch (error) {
    // Help and version have been printed; commander reports them as errors without one.
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok
    const failure = toCliError(error)
    // Commander has already shown the help of a group that was named without a command.
    const isShown = error instanceof CommanderError && error.code === 'commander.help' && !json
    if (!isShown && !failure.isTold) reportError(io, failure, json)
    return failure.exitCode
  }
}

function createProgram(io: CliIo, json: boolean): Command {
  const program = new Command('causeway')
    .description('A Bitcoin sidechain with a federated two-way peg')
    .version(PROGRAM_VERSION)
    .exitOverride()
    .showSuggestionAfterError()
    .configureOutput({
      writeOut: (text) => io.out(text),
      // With --json the error is the one document on standard output.
      writeErr: (text) => (json ? undefined : io.err(text)),
      // Errors are reported in one place, with their hint.
      outputError: () => undefined,
    })
  addGlobalOptions(program)
  addWalletCommands(program, io)
  addPegCommands(program, io)
  addChainCommands(program, io)
  addFederationCommands(program, io)
  addNodeCommands(program, io)
  addDevnetCommand(program, io, runCli)
  addSimulateCommand(program, io)
  return program
}
