/**
 * Errors as the user meets them: what went wrong, a stable code, the exit code, and what to do
 * next. `toCliError` translates the errors of every layer below.
 */

import { CommanderError } from 'commander'
import { prettifyError, ZodError } from 'zod'
import { RecoveryError, type RecoveryErrorCode } from '../../federation/wallet/recovery-error.ts'
import { GenesisError } from '../../genesis/network.ts'
import { AssertionError } from '../primitives/assert.ts'
import { SourceError, type SourceFailure } from '../wallet/chain-source.ts'
import { WalletError, type WalletErrorCode } from '../wallet/wallet-error.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'

export class CliError extends Error {
  override readonly name = 'CliError'
  /** Stable, for scripts: lower-case words with hyphens. */
  readonly code: string
  readonly exitCode: ExitCode
  /** The next command or step. */
  readonly hint: string | undefined
  /** The command's result has told it already: only the exit code remains. */
  readonly isTold: boolean

  constructor(
    exitCode: ExitCode,
    code: string,
    message: string,
    options: ErrorOptions & { readonly hint?: string; readonly isTold?: boolean } = {},
  ) {
    super(message, options)
    this.exitCode = exitCode
    this.code = code
    this.hint = options.hint
    this.isTold = options.isTold === true
  }
}

/** Ctrl-C or a termination signal. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError'
}

const WALLET_EXITS: Readonly<Record<WalletErrorCode, ExitCode>> = {
  'bad-mnemonic': EXIT.usage,
  'bad-name': EXIT.usage,
  'bad-psbt': EXIT.usage,
  'corrupt-file': EXIT.failed,
  dust: EXIT.rejected,
  'file-exists': EXIT.failed,
  'insufficient-funds': EXIT.rejected,
  'no-file': EXIT.notFound,
  'not-ours': EXIT.rejected,
  'too-large': EXIT.rejected,
  'unreadable-file': EXIT.failed,
  'wrong-passphrase': EXIT.auth,
}

const RECOVERY_EXITS: Readonly<Record<RecoveryErrorCode, ExitCode>> = {
  'address-mismatch': EXIT.verificationFailed,
  'bad-psbt': EXIT.usage,
  'different-transactions': EXIT.usage,
  dust: EXIT.rejected,
  'high-fee': EXIT.rejected,
  'no-coins': EXIT.notFound,
  'not-open': EXIT.rejected,
  'other-network': EXIT.verificationFailed,
  'too-few-signatures': EXIT.rejected,
  'wrong-key': EXIT.auth,
  'wrong-signature': EXIT.verificationFailed,
}

const WALLET_HINTS: Partial<Record<WalletErrorCode, string>> = {
  'corrupt-file': 'restore it from its recovery words: causeway wallet restore --wallet NAME',
  'file-exists': 'choose another name with --wallet NAME',
  'insufficient-funds': 'see what there is: causeway wallet balance',
  'no-file': 'make one: causeway wallet create',
  'wrong-passphrase': 'try again, or restore the wallet from its recovery words',
}

const SOURCE_EXITS: Readonly<Record<SourceFailure, ExitCode>> = {
  unreachable: EXIT.noNode,
  timeout: EXIT.timedOut,
  refused: EXIT.failed,
  rejected: EXIT.rejected,
  'bad-answer': EXIT.failed,
}

const SOURCE_CODES: Readonly<Record<SourceFailure, string>> = {
  unreachable: 'no-node',
  timeout: 'timed-out',
  refused: 'refused',
  rejected: 'rejected',
  'bad-answer': 'bad-answer',
}

const NO_NODE_HINT =
  'start one with "causeway devnet" or "causeway node start", or name one with --api URL'

export function toCliError(error: unknown): CliError {
  if (error instanceof CliError) return error
  if (error instanceof InterruptedError) {
    return new CliError(EXIT.interrupted, 'interrupted', 'interrupted', { cause: error })
  }
  if (error instanceof WalletError) {
    const hint = WALLET_HINTS[error.code]
    const options = hint === undefined ? { cause: error } : { cause: error, hint }
    return new CliError(WALLET_EXITS[error.code], error.code, error.message, options)
  }
  if (error instanceof RecoveryError) {
    return new CliError(RECOVERY_EXITS[error.code], error.code, error.message, { cause: error })
  }
  if (error instanceof SourceError) return fromSourceError(error)
  if (error instanceof GenesisError) {
    const message = `not a valid genesis file: ${error.message}`
    return new CliError(EXIT.failed, 'bad-genesis', message, { cause: error })
  }
  if (error instanceof CommanderError) return fromCommander(error)
  if (error instanceof ZodError) {
    // Options are the only thing that commands parse without catching.
    return usageError(prettifyError(error), 'see the command with --help')
  }
  if (error instanceof AssertionError) {
    const message = `a mistake in this program: ${error.message}`
    return new CliError(EXIT.failed, 'internal', message, { cause: error })
  }
  const message = error instanceof Error ? error.message : String(error)
  return new CliError(EXIT.failed, 'failed', message, { cause: error })
}

function fromSourceError(error: SourceError): CliError {
  const { kind, status, message } = error
  const options =
    kind === 'unreachable' || kind === 'timeout'
      ? { cause: error, hint: NO_NODE_HINT }
      : { cause: error }
  if (status === 404) return new CliError(EXIT.notFound, 'not-found', message, options)
  if (status === 401 || status === 403) {
    return new CliError(EXIT.auth, 'not-allowed', message, options)
  }
  if (status === 503) return new CliError(EXIT.syncing, 'not-synced', message, options)
  return new CliError(SOURCE_EXITS[kind], SOURCE_CODES[kind], message, options)
}

/** Commander has already made the did-you-mean part of its message. */
function fromCommander(error: CommanderError): CliError {
  const message = error.message.replace(/^error: /, '')
  return new CliError(EXIT.usage, 'usage', message, {
    cause: error,
    hint: 'see causeway --help',
  })
}

/** A wrong command line that commander cannot know of. */
export function usageError(message: string, hint?: string): CliError {
  return new CliError(EXIT.usage, 'usage', message, hint === undefined ? {} : { hint })
}
