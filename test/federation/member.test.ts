import { afterEach, describe, expect, it } from 'vitest'
import { bindMemberStore, MemberStoreError } from '../../federation/member-store.ts'
import { withdrawScript } from '../../src/bitcoin/script.ts'
import { transactionId } from '../../src/bitcoin/transaction.ts'
import { EMPTY_L1_SECTION } from '../../src/chain/l1-section.ts'
import { findBatch, settledVersion } from '../../src/chain/peg/batches.ts'
import { getPegBooks } from '../../src/chain/peg/books.ts'
import { mintWindow } from '../../src/chain/peg/deposits.ts'
import { isFrozen } from '../../src/chain/peg/freeze.ts'
import { activeKeyEpoch } from '../../src/chain/peg/key-epochs.ts'
import { findRelease } from '../../src/chain/peg/releases.ts'
import { toHash32 } from '../../src/primitives/hashes.ts'
import { sats } from '../../src/primitives/units.ts'
import { openMemoryStore } from '../../src/storage/memory-store.ts'
import { aUser, spend } from '../support/chain-world.ts'
import { freezeVotes } from '../support/freeze-votes.ts'
import { WALLET_SCRIPT } from './l1/taproot-spender.ts'
import { MemberFederation } from './member-federation.ts'
import { TARGET } from './releases/batch-world.ts'

const alice = aUser('alice')
let federation: MemberFederation

afterEach(async () => {
  await federation.stop()
})

async function withKey(): Promise<MemberFederation> {
  federation = await MemberFederation.start()
  await federation.run(() => activeKeyEpoch(federation.world.chain.state.view) !== undefined)
  return federation
}

const totals = () => getPegBooks(federation.world.chain.state.view).totals
const release = (id: number) => findRelease(federation.world.chain.state.view, id)

/** Alice's deposit through member 0's desk, paid and minted. */
async function deposit(value: bigint): Promise<void> {
  const { world } = federation
  const given = await federation.member(0).desk.request(alice.script)
  if (!given.ok) throw new TypeError(given.error.code)
  await world.pay({ value, script: given.value.script })
  await world.mine(3)
  const before = totals().supply
  await federation.run(() => totals().supply === before + value)
}

async function burn(value: bigint): Promise<void> {
  const mint = federation.blocks.findLast(({ l1Section }) => l1Section.deposits.length > 0)!
  const minted = mint.transactions[1]!
  federation.transactions.push(
    spend(
      alice,
      [{ outPoint: { txid: transactionId(minted), vout: 0 }, value: minted.outputs[0]!.value }],
      [
        { value: sats(value), script: withdrawScript(TARGET) },
        { value: sats(minted.outputs[0]!.value - value - 500n), script: alice.script },
      ],
    ),
  )
  await federation.run(() => release(0)?.stage.kind === 'batched')
}

const openBatch = () => findBatch(federation.world.chain.state.view, 0)!

