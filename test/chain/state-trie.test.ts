import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  readStateProof,
  type StateProof,
  verifyStateProof,
  writeStateProof,
} from '../../src/chain/state-proof.ts'
import { buildStateTrie, StateTrie } from '../../src/chain/state-trie.ts'
import { AssertionError } from '../../src/primitives/assert.ts'
import { bytesToHex, concatBytes, hexToBytes, utf8 } from '../../src/primitives/bytes.ts'
import { DecodeError, decodeAll, encodeWith } from '../../src/primitives/codec.ts'
import { type Hash32, toHash32 } from '../../src/primitives/hashes.ts'
import { sha256, taggedHash } from '../../src/primitives/sha256.ts'

type Records = ReadonlyMap<string, Uint8Array>

/** The definition, word for word: no sharing, no batches. */
function modelRoot(records: Records): string {
  const leaves = [...records].map(([key, value]) => ({
    path: taggedHash('causeway/state-key', hexToBytes(key)),
    value: sha256(value),
  }))
  return bytesToHex(subtree(leaves, 0))
}

function subtree(
  leaves: readonly { path: Uint8Array; value: Uint8Array }[],
  depth: number,
): Uint8Array {
  const [only] = leaves
  if (only === undefined) return new Uint8Array(32)
  if (leaves.length === 1) return sha256(concatBytes(Uint8Array.of(0), only.path, only.value))
  const side = (wanted: string): typeof leaves =>
    leaves.filter(
      ({ path }) => path[depth >> 3]?.toString(2).padStart(8, '0')[depth & 7] === wanted,
    )
  return sha256(
    concatBytes(Uint8Array.of(1), subtree(side('0'), depth + 1), subtree(side('1'), depth + 1)),
  )
}

function update(trie: StateTrie, puts: Records, deletes: readonly string[] = []): StateTrie {
  trie.apply(trie.prepare({ puts, deletes: new Set(deletes) }))
  return trie
}

function build(records: Records): StateTrie {
  return update(new StateTrie(), records)
}

const key = fc.integer({ min: 0, max: 40 }).map((id) => `63${id.toString(16).padStart(4, '0')}`)
const value = fc.uint8Array({ maxLength: 3 })
const batch = fc.record({
  puts: fc.array(fc.tuple(key, value), { maxLength: 25 }).map((list) => new Map(list)),
  deletes: fc.array(key, { maxLength: 25 }),
})

describe('the state commitment', () => {
  it('is the definition’s, whatever the history', () => {
    fc.assert(
      fc.property(fc.array(batch, { maxLength: 8 }), (batches) => {
        const records = new Map<string, Uint8Array>()
        const trie = new StateTrie()
        for (const { puts, deletes } of batches) {
          const removed = deletes.filter((each) => !puts.has(each))
          update(trie, puts, removed)
          for (const [at, bytes] of puts) records.set(at, bytes)
          for (const at of removed) records.delete(at)
          expect(trie.root).toBe(modelRoot(records))
          expect(trie.size).toBe(records.size)
        }
        for (const at of [...records.keys(), '639999']) {
          expect(trie.prove(at)).toEqual(build(records).prove(at))
        }
      }),
      { numRuns: 200 },
    )
  })

  it('is zero for nothing, and for what has become nothing', () => {
    expect(new StateTrie().root).toBe('00'.repeat(32))
    const trie = build(new Map([['6301', Uint8Array.of(1)]]))
    expect(trie.root).not.toBe('00'.repeat(32))
    expect(update(trie, new Map(), ['6301']).root).toBe('00'.repeat(32))
    expect(trie.size).toBe(0)
  })

  it('leaves the trie before an update as it was', () => {
    const records = new Map(
      [...Array(50).keys()].map((i) => [`63${(i + 16).toString(16)}`, Uint8Array.of(i)]),
    )
    const trie = build(records)
    const { root } = trie
    const change = {
      puts: new Map([['6310', Uint8Array.of(9, 9)]]),
      deletes: new Set(['6311']),
    }
    const prepared = trie.prepare(change)
    expect(prepared.root).not.toBe(root)
    expect(trie.root).toBe(root)
    // The same record again changes nothing.
    const same = { puts: new Map([['6310', Uint8Array.of(0)]]), deletes: new Set<string>() }
    expect(trie.prepare(same).root).toBe(root)
    trie.apply(prepared)
    expect(trie.root).toBe(prepared.root)
    const back = { puts: new Map([...records].slice(0, 2)), deletes: new Set<string>() }
    expect(trie.prepare(back).root).toBe(root)
  })

  it('applies only what it has prepared on what it holds', () => {
    const trie = build(new Map([['6301', Uint8Array.of(1)]]))
    const one = trie.prepare({ puts: new Map([['6302', Uint8Array.of(2)]]), deletes: new Set() })
    const other = trie.prepare({ puts: new Map([['6303', Uint8Array.of(3)]]), deletes: new Set() })
    trie.apply(one)
    expect(() => trie.apply(other)).toThrow(AssertionError)
    expect(() => trie.apply({ root: one.root })).toThrow(AssertionError)
    expect(() => build(new Map()).apply(one)).toThrow(AssertionError)
  })

  it('is the same for records that come one by one in great number', async () => {
    const records = new Map(
      [...Array(3_000).keys()].map((i) => [
        `63${(i + 65_536).toString(16).padStart(6, '0')}`,
        utf8(`${i}`),
      ]),
    )
    async function* oneByOne(): AsyncIterable<readonly [string, Uint8Array]> {
      yield* records
    }
    const trie = await buildStateTrie(oneByOne())
    expect(trie.size).toBe(3_000)
    expect(trie.root).toBe(build(records).root)
    const half = [...records.keys()].filter((_, i) => i % 2 === 0)
    update(trie, new Map(), half)
    for (const at of half) records.delete(at)
    expect(trie.root).toBe(modelRoot(records))
  })

  it('sets an empty value apart from none', () => {
    expect(build(new Map([['6301', new Uint8Array()]])).root).not.toBe(new StateTrie().root)
  })
})

