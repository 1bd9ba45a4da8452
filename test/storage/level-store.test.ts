import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, it } from 'vitest'
import { openLevelStore } from '../../src/storage/level-store.ts'
import {
  StorageCorruptError,
  StorageError,
  StorageLockedError,
} from '../../src/storage/storage-error.ts'
import { temporaryDirectory } from './temporary-directory.ts'

const WRITER = `
import { openLevelStore } from ${JSON.stringify(new URL('../../src/storage/level-store.ts', import.meta.url).href)}
const store = await openLevelStore(process.argv[1])
const number = (n) => { const b = new Uint8Array(4); new DataView(b.buffer).setUint32(0, n); return b }
for (let round = 1; ; round++) {
  const batch = []
  for (let i = 0; i < 500; i++) batch.push({ kind: 'put', key: number(i), value: number(round) })
  await store.write(batch, { sync: true })
  console.log(round)
}
`

function startWriter(path: string): ChildProcess {
  return spawn(process.execPath, ['--input-type=module', '--eval', WRITER, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

/** Resolves with the number of the last batch that the writer called durable. */
async function killAfter(writer: ChildProcess, rounds: number): Promise<number> {
  let last = 0
  for await (const line of createInterface({ input: writer.stdout! })) {
    last = Number(line)
    if (last === rounds) writer.kill('SIGKILL')
  }
  return last
}

it('has every acknowledged batch, whole, after its process was killed', async () => {
  const path = await temporaryDirectory()
  const acknowledged = await killAfter(startWriter(path), 20)
  expect(acknowledged).toBeGreaterThanOrEqual(20)

  const store = await openLevelStore(path)
  const rounds = new Set<number>()
  let count = 0
  for await (const [, value] of store.range(new Uint8Array(4), new Uint8Array(4).fill(0xff))) {
    rounds.add(new DataView(value.buffer, value.byteOffset).getUint32(0))
    count++
  }
  expect(count).toBe(500)
  expect(rounds.size).toBe(1)
  expect([...rounds][0]).toBeGreaterThanOrEqual(acknowledged)
  await store.close()
})

it('refuses a database that another process has open, and says so', async () => {
  const path = await temporaryDirectory()
  const writer = startWriter(path)
  await once(writer.stdout!, 'data')
  await expect(openLevelStore(path)).rejects.toThrow(StorageLockedError)
  writer.kill('SIGKILL')
  await once(writer, 'exit')
  const store = await openLevelStore(path)
  await store.close()
})

it('tells a damaged database from other failures', async () => {
  const path = await temporaryDirectory()
  const store = await openLevelStore(path)
  await store.write([{ kind: 'put', key: Uint8Array.of(1), value: Uint8Array.of(2) }], {
    sync: true,
  })
  await store.close()
  for (const name of await readdir(path)) {
    if (name.startsWith('MANIFEST')) await writeFile(join(path, name), 'not a manifest')
  }
  const refusal = openLevelStore(path)
  await expect(refusal).rejects.toThrow(StorageCorruptError)
  await expect(refusal).rejects.toHaveProperty('cause')
})

it('wraps what the system says when the path cannot be a directory', async () => {
  const path = join(await temporaryDirectory(), 'file')
  await writeFile(path, 'x')
  await expect(openLevelStore(path)).rejects.toThrow(StorageError)
  await rm(path)
  await mkdir(path)
  const store = await openLevelStore(path)
  await store.close()
})
