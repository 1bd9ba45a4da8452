import * as fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { headerHash, REGTEST_GENESIS_HEADER } from '../../src/bitcoin/header.ts'
import {
  decodeSnapshotHead,
  decodeSnapshotRecords,
  encodeSnapshotEnd,
  encodeSnapshotHead,
  encodeSnapshotRecords,
  SECTION,
  SECTION_BYTES_MAX,
  type SnapshotHead,
  type SnapshotRecord,
} from '../../src/chain/snapshot.ts'
import { concatBytes } from '../../src/primitives/bytes.ts'
import { encodeWith } from '../../src/primitives/codec.ts'
import { toHash32 } from '../../src/primitives/hashes.ts'
import { readSnapshot } from '../../src/storage/snapshot-reader.ts'
import { certify, chainOf, finalBlocks } from '../support/certified-chain.ts'
import { testParams } from '../support/chain-world.ts'
import { sectionsOf, snapshotFrom, snapshotOf, sourceOf } from '../support/snapshot-bytes.ts'

const params = testParams()
const HEIGHT = 14
let snapshot: Uint8Array
let head: SnapshotHead
let records: readonly SnapshotRecord[]
let blocks: ReturnType<typeof finalBlocks>

beforeAll(async () => {
  blocks = finalBlocks(params, HEIGHT)
  snapshot = await snapshotOf(await chainOf(params, blocks))
  const [first, ...others] = sectionsOf(snapshot)
  head = decodeSnapshotHead(first!.payload)
  records = others
    .filter(({ kind }) => kind === SECTION.records)
    .flatMap(({ payload }) => decodeSnapshotRecords(payload))
})

const NO_SINK = { records: () => Promise.resolve() }

/** The code of the refusal, and what it says; undefined when nothing is wrong. */
async function refusal(bytes: Uint8Array, on = params): Promise<string | undefined> {
  const read = await readSnapshot(on, sourceOf(bytes), NO_SINK)
  return read.ok ? undefined : `${read.error.code} ${read.error.detail ?? ''}`
}

interface Parts {
  readonly head?: Partial<SnapshotHead>
  readonly records?: readonly SnapshotRecord[]
  readonly count?: number
}

/** A well-formed file of other content, every checksum right. */
function forged(parts: Parts): Uint8Array {
  const held = parts.records ?? records
  return snapshotFrom([
    { kind: SECTION.head, payload: encodeSnapshotHead({ ...head, ...parts.head }) },
    { kind: SECTION.records, payload: encodeSnapshotRecords(held) },
    { kind: SECTION.end, payload: encodeSnapshotEnd(parts.count ?? held.length) },
  ])
}

function withHeaders(headers: SnapshotHead['headers']): Promise<string | undefined> {
  return refusal(forged({ head: { headers } }))
}

describe('a snapshot', () => {
  it('is accepted when it holds the state of its block', async () => {
    const read = await readSnapshot(params, sourceOf(snapshot), NO_SINK)
    expect(read).toMatchObject({
      ok: true,
      value: { records: records.length, bytes: snapshot.length, head: { height: HEIGHT } },
    })
    expect(await refusal(forged({}))).toBeUndefined()
  })

  it('is the same file whenever the state is the same', async () => {
    expect(await snapshotOf(await chainOf(params, blocks))).toEqual(snapshot)
  })

  it('is refused with any one bit changed', async () => {
    for (let at = 0; at < snapshot.length; at++) {
      const copy = snapshot.slice()
      copy[at] = (copy[at] ?? 0) ^ (1 << (at % 8))
      expect(await refusal(copy), `byte ${at}`).toBeDefined()
    }
  })

  it('is refused with any one bit changed behind right checksums', async () => {
    const sections = sectionsOf(snapshot)
    const lengths = sections.map(({ payload }) => payload.length)
    const place = fc
      .nat(sections.length - 1)
      .chain((index) => fc.tuple(fc.constant(index), fc.nat((lengths[index] ?? 1) - 1), fc.nat(7)))
    await fc.assert(
      fc.asyncProperty(place, async ([index, at, bit]) => {
        const changed = sections.map((section, i) => {
          if (i !== index) return section
          const payload = section.payload.slice()
          payload[at] = (payload[at] ?? 0) ^ (1 << bit)
          return { ...section, payload }
        })
        expect(await refusal(snapshotFrom(changed))).toBeDefined()
      }),
      { numRuns: 1_500 },
    )
  })

  it('is refused when it is cut short anywhere', async () => {
    for (let length = 0; length < snapshot.length; length += 7) {
      const code = length < 12 ? 'snapshot-format' : 'snapshot-truncated'
      expect(await refusal(snapshot.subarray(0, length))).toMatch(code)
    }
  })

  it('is refused when anything follows or is out of place', async () => {
    expect(await refusal(concatBytes(snapshot, Uint8Array.of(0)))).toMatch(
      `snapshot-format byte ${snapshot.length}: bytes after the end`,
    )
    const [first, ...rest] = sectionsOf(snapshot)
    expect(await refusal(snapshotFrom(rest))).toMatch(/snapshot-format byte 12: no head/)
    expect(await refusal(snapshotFrom([first!, first!, ...rest]))).toMatch('no place for a section')
    expect(await refusal(snapshotFrom([first!, { kind: 9, payload: first!.payload }]))).toMatch(
      'no place for a section 9',
    )
    const empty = { kind: SECTION.records, payload: new Uint8Array() }
    expect(await refusal(snapshotFrom([first!, empty, ...rest]))).toMatch('snapshot-format')
  })

  it('sets no memory aside for a section that is too long', async () => {
    const preamble = snapshot.subarray(0, 12)
    const claim = encodeWith((writer) => writer.u8(1).u32(SECTION_BYTES_MAX + 1))
    const code = await refusal(concatBytes(preamble, claim))
    expect(code).toMatch(`a section of ${SECTION_BYTES_MAX + 1} bytes`)
  })

  it('is refused when it is no snapshot, or one of another version', async () => {
    expect(await refusal(new Uint8Array(100))).toMatch('not a snapshot')
    const next = snapshot.slice()
    next[8] = 2
    expect(await refusal(next)).toMatch('snapshot-version version 2')
  })
})

