import { expect, it } from 'vitest'
import { utf8 } from '../../src/primitives/bytes.ts'
import type { Write } from '../../src/runtime/runtime.ts'
import { MemoryDisk, openMemoryStore } from '../../src/storage/memory-store.ts'
import { StorageError, StorageLockedError } from '../../src/storage/storage-error.ts'

const put = (key: string, value: string): Write => ({
  kind: 'put',
  key: utf8(key),
  value: utf8(value),
})

it('keeps its entries on the disk from one store to the next', async () => {
  const disk = new MemoryDisk()
  const first = openMemoryStore(disk)
  await first.write([put('a', '1')], { sync: false })
  await first.close()
  expect(openMemoryStore(disk).get(utf8('a'))).toStrictEqual(utf8('1'))
})

it('lets one store at a time have the disk', async () => {
  const disk = new MemoryDisk()
  const first = openMemoryStore(disk)
  expect(() => openMemoryStore(disk)).toThrow(StorageLockedError)
  await first.close()
  expect(openMemoryStore(disk).get(utf8('a'))).toBeUndefined()
})

it('loses unsynced batches, and only those, in a crash', async () => {
  const disk = new MemoryDisk()
  const store = openMemoryStore(disk)
  await store.write([put('a', '1')], { sync: false })
  await store.write([put('b', '1')], { sync: true })
  await store.write([put('a', '2'), put('c', '1'), { kind: 'delete', key: utf8('b') }], {
    sync: false,
  })
  disk.crash()
  expect(() => store.get(utf8('a'))).toThrow(StorageError)
  const again = openMemoryStore(disk)
  expect(again.get(utf8('a'))).toStrictEqual(utf8('1'))
  expect(again.get(utf8('b'))).toStrictEqual(utf8('1'))
  expect(again.get(utf8('c'))).toBeUndefined()
  const keys: Uint8Array[] = []
  for await (const [key] of again.range(utf8('a'), utf8('z'))) keys.push(key)
  expect(keys).toStrictEqual([utf8('a'), utf8('b')])
})
