import { describe, expect, it } from 'vitest'
import { withdrawScript } from '../../src/bitcoin/script.ts'
import { type Transaction, transactionId } from '../../src/bitcoin/transaction.ts'
import type { Block } from '../../src/chain/block.ts'
import { PLAIN_VERIFICATION } from '../../src/chain/block-scripts.ts'
import { EMPTY_L1_SECTION, type L1Section } from '../../src/chain/l1-section.ts'
import type { FreezeVote } from '../../src/chain/peg/freeze-vote.ts'
import { batchDueMs } from '../../src/chain/peg/plan-batches.ts'
import { coinsOf } from '../../src/chain/state.ts'
import { medianTimePast, spendableCoins } from '../../src/chain/tip.ts'
import type { Evidence } from '../../src/consensus/evidence.ts'
import { createMempool, type Mempool } from '../../src/mempool/mempool.ts'
import { type BlockProducer, createBlockProducer } from '../../src/node/block-producer.ts'
import { type ChainService, openChainService } from '../../src/node/chain-service.ts'
import type { PegSide } from '../../src/node/peg-side.ts'
import { sats } from '../../src/primitives/units.ts'
import { openChainDatabase } from '../../src/storage/chain-database.ts'
import { openMemoryStore } from '../../src/storage/memory-store.ts'
import { reseal } from '../chain/block-surgery.ts'
import { anOutPoint, aUser, spend, testParams } from '../support/chain-world.ts'
import { doubleVote } from '../support/double-votes.ts'
import { COIN_SATS, fundingPeg } from '../support/node-world.ts'
import { VirtualWorldTime } from '../support/virtual-runtime.ts'

const params = testParams()
const funding = fundingPeg(params)
const alice = aUser('alice')

class Workshop {
  readonly time = new VirtualWorldTime()
  readonly chain: ChainService
  readonly mempool: Mempool
  readonly producer: BlockProducer
  /** What the member says, if not what brings the coins. */
  peg: Partial<PegSide> = {}
  /** What waits for a block. */
  evidence: readonly Evidence[] = []
  freezeVotes: readonly FreezeVote[] = []

  constructor(chain: ChainService) {
    this.chain = chain
    this.mempool = createMempool()
    this.producer = createBlockProducer({
      chain,
      mempool: this.mempool,
      peg: {
        propose: (state) => this.#member.propose(state),
        judge: (state, proposal) => this.#member.judge(state, proposal),
        hasWork: (state) => this.#member.hasWork(state),
        onChange: () => undefined,
        onCommitted: () => undefined,
      },
      evidence: { select: () => this.evidence },
      freezeVotes: { select: () => this.freezeVotes },
      runtime: this.time.runtime('producer'),
      payoutScript: aUser('proposer').script,
    })
  }

  get #member(): PegSide {
    return { ...funding, ...this.peg }
  }

  async make(): Promise<Block> {
    const built = await this.producer.build({ view: 0, proposer: 0 })
    if (built.kind !== 'built') throw new TypeError(`not built: ${JSON.stringify(built)}`)
    return built.block
  }

  async extend(): Promise<Block> {
    const block = await this.make()
    await this.chain.apply(block, new Uint8Array())
    this.producer.applied(block)
    this.mempool.removeForBlock(block.transactions)
    return block
  }

  /** Into the mempool, whatever the chain thinks of its burns. */
  admit(transaction: Transaction): void {
    const { tip, view } = this.chain.state()
    const admitted = this.mempool.admit(transaction, {
      coins: spendableCoins(coinsOf(view), tip),
      context: { height: tip.height + 1, medianTimePast: medianTimePast(tip) },
      nowMs: this.time.nowMs,
    })
    expect(admitted).toMatchObject({ ok: true })
  }
}

/** With alice's coins minted in block 2. */
async function workshop(): Promise<{
  shop: Workshop
  payment: (vout: number) => Transaction
  coins: number
}> {
  const database = await openChainDatabase(openMemoryStore(), { chainId: params.chainId })
  const shop = new Workshop(await openChainService(params, database, PLAIN_VERIFICATION))
  await shop.extend()
  await shop.time.pass(1_000)
  const [, mint] = (await shop.extend()).transactions
  if (mint === undefined) throw new TypeError('no mint')
  await shop.time.pass(1_000)
  const payment = (vout: number): Transaction =>
    spend(
      alice,
      [{ outPoint: { txid: transactionId(mint), vout }, value: COIN_SATS }],
      [{ value: sats(COIN_SATS - 1_000n), script: alice.script }],
    )
  return { shop, payment, coins: mint.outputs.length }
}