describe('four members', () => {
  it('make a key, mint a deposit, sign a release and see it paid', {
    timeout: 120_000,
  }, async () => {
    await withKey()
    const { world } = federation
    await deposit(200_000n)
    // Any of them may have proposed the mint, before the others had read the block of the deposit.
    const reports = (index: number) => federation.member(index).desk.reports(undefined, 10)
    await federation.run(() => [0, 1, 2, 3].every((index) => reports(index).length === 1))
    const report = federation.member(0).desk.reports(alice.script, 10)
    expect(report).toMatchObject([{ status: 'minted', mintHeight: 2 }])
    await burn(120_000n)
    expect(federation.member(0).batchProgress(openBatch()).confirmations).toBe(0)
    await federation.run(() => federation.member(0).batchProgress(openBatch()).isBroadcast)
    expect(world.l1Chain.mempool.entries()).toHaveLength(1)
    await world.mine(4)
    await federation.run(() => release(0)?.stage.kind === 'paid')
    const payout = settledVersion(openBatch()).transaction
    expect(payout.outputs.some(({ script }) => script.join() === TARGET.join())).toBe(true)
    const { supply, pendingReleases, inFlightFees, reserves, feeReserve } = totals()
    expect([pendingReleases, inFlightFees]).toEqual([0n, 0n])
    expect(supply + feeReserve).toBe(reserves)
    for (let index = 0; index < 4; index++) expect(federation.member(index).problems()).toEqual([])
    // Nothing is left to say: no block without content is ever wanted.
    const { length } = federation.blocks
    await federation.pass(200)
    expect(federation.blocks).toHaveLength(length)
  })

  it('go on with one dead, and with all restarted over a batch that is not signed', {
    timeout: 120_000,
  }, async () => {
    await withKey()
    await deposit(200_000n)
    await federation.stopMember(3)
    federation.isSynced = false
    await burn(120_000n)
    await federation.pass(50)
    // Nobody signs while catching up.
    expect(federation.member(0).batchProgress(openBatch()).isSigned).toBe(false)
    for (const index of [0, 1, 2]) {
      await federation.stopMember(index)
      await federation.startMember(index)
    }
    federation.isSynced = true
    await federation.run(() => federation.member(1).batchProgress(openBatch()).isBroadcast)
    await federation.world.mine(4)
    await federation.run(() => release(0)?.stage.kind === 'paid')
    await federation.startMember(3)
    await deposit(50_000n)
  })

  it('give no share while their own validator or a quorum wants a freeze, and go on after it', {
    timeout: 120_000,
  }, async () => {
    await withKey()
    const { world } = federation
    await deposit(200_000n)
    // Two of four have voted, and no block says so: two are left, and three must sign.
    for (const index of [0, 1]) federation.wantsFreeze.add(index)
    await burn(120_000n)
    await federation.pass(100)
    const isSigned = () =>
      [0, 1, 2, 3].some((i) => federation.member(i).batchProgress(openBatch()).isSigned)
    expect(isSigned()).toBe(false)
    federation.wantsFreeze.clear()
    const votes = (serial: number, freeze: boolean) =>
      freezeVotes(world.params, [1, 2, 3], { serial, freeze })
    federation.freezeVotes.push(...votes(1, true))
    await federation.run(() => isFrozen(world.chain.state.view))
    await federation.pass(200)
    expect(isSigned()).toBe(false)
    // What is owed waits for L1, so an idle chain follows it without a heartbeat.
    const { l1Height } = getPegBooks(world.chain.state.view)
    await world.mine(2)
    await federation.run(() => getPegBooks(world.chain.state.view).l1Height === l1Height + 2)
    federation.freezeVotes.push(...votes(2, false))
    await federation.run(isSigned)
    await federation.run(() => federation.member(0).batchProgress(openBatch()).isBroadcast)
    await world.mine(4)
    await federation.run(() => release(0)?.stage.kind === 'paid')
  })

  it('stand still when L1 reorganises below the chain\u2019s headers, and say so', {
    timeout: 120_000,
  }, async () => {
    await withKey()
    await deposit(200_000n)
    const { world } = federation
    const depth = world.l1Tip.height - getPegBooks(world.chain.state.view).l1Height + 1
    await world.l1Chain.reorganise(depth, { script: WALLET_SCRIPT, transactions: 'return' })
    await federation.run(() => federation.member(0).l1Health().state === 'forked')
    await burn(120_000n)
    await federation.pass(100)
    expect(federation.member(0).batchProgress(openBatch()).isSigned).toBe(false)
    const proposal = await federation.member(0).propose(world.chain.state)
    expect(proposal.l1Section).toEqual(EMPTY_L1_SECTION)
    const claim = {
      ...EMPTY_L1_SECTION,
      deposits: federation.blocks.flatMap((b) => b.l1Section.deposits),
    }
    const judged = { l1Section: claim, feeRate: proposal.feeRate }
    expect(await federation.member(0).judge(world.chain.state, judged)).toBe('pending')
    // The chain itself goes on.
    expect(await federation.member(0).judge(world.chain.state, proposal)).toBe('valid')
  })

  it('judge headers by their own L1 and wait while it cannot tell', {
    timeout: 120_000,
  }, async () => {
    await withKey()
    const { world } = federation
    await world.mine(2)
    await federation.pass(20)
    const { feeRateFloor } = world.params.peg
    const all = {
      l1Section: { ...EMPTY_L1_SECTION, headers: world.headers() },
      feeRate: feeRateFloor,
    }
    expect(all.l1Section.headers.length).toBeGreaterThan(0)
    const judge = (proposal: typeof all) => federation.member(1).judge(world.chain.state, proposal)
    expect(await judge(all)).toBe('valid')
    const { l1 } = federation.running.get(1)!
    l1.isDown = true
    expect(await judge(all)).toBe('pending')
    expect(await judge({ ...all, l1Section: { ...EMPTY_L1_SECTION, headers: [] } })).toBe('valid')
    l1.isDown = false
    expect(await judge({ ...all, feeRate: feeRateFloor * 5 })).toBe('pending')
    const tooYoung = Array.from({ length: world.l1Tip.height }, (_, i) => i + 1)
      .slice(-1)
      .map((height) => world.l1Chain.blockAt(height)!)
    const { encodeHeader } = await import('../../src/bitcoin/header.ts')
    const young = tooYoung.map(({ block }) => encodeHeader(block.header))
    expect(await judge({ ...all, l1Section: { ...EMPTY_L1_SECTION, headers: young } })).toBe(
      'pending',
    )
  })

  it('agree to no mint of a deposit that the recovery keys could soon take back', {
    timeout: 120_000,
  }, async () => {
    await withKey()
    await deposit(200_000n)
    const { world } = federation
    const proofs = federation.blocks.flatMap(({ l1Section }) => l1Section.deposits)
    const proposal = {
      l1Section: { ...EMPTY_L1_SECTION, deposits: proofs },
      feeRate: world.params.peg.feeRateFloor,
    }
    const judge = () => federation.member(1).judge(world.chain.state, proposal)
    expect(await judge()).toBe('valid')
    // The chain has heard nothing of these blocks; the member's own L1 has them.
    await world.mine(mintWindow(world.params.peg.recovery))
    const { height } = world.l1Tip
    await federation.run(() => {
      const health = federation.member(1).l1Health()
      return health.state === 'ok' && health.height === height
    })
    expect(await judge()).toBe('pending')
  })

  it('keep the chain going without L1 while too few of them can see it', {
    timeout: 120_000,
  }, async () => {
    await withKey()
    const { world } = federation
    for (const index of [2, 3]) federation.running.get(index)!.l1.isDown = true
    const given = await federation.member(0).desk.request(alice.script)
    await world.pay({ value: 50_000n, script: given.ok ? given.value.script : WALLET_SCRIPT })
    await world.mine(3)
    const before = federation.blocks.length
    await federation.pass(400)
    // Ten seconds: a few attempts, and no stream of blocks with nothing to say.
    expect(federation.blocks.length - before).toBeLessThan(12)
    expect(totals().supply).toBe(0n)
    for (const index of [2, 3]) federation.running.get(index)!.l1.isDown = false
    await federation.run(() => totals().supply === 50_000n)
  })
})

describe('a member\u2019s store', () => {
  it('is not opened for another chain', async () => {
    federation = new MemberFederation(await (await import('./peg-world.ts')).PegWorld.closed())
    const store = openMemoryStore()
    const one = toHash32('11'.repeat(32))
    await bindMemberStore(store, one)
    await bindMemberStore(store, one)
    await expect(bindMemberStore(store, toHash32('22'.repeat(32)))).rejects.toThrow(
      MemberStoreError,
    )
  })
})
