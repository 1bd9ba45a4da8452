/**
 * A wallet as the commands use it: its file under `<home>/wallets`, its passphrase from
 * CAUSEWAY_WALLET_PASSPHRASE or the terminal, and its view of the chain through a node's Esplora
 * API. Every command that goes to the node first compares the address prefixes.
 */

import { join } from 'node:path'
import { AccountScripts } from '../wallet/account.ts'
import type { ChainSource } from '../wallet/chain-source.ts'
import { createEsploraSource } from '../wallet/esplora-source.ts'
import { type ScanResult, scanAccount } from '../wallet/scan.ts'
import { type UnlockedWallet, unlockWallet } from '../wallet/wallet.ts'
import {
  readWalletFile,
  type WalletFile,
  walletPath,
  writeWalletFile,
} from '../wallet/wallet-file.ts'
import { CliError, usageError } from './cli-error.ts'
import type { CommandContext } from './command-context.ts'
import { EXIT } from './exit-codes.ts'
import type { NodeStatus } from './node-answers.ts'

export const DEFAULT_WALLET = 'default'
const PASSPHRASE_VARIABLE = 'CAUSEWAY_WALLET_PASSPHRASE'
/** Typing mistakes forgiven at the terminal. */
const PASSPHRASE_ATTEMPTS = 3

export interface WalletSession {
  readonly name: string
  readonly path: string
  readonly file: WalletFile
  readonly scripts: AccountScripts
}

export function walletsDirectory(context: CommandContext): string {
  return join(context.home, 'wallets')
}

export async function openSession(context: CommandContext, name: string): Promise<WalletSession> {
  const path = walletPath(walletsDirectory(context), name)
  const file = await readWalletFile(path)
  return { name, path, file, scripts: new AccountScripts(file.account) }
}

/** The passphrase of a wallet to be made; empty when the user wants none. */
export async function newPassphrase(context: CommandContext, wanted: boolean): Promise<string> {
  if (!wanted) return ''
  const { io } = context
  const given = io.env[PASSPHRASE_VARIABLE]
  if (given !== undefined && given !== '') return given
  const hint = `set ${PASSPHRASE_VARIABLE}, or accept the risk with --no-passphrase`
  if (!io.stdinIsTerminal) throw usageError('the new wallet needs a passphrase', hint)
  const first = await io.ask('New passphrase: ', { secret: true })
  if (first === '') throw usageError('the passphrase is empty', hint)
  const again = await io.ask('Again: ', { secret: true })
  if (first !== again) throw usageError('the passphrases differ')
  return first
}

export async function unlockSession(
  context: CommandContext,
  session: WalletSession,
): Promise<UnlockedWallet> {
  const { io } = context
  const { file } = session
  if (file.withoutPassphrase) return await unlockWallet(file, '')
  const given = io.env[PASSPHRASE_VARIABLE]
  if (given !== undefined && given !== '') return await unlockWallet(file, given)
  if (!io.stdinIsTerminal) {
    throw new CliError(EXIT.auth, 'passphrase-needed', `wallet ${session.name} is locked`, {
      hint: `set ${PASSPHRASE_VARIABLE}, or run this in a terminal`,
    })
  }
  for (let attempt = 1; ; attempt++) {
    const typed = await io.ask(`Passphrase of wallet ${session.name}: `, { secret: true })
    try {
      return await unlockWallet(file, typed)
    } catch (error) {
      if (attempt === PASSPHRASE_ATTEMPTS) throw error
      context.output.progress('That is not the passphrase.')
    }
  }
}

/** The node's status, after checking that it speaks for the wallet's network. */
export async function statusForWallet(
  context: CommandContext,
  session: WalletSession,
): Promise<NodeStatus> {
  const status = await context.node.status()
  const { name, addressPrefix } = session.file.network
  if (status.addressPrefix === addressPrefix && status.network === name) return status
  throw new CliError(
    EXIT.rejected,
    'wrong-network',
    `wallet ${session.name} is for network ${name} (${addressPrefix}1…), the node is on ${status.network} (${status.addressPrefix}1…)`,
    { hint: 'choose a wallet of that network with --wallet NAME, or another node with --api URL' },
  )
}

/** @throws CliError exit 5 while the node is catching up: its view of coins is old. */
export function requireSynced(status: NodeStatus): void {
  if (status.halted !== null) {
    throw new CliError(EXIT.failed, 'node-halted', `the node has stopped: ${status.halted}`)
  }
  if (status.synced) return
  throw new CliError(
    EXIT.syncing,
    'not-synced',
    `the node is catching up; it is at height ${status.height}`,
    { hint: 'try again in a moment: causeway chain tip' },
  )
}

export function chainSource(context: CommandContext): ChainSource {
  return createEsploraSource({ baseUrl: `${context.apiUrl}/api`, signal: context.io.interrupted })
}

export interface ScannedWallet {
  readonly session: WalletSession
  readonly source: ChainSource
  readonly status: NodeStatus
  readonly scan: ScanResult
}

/** Looks for the wallet's coins and remembers which addresses were seen used. */
export async function scanWallet(context: CommandContext, name: string): Promise<ScannedWallet> {
  const opened = await openSession(context, name)
  const status = await statusForWallet(context, opened)
  requireSynced(status)
  const source = chainSource(context)
  const scan = await scanAccount(source, opened.scripts, { handedOut: opened.file.next })
  const session = await advanceSession(context, opened, scan.next)
  return { session, source, status, scan }
}

/** Stores higher next indices; a no-op when nothing is new. */
export async function advanceSession(
  context: CommandContext,
  session: WalletSession,
  next: WalletFile['next'],
): Promise<WalletSession> {
  const before = session.file.next
  const after = {
    receive: Math.max(before.receive, next.receive),
    change: Math.max(before.change, next.change),
  }
  if (after.receive === before.receive && after.change === before.change) return session
  const file: WalletFile = { ...session.file, next: after }
  await writeWalletFile(session.path, file, { replace: true, random: context.io.random })
  return { ...session, file }
}
