import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareBytes, equalBytes, utf8 } from '../../src/primitives/bytes.ts'
import type { KeyValueStore, Write } from '../../src/runtime/runtime.ts'
import { openLevelStore } from '../../src/storage/level-store.ts'
import { openMemoryStore } from '../../src/storage/memory-store.ts'
import { temporaryDirectory } from './temporary-directory.ts'

type Open = () => Promise<KeyValueStore>

const stores: readonly (readonly [string, Open])[] = [
  ['LevelDB', async () => openLevelStore(await temporaryDirectory())],
  ['memory', () => Promise.resolve(openMemoryStore())],
]

const put = (key: string, value: string): Write => ({
  kind: 'put',
  key: utf8(key),
  value: utf8(value),
})
const remove = (key: string): Write => ({ kind: 'delete', key: utf8(key) })

async function listed(
  store: KeyValueStore,
  from: string,
  to: string,
  options: { limit?: number; reverse?: boolean } = {},
): Promise<string[]> {
  const found: string[] = []
  for await (const [key] of store.range(utf8(from), utf8(to), options)) {
    found.push(new TextDecoder().decode(key))
  }
  return found
}

describe.each(stores)('the key-value port over %s', (_name, open) => {
  it('walks through more than it reads at once', async () => {
    const store = await open()
    const keys = Array.from({ length: 2_500 }, (_, i) => String(i).padStart(4, '0'))
    await store.write(
      keys.map((key) => put(key, '')),
      { sync: false },
    )
    expect(await listed(store, '0000', '9')).toEqual(keys)
    expect(await listed(store, '0000', '9', { limit: 1_500, reverse: true })).toEqual(
      keys.toReversed().slice(0, 1_500),
    )
    await store.close()
  })

  it('returns what was written, and nothing for what was deleted or never there', async () => {
    const store = await open()
    await store.write([put('a', '1'), put('b', '2')], { sync: true })
    await store.write([remove('a')], { sync: false })
    expect(store.get(utf8('a'))).toBeUndefined()
    expect(store.get(utf8('b'))).toStrictEqual(utf8('2'))
    expect(store.get(utf8('c'))).toBeUndefined()
    await store.close()
  })

  it('keeps empty values and takes the last of several writes to one key', async () => {
    const store = await open()
    await store.write([put('a', '1'), remove('a'), put('a', ''), remove('b'), put('b', 'x')], {
      sync: false,
    })
    expect(store.get(utf8('a'))).toStrictEqual(new Uint8Array())
    expect(store.get(utf8('b'))).toStrictEqual(utf8('x'))
    await store.close()
  })

  it('lists ranges from inclusive to exclusive, both ways, up to a limit', async () => {
    const store = await open()
    await store.write(
      ['a', 'b', 'ba', 'c', 'd'].map((key) => put(key, key)),
      { sync: false },
    )
    expect(await listed(store, 'b', 'd')).toEqual(['b', 'ba', 'c'])
    expect(await listed(store, 'b', 'd', { reverse: true, limit: 2 })).toEqual(['c', 'ba'])
    expect(await listed(store, 'a', 'z', { limit: 0 })).toEqual([])
    expect(await listed(store, 'd', 'b')).toEqual([])
    await store.close()
  })

  it('shows a range as it stood when the first entry was read', async () => {
    const store = await open()
    await store.write([put('a', '1'), put('b', '2')], { sync: false })
    const seen: string[] = []
    for await (const [key, value] of store.range(utf8('a'), utf8('z'))) {
      seen.push(new TextDecoder().decode(key) + new TextDecoder().decode(value))
      await store.write([put('b', '9'), put('c', '3')], { sync: false })
    }
    expect(seen).toEqual(['a1', 'b2'])
    await store.close()
  })

  it('shares no memory with the caller', async () => {
    const store = await open()
    const value = utf8('value')
    await store.write([{ kind: 'put', key: utf8('k'), value }], { sync: false })
    value.fill(0)
    const first = store.get(utf8('k'))
    first?.fill(1)
    expect(store.get(utf8('k'))).toStrictEqual(utf8('value'))
    await store.close()
  })

  it('refuses work after it was closed', async () => {
    const store = await open()
    await store.close()
    expect(() => store.get(utf8('a'))).toThrow(/closed|failed/)
    await expect(store.write([put('a', '1')], { sync: true })).rejects.toThrow(/closed|failed/)
  })

  it('behaves like an ordered map of bytes', async () => {
    const store = await open()
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 3, max: 3 })
    const write = fc.record({ key: bytes, value: fc.option(bytes, { nil: undefined }) })
    let round = 0
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(write)), bytes, bytes, async (batches, from, to) => {
        // Every round has its own part of the key space.
        const scope = Uint8Array.of(round >> 8, round++ & 0xff)
        const scoped = (key: Uint8Array): Uint8Array => Uint8Array.of(...scope, ...key)
        const model: [Uint8Array, Uint8Array][] = []
        for (const batch of batches) {
          await store.write(
            batch.map(({ key, value }) =>
              value === undefined
                ? { kind: 'delete', key: scoped(key) }
                : { kind: 'put', key: scoped(key), value },
            ),
            { sync: false },
          )
          for (const { key, value } of batch) {
            const at = model.findIndex(([known]) => equalBytes(known, scoped(key)))
            if (at >= 0) model.splice(at, 1)
            if (value !== undefined) model.push([scoped(key), value])
          }
        }
        const expected = model
          .filter(([key]) => compareBytes(key, scoped(from)) >= 0)
          .filter(([key]) => compareBytes(key, scoped(to)) < 0)
          .toSorted(([a], [b]) => compareBytes(a, b))
        const found: (readonly [Uint8Array, Uint8Array])[] = []
        for await (const entry of store.range(scoped(from), scoped(to))) found.push(entry)
        expect(found).toStrictEqual(expected)
      }),
      { numRuns: 50 },
    )
    await store.close()
  })
})
