/** The pool against a model that knows nothing but the definitions. */

import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  type OutPoint,
  outPointKey,
  type Transaction,
  transactionId,
  transactionVsize,
} from '../../src/bitcoin/transaction.ts'
import { connectTransaction } from '../../src/chain/connect-transaction.ts'
import { buildBlockTemplate } from '../../src/mempool/block-template.ts'
import { EntryGraph, type MempoolEntry } from '../../src/mempool/entry-graph.ts'
import { createMempool, type Mempool } from '../../src/mempool/mempool.ts'
import { CHAIN_TRANSACTIONS_MAX, paysForItself } from '../../src/mempool/policy.ts'
import { anchor, outputOf, transactionOf, World } from './coins.ts'

const ENTRIES_MAX = 14

type Action =
  | { readonly kind: 'admit' | 'package'; readonly picks: readonly number[]; readonly fee: number }
  | { readonly kind: 'block'; readonly take: number; readonly rival: number }
  | { readonly kind: 'expire'; readonly hours: number }
  | { readonly kind: 'remove'; readonly pick: number }

const picks = fc.array(fc.nat(), { minLength: 1, maxLength: 3 })
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('admit' as const), picks, fee: fc.nat(5_000) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('package' as const), picks, fee: fc.nat(9_000) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('block' as const), take: fc.nat(6), rival: fc.nat() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('expire' as const), hours: fc.nat(400) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), pick: fc.nat() }) },
)

/** A pool, its chain, and every coin that was ever there, so that conflicts are common. */
class Run {
  readonly world = new World()
  readonly pool: Mempool = createMempool({ bytesMax: ENTRIES_MAX * 2_200 })
  readonly #known: { readonly outPoint: OutPoint; readonly value: number }[] = []

  constructor() {
    for (let i = 0; i < 6; i++) {
      this.#known.push({ outPoint: this.world.coin(anchor(90_000)), value: 90_000 })
    }
  }

  do(what: Action): void {
    switch (what.kind) {
      case 'admit':
        this.#learn([this.#spend(what.picks, what.fee, 2)])
        break
      case 'package':
        this.#package(what.picks, what.fee)
        break
      case 'block':
        this.#block(what.take, what.rival)
        break
      case 'expire':
        this.world.nowMs += what.hours * 3_600_000
        this.pool.expire(this.world.nowMs)
        break
      case 'remove': {
        const ids = this.pool.ids()
        const txid = ids[what.pick % Math.max(1, ids.length)]
        if (txid !== undefined) this.pool.remove(txid)
        break
      }
    }
  }

  #spend(indexes: readonly number[], fee: number, version: number): Transaction {
    const coins = new Set(indexes.map((index) => this.#known[index % this.#known.length]!))
    const value = [...coins].reduce((sum, coin) => sum + coin.value, 0)
    const outputs = [anchor(Math.max(300, value - fee - 20_000)), anchor(20_000)]
    return transactionOf(
      [...coins].map(({ outPoint }) => outPoint),
      outputs,
      { version },
    )
  }

  #learn(transactions: readonly Transaction[]): void {
    for (const transaction of transactions) {
      if (!this.pool.admit(transaction, this.world.at).ok) continue
      this.#remember(transaction)
    }
  }

  #remember(transaction: Transaction): void {
    for (const [vout, { value }] of transaction.outputs.entries()) {
      this.#known.push({ outPoint: outputOf(transaction, vout), value: Number(value) })
    }
  }

  /** A parent that pays nothing and a child that pays for both, with or without a coin of its own. */
  #package(indexes: readonly number[], fee: number): void {
    const parent = this.#spend(indexes.slice(0, 1), 0, 3)
    const further = this.#known[(indexes[1] ?? 0) % this.#known.length]!
    const own = indexes.length > 1 && further.outPoint !== parent.inputs[0]?.prevout
    const value = own ? 20_000 + further.value : 20_000
    const prevouts = own ? [outputOf(parent, 1), further.outPoint] : [outputOf(parent, 1)]
    const outputs = [anchor(Math.max(300, value - fee - 500)), anchor(500)]
    const child = transactionOf(prevouts, outputs, { version: 3 })
    const result = this.pool.admitPackage([parent, child], this.world.at)
    if (!result.ok) return
    for (const member of result.value.members) {
      if (member.kind === 'accepted') this.#remember(member.entry.transaction)
    }
  }

  /** The first of the pool and perhaps a rival of the next, as another proposer may have it. */
  #block(take: number, rival: number): void {
    const entries = this.pool.all()
    const block = entries.slice(0, take).map((entry) => entry.transaction)
    const taken = new Set(
      block.flatMap(({ inputs }) => inputs.map((one) => outPointKey(one.prevout))),
    )
    const free = this.#known.filter(
      ({ outPoint }) =>
        this.world.at.coins.findCoin(outPoint) !== undefined && !taken.has(outPointKey(outPoint)),
    )
    const coin = free[rival % Math.max(1, free.length)]
    if (coin !== undefined && rival % 2 === 0) {
      block.push(transactionOf([coin.outPoint], [anchor(coin.value - 50), anchor(1_000)]))
    }
    this.pool.removeForBlock(block)
    for (const transaction of block) {
      this.world.confirm(transaction)
      this.#remember(transaction)
    }
  }
}

