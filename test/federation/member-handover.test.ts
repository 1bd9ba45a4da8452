import { afterEach, describe, expect, it } from 'vitest'
import { isKeyNeeded, keyRemains } from '../../federation/key-remains.ts'
import { withdrawScript } from '../../src/bitcoin/script.ts'
import { type OutPoint, transactionId } from '../../src/bitcoin/transaction.ts'
import { findMemberSet, getEpochBooks } from '../../src/chain/member-sets.ts'
import { getPegBooks, isSolvent } from '../../src/chain/peg/books.ts'
import { activeKeyEpoch } from '../../src/chain/peg/key-epochs.ts'
import { findRelease } from '../../src/chain/peg/releases.ts'
import { currentValidators } from '../../src/chain/validators.ts'
import { present } from '../../src/primitives/assert.ts'
import { sats } from '../../src/primitives/units.ts'
import { aUser, spend } from '../support/chain-world.ts'
import { keyOfPerson, MemberFederation } from './member-federation.ts'
import { TARGET } from './releases/batch-world.ts'

const alice = aUser('alice')
let federation: MemberFederation
/** Alice's coin on the sidechain. */
let coin: { outPoint: OutPoint; value: bigint }

afterEach(async () => {
  await federation.stop()
})

const view = () => federation.world.chain.state.view
const totals = () => getPegBooks(view()).totals
const statusOf = (epoch: number) => findMemberSet(view(), epoch)?.status

async function open(): Promise<void> {
  federation = await MemberFederation.start()
  await federation.run(() => activeKeyEpoch(view()) !== undefined)
}

/** The deposit address that a member gives out, and its epoch. */
async function address(person: number): Promise<{ script: Uint8Array; keyEpoch: number }> {
  const given = await federation.member(person).desk.request(alice.script)
  if (!given.ok) throw new TypeError(given.error.code)
  return given.value
}

async function deposit(script: Uint8Array, value: bigint): Promise<void> {
  const before = totals().supply
  await federation.world.pay({ value, script })
  await federation.world.mine(3)
  await federation.run(() => totals().supply >= before + value)
  const mint = present(
    federation.blocks.findLast(({ l1Section }) => l1Section.deposits.length > 0)?.transactions[1],
    'mint',
  )
  coin = { outPoint: { txid: transactionId(mint), vout: 0 }, value: mint.outputs[0]!.value }
}

/** A burn; the rest stays alice's. */
function burn(value: bigint): void {
  const rest = coin.value - value - 500n
  const transaction = spend(
    alice,
    [coin],
    [
      { value: sats(value), script: withdrawScript(TARGET) },
      { value: sats(rest), script: alice.script },
    ],
  )
  federation.transactions.push(transaction)
  coin = { outPoint: { txid: transactionId(transaction), vout: 1 }, value: rest }
}

const isPaid = (id: number) => findRelease(view(), id)?.stage.kind === 'paid'

/** Time, blocks and L1 blocks go on until something holds. */
async function mineUntil(holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 200; turn++) {
    if (holds()) return
    let left = 30
    await federation.run(() => holds() || left-- === 0, 100, 100)
    if (!holds()) await federation.world.mine()
  }
  throw new TypeError('it never came about')
}

async function change(people: readonly number[]): Promise<number> {
  const approved = federation.approvedChange(people)
  const [first] = [...federation.running.values()]
  const handed = await first!.membership.submit(approved)
  expect(handed.ok).toBe(true)
  return approved.epoch
}

describe('members that change', () => {
  it('four become five, then one is replaced, while deposits and releases go on', {
    timeout: 200_000,
  }, async () => {
    await open()
    const old = await address(0)
    await deposit(old.script, 10_000_000n)
    burn(500_000n)
    await mineUntil(() => isPaid(0))

    await federation.startMember(4)
    expect(await change([0, 1, 2, 3, 4])).toBe(1)
    burn(600_000n)
    await mineUntil(() => statusOf(1) === 'active')
    expect(activeKeyEpoch(view())?.epoch).toBe(1)
    expect(currentValidators(view())).toEqual({
      epoch: 1,
      keys: [0, 1, 2, 3, 4].map(keyOfPerson),
    })
    await mineUntil(() => isPaid(1))
    // The newcomer gives out addresses of the new key; the old address is as good as before.
    const young = await address(4)
    expect(young.keyEpoch).toBe(1)
    await deposit(young.script, 1_000_000n)
    await deposit(old.script, 2_000_000n)
    expect(keyRemains(view(), 0).coins).toBeGreaterThan(0)

    // One leaves, another comes; the one that left still signs for what it has a share of.
    await federation.startMember(5)
    expect(await change([0, 2, 3, 4, 5])).toBe(2)
    // What releases leave over pays for the proof of the next key.
    burn(300_000n)
    await mineUntil(() => isPaid(2))
    burn(400_000n)
    await mineUntil(() => statusOf(2) === 'active')
    burn(500_000n)
    await federation.stopMember(0)
    await mineUntil(() => isPaid(3) && isPaid(4))
    expect(currentValidators(view()).keys).not.toContain(keyOfPerson(1))
    expect(statusOf(1)).toBe('retired')
    expect(isKeyNeeded(view(), 2)).toBe(true)
    expect(isSolvent(totals())).toBe(true)
    expect(federation.member(1).problems()).toEqual([])
    expect(federation.member(5).problems()).toEqual([])
  })

  it('stay as they are when the new key does not prove itself in time', {
    timeout: 200_000,
  }, async () => {
    await open()
    await deposit((await address(0)).script, 10_000_000n)
    burn(500_000n)
    await mineUntil(() => isPaid(0))
    burn(500_000n)
    for (const person of [4, 5, 6, 7]) await federation.startMember(person)
    expect(await change([4, 5, 6, 7])).toBe(1)
    await mineUntil(() => isPaid(1) && (findMemberSet(view(), 1)?.probeL1Height ?? 0) > 0)
    for (const person of [4, 5, 6, 7]) await federation.stopMember(person)
    await federation.world.mine(federation.world.params.peg.keyProbeTimeoutL1Blocks)
    await mineUntil(() => statusOf(1) === 'abandoned')
    expect(getEpochBooks(view())).toMatchObject({ validators: 0, key: 0, pending: undefined })
    expect((await address(0)).keyEpoch).toBe(0)
    burn(200_000n)
    await mineUntil(() => isPaid(2))
    expect(isSolvent(totals())).toBe(true)
  })
})
