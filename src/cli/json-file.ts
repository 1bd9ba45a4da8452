/** A JSON file that the user names, e.g. a genesis file. */

import { readFile } from 'node:fs/promises'
import { CliError, usageError } from './cli-error.ts'
import { EXIT } from './exit-codes.ts'

const MAX_FILE_LENGTH = 1_000_000

/** @throws CliError when the file is missing, too large, or not JSON. */
export async function readJsonFile(path: string): Promise<unknown> {
  try {
    const text = await readFile(path, 'utf8')
    if (text.length > MAX_FILE_LENGTH) throw usageError(`${path} is too large`)
    return JSON.parse(text)
  } catch (cause) {
    if (cause instanceof CliError) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new CliError(EXIT.usage, 'unreadable-file', `cannot read ${path}: ${reason}`, { cause })
  }
}
