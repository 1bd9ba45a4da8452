/**
 * The wallet file: one JSON document, mode 0600, replaced atomically. The recovery words are
 * encrypted; the account's extended public key is not, so that addresses and balances need no
 * passphrase. Whoever can write the file could therefore show foreign addresses: unlocking
 * compares the public key with the one that the words give.
 */

import { constants } from 'node:fs'
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { bytesToHex, utf8 } from '../primitives/bytes.ts'
import type { Random } from '../runtime/runtime.ts'
import { AccountScripts, MAX_KEY_INDEX } from './account.ts'
import { secretBoxSchema } from './secret-box.ts'
import { WalletError } from './wallet-error.ts'

/** A wallet file is about 1 kB. */
const MAX_FILE_BYTES = 65_536
const FORMAT = 'causeway-wallet'

const accountSchema = z.strictObject({
  kind: z.enum(['p2tr', 'p2wpkh']),
  coinType: z.union([z.literal(0), z.literal(1)]),
  fingerprint: z.string().regex(/^[0-9a-f]{8}$/),
  xpub: z.string().max(120),
})

const walletFileSchema = z.strictObject({
  format: z.literal(FORMAT),
  version: z.literal(1),
  /** Name of the network and its bech32 prefix, for addresses without a node. */
  network: z.strictObject({
    name: z.string().regex(/^[a-z0-9-]{1,32}$/),
    addressPrefix: z.string().regex(/^[a-z]{2,5}$/),
  }),
  account: accountSchema,
  createdMs: z.int().min(0),
  /** True when the box is sealed under the empty passphrase, by the owner's express wish. */
  withoutPassphrase: z.boolean(),
  secret: secretBoxSchema,
  /** First index of each branch that was never handed out or seen used. */
  next: z.strictObject({
    receive: z.int().min(0).max(MAX_KEY_INDEX),
    change: z.int().min(0).max(MAX_KEY_INDEX),
  }),
})

export type WalletFile = z.infer<typeof walletFileSchema>

/** What the secret box authenticates: everything that must not change during a wallet's life. */
export function walletContext(file: Pick<WalletFile, 'network' | 'account'>): Uint8Array {
  const { network, account } = file
  return utf8(
    JSON.stringify([
      FORMAT,
      network.name,
      network.addressPrefix,
      account.kind,
      account.coinType,
      account.fingerprint,
      account.xpub,
    ]),
  )
}

/** @throws WalletError `corrupt-file` for anything but a wallet file's JSON. */
export function decodeWalletFile(text: string): WalletFile {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    throw new WalletError('corrupt-file', 'not JSON', { cause })
  }
  const parsed = walletFileSchema.safeParse(json)
  if (!parsed.success) throw new WalletError('corrupt-file', z.prettifyError(parsed.error))
  try {
    return { ...parsed.data, account: new AccountScripts(parsed.data.account).account }
  } catch (cause) {
    throw new WalletError('corrupt-file', 'the extended public key is malformed', { cause })
  }
}

/** The path of a named wallet. @throws WalletError `bad-name`: names become file names. */
export function walletPath(directory: string, name: string): string {
  if (!/^[a-z0-9][a-z0-9_-]{0,63}$/i.test(name)) {
    throw new WalletError('bad-name', 'wallet names have letters, digits, - and _, at most 64')
  }
  return join(directory, `${name}.json`)
}

/** @throws WalletError `no-file`, `unreadable-file` or `corrupt-file`. */
export async function readWalletFile(path: string): Promise<WalletFile> {
  let text: string
  try {
    await using file = await open(path, constants.O_RDONLY)
    const { size } = await file.stat()
    if (size > MAX_FILE_BYTES) throw new WalletError('corrupt-file', `${path} is too large`)
    text = await file.readFile('utf8')
  } catch (cause) {
    if (cause instanceof WalletError) throw cause
    if (errorCode(cause) === 'ENOENT') {
      throw new WalletError('no-file', `there is no wallet at ${path}`, { cause })
    }
    throw new WalletError('unreadable-file', `cannot read ${path}`, { cause })
  }
  try {
    return decodeWalletFile(text)
  } catch (cause) {
    if (!(cause instanceof WalletError)) throw cause
    throw new WalletError(cause.code, `${path} is not a wallet file: ${cause.message}`, { cause })
  }
}

/**
 * Writes beside the file, syncs, and renames over it, so that a crash leaves the old or the new.
 * @throws WalletError `file-exists` unless `replace`; `unreadable-file` when the disk refuses.
 */
export async function writeWalletFile(
  path: string,
  file: WalletFile,
  options: { readonly replace: boolean; readonly random: Random },
): Promise<void> {
  const directory = dirname(path)
  const temporary = `${path}.${bytesToHex(options.random.bytes(6))}.new`
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    if (!options.replace) await claimName(path)
    await writeSynced(temporary, `${JSON.stringify(file, undefined, 2)}\n`)
    await rename(temporary, path)
    await syncDirectory(directory)
  } catch (cause) {
    await rm(temporary, { force: true })
    if (cause instanceof WalletError) throw cause
    throw new WalletError('unreadable-file', `cannot write ${path}`, { cause })
  }
}

/** Names of the wallets in a directory, sorted; empty when there is none. */
export async function listWallets(directory: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(directory)
    return entries
      .filter((entry) => entry.endsWith('.json'))
      .map((entry) => entry.slice(0, -'.json'.length))
      .toSorted()
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return []
    throw new WalletError('unreadable-file', `cannot list ${directory}`, { cause })
  }
}

/** Creates the name exclusively: two creations at once cannot both succeed. */
async function claimName(path: string): Promise<void> {
  try {
    await using _claimed = await open(path, 'wx', 0o600)
  } catch (cause) {
    if (errorCode(cause) !== 'EEXIST') throw cause
    throw new WalletError('file-exists', `there is already a wallet at ${path}`, { cause })
  }
}

async function writeSynced(path: string, text: string): Promise<void> {
  await using file = await open(path, 'wx', 0o600)
  await file.writeFile(text)
  await file.sync()
}

async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path, constants.O_RDONLY)
  await directory.sync()
}

function errorCode(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
