import * as fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  decodeNews,
  type MembershipPool,
  openMembershipPool,
} from '../../federation/membership-pool.ts'
import { EMPTY_L1_SECTION } from '../../src/chain/l1-section.ts'
import { type MemberChange, memberChangeDigest } from '../../src/chain/member-change.ts'
import { getEpochBooks } from '../../src/chain/member-sets.ts'
import { activeMemberSet, hashOfSet } from '../../src/chain/validators.ts'
import { DecodeError } from '../../src/primitives/codec.ts'
import { signSchnorr } from '../../src/primitives/secp256k1.ts'
import type { GossipVerdict } from '../../src/runtime/runtime.ts'
import { secretOf } from '../support/chain-world.ts'
import { keyOfPerson } from './member-federation.ts'
import { PegWorld } from './peg-world.ts'

let world: PegWorld
const heard: Uint8Array[] = []

interface Open {
  readonly pool: MembershipPool
  readonly hear: (payload: Uint8Array, from?: string) => GossipVerdict | Promise<GossipVerdict>
  readonly disk: { bytes: Uint8Array | undefined }
}

async function open(disk: Open['disk'] = { bytes: undefined }): Promise<Open> {
  let handler: Open['hear'] | undefined
  const pool = await openMembershipPool({
    params: world.params,
    view: () => world.chain.state.view,
    network: {
      publish: async (_topic, payload) => {
        heard.push(payload)
        return true
      },
      onGossip: (_topic, judge) => {
        handler = (payload, from = 'peer') => judge(from, payload)
      },
    },
    record: {
      read: async () => disk.bytes,
      write: async (bytes) => {
        disk.bytes = bytes
      },
    },
    runtime: world.runtime,
  })
  return { pool, hear: (payload, from) => handler!(payload, from), disk }
}

function approved(people: readonly number[], approvers: readonly number[] = [0, 1, 2]) {
  const { view } = world.chain.state
  const setHash = hashOfSet(activeMemberSet(view))
  const terms = { epoch: getEpochBooks(view).next, threshold: 3, members: people.map(keyOfPerson) }
  const digest = memberChangeDigest({ chainId: world.params.chainId, setHash }, terms)
  const approvals = approvers.map((signer) => ({
    signer,
    signature: signSchnorr(digest, secretOf(`validator ${signer}`), new Uint8Array(32)),
  }))
  return { ...terms, approvals }
}

const carry = (change: MemberChange) =>
  world.chain.extend({ l1Section: { ...EMPTY_L1_SECTION, memberChanges: [change] } })

beforeEach(async () => {
  world = await PegWorld.open()
  heard.splice(0)
})

describe('the membership pool', () => {
  it('keeps and spreads an approved change until a block has it', async () => {
    const [one, other] = [await open(), await open()]
    const change = approved([0, 1, 2, 4])
    expect((await one.pool.submit(change)).ok).toBe(true)
    expect(await other.hear(heard[0]!)).toBe('accept')
    expect(other.pool.change()).toEqual(change)
    // Known now: not relayed again.
    expect(await other.hear(heard[0]!)).toBe('ignore')
    expect((await one.pool.submit(change)).ok).toBe(true)
    carry(change)
    for (const { pool, disk } of [one, other]) {
      expect(pool.change()).toBeUndefined()
      await pool.stop()
      expect(disk.bytes).toBeUndefined()
    }
  })

  it('has it after a restart, also when its own chain is not as far yet', async () => {
    const { pool, disk } = await open()
    const change = approved([0, 1, 2, 4])
    await pool.submit(change)
    await pool.stop()
    const later = await open(disk)
    expect(later.pool.change()).toEqual(change)
    const ahead = { ...change, epoch: change.epoch + 1 }
    const store = await open()
    await store.pool.submit(change)
    const next = (disk.bytes = store.disk.bytes?.slice())
    // The epoch follows the kind.
    next![1] = ahead.epoch
    const behind = await open(disk)
    expect(behind.pool.change()).toBeUndefined()
    await behind.pool.stop()
    expect(disk.bytes).toBeDefined()
  })

  it('takes nothing that the validators have not approved', async () => {
    const { pool, hear } = await open()
    const good = approved([0, 1, 2, 4])
    const bad: readonly MemberChange[] = [
      approved([0, 1, 2, 4], [0, 1]),
      { ...good, members: [0, 1, 2, 5].map(keyOfPerson) },
      { ...good, threshold: 2 },
      { ...good, epoch: 2 },
      { ...good, approvals: good.approvals.toReversed() },
    ]
    for (const change of bad) expect((await pool.submit(change)).ok).toBe(false)
    expect(heard).toEqual([])
    expect(await hear(Uint8Array.of(9, 9))).toBe('reject')
    expect(pool.change()).toBeUndefined()
  })

  it('keeps the first of two that were both approved, and takes the second when its time comes', async () => {
    const { pool } = await open()
    const first = approved([0, 1, 2, 4])
    await pool.submit(first)
    expect(await pool.submit(approved([0, 1, 2, 5]))).toMatchObject({
      error: { code: 'member-change-waiting' },
    })
    carry(first)
    expect((await pool.submit(approved([0, 1, 2, 5]))).ok).toBe(true)
  })

  it('says it again and again, and judges no more than it can bear', async () => {
    const one = await open()
    one.pool.start()
    await one.pool.submit(approved([0, 1, 2, 4]))
    world.runtime.advance(35_000)
    expect(heard).toHaveLength(4)
    const message = heard[0]!
    const other = await open()
    for (let n = 0; n < 40; n++) {
      const forged = message.slice()
      forged[forged.length - 1 - n] = (forged[forged.length - 1 - n] ?? 0) ^ 1
      await other.hear(forged, 'liar')
    }
    // The liar has had its turns; somebody else's message is heard.
    expect(await other.hear(message, 'liar')).toBe('ignore')
    expect(await other.hear(message, 'neighbour')).toBe('accept')
    await one.pool.stop()
  })

  it('does not mind a damaged record', async () => {
    const { pool } = await open({ bytes: Uint8Array.of(1, 2, 3) })
    expect(pool.change()).toBeUndefined()
  })

  it('decodes any bytes to news or an error of its own', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        try {
          decodeNews(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
        }
      }),
    )
  })
})
