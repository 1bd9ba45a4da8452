import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { utf8 } from '../../src/primitives/bytes.ts'
import { readSecretFile, writeFileDurably } from '../../src/storage/durable-file.ts'
import { SecretFileError, StorageError } from '../../src/storage/storage-error.ts'
import { temporaryDirectory } from './temporary-directory.ts'

it('replaces a file whole, for its owner only, and leaves nothing beside it', async () => {
  const directory = await temporaryDirectory()
  const path = join(directory, 'key')
  await writeFile(path, 'a much longer old content', { mode: 0o644 })
  await writeFileDurably(path, utf8('new'))
  expect(await readFile(path, 'utf8')).toBe('new')
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  expect(await readdir(directory)).toEqual(['key'])
})

it('keeps the old file and cleans up when it cannot replace it', async () => {
  const directory = await temporaryDirectory()
  await expect(writeFileDurably(join(directory, 'absent', 'key'), utf8('x'))).rejects.toThrow(
    StorageError,
  )
  expect(await readdir(directory)).toEqual([])
})

it('reads a secret that only its owner can read', async () => {
  const path = join(await temporaryDirectory(), 'key')
  await writeFileDurably(path, utf8('secret'))
  expect(await readSecretFile(path)).toStrictEqual(utf8('secret'))
  await chmod(path, 0o400)
  expect(await readSecretFile(path)).toStrictEqual(utf8('secret'))
})

it.each([0o640, 0o604, 0o660, 0o601])(
  'refuses a secret with mode %o and says what to do',
  async (mode) => {
    const path = join(await temporaryDirectory(), 'key')
    await writeFileDurably(path, utf8('secret'))
    await chmod(path, mode)
    await expect(readSecretFile(path)).rejects.toThrow(`chmod 600 ${path}`)
  },
)

it('says that a secret file is not there', async () => {
  const path = join(await temporaryDirectory(), 'key')
  await expect(readSecretFile(path)).rejects.toThrow(SecretFileError)
})