/** By the definition: the transaction and what it reaches over its inputs. */
function ancestorsOf(entry: MempoolEntry, pool: Mempool): Set<MempoolEntry> {
  const found = new Set([entry])
  for (const member of found) {
    for (const { prevout } of member.transaction.inputs) {
      const parent = pool.find(prevout.txid)
      if (parent !== undefined) found.add(parent)
    }
  }
  return found
}

function totals(entries: Iterable<MempoolEntry>): object {
  const all = [...entries]
  return {
    count: all.length,
    fee: all.reduce((sum, { fee }) => sum + fee, 0n),
    vsize: all.reduce((sum, { transaction }) => sum + transactionVsize(transaction), 0),
    chargedVsize: all.reduce((sum, { chargedVsize }) => sum + chargedVsize, 0),
  }
}

function checkPool({ pool, world }: Run): void {
  const entries = pool.all()
  const ancestors = new Map(entries.map((entry) => [entry, ancestorsOf(entry, pool)]))
  const spent = new Set<string>()
  for (const entry of entries) {
    for (const { prevout } of entry.transaction.inputs) {
      expect(spent.has(outPointKey(prevout))).toBe(false)
      spent.add(outPointKey(prevout))
      expect(pool.has(prevout.txid) || world.at.coins.findCoin(prevout) !== undefined).toBe(true)
    }
    const descendants = entries.filter((other) => ancestors.get(other)!.has(entry))
    const node = pool.family(entry.txid)!
    expect(node.ancestors).toEqual(totals(ancestors.get(entry)!))
    expect(node.descendants).toEqual(totals(descendants))
    expect(new Set(pool.ancestors(entry.txid)).size + 1).toBe(ancestors.get(entry)!.size)
    expect(descendants.length).toBeLessThanOrEqual(CHAIN_TRANSACTIONS_MAX)
    // Nobody waits for nothing: what does not pay for itself has somebody who does.
    const { fee, chargedVsize } = node.descendants
    const isPaid = paysForItself(entry.fee, entry.chargedVsize) || paysForItself(fee, chargedVsize)
    expect(isPaid).toBe(true)
  }
  const { count, totalFee, vsize, memoryBytes, memoryBytesMax } = pool.stats(world.nowMs)
  expect(totals(entries)).toMatchObject({ count, fee: totalFee, vsize })
  expect(memoryBytes).toBeLessThanOrEqual(memoryBytesMax)
}

/** Everything chosen connects, one after the other. */
function checkTemplate({ pool, world }: Run): void {
  const { transactions } = buildBlockTemplate(pool.families(), {
    maxWeight: 4_000,
    maxSigops: 100,
  })
  const made = new Map<string, MempoolEntry>()
  for (const { transaction, txid } of transactions) {
    const { coins, context } = world.at
    const view = {
      findCoin: (outPoint: OutPoint) => {
        const output = made.get(outPoint.txid)?.transaction.outputs[outPoint.vout]
        if (output === undefined) return coins.findCoin(outPoint)
        return { ...output, height: 1, medianTimeBefore: 0, origin: 'ordinary' as const }
      },
    }
    expect(connectTransaction(transaction, view, context).ok).toBe(true)
    made.set(txid, pool.find(txid)!)
  }
}

it('agrees with the definitions whatever comes', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
      const run = new Run()
      for (const one of actions) {
        run.do(one)
        checkPool(run)
      }
      checkTemplate(run)
    }),
    { numRuns: 200 },
  )
})

it('is the same in whatever order a family leaves', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(), fc.nat()), { minLength: 2, maxLength: 12 }),
      fc.array(fc.nat(11), { maxLength: 12 }),
      (plans, leaving) => {
        const world = new World()
        const pool = createMempool()
        const outPoints: OutPoint[] = [world.coin(), world.coin()]
        for (const [a, b] of plans) {
          const chosen = [...new Set([a, b].map((index) => index % outPoints.length))]
          const prevouts = chosen.map((index) => outPoints[index]!)
          const spare = world.coin()
          const outputs = [anchor(1_000), anchor(1_000), anchor(1_000)]
          const transaction = transactionOf([...prevouts, spare], outputs)
          if (!pool.admit(transaction, world.at).ok) continue
          outPoints.push(outputOf(transaction, 0), outputOf(transaction, 1))
        }
        const whole = new EntryGraph()
        for (const entry of pool.all()) whole.add(entry)
        const ids = whole.ids()
        const gone = whole.withDescendants(new Set(leaving.flatMap((index) => ids[index] ?? [])))
        whole.remove(gone.map(({ txid }) => txid))
        const rebuilt = new EntryGraph()
        for (const entry of whole.entries()) rebuilt.add(entry)
        for (const node of rebuilt.nodes()) {
          const { ancestors, descendants } = whole.findNode(transactionId(node.entry.transaction))!
          expect({ ancestors, descendants }).toEqual({
            ancestors: node.ancestors,
            descendants: node.descendants,
          })
        }
      },
    ),
    { numRuns: 200 },
  )
})