const recordMap = fc.array(fc.tuple(key, value), { maxLength: 40 }).map((list) => new Map(list))

describe('a proof', () => {
  it('shows what a key holds, and nothing else', () => {
    fc.assert(
      fc.property(recordMap, key, value, (records, at, other) => {
        const trie = build(records)
        const root = trie.root
        const proof = trie.prove(at)
        const held = records.get(at)
        expect(verifyStateProof(root, at, held, proof)).toBe(true)
        const isSame = held !== undefined && bytesToHex(held) === bytesToHex(other)
        expect(verifyStateProof(root, at, other, proof)).toBe(isSame)
        if (held !== undefined) expect(verifyStateProof(root, at, undefined, proof)).toBe(false)
      }),
    )
  })

  it('fails when anything in it is altered', () => {
    fc.assert(
      fc.property(recordMap, key, fc.nat(), fc.nat(255), (records, at, place, flip) => {
        const trie = build(records)
        const proof = trie.prove(at)
        const bytes = encodeWith((writer) => writeStateProof(writer, proof))
        const altered = bytes.slice()
        const index = place % altered.length
        altered[index] = (altered[index] ?? 0) ^ (flip === 0 ? 1 : flip)
        const decoded = decodeOrUndefined(altered)
        const holds =
          decoded !== undefined && verifyStateProof(trie.root, at, records.get(at), decoded)
        expect(holds).toBe(false)
      }),
      { numRuns: 300 },
    )
  })

  it('cannot use a leaf from elsewhere to show that a key is free', () => {
    const records = new Map(
      [...Array(20).keys()].map((i) => [`63${(i + 16).toString(16)}`, Uint8Array.of(i)]),
    )
    const trie = build(records)
    const root = trie.root
    const keys = [...records.keys()]
    for (const taken of keys) {
      for (const from of keys) {
        if (taken === from) continue
        const { siblings } = trie.prove(from)
        const path = toHash32(bytesToHex(taggedHash('causeway/state-key', hexToBytes(from))))
        const held = records.get(from) ?? new Uint8Array()
        const other = { path, valueHash: toHash32(bytesToHex(sha256(held))) }
        expect(verifyStateProof(root, taken, undefined, { siblings, other })).toBe(false)
      }
    }
  })

  it('is bounded in depth', () => {
    const siblings: Hash32[] = Array.from({ length: 257 }, () => toHash32('00'.repeat(32)))
    expect(verifyStateProof(toHash32('00'.repeat(32)), '63', undefined, { siblings })).toBe(false)
  })

  it('comes back from its encoding as it was', () => {
    fc.assert(
      fc.property(recordMap, key, (records, at) => {
        const proof = build(records).prove(at)
        const bytes = encodeWith((writer) => writeStateProof(writer, proof))
        expect(decodeAll(bytes, readStateProof)).toEqual(proof)
      }),
    )
  })
})

function decodeOrUndefined(bytes: Uint8Array): StateProof | undefined {
  try {
    return decodeAll(bytes, readStateProof)
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}
