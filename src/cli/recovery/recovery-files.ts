/** The files of a recovery: PSBTs as base64 text, and keys as hex. */

import { randomBytes } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { bytesToHex, hexToBytes, isHex, utf8 } from '../../primitives/bytes.ts'
import { xOnlyPublicKey } from '../../primitives/secp256k1.ts'
import { readSecretFile, writeFileDurably } from '../../storage/durable-file.ts'
import { CliError, usageError } from '../cli-error.ts'
import { EXIT } from '../exit-codes.ts'
import { exists } from '../node/node-home.ts'

const PSBT_FILE_BYTES_MAX = 8_000_000
/** BIP174's magic bytes: a file may also hold the PSBT itself. */
const PSBT_MAGIC = 'psbt\xff'

/** Base64, whatever of the two forms the file has. @throws CliError */
export async function readPsbtFile(path: string): Promise<string> {
  try {
    const { size } = await stat(path)
    if (size > PSBT_FILE_BYTES_MAX) throw usageError(`${path} is too long for a PSBT`)
    const text = await readFile(path, 'latin1')
    return text.startsWith(PSBT_MAGIC) ? await readFile(path, 'base64') : text.trim()
  } catch (cause) {
    if (cause instanceof CliError) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new CliError(EXIT.usage, 'unreadable-file', `cannot read ${path}: ${reason}`, { cause })
  }
}

export async function writePsbtFile(path: string, base64: string): Promise<void> {
  await writeFileDurably(path, utf8(`${base64}\n`), 0o644)
}

/** @throws CliError when there is something already: it might hold signatures, or a key. */
export async function requireNewFile(path: string): Promise<void> {
  if (!(await exists(path))) return
  throw new CliError(EXIT.failed, 'file-exists', `there is a file already: ${path}`, {
    hint: 'choose another name',
  })
}

/** "recovery.psbt", or "recovery-1.psbt", "recovery-2.psbt" … */
export function numberedName(path: string, index: number, count: number): string {
  if (count === 1) return path
  const dot = path.lastIndexOf('.')
  const [stem, end] =
    dot > path.lastIndexOf('/') + 1 ? [path.slice(0, dot), path.slice(dot)] : [path, '']
  return `${stem}-${index + 1}${end}`
}

/** Makes a key; returns the public one, x-only, hex. @throws CliError when the file exists. */
export async function createRecoveryKey(path: string): Promise<string> {
  await requireNewFile(path)
  const secret = new Uint8Array(randomBytes(32))
  await writeFileDurably(path, utf8(`${bytesToHex(secret)}\n`), 0o600)
  return xOnlyPublicKey(secret)
}

/** 32 bytes. @throws CliError, and SecretFileError when others can read the file. */
export async function readRecoveryKey(path: string): Promise<Uint8Array> {
  const text = new TextDecoder().decode(await readSecretFile(path)).trim()
  if (isHex(text, 32)) return hexToBytes(text)
  throw new CliError(EXIT.usage, 'bad-key-file', `${path} does not hold 32 bytes of hex`)
}
