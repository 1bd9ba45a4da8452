/**
 * Files that survive a power failure whole: written beside their place, synced, renamed over it, and
 * the directory synced. And reading of files that hold secrets.
 */

import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { errorCode, SecretFileError, StorageError } from './storage-error.ts'

/** Longest secret file: keystores and signing state are far below. */
const SECRET_BYTES_MAX = 4 << 20

/**
 * Replaces the file at `path`, or makes it: after a crash it has the old content or the new.
 * `mode` is exact, whatever the umask. @throws StorageError
 */
export async function writeFileDurably(
  path: string,
  content: Uint8Array,
  mode = 0o600,
): Promise<void> {
  const temporary = `${path}.${process.pid}.new`
  try {
    await rm(temporary, { force: true })
    const file = await open(temporary, 'wx', mode)
    try {
      await file.chmod(mode)
      await writeAll(file, content, 0)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
    await syncDirectory(dirname(path))
  } catch (thrown) {
    await rm(temporary, { force: true }).catch(() => undefined)
    throw new StorageError(`cannot write ${path}`, { cause: thrown })
  }
}

/**
 * The content of a file that only its owner may read.
 * @throws SecretFileError when it is absent, readable by others or too long; StorageError otherwise.
 */
export async function readSecretFile(path: string): Promise<Uint8Array> {
  let file: FileHandle
  try {
    file = await open(path, 'r')
  } catch (thrown) {
    const options = { cause: thrown }
    if (errorCode(thrown) === 'ENOENT') throw new SecretFileError(`no such file: ${path}`, options)
    throw new StorageError(`cannot read ${path}`, options)
  }
  try {
    // Of the open file, not of the name: nobody can swap it in between.
    const { mode, size } = await file.stat()
    if ((mode & 0o077) !== 0) {
      const shown = (mode & 0o777).toString(8)
      throw new SecretFileError(
        `${path} has mode ${shown}: others can read it; run chmod 600 ${path}`,
      )
    }
    if (size > SECRET_BYTES_MAX) throw new SecretFileError(`${path} is too long for a secret`)
    return new Uint8Array(await file.readFile())
  } catch (thrown) {
    if (thrown instanceof StorageError) throw thrown
    throw new StorageError(`cannot read ${path}`, { cause: thrown })
  } finally {
    await file.close()
  }
}

/** Writes all of `content` at `position`; the system may take it in several pieces. */
export async function writeAll(
  file: FileHandle,
  content: Uint8Array,
  position: number,
): Promise<void> {
  let written = 0
  while (written < content.length) {
    const piece = content.subarray(written)
    const { bytesWritten } = await file.write(piece, 0, piece.length, position + written)
    if (bytesWritten === 0) throw new StorageError('the system wrote nothing')
    written += bytesWritten
  }
}

/** Makes renames and new names in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
