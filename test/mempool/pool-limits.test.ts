import * as fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  type OutPoint,
  outPointKey,
  type Transaction,
  transactionId,
} from '../../src/bitcoin/transaction.ts'
import { createMempool, type Mempool } from '../../src/mempool/mempool.ts'
import { CHAIN_TRANSACTIONS_MAX } from '../../src/mempool/policy.ts'
import { hash32FromBytes } from '../../src/primitives/hashes.ts'
import { sha256 } from '../../src/primitives/sha256.ts'
import {
  anchor,
  COIN_SATS,
  codeOf,
  outputOf,
  padding,
  refusalOf,
  spend,
  transactionOf,
  World,
} from './coins.ts'

let world: World
let pool: Mempool

beforeEach(() => {
  world = new World()
  pool = createMempool()
})

const admit = (transaction: Transaction): string => codeOf(pool.admit(transaction, world.at))

const refusal = (transaction: Transaction): unknown => refusalOf(pool.admit(transaction, world.at))

const anchorHash = hash32FromBytes(sha256(anchor(1).script))

function chainOf(length: number): Transaction {
  let last = spend([world.coin()], 500)
  admit(last)
  for (let i = 1; i < length; i++) {
    last = spend([outputOf(last)], 500, COIN_SATS - 500 * i)
    expect(admit(last)).toBe('ok')
  }
  return last
}

describe('limits on families', () => {
  it('takes a chain of 25 and not of 26', () => {
    const last = chainOf(CHAIN_TRANSACTIONS_MAX)
    const next = spend([outputOf(last)], 500, COIN_SATS - 500 * CHAIN_TRANSACTIONS_MAX)
    expect(refusal(next)).toEqual(['too-long-mempool-chain', 'policy'])
  })

  it('counts all descendants of an ancestor', () => {
    const outputs = Array.from({ length: 30 }, () => anchor(2_000))
    const parent = transactionOf([world.coin()], outputs)
    admit(parent)
    for (let vout = 0; vout < CHAIN_TRANSACTIONS_MAX - 1; vout++) {
      expect(admit(spend([outputOf(parent, vout)], 200, 2_000))).toBe('ok')
    }
    expect(admit(spend([outputOf(parent, 29)], 200, 2_000))).toBe('too-long-mempool-chain')
    // One that takes another's place does not make the family larger.
    expect(admit(spend([outputOf(parent, 0)], 1_000, 2_000))).toBe('ok')
  })

  it('bounds the size of a family too', () => {
    const outputs = Array.from({ length: 650 }, () => padding(83))
    const large = (from: OutPoint, value: number): Transaction =>
      transactionOf([from], [anchor(value - 70_000), ...outputs])
    const parent = large(world.coin(anchor(1_000_000)), 1_000_000)
    expect(admit(parent)).toBe('ok')
    expect(admit(large(outputOf(parent), 930_000))).toBe('too-long-mempool-chain')
  })
})

