import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  type OutPoint,
  outPointKey,
  type Transaction,
  transactionId,
  transactionWeight,
} from '../../src/bitcoin/transaction.ts'
import { buildBlockTemplate } from '../../src/mempool/block-template.ts'
import { EntryGraph, type FamilyNode, type MempoolEntry } from '../../src/mempool/entry-graph.ts'
import { createMempool } from '../../src/mempool/mempool.ts'
import { anchor, COIN_SATS, outputOf, padding, spend, transactionOf, World } from './coins.ts'

const ROOMY = { maxWeight: 1_000_000, maxSigops: 20_000 }

function entriesOf(world: World, transactions: readonly Transaction[]): readonly FamilyNode[] {
  const pool = createMempool()
  for (const transaction of transactions) {
    expect(pool.admit(transaction, world.at)).toMatchObject({ ok: true })
  }
  return [...pool.families()]
}

function idsOf(entries: readonly MempoolEntry[]): readonly string[] {
  return entries.map(({ txid }) => txid)
}

it('is empty for an empty pool', () => {
  expect(buildBlockTemplate([], ROOMY)).toEqual({
    transactions: [],
    fees: 0n,
    weight: 0,
    sigops: 0,
  })
})

it('takes the best paying transactions first', () => {
  const world = new World()
  const transactions = [300, 900, 500].map((fee) => spend([world.coin()], fee))
  const template = buildBlockTemplate(entriesOf(world, transactions), ROOMY)
  expect(template.transactions.map(({ fee }) => fee)).toEqual([900n, 500n, 300n])
  expect(template.fees).toBe(1_700n)
  expect(template.weight).toBe(transactions.reduce((sum, tx) => sum + transactionWeight(tx), 0))
})

it('takes equal ones in order of arrival', () => {
  const world = new World()
  const transactions = Array.from({ length: 20 }, () => spend([world.coin()], 500))
  const template = buildBlockTemplate(entriesOf(world, transactions), ROOMY)
  expect(idsOf(template.transactions)).toEqual(transactions.map(transactionId))
})

it('lets a child pay for its parent', () => {
  const world = new World()
  const parent = spend([world.coin()], 100)
  const child = spend([outputOf(parent)], 5_000, COIN_SATS - 100)
  const rival = spend([world.coin()], 1_000)
  const entries = entriesOf(world, [parent, child, rival])
  const weight = transactionWeight(parent) + transactionWeight(child)
  const template = buildBlockTemplate(entries, { maxWeight: weight, maxSigops: 0 })
  expect(idsOf(template.transactions)).toEqual([parent, child].map(transactionId))
})

it('counts a parent once for all the children that pay for it', () => {
  const world = new World()
  const bulk = Array.from({ length: 50 }, () => padding(83))
  const parent = transactionOf([world.coin()], [anchor(40_000), anchor(40_000), ...bulk])
  const payer = spend([outputOf(parent, 0)], 30_000, 40_000)
  // Alone with the parent it would be worse than the rival; without it, better.
  const follower = spend([outputOf(parent, 1)], 1_200, 40_000)
  const rival = spend([world.coin()], 600)
  const entries = entriesOf(world, [parent, follower, rival, payer])
  const template = buildBlockTemplate(entries, ROOMY)
  expect(idsOf(template.transactions)).toEqual([parent, payer, follower, rival].map(transactionId))
})

it('goes on with smaller ones when a large one does not fit', () => {
  const world = new World()
  const outputs = Array.from({ length: 50 }, () => padding(83))
  const large = transactionOf([world.coin()], [anchor(1_000), ...outputs])
  const small = spend([world.coin()], 200)
  const entries = entriesOf(world, [large, small])
  const template = buildBlockTemplate(entries, { maxWeight: 2_000, maxSigops: 100 })
  expect(idsOf(template.transactions)).toEqual([transactionId(small)])
})

it('stays within the signature operations', () => {
  const world = new World()
  const transactions = Array.from({ length: 10 }, () => spend([world.coin()], 500))
  const graph = new EntryGraph()
  for (const { entry } of entriesOf(world, transactions)) graph.add({ ...entry, sigops: 30 })
  const template = buildBlockTemplate(graph.nodes(), { maxWeight: 1_000_000, maxSigops: 100 })
  expect(template.transactions).toHaveLength(3)
  expect(template.sigops).toBe(90)
})

it('keeps limits and order for any pool, and leaves out nothing that fits', () => {
  const plan = fc.record({ a: fc.nat(), b: fc.nat(), fee: fc.integer({ min: 600, max: 20_000 }) })
  const pools = fc.array(plan, { minLength: 1, maxLength: 40 })
  fc.assert(
    fc.property(pools, fc.integer({ min: 500, max: 20_000 }), (plans, maxWeight) => {
      const world = new World()
      const pool = createMempool()
      const free: OutPoint[] = []
      for (const { a, b, fee } of plans) {
        free.push(world.coin())
        const [first] = free.splice(a % free.length, 1)
        const [second] = b % 2 === 0 ? free.splice(b % Math.max(1, free.length), 1) : []
        const prevouts = second === undefined ? [first!] : [first!, second]
        const transaction = transactionOf(prevouts, [anchor(500), anchor(COIN_SATS)])
        const value = 500 + COIN_SATS + fee
        world.put({ txid: transactionId(transaction), vout: 9 }, anchor(value))
        const funded = transactionOf(
          [...prevouts, { txid: transactionId(transaction), vout: 9 }],
          [...transaction.outputs],
        )
        if (!pool.admit(funded, world.at).ok) continue
        free.push(outputOf(funded, 0), outputOf(funded, 1))
      }
      const template = buildBlockTemplate(pool.families(), { maxWeight, maxSigops: 100 })
      checkTemplate(pool.all(), template.transactions, maxWeight)
      expect(buildBlockTemplate(pool.families(), { maxWeight, maxSigops: 100 })).toEqual(template)
    }),
    { numRuns: 150 },
  )
})

it('fills a block from a large pool in the time of a proposal', () => {
  const world = new World()
  const transactions = Array.from({ length: 5_000 }, (_, i) =>
    spend([world.coin()], 500 + (i % 997)),
  )
  const template = buildBlockTemplate(entriesOf(world, transactions), ROOMY)
  const rates = template.transactions.map(({ fee }) => fee)
  expect(rates).toEqual(rates.toSorted((a, b) => Number(b - a)))
  expect(template.weight).toBeGreaterThan(990_000)
})

function checkTemplate(
  entries: readonly MempoolEntry[],
  chosen: readonly MempoolEntry[],
  maxWeight: number,
): void {
  const unconfirmed = new Set(idsOf(entries))
  const placed = new Set<string>()
  const spent = new Set<string>()
  let weight = 0
  for (const entry of chosen) {
    for (const { prevout } of entry.transaction.inputs) {
      expect(!unconfirmed.has(prevout.txid) || placed.has(prevout.txid)).toBe(true)
      expect(spent.has(outPointKey(prevout))).toBe(false)
      spent.add(outPointKey(prevout))
    }
    expect(placed.has(entry.txid)).toBe(false)
    placed.add(entry.txid)
    weight += entry.weight
  }
  expect(weight).toBeLessThanOrEqual(maxWeight)
  for (const entry of entries) {
    const isReady = entry.transaction.inputs.every(
      ({ prevout }) => !unconfirmed.has(prevout.txid) || placed.has(prevout.txid),
    )
    if (!placed.has(entry.txid) && isReady) expect(weight + entry.weight).toBeGreaterThan(maxWeight)
  }
}
