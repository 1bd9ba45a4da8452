import { afterEach, describe, expect, it } from 'vitest'
import { findMemberSet, getEpochBooks, pendingMemberSet } from '../../src/chain/member-sets.ts'
import { activeKeyEpoch, findKeyEpoch } from '../../src/chain/peg/key-epochs.ts'
import { keyOfPerson, MemberFederation } from './member-federation.ts'

let federation: MemberFederation

afterEach(async () => {
  await federation.stop()
})

const view = () => federation.world.chain.state.view
const statusOf = (epoch: number) => findMemberSet(view(), epoch)?.status

async function withKey(): Promise<MemberFederation> {
  federation = await MemberFederation.start()
  await federation.run(() => activeKeyEpoch(view()) !== undefined)
  return federation
}

async function submit(person: number, people: readonly number[]): Promise<void> {
  const change = federation.approvedChange(people)
  expect(await federation.running.get(person)!.membership.submit(change)).toEqual({
    ok: true,
    value: undefined,
  })
}

describe('a change of members', () => {
  it('that a node without a say is handed reaches a block, and the new members make a key beside the old', {
    timeout: 120_000,
  }, async () => {
    await withKey()
    await federation.startMember(4)
    await submit(4, [0, 1, 2, 3, 4])
    await federation.run(() => findKeyEpoch(view(), 1) !== undefined)
    expect(statusOf(1)).toBe('announced')
    const key = findKeyEpoch(view(), 1)!
    expect(key.memberSignatures).toHaveLength(5)
    expect(key.threshold).toBe(4)
    // The old key goes on; nothing is asked for twice, and nothing is left of the news.
    expect(activeKeyEpoch(view())?.epoch).toBe(0)
    for (const [person, { member, membership }] of federation.running) {
      await federation.run(() => member.keyProgress().length === 0)
      expect(membership.change()).toBeUndefined()
      expect(membership.announcement()).toBeUndefined()
      expect(federation.records.has(person)).toBe(false)
      expect(member.problems()).toEqual([])
    }
  })

  it('to entirely new members: their key is proposed by the old ones', {
    timeout: 120_000,
  }, async () => {
    await withKey()
    for (const person of [4, 5, 6, 7]) await federation.startMember(person)
    await submit(0, [4, 5, 6, 7])
    await federation.run(() => statusOf(1) === 'announced')
  })

  it('waits for a new member that is away, says so, and goes on where it was when all restart', {
    timeout: 120_000,
  }, async () => {
    await withKey()
    await submit(0, [0, 1, 2, 3, 4])
    await federation.run(() => statusOf(1) === 'pending')
    const { member } = federation.running.get(1)!
    await federation.run(() => member.problems().length > 0, 1_000, 500)
    expect(member.problems()[0]).toMatch(
      `key generation of epoch 1 (attempt 1, dealing) waits for ${keyOfPerson(4)}`,
    )
    for (const person of [0, 1, 2, 3]) {
      await federation.stopMember(person)
      await federation.startMember(person)
    }
    expect(federation.running.get(0)!.member.problems()).toEqual([])
    await federation.startMember(4)
    await federation.run(() => statusOf(1) === 'announced')
  })

  it('that never gets its key is replaced by another', { timeout: 120_000 }, async () => {
    await withKey()
    await submit(0, [0, 1, 2, 3, 4])
    await federation.run(() => statusOf(1) === 'pending')
    await federation.startMember(5)
    await submit(2, [0, 1, 2, 5])
    await federation.run(() => statusOf(2) === 'announced')
    expect(statusOf(1)).toBe('abandoned')
    expect(findKeyEpoch(view(), 1)).toBeUndefined()
    expect(pendingMemberSet(view())?.keys).toEqual([0, 1, 2, 5].map(keyOfPerson))
    expect(getEpochBooks(view()).next).toBe(3)
    for (const { member } of federation.running.values()) {
      await federation.run(() => member.keyProgress().length === 0)
      expect(member.problems()).toEqual([])
    }
  })

  it('survives the crash of a member in the middle of its key generation, at any moment', {
    timeout: 120_000,
  }, async () => {
    await withKey()
    await federation.startMember(4)
    await submit(0, [0, 1, 2, 3, 4])
    for (let kill = 0; kill < 6; kill++) {
      let turns = 3 + 7 * kill
      await federation.run(() => statusOf(1) === 'announced' || turns-- === 0)
      if (statusOf(1) === 'announced') break
      await federation.stopMember(kill % 5)
      await federation.startMember(kill % 5)
    }
    await federation.run(() => statusOf(1) === 'announced')
  })
})