describe('a full pool', () => {
  it('drops what pays least, raises its floor, and lets it sink again', () => {
    pool = createMempool({ bytesMax: 20 * 2_100 })
    const transactions = Array.from({ length: 40 }, (_, i) => spend([world.coin()], 500 + i * 10))
    for (const transaction of transactions) {
      expect(['ok', 'mempool full', 'mempool min fee not met']).toContain(admit(transaction))
    }
    const { memoryBytes, memoryBytesMax, minFeeSatsPerKvb } = pool.stats(world.nowMs)
    expect(memoryBytes).toBeLessThanOrEqual(memoryBytesMax)
    expect(minFeeSatsPerKvb).toBeGreaterThan(1_000)
    // The best one stayed, the worst went.
    expect(pool.has(transactionId(transactions.at(-1)!))).toBe(true)
    expect(pool.has(transactionId(transactions[0]!))).toBe(false)
    const cheap = spend([world.coin()], 100)
    expect(refusal(cheap)).toEqual(['mempool min fee not met', 'policy'])
    world.nowMs += 3_600_000
    expect(pool.stats(world.nowMs).minFeeSatsPerKvb).toBe(1_000)
  })

  it('says so when the newcomer itself pays least, and loses nothing else for it', () => {
    pool = createMempool({ bytesMax: 3 * 2_100 })
    for (let i = 0; i < 3; i++) expect(admit(spend([world.coin()], 5_000))).toBe('ok')
    expect(refusal(spend([world.coin()], 200))).toEqual(['mempool full', 'policy'])
    expect(pool.ids()).toHaveLength(3)
  })

  it('keeps a cheap parent for its dear child', () => {
    pool = createMempool({ bytesMax: 4 * 2_100 })
    const parent = spend([world.coin()], 100)
    const child = spend([outputOf(parent)], 50_000, COIN_SATS - 100)
    admit(parent)
    admit(child)
    for (let i = 0; i < 6; i++) admit(spend([world.coin()], 1_000 + i))
    expect(pool.has(transactionId(parent))).toBe(true)
    expect(pool.has(transactionId(child))).toBe(true)
  })

  it('never keeps a child without its parent', () => {
    pool = createMempool({ bytesMax: 3 * 2_100 })
    const parent = spend([world.coin()], 100)
    const child = spend([outputOf(parent)], 100, COIN_SATS - 100)
    admit(parent)
    admit(child)
    for (let i = 0; i < 3; i++) admit(spend([world.coin()], 9_000))
    expect(pool.has(transactionId(parent))).toBe(false)
    expect(pool.has(transactionId(child))).toBe(false)
  })
})

it('stays consistent whatever comes', () => {
  const step = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant('admit' as const),
        a: fc.nat(),
        b: fc.nat(),
        fee: fc.nat(4_000),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('block' as const), take: fc.nat(5) }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('expire' as const), hours: fc.nat(400) }),
    },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      world = new World()
      pool = createMempool({ bytesMax: 12 * 2_100 })
      const known = Array.from({ length: 6 }, () => world.coin())
      for (const action of steps) {
        if (action.kind === 'admit') {
          const prevouts = [known[action.a % known.length]!, known[action.b % known.length]!]
          const distinct = prevouts[0] === prevouts[1] ? prevouts.slice(1) : prevouts
          const transaction = transactionOf(distinct, [anchor(20_000 - action.fee), anchor(1_000)])
          if (pool.admit(transaction, world.at).ok) known.push(outputOf(transaction))
        } else if (action.kind === 'block') {
          const transactions = pool
            .all()
            .slice(0, action.take)
            .map((entry) => entry.transaction)
          pool.removeForBlock(transactions)
          for (const transaction of transactions) world.confirm(transaction)
        } else {
          world.nowMs += action.hours * 3_600_000
          pool.expire(world.nowMs)
        }
        checkConsistent()
      }
    }),
    { numRuns: 150 },
  )
})

function checkConsistent(): void {
  const seen = new Set<string>()
  const spentKeys = new Set<string>()
  const { coins } = world.at
  let fees = 0n
  for (const entry of pool.all()) {
    for (const [vin, { prevout }] of entry.transaction.inputs.entries()) {
      // Every input is a coin of the chain or of a transaction that came before; nobody else's.
      expect(seen.has(prevout.txid) || coins.findCoin(prevout) !== undefined).toBe(true)
      expect(spentKeys.has(outPointKey(prevout))).toBe(false)
      spentKeys.add(outPointKey(prevout))
      expect(pool.spender(prevout)).toEqual({ txid: entry.txid, vin })
    }
    seen.add(entry.txid)
    fees += entry.fee
  }
  const { count, totalFee, memoryBytes, memoryBytesMax } = pool.stats(world.nowMs)
  expect(count).toBe(seen.size)
  expect(totalFee).toBe(fees)
  expect(memoryBytes).toBeLessThanOrEqual(memoryBytesMax)
  expect(pool.byScript(anchorHash)).toHaveLength(seen.size)
}
