import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openDataDirectory } from '../../src/storage/data-directory.ts'
import { StorageError, StorageLockedError } from '../../src/storage/storage-error.ts'
import { temporaryDirectory } from './temporary-directory.ts'

it('makes the directory for its owner only and lets go of the lock', async () => {
  const path = join(await temporaryDirectory(), 'a', 'node')
  const directory = await openDataDirectory(path)
  expect((await stat(path)).mode & 0o777).toBe(0o700)
  expect(await readdir(path)).toEqual(['lock'])
  await directory.release()
  expect(await readdir(path)).toEqual([])
  const again = await openDataDirectory(path)
  await again.release()
})

it('refuses a directory that a live process holds, and names the process', async () => {
  const path = await temporaryDirectory()
  const held = await openDataDirectory(path)
  await expect(openDataDirectory(path)).rejects.toThrow(StorageLockedError)
  await expect(openDataDirectory(path)).rejects.toThrow(`process ${process.pid} `)
  await held.release()
})

it('takes over the lock of a process that was killed', async () => {
  const path = await temporaryDirectory()
  const module = new URL('../../src/storage/data-directory.ts', import.meta.url).href
  const script = `const { openDataDirectory } = await import(${JSON.stringify(module)})
    await openDataDirectory(process.argv[1]); console.log('held'); setInterval(() => {}, 1e6)`
  const holder = spawn(process.execPath, ['--input-type=module', '--eval', script, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(holder.stdout, 'data')
  await expect(openDataDirectory(path)).rejects.toThrow(`process ${holder.pid} `)
  holder.kill('SIGKILL')
  await once(holder, 'exit')
  const directory = await openDataDirectory(path)
  await directory.release()
})

it('takes over a lock whose process id now belongs to another process', async () => {
  const path = await temporaryDirectory()
  const held = await openDataDirectory(path)
  const lock = join(path, 'lock')
  const [processId, , nonce] = (await readFile(lock, 'utf8')).trim().split(' ')
  await writeFile(lock, `${processId} another-boot/1 ${nonce}\n`)
  const directory = await openDataDirectory(path)
  // The one that lost the directory must not remove the other's lock.
  await held.release()
  await expect(openDataDirectory(path)).rejects.toThrow(StorageLockedError)
  await directory.release()
})

it('gives a stale lock to one of many that want it', async () => {
  const path = await temporaryDirectory()
  await writeFile(join(path, 'lock'), 'nonsense')
  const outcomes = await Promise.allSettled(
    Array.from({ length: 20 }, () => openDataDirectory(path)),
  )
  const winners = outcomes.filter(({ status }) => status === 'fulfilled')
  expect(winners).toHaveLength(1)
  expect(await readdir(path)).toEqual(['lock'])
})

it('reports a path that cannot be a directory', async () => {
  const path = join(await temporaryDirectory(), 'file')
  await writeFile(path, 'x')
  await expect(openDataDirectory(path)).rejects.toThrow(StorageError)
})