describe('making a block', () => {
  it('takes what waits, and the chain takes it', async () => {
    const { shop, payment } = await workshop()
    shop.admit(payment(0))
    const block = await shop.make()
    expect(block.transactions.slice(1).map(transactionId)).toEqual([transactionId(payment(0))])
    expect(shop.producer.check(block)).toBe('valid')
    expect(await shop.producer.judge(block)).toBe('valid')
  })

  it('finds the transactions that the state refuses, drops them, and takes the others', async () => {
    const { shop, payment } = await workshop()
    // Below the least burn: the mempool of a node asks the chain, this one does not.
    const burn = (vout: number): Transaction => {
      const whole = payment(vout)
      const input = whole.inputs[0]?.prevout ?? anOutPoint('none')
      const script = withdrawScript(aUser('l1').script)
      return spend(
        alice,
        [{ outPoint: input, value: COIN_SATS }],
        [
          { value: sats(1_000n), script },
          { value: sats(900_000n), script: alice.script },
        ],
      )
    }
    for (const vout of [0, 1, 2, 3, 4, 5])
      shop.admit(vout === 1 || vout === 4 ? burn(vout) : payment(vout))
    const block = await shop.make()
    expect(block.transactions.slice(1).map(transactionId).toSorted()).toEqual(
      [0, 2, 3, 5].map((vout) => transactionId(payment(vout))).toSorted(),
    )
    expect(shop.mempool.size).toBe(4)
  })

  it('leaves the L1 section out when the state refuses it', async () => {
    const { shop, payment } = await workshop()
    const l1Section: L1Section = { ...EMPTY_L1_SECTION, headers: [new Uint8Array(80)] }
    shop.peg = { propose: async () => ({ l1Section, feeRate: params.peg.feeRateFloor }) }
    shop.admit(payment(0))
    const block = await shop.make()
    expect(block.l1Section).toEqual(EMPTY_L1_SECTION)
    expect(block.transactions).toHaveLength(2)
  })

  it('carries evidence, and does without when the state refuses it', async () => {
    const { shop } = await workshop()
    const evidence = doubleVote(params, { height: 2, signer: 3 })
    shop.evidence = [evidence]
    expect((await shop.extend()).extension.evidence).toEqual([evidence])
    expect((await shop.make()).extension.evidence).toEqual([])
  })

  it('gives blocks rising times whatever the clock does, within what others accept', async () => {
    const { shop, payment } = await workshop()
    let last = shop.chain.state().tip.timeMs
    let waits = 0
    for (let vout = 0; vout < 30; vout++) {
      shop.admit(payment(vout))
      let built = await shop.producer.build({ view: 0, proposer: 0 })
      while (built.kind === 'too-early') {
        waits += 1
        expect(built.waitMs).toBeGreaterThan(0)
        await shop.time.pass(built.waitMs)
        built = await shop.producer.build({ view: 0, proposer: 0 })
      }
      if (built.kind !== 'built') throw new TypeError('failed')
      const { block } = built
      expect(block.extension.timeMs).toBeGreaterThan(last)
      last = block.extension.timeMs
      expect(block.header.time * 1000 - shop.time.nowMs).toBeLessThanOrEqual(5_000)
      await shop.chain.apply(block, new Uint8Array())
      shop.producer.applied(block)
      shop.mempool.removeForBlock(block.transactions)
    }
    // One block after the other, no time between them.
    expect(waits).toBeGreaterThan(0)
  })
})

