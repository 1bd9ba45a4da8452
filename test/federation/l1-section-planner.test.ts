import { describe, expect, it } from 'vitest'
import type { DepositBook } from '../../federation/deposits/deposit-book.ts'
import { scanBlock } from '../../federation/deposits/scan-block.ts'
import { findL1TransactionProof } from '../../federation/l1/proofs.ts'
import {
  createL1SectionPlanner,
  DEPOSITS_PER_BLOCK,
  type L1SectionPlanner,
} from '../../federation/l1-section-planner.ts'
import {
  type ConfirmationFinder,
  createConfirmationFinder,
} from '../../federation/releases/confirmation-finder.ts'
import { encodeHeader } from '../../src/bitcoin/header.ts'
import {
  decodeTransaction,
  transactionId,
  transactionWeight,
} from '../../src/bitcoin/transaction.ts'
import { EMPTY_L1_SECTION, isEmptyL1Section, type L1Section } from '../../src/chain/l1-section.ts'
import type { MemberChange } from '../../src/chain/member-change.ts'
import { MAX_L1_TRANSACTION_BYTES } from '../../src/chain/params.ts'
import { getPegBooks } from '../../src/chain/peg/books.ts'
import type { KeyEpochAnnouncement } from '../../src/chain/peg/key-epoch-announcement.ts'
import { bytesToHex, concatBytes } from '../../src/primitives/bytes.ts'
import { aUser } from '../support/chain-world.ts'
import { WALLET_SCRIPT } from './l1/taproot-spender.ts'
import { memberShare, PegWorld, seen, until } from './peg-world.ts'
import { BatchWorld } from './releases/batch-world.ts'
import { signAlone } from './releases/sign-alone.ts'

const alice = aUser('alice').script
const bob = aUser('bob').script

class Planning {
  readonly world: PegWorld
  readonly book: DepositBook
  readonly planner: L1SectionPlanner
  readonly finder: ConfirmationFinder
  memberChange: MemberChange | undefined
  announcement: KeyEpochAnnouncement | undefined

  constructor(world: PegWorld, book: DepositBook) {
    this.world = world
    this.book = book
    this.finder = createConfirmationFinder(world.l1.port)
    this.planner = createL1SectionPlanner({
      params: world.params,
      state: () => world.chain.state,
      l1: world.l1.port,
      book,
      finder: this.finder,
      memberChange: () => this.memberChange,
      announcement: () => this.announcement,
      clock: world.runtime.clock,
      log: world.runtime.log,
    })
  }

  static async of(world: PegWorld): Promise<Planning> {
    return new Planning(world, await world.openBook())
  }

  get state() {
    return this.world.chain.state
  }

  prepare(): Promise<void> {
    return this.planner.prepare(this.world.l1Tip)
  }

  /** Plans, and lets the chain's own rules judge the block. */
  async extend(): Promise<L1Section> {
    await this.prepare()
    const l1Section = this.planner.take(this.state)
    const block = this.world.chain.extend({ l1Section })
    this.planner.committed(block)
    await this.book.settle((block.transactions[1]?.inputs ?? []).map(({ prevout }) => prevout))
    return l1Section
  }

  /** Pays on L1; the watcher's part is done here. */
  async deposit(...payments: { to: Uint8Array; value: bigint }[]): Promise<void> {
    const outputs = payments.map(({ to, value }) => ({
      value,
      script: this.world.registration(to).script,
    }))
    await this.world.pay(...outputs)
    const { height, block } = this.world.l1Chain.tip()
    const registrations = new Map(
      payments
        .map(({ to }) => this.world.registration(to))
        .map((registration) => [bytesToHex(registration.script), registration]),
    )
    await this.book.record(
      scanBlock(block.transactions, height, registrations, () => false),
      undefined,
    )
  }

  /** With its proof, as the watcher leaves it. */
  async depositKept(payment: { to: Uint8Array; value: bigint }): Promise<void> {
    await this.deposit(payment)
    const { height, block, hash } = this.world.l1Chain.tip()
    const { header, transactions } = block
    const summary = { hash, height, header: encodeHeader(header) }
    const proof = findL1TransactionProof(
      { ...summary, transactions },
      transactionId(transactions[1]!),
    )
    await this.book.record([], undefined, [proof!])
  }

  supply(): bigint {
    return getPegBooks(this.state.view).totals.supply
  }
}

