/**
 * A snapshot as a database directory that appears whole or not at all: it is filled under another
 * name, which gets its own when everything in it has been verified. What an import that was killed
 * has left behind is removed by the next one.
 */

import { rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { ChainParams } from '../chain/params.ts'
import type { Rejection, Result } from '../primitives/result.ts'
import { syncDirectory } from './durable-file.ts'
import { openLevelStore } from './level-store.ts'
import { importSnapshot } from './snapshot-import.ts'
import type { ReadSnapshot, SnapshotProgress } from './snapshot-reader.ts'
import type { ByteSource } from './snapshot-sections.ts'
import { StorageError } from './storage-error.ts'

/**
 * Makes the database directory `path` out of a snapshot. The caller holds the data directory's lock.
 * @throws StorageError when there is one already or the disk fails, and what `onProgress` throws.
 */
export async function importSnapshotDirectory(
  params: ChainParams,
  source: ByteSource,
  path: string,
  onProgress: (progress: SnapshotProgress) => void,
): Promise<Result<ReadSnapshot, Rejection>> {
  if (await exists(path)) throw new StorageError(`there is a chain already: ${path}`)
  const draft = `${path}.importing`
  await remove(draft)
  try {
    const read = await fill(params, source, draft, onProgress)
    if (read.ok) {
      await rename(draft, path)
      await syncDirectory(dirname(path))
    }
    return read
  } catch (thrown) {
    if (thrown instanceof Error && 'syscall' in thrown) {
      throw new StorageError(`cannot make ${path}`, { cause: thrown })
    }
    throw thrown
  } finally {
    await remove(draft)
  }
}

async function fill(
  params: ChainParams,
  source: ByteSource,
  path: string,
  onProgress: (progress: SnapshotProgress) => void,
): Promise<Result<ReadSnapshot, Rejection>> {
  const store = await openLevelStore(path)
  try {
    return await importSnapshot(params, source, store, onProgress)
  } finally {
    await store.close()
  }
}

async function remove(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true })
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