describe('the head of a snapshot', () => {
  it('must be of this chain', async () => {
    expect(await refusal(forged({ head: { chainId: toHash32('aa'.repeat(32)) } }))).toMatch(
      'snapshot-chain',
    )
    expect(await refusal(snapshot, testParams(5))).toMatch('snapshot-chain')
    // The same bytes for a chain that only calls itself so.
    const { chainId } = testParams(5)
    const claimed = forged({ head: { chainId } })
    expect(await refusal(claimed, testParams(5))).toMatch('certificate-signatures')
  })

  it('must name the height of its block, and certify it', async () => {
    const { block } = blocks[HEIGHT - 1]!
    for (const height of [0, HEIGHT - 1, HEIGHT + 1]) {
      expect(await refusal(forged({ head: { height } }))).toMatch('snapshot-height')
    }
    const certified = (change: Parameters<typeof certify>[2]) =>
      refusal(forged({ head: { certificate: certify(params, block, change) } }))
    expect(await certified({ height: HEIGHT + 1 })).toMatch('snapshot-height')
    expect(await certified({ type: 'notarize' })).toMatch('certificate-block')
    expect(await certified({ blockHash: headerHash(REGTEST_GENESIS_HEADER) })).toMatch(
      'certificate-block',
    )
    expect(await certified({ signers: [0, 1] })).toMatch('certificate-signatures')
    expect(await certified({ signers: [1, 2, 3] })).toBeUndefined()
  })

  it('must have the headers before its block', async () => {
    const { headers } = head
    expect(headers).toHaveLength(11)
    expect(await withHeaders(headers.slice(1))).toMatch('snapshot-headers')
    expect(await withHeaders(headers.toReversed())).toMatch('snapshot-headers')
    const [oldest, ...rest] = headers
    expect(await withHeaders([{ ...oldest!, time: oldest!.time + 1 }, ...rest])).toMatch(
      'snapshot-headers',
    )
  })

  it('may stand a few blocks above block 0', async () => {
    for (const height of [1, 2, 10, 11, 12]) {
      const early = await snapshotOf(await chainOf(params, blocks.slice(0, height)))
      expect(await refusal(early)).toBeUndefined()
    }
  })
})

describe('the records of a snapshot', () => {
  it('must come in ascending order, none twice', async () => {
    const [first, second, ...rest] = records
    expect(await refusal(forged({ records: [second!, first!, ...rest] }))).toMatch('snapshot-order')
    expect(await refusal(forged({ records: [first!, first!, second!, ...rest] }))).toMatch(
      'snapshot-order',
    )
    const split = (parts: readonly (readonly SnapshotRecord[])[]) =>
      snapshotFrom([
        { kind: SECTION.head, payload: encodeSnapshotHead(head) },
        ...parts.map((part) => ({ kind: SECTION.records, payload: encodeSnapshotRecords(part) })),
        { kind: SECTION.end, payload: encodeSnapshotEnd(records.length) },
      ])
    expect(await refusal(split([records.slice(0, 3), records.slice(3)]))).toBeUndefined()
    expect(await refusal(split([records.slice(0, 3), records.slice(2)]))).toMatch('snapshot-order')
  })

  it('must be as many as the end says', async () => {
    expect(await refusal(forged({ count: records.length + 1 }))).toMatch('snapshot-count')
    expect(await refusal(forged({ records: records.slice(1), count: records.length }))).toMatch(
      'snapshot-count',
    )
  })

  it('must be the state: one fewer, one more or one changed is another root', async () => {
    expect(await refusal(forged({ records: records.slice(1) }))).toMatch('snapshot-root')
    const more: SnapshotRecord[] = [...records, ['ff00', Uint8Array.of(1)]]
    expect(await refusal(forged({ records: more }))).toMatch('snapshot-root')
    const changed = records.map(([key, value], i): SnapshotRecord => {
      return [key, i === 0 ? concatBytes(value, Uint8Array.of(0)) : value]
    })
    expect(await refusal(forged({ records: changed }))).toMatch('snapshot-root')
  })

  it('must be in shortest form', async () => {
    const [first] = sectionsOf(snapshot)
    // A length of one in three bytes.
    const payload = Uint8Array.of(0xfd, 1, 0, 0x63, 0)
    const bytes = snapshotFrom([first!, { kind: SECTION.records, payload }])
    expect(await refusal(bytes)).toMatch(/snapshot-format byte \d+: non-canonical/)
  })

  it('never make a decoder throw anything but a DecodeError', async () => {
    const [first] = sectionsOf(snapshot)
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.nat(3), async (payload, kind) => {
        const bytes = snapshotFrom([first!, { kind, payload }])
        expect(await refusal(bytes)).toMatch(/^snapshot-/)
      }),
      { numRuns: 300 },
    )
  })
})
