import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { openLevelStore } from '../../src/storage/level-store.ts'
import { importSnapshotDirectory } from '../../src/storage/snapshot-directory.ts'
import { openSnapshotFile, writeSnapshotFile } from '../../src/storage/snapshot-file.ts'
import { StorageError } from '../../src/storage/storage-error.ts'
import { chainOf, finalBlocks, openChain } from '../support/certified-chain.ts'
import { testParams } from '../support/chain-world.ts'
import { snapshotOf, sourceOf } from '../support/snapshot-bytes.ts'
import { temporaryDirectory } from './temporary-directory.ts'

const params = testParams()
let snapshot: Uint8Array

beforeAll(async () => {
  snapshot = await snapshotOf(await chainOf(params, finalBlocks(params, 5)))
})

async function* pieces(...all: readonly Uint8Array[]): AsyncIterable<{ bytes: Uint8Array }> {
  for (const bytes of all) yield { bytes }
}

class InterruptedHere extends Error {
  override readonly name = 'InterruptedHere'
}

const ignore = (): void => undefined

describe('a snapshot file', () => {
  it('is read as it was written', async () => {
    const path = join(await temporaryDirectory(), 'snapshot')
    expect(
      await writeSnapshotFile(path, pieces(snapshot.subarray(0, 9), snapshot.subarray(9))),
    ).toBe(snapshot.length)
    const file = await openSnapshotFile(path)
    expect(file.sizeBytes).toBe(snapshot.length)
    const database = `${path}-chain`
    expect((await importSnapshotDirectory(params, file, database, ignore)).ok).toBe(true)
    await file.close()
    const store = await openLevelStore(database)
    expect((await openChain(params, store)).state().tip.height).toBe(5)
    await store.close()
  })

  it('never replaces another file, and leaves nothing of one that failed', async () => {
    const directory = await temporaryDirectory()
    const path = join(directory, 'snapshot')
    await writeFile(path, 'precious')
    await expect(writeSnapshotFile(path, pieces(snapshot))).rejects.toThrow(/a file already/)
    const failing = async function* (): AsyncIterable<{ bytes: Uint8Array }> {
      yield { bytes: snapshot }
      throw new InterruptedHere('full')
    }
    await expect(writeSnapshotFile(`${path}-2`, failing())).rejects.toThrow(StorageError)
    expect(await readdir(directory)).toEqual(['snapshot'])
    await expect(openSnapshotFile(`${path}-2`)).rejects.toThrow(/no such file/)
  })
})

describe('importing into a directory', () => {
  it('refuses one that holds a chain', async () => {
    const path = join(await temporaryDirectory(), 'chain')
    await mkdir(path)
    await expect(importSnapshotDirectory(params, sourceOf(snapshot), path, ignore)).rejects.toThrow(
      /a chain already/,
    )
  })

  it('leaves nothing when the snapshot is refused or the work is interrupted', async () => {
    const directory = await temporaryDirectory()
    const path = join(directory, 'chain')
    const cut = sourceOf(snapshot.subarray(0, -1))
    expect(await importSnapshotDirectory(params, cut, path, ignore)).toMatchObject({ ok: false })
    const interrupt = (): void => {
      throw new InterruptedHere('stop')
    }
    await expect(
      importSnapshotDirectory(params, sourceOf(snapshot), path, interrupt),
    ).rejects.toThrow(InterruptedHere)
    expect(await readdir(directory)).toEqual([])
  })

  it('clears away what an import that was killed has left', async () => {
    const directory = await temporaryDirectory()
    const path = join(directory, 'chain')
    const half = await openLevelStore(`${path}.importing`)
    await half.write([{ kind: 'put', key: Uint8Array.of(2, 0xff), value: Uint8Array.of(1) }], {
      sync: true,
    })
    await half.close()
    const read = await importSnapshotDirectory(params, sourceOf(snapshot), path, ignore)
    expect(read.ok).toBe(true)
    expect(await readdir(directory)).toEqual(['chain'])
    const store = await openLevelStore(path)
    // Its state would not be the block's with a record too many.
    expect((await openChain(params, store)).state().tip.height).toBe(5)
    await store.close()
  })
})