describe('judging a proposal', () => {
  it('waits for its own clock and its own L1, and never for what is wrong', async () => {
    const { shop } = await workshop()
    const block = await shop.make()
    const later = reseal(block, {
      extension: { timeMs: shop.time.nowMs + 10_500 },
      header: { time: Math.floor((shop.time.nowMs + 10_500) / 1000) },
    })
    expect(shop.producer.check(later)).toBe('valid')
    expect(await shop.producer.judge(later)).toBe('pending')
    await shop.time.pass(1_000)
    expect(await shop.producer.judge(later)).toBe('valid')
    shop.peg = { judge: async () => 'pending' }
    expect(await shop.producer.judge(block)).toBe('pending')
    const wrong = reseal(block, { extension: { proposer: 9 } })
    expect(await shop.producer.judge(wrong)).toBe('invalid')
  })

  it('has no opinion about what the chain has overtaken', async () => {
    const { shop } = await workshop()
    const block = await shop.make()
    await shop.time.pass(5)
    await shop.extend()
    expect(await shop.producer.judge(block)).toBe('pending')
  })
})

describe('work', () => {
  it('is there when a transaction waits, and when a heartbeat is due', async () => {
    const { shop, payment } = await workshop()
    await shop.time.pass(40_000)
    expect(shop.producer.hasWork()).toBe(false)
    expect(shop.producer.workDueInMs()).toBeLessThanOrEqual(params.heartbeatMs)
    shop.admit(payment(0))
    expect(shop.producer.hasWork()).toBe(true)
    shop.mempool.remove(transactionId(payment(0)))
    expect(shop.producer.hasWork()).toBe(false)
    await shop.time.pass(shop.producer.workDueInMs() ?? 0)
    expect(shop.producer.hasWork()).toBe(true)
  })

  it('is there when a batch is due, unless nothing can be paid', async () => {
    const { shop, payment, coins } = await workshop()
    const burn = (from: number, to: number): Transaction => {
      const spent = Array.from({ length: to - from }, (_, n) => ({
        outPoint: payment(from + n).inputs[0]!.prevout,
        value: COIN_SATS,
      }))
      const value = sats(COIN_SATS * BigInt(to - from) - 100_000n)
      return spend(alice, spent, [{ value, script: withdrawScript(aUser('l1').script) }])
    }
    shop.admit(burn(coins - 1, coins))
    await shop.extend()
    expect(shop.producer.hasWork()).toBe(false)
    await shop.time.pass(params.peg.batchIntervalMs)
    expect(shop.producer.hasWork()).toBe(true)
    await shop.extend()
    // Its fee does not pay for as many inputs as it needs.
    shop.admit(burn(0, coins - 1))
    await shop.extend()
    await shop.time.pass(params.peg.batchIntervalMs)
    const { view, tip } = shop.chain.state()
    expect(batchDueMs(view, params)).toBe(tip.timeMs + params.peg.batchIntervalMs)
    for (let poll = 0; poll < 3; poll++) expect(shop.producer.hasWork()).toBe(false)
  })

  it('of a member that then has nothing to say makes ever fewer empty blocks', async () => {
    const { shop } = await workshop()
    shop.peg = {
      hasWork: () => true,
      propose: async () => ({ l1Section: EMPTY_L1_SECTION, feeRate: params.peg.feeRateFloor }),
    }
    let blocks = 0
    for (let second = 0; second < 50; second++) {
      for (let i = 0; i < 4; i++) {
        if (shop.producer.hasWork()) {
          await shop.extend()
          blocks += 1
        }
        await shop.time.pass(250)
      }
    }
    expect(blocks).toBeGreaterThan(2)
    expect(blocks).toBeLessThan(9)
  })

  it('of evidence without end makes ever fewer blocks of nothing else', async () => {
    const { shop } = await workshop()
    let blocks = 0
    for (let second = 0; second < 50; second++) {
      shop.evidence = [doubleVote(params, { height: shop.chain.state().tip.height, signer: 3 })]
      if (shop.producer.hasWork()) {
        expect((await shop.extend()).extension.evidence).toHaveLength(1)
        blocks += 1
      }
      await shop.time.pass(1_000)
    }
    expect(blocks).toBeGreaterThan(2)
    expect(blocks).toBeLessThan(9)
  })

  it('of a heartbeat alone does not make a member wait afterwards', async () => {
    const { shop } = await workshop()
    await shop.time.pass(params.heartbeatMs)
    expect(shop.producer.hasWork()).toBe(true)
    await shop.extend()
    expect(shop.producer.hasWork()).toBe(false)
    shop.peg = { hasWork: () => true }
    expect(shop.producer.hasWork()).toBe(true)
  })
})