describe('the L1 section planner', () => {
  it('announces a finished key while the peg is closed, and only then', async () => {
    const planning = await Planning.of(await PegWorld.closed())
    await planning.prepare()
    expect(planning.planner.hasWork(planning.state)).toBe(false)
    planning.announcement = planning.world.epoch.announcement
    await planning.prepare()
    expect(planning.planner.hasWork(planning.state)).toBe(true)
    expect((await planning.extend()).keyEpochs).toHaveLength(1)
    await planning.prepare()
    expect(planning.planner.hasWork(planning.state)).toBe(false)
    expect(planning.world.isOpen()).toBe(true)
  })

  it('makes no work of an announcement that the rules refuse', async () => {
    const planning = await Planning.of(await PegWorld.closed())
    const { announcement } = planning.world.epoch
    planning.announcement = { ...announcement, testSignature: new Uint8Array(64) }
    await planning.prepare()
    expect(planning.planner.hasWork(planning.state)).toBe(false)
    expect((await planning.extend()).keyEpochs).toEqual([])
  })

  it('mints deposits when they are deep enough, in the order of the rule', async () => {
    const planning = await Planning.of(await PegWorld.open())
    await planning.deposit({ to: bob, value: 30_000n }, { to: alice, value: 20_000n })
    await planning.deposit({ to: alice, value: 40_000n })
    await planning.world.mine(1)
    await planning.prepare()
    // One header short of what proposers wait for.
    expect(planning.planner.hasWork(planning.state)).toBe(false)
    await planning.world.mine(3)
    await planning.prepare()
    expect(planning.planner.hasWork(planning.state)).toBe(true)
    const section = await planning.extend()
    expect(section.deposits.map(({ claims }) => claims.length)).toEqual([2, 1])
    expect(planning.supply()).toBe(90_000n)
    await planning.prepare()
    expect(planning.planner.hasWork(planning.state)).toBe(false)
  })

  it('leaves small deposits outside until their sum reaches the minimum', async () => {
    const planning = await Planning.of(await PegWorld.open())
    await planning.deposit({ to: alice, value: 6_000n }, { to: bob, value: 6_000n })
    await planning.world.mine(5)
    await planning.prepare()
    expect(planning.planner.hasWork(planning.state)).toBe(false)
    await planning.deposit({ to: alice, value: 6_000n })
    await planning.world.mine(5)
    await planning.extend()
    expect(planning.supply()).toBe(12_000n)
    expect(planning.book.waiting.size).toBe(1)
  })

  it('mints in several blocks what one cannot take, and the mint fits beside a full block', async () => {
    const planning = await Planning.of(await PegWorld.open())
    const payments = Array.from({ length: DEPOSITS_PER_BLOCK + 10 }, (_, n) => ({
      to: aUser(`user ${n % 3}`).script,
      value: 10_000n + BigInt(n),
    }))
    await planning.deposit(...payments)
    await planning.world.mine(4)
    await planning.prepare()
    const block = planning.world.chain.extend({ l1Section: planning.planner.take(planning.state) })
    expect(block.transactions[1]?.inputs).toHaveLength(DEPOSITS_PER_BLOCK)
    expect(transactionWeight(block.transactions[1]!)).toBeLessThan(38_000)
    planning.planner.committed(block)
    await planning.prepare()
    expect(planning.planner.hasWork(planning.state)).toBe(true)
    await planning.extend()
    expect(planning.supply()).toBe(payments.reduce((sum, { value }) => sum + value, 0n))
  })

  it('serves others whatever dust an address gets', async () => {
    const world = await PegWorld.open()
    const planning = await Planning.of(world)
    // More than a block takes, and no hundred of them reach the minimum.
    const dust = Array.from({ length: 250 }, () => ({ to: bob, value: 60n }))
    const height = world.l1Tip.height
    const to = world.registration(bob)
    await planning.deposit({ to: alice, value: 20_000n })
    const txid = transactionId(world.l1Chain.tip().block.transactions[1]!)
    await planning.book.record(
      dust.map(({ value }, vout) => seen(to, { txid, vout: vout + 10, value, l1Height: height })),
      undefined,
    )
    await world.mine(5)
    await planning.extend()
    expect(planning.supply()).toBe(20_000n)
    await planning.prepare()
    expect(planning.planner.hasWork(planning.state)).toBe(false)
  })

  it('makes no work of deposits that it cannot prove, and others do not wait for them', async () => {
    const world = await PegWorld.open()
    const planning = await Planning.of(world)
    await planning.deposit({ to: alice, value: 20_000n })
    const { height } = world.l1Tip
    const to = world.registration(bob)
    const txid = transactionId(world.l1Chain.tip().block.transactions[1]!)
    // In a block that does not hold it; to an address that the key does not give.
    await planning.book.record(
      [
        seen(to, { txid, vout: 7, value: 50_000n, l1Height: height - 1 }),
        seen({ ...to, script: alice }, { txid, vout: 8, value: 50_000n, l1Height: height }),
        seen({ ...to, keyEpoch: 3 }, { txid, vout: 9, value: 50_000n, l1Height: height }),
      ],
      undefined,
    )
    await world.mine(4)
    await planning.extend()
    expect(planning.supply()).toBe(20_000n)
    await planning.prepare()
    expect(planning.planner.hasWork(planning.state)).toBe(false)
    expect(planning.planner.take(planning.state)).toEqual(EMPTY_L1_SECTION)
  })

  it('waits without making blocks while the block of a deposit is pruned', async () => {
    const planning = await Planning.of(await PegWorld.open())
    await planning.deposit({ to: alice, value: 20_000n })
    await planning.world.mine(4)
    planning.world.l1.prunedTo = 111
    await planning.prepare()
    expect(planning.planner.hasWork(planning.state)).toBe(false)
    planning.world.l1.prunedTo = -1
    await planning.world.mine()
    await planning.prepare()
    expect(planning.planner.hasWork(planning.state)).toBe(true)
  })

  it('proves a small deposit of long ago though its block is pruned everywhere', async () => {
    const world = await PegWorld.open()
    const planning = await Planning.of(world)
    await planning.depositKept({ to: alice, value: 6_000n })
    await world.mine(30)
    await planning.extend()
    expect(planning.supply()).toBe(0n)
    world.l1.prunedTo = 130
    await planning.depositKept({ to: alice, value: 6_000n })
    await world.mine(4)
    await planning.extend()
    expect(planning.supply()).toBe(12_000n)
    expect(planning.book.waiting.size).toBe(0)
  })

  it('proves other batches while the block of one is pruned, and that one when it is fetched', async () => {
    const world = await BatchWorld.withBatches(2)
    const planning = await Planning.of(world)
    const shares = [0, 1, 2].map((member) => memberShare(member, world))
    const [pruned, other] = world.openBatches()
    const inPruned = world.send(signAlone(world, pruned!, shares))
    await world.mine()
    world.l1.prunedTo = world.l1Tip.height
    const inOther = world.send(signAlone(world, other!, shares))
    await world.mine(4)
    const proved = async (): Promise<readonly string[]> => {
      await planning.finder.look(world.openBatches(), world.l1Tip.height)
      const { confirmations } = await planning.extend()
      return confirmations.map(({ transaction }) => transactionId(decodeTransaction(transaction)))
    }
    expect(await proved()).toEqual([inOther])
    expect(planning.finder.problems()).toHaveLength(1)
    // Nothing but the headers that every open batch asks for.
    expect(await proved()).toEqual([])
    await planning.prepare()
    expect(planning.planner.hasWork(planning.state)).toBe(false)

    world.l1.prunedTo = -1
    await world.mine()
    expect(await proved()).toEqual([inPruned])
    expect(await proved()).toEqual([])
    expect(planning.finder.problems()).toEqual([])
    expect(getPegBooks(planning.state.view).totals.pendingReleases).toBe(0n)
  })

  it('has a deposit looked for again that is not in the block where it was seen', async () => {
    const world = await PegWorld.open()
    const planning = await Planning.of(world)
    await planning.book.register(world.registration(alice), 'asked')
    await planning.book.lookedBack([bytesToHex(world.registration(alice).script)])
    await planning.deposit({ to: alice, value: 20_000n })
    const [deposit] = planning.book.waiting.values()
    await planning.book.record([{ ...deposit!, l1Height: deposit!.l1Height - 1 }], undefined)
    await world.mine(4)
    await planning.prepare()
    expect(planning.planner.hasWork(planning.state)).toBe(false)
    expect(planning.book.waiting.size).toBe(0)
    expect(planning.book.awaitingLookBack()).toHaveLength(1)
  })

  it('never proposes an L1 transaction that no block could carry', async () => {
    const world = await PegWorld.open()
    const planning = await Planning.of(world)
    const filler = {
      value: 0n,
      script: concatBytes(Uint8Array.of(0x6a), new Uint8Array(MAX_L1_TRANSACTION_BYTES)),
    }
    const to = world.registration(alice)
    const giant = world.payment([{ value: 50_000n, script: to.script }, filler], 1_000_000n)
    const mined = await world.l1Chain.mineExactly(WALLET_SCRIPT, [giant])
    expect(mined.ok).toBe(true)
    const { height } = world.l1Tip
    const place = { txid: transactionId(giant), value: 50_000n, l1Height: height }
    await planning.book.record([seen(to, place)], undefined)
    await planning.deposit({ to: bob, value: 20_000n })
    await world.mine(4)
    const section = await planning.extend()
    expect(section.deposits).toHaveLength(1)
    expect(planning.supply()).toBe(20_000n)
  })

  it('says nothing about headers on another branch than the chain\u2019s', async () => {
    const planning = await Planning.of(await PegWorld.open())
    const { l1Height } = getPegBooks(planning.state.view)
    const depth = planning.world.l1Tip.height - l1Height + 2
    await planning.world.l1Chain.reorganise(depth, {
      script: WALLET_SCRIPT,
      transactions: 'return',
    })
    await planning.world.mine(10)
    await planning.prepare()
    expect(isEmptyL1Section(planning.planner.take(planning.state))).toBe(true)
  })

  it('follows a reorganisation of blocks that it had read but not proposed', async () => {
    const planning = await Planning.of(await PegWorld.open())
    await planning.world.mine(6)
    await planning.prepare()
    await planning.world.l1Chain.reorganise(8, { script: WALLET_SCRIPT, transactions: 'return' })
    await planning.prepare()
    // Either the new branch or nothing; the next look has it.
    await planning.prepare()
    await planning.world.mine()
    const section = await planning.extend()
    expect(section.headers).toHaveLength(8)
  })

  it('brings headers of a long absence in several blocks, and then the deposit under them', async () => {
    const planning = await Planning.of(await PegWorld.open())
    await planning.world.mine(520)
    await planning.deposit({ to: alice, value: 20_000n })
    await planning.world.mine(4)
    await planning.prepare()
    expect(planning.planner.hasWork(planning.state)).toBe(true)
    expect((await planning.extend()).headers).toHaveLength(500)
    await planning.prepare()
    expect(planning.planner.hasWork(planning.state)).toBe(true)
    await planning.extend()
    expect(planning.supply()).toBe(20_000n)
  })

  it('plans for one state only, and drops a plan that the chain has overtaken', async () => {
    const planning = await Planning.of(await PegWorld.open())
    await planning.deposit({ to: alice, value: 20_000n })
    await planning.world.mine(4)
    await planning.prepare()
    planning.world.chain.extend()
    expect(planning.planner.hasWork(planning.state)).toBe(false)
    expect(isEmptyL1Section(planning.planner.take(planning.state))).toBe(true)
    const { promise, resolve } = Promise.withResolvers<void>()
    const { calls } = planning.world.l1
    planning.world.l1.gate = promise
    const preparing = planning.prepare()
    await until(() => planning.world.l1.calls > calls)
    planning.world.chain.extend()
    resolve()
    await preparing
    expect(planning.planner.hasWork(planning.state)).toBe(false)
    await planning.prepare()
    expect(planning.planner.hasWork(planning.state)).toBe(true)
  })

  it('steps back when the others do not agree, and tries again later and later', async () => {
    const planning = await Planning.of(await PegWorld.open())
    const { planner, world } = planning
    await planning.deposit({ to: alice, value: 20_000n })
    await world.mine(4)
    const pauses: number[] = []
    for (let round = 0; round < 3; round++) {
      await planning.prepare()
      expect(planner.hasWork(planning.state)).toBe(true)
      expect(isEmptyL1Section(planner.take(planning.state))).toBe(false)
      // Its view was lost; the next proposal at this height keeps the chain going without L1.
      expect(isEmptyL1Section(planner.take(planning.state))).toBe(true)
      planner.committed(world.chain.extend())
      await planning.prepare()
      const from = world.runtime.time.nowMs
      while (!planner.hasWork(planning.state)) world.runtime.advance(500)
      pauses.push(world.runtime.time.nowMs - from)
    }
    expect(pauses).toEqual([1_000, 2_000, 4_000])
    await planning.extend()
    expect(planning.supply()).toBe(20_000n)
  })

  it('fails with what L1 fails with, and plans when it is back', async () => {
    const planning = await Planning.of(await PegWorld.open())
    await planning.deposit({ to: alice, value: 20_000n })
    await planning.world.mine(4)
    planning.world.l1.isDown = true
    await expect(planning.prepare()).rejects.toThrow('connection refused')
    expect(planning.planner.hasWork(planning.state)).toBe(false)
    planning.world.l1.isDown = false
    await planning.prepare()
    expect(planning.planner.hasWork(planning.state)).toBe(true)
  })
})
