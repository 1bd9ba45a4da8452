/** Snapshots as files: read as a stream, written so that the name appears with the whole file. */

import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { syncDirectory, writeAll } from './durable-file.ts'
import type { ByteSource } from './snapshot-sections.ts'
import { errorCode, StorageError } from './storage-error.ts'

export interface SnapshotFile extends ByteSource {
  readonly sizeBytes: number
  close(): Promise<void>
}

/** @throws StorageError when there is no such file, or it cannot be read. */
export async function openSnapshotFile(path: string): Promise<SnapshotFile> {
  let file: FileHandle
  try {
    file = await open(path, 'r')
  } catch (thrown) {
    const why = errorCode(thrown) === 'ENOENT' ? 'no such file' : 'cannot read'
    throw new StorageError(`${why}: ${path}`, { cause: thrown })
  }
  try {
    return new OpenSnapshotFile(path, file, (await file.stat()).size)
  } catch (thrown) {
    await file.close()
    throw new StorageError(`cannot read: ${path}`, { cause: thrown })
  }
}

class OpenSnapshotFile implements SnapshotFile {
  readonly sizeBytes: number
  readonly #path: string
  readonly #file: FileHandle
  #offset = 0

  constructor(path: string, file: FileHandle, sizeBytes: number) {
    this.#path = path
    this.#file = file
    this.sizeBytes = sizeBytes
  }

  async read(length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length)
    let filled = 0
    try {
      while (filled < length) {
        const at = this.#offset + filled
        const { bytesRead } = await this.#file.read(bytes, filled, length - filled, at)
        if (bytesRead === 0) break
        filled += bytesRead
      }
    } catch (thrown) {
      throw new StorageError(`cannot read: ${this.#path}`, { cause: thrown })
    }
    this.#offset += filled
    return bytes.subarray(0, filled)
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}

/**
 * Writes the pieces to `path`, which must not exist; returns the length in bytes.
 * @throws StorageError; the file is then not there.
 */
export async function writeSnapshotFile(
  path: string,
  pieces: AsyncIterable<{ readonly bytes: Uint8Array }>,
): Promise<number> {
  const draft = `${path}.${process.pid}.new`
  try {
    // Holds the name, so that nothing that is there already is ever replaced.
    await (await open(path, 'wx', 0o644)).close()
  } catch (thrown) {
    const why = errorCode(thrown) === 'EEXIST' ? 'there is a file already' : 'cannot write'
    throw new StorageError(`${why}: ${path}`, { cause: thrown })
  }
  try {
    const size = await writeDraft(draft, pieces)
    await rename(draft, path)
    await syncDirectory(dirname(path))
    return size
  } catch (thrown) {
    await rm(draft, { force: true })
    await rm(path, { force: true })
    if (thrown instanceof StorageError) throw thrown
    throw new StorageError(`cannot write: ${path}`, { cause: thrown })
  }
}

async function writeDraft(
  path: string,
  pieces: AsyncIterable<{ readonly bytes: Uint8Array }>,
): Promise<number> {
  const file = await open(path, 'wx', 0o644)
  try {
    let size = 0
    for await (const { bytes } of pieces) {
      await writeAll(file, bytes, size)
      size += bytes.length
    }
    await file.sync()
    return size
  } finally {
    await file.close()
  }
}
