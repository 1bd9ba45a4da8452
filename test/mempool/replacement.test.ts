import { beforeEach, describe, expect, it } from 'vitest'
import {
  type OutPoint,
  type Transaction,
  transactionId,
  transactionVsize,
} from '../../src/bitcoin/transaction.ts'
import { createMempool, type Mempool } from '../../src/mempool/mempool.ts'
import { REPLACEMENT_EVICTIONS_MAX } from '../../src/mempool/policy.ts'
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

describe('replacement by fee', () => {
  it('lets a better paying transaction take the place of another and its descendants', () => {
    const coin = world.coin()
    const old = spend([coin], 500)
    const child = spend([outputOf(old)], 1_000, COIN_SATS - 500)
    admit(old)
    admit(child)
    const better = spend([coin], 1_500 + transactionVsize(old))
    expect(admit(better)).toBe('ok')
    expect(pool.ids()).toEqual([transactionId(better)])
    expect(pool.spender(coin)).toEqual({ txid: transactionId(better), vin: 0 })
    expect(pool.stats(world.nowMs)).toMatchObject({ count: 1, vsize: transactionVsize(better) })
  })

  it('wants the fees of all that goes and its own relay fee, to the satoshi', () => {
    const coin = world.coin()
    const old = spend([coin], 500)
    admit(old)
    admit(spend([outputOf(old)], 1_000, COIN_SATS - 500))
    const least = 1_500 + transactionVsize(old)
    expect(refusal(spend([coin], least - 1))).toEqual(['insufficient fee', 'policy'])
    expect(admit(spend([coin], least))).toBe('ok')
  })

  it('wants a higher fee rate, not only a higher fee', () => {
    const coin = world.coin()
    const old = spend([coin], 1_000)
    admit(old)
    const outputs = Array.from({ length: 50 }, () => padding(83))
    const larger = transactionOf([coin], [anchor(COIN_SATS - 10_000), ...outputs])
    expect(transactionVsize(larger) / 10_000).toBeGreaterThan(transactionVsize(old) / 1_000)
    expect(refusal(larger)).toEqual(['insufficient fee', 'policy'])
  })

  it('replaces several at once', () => {
    const coins = [world.coin(), world.coin(), world.coin()]
    for (const coin of coins) admit(spend([coin], 500))
    expect(admit(spend(coins, 5_000))).toBe('ok')
    expect(pool.ids()).toHaveLength(1)
  })

  it('refuses to spend what an ancestor of its own spends', () => {
    const coin = world.coin()
    const parent = spend([coin], 500)
    admit(parent)
    const child = spend([outputOf(parent), coin], 50_000, 2 * COIN_SATS - 500)
    expect(refusal(child)).toEqual(['bad-txns-spends-conflicting-tx', 'policy'])
  })

  it('pushes out a bounded number of transactions', () => {
    const coins = Array.from({ length: REPLACEMENT_EVICTIONS_MAX + 1 }, () => world.coin())
    for (const coin of coins) admit(spend([coin], 100))
    expect(refusal(spend(coins, 5_000_000))).toEqual(['too many potential replacements', 'policy'])
    const children = coins
      .slice(0, 2)
      .map((coin) => spend([outputOf(parentOf(coin))], 100, COIN_SATS - 100))
    for (const child of children) admit(child)
    // 99 parents and 2 children.
    expect(refusal(spend(coins.slice(0, -2), 5_000_000))).toEqual([
      'too many potential replacements',
      'policy',
    ])
    expect(admit(spend(coins.slice(2), 5_000_000))).toBe('ok')
  })
})

function parentOf(coin: OutPoint): Transaction {
  return pool.find(pool.spender(coin)!.txid)!.transaction
}
