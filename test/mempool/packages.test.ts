import { beforeEach, describe, expect, it } from 'vitest'
import {
  type OutPoint,
  type Transaction,
  transactionId,
  transactionVsize,
} from '../../src/bitcoin/transaction.ts'
import { buildBlockTemplate } from '../../src/mempool/block-template.ts'
import { createMempool, type Mempool } from '../../src/mempool/mempool.ts'
import type { PackageOutcome } from '../../src/mempool/package-admission.ts'
import {
  anchor,
  COIN_SATS,
  codeOf,
  outputOf,
  padding,
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

/** What was said to each, or why it is no package. */
function submit(...transactions: readonly Transaction[]): readonly string[] | string {
  const result = pool.admitPackage(transactions, world.at)
  return result.ok ? wordsOf(result.value) : result.error.code
}

function wordsOf(outcome: PackageOutcome): readonly string[] {
  const words = outcome.members.map((one) => (one.kind === 'refused' ? one.error.code : one.kind))
  return outcome.problem === undefined ? words : [...words, `all: ${outcome.problem.code}`]
}

const dryRun = (...transactions: readonly Transaction[]): readonly string[] =>
  wordsOf(pool.dryRun(transactions, world.at))

/** As Lightning's zero-fee commitments: version 3, no fee, an anchor that anybody can spend. */
function commitment(coin: OutPoint = world.coin(), anchorSats = 240): Transaction {
  const outputs = [anchor(COIN_SATS - anchorSats), anchor(anchorSats)]
  return transactionOf([coin], outputs, { version: 3 })
}

/** Spends the anchor and a coin of its own, which pays. */
function bump(
  parent: Transaction,
  fee: number,
  coin = world.coin(),
  anchorSats = 240,
): Transaction {
  const outputs = [anchor(COIN_SATS + anchorSats - fee), padding(1)]
  return transactionOf([outputOf(parent, 1), coin], outputs, { version: 3 })
}

const idsOf = (...transactions: readonly Transaction[]): readonly string[] =>
  transactions.map(transactionId)

describe('a commitment without fee and the child that pays for it', () => {
  it('are refused alone and taken together', () => {
    const parent = commitment()
    const child = bump(parent, 2_000)
    expect(admit(parent)).toBe('min relay fee not met')
    expect(admit(child)).toBe('bad-txns-inputs-missingorspent')
    const result = pool.admitPackage([parent, child], world.at)
    expect(result).toMatchObject({
      ok: true,
      value: {
        members: [
          { kind: 'accepted', together: [{ fee: 0n }, { fee: 2_000n }] },
          { kind: 'accepted', entry: { txid: transactionId(child) } },
        ],
        replaced: [],
      },
    })
    expect(pool.ids()).toEqual(idsOf(parent, child))
    expect(submit(parent, child)).toEqual(['known', 'known'])
  })

  it('have to pay the minimum for both, to the satoshi', () => {
    const parent = commitment()
    const coin = world.coin()
    const least = transactionVsize(parent) + transactionVsize(bump(parent, 1_000, coin))
    expect(submit(parent, bump(parent, least - 1, coin))).toEqual([
      'min relay fee not met',
      'min relay fee not met',
    ])
    expect(pool.size).toBe(0)
    expect(submit(parent, bump(parent, least, coin))).toEqual(['accepted', 'accepted'])
  })

  it('go into a block together, and only together', () => {
    const parent = commitment()
    const child = bump(parent, 5_000)
    const rival = spend([world.coin()], 500)
    submit(parent, child)
    admit(rival)
    const roomy = buildBlockTemplate(pool.families(), { maxWeight: 100_000, maxSigops: 100 })
    expect(roomy.transactions.map(({ txid }) => txid)).toEqual(idsOf(parent, child, rival))
    const { weight } = pool.find(transactionId(parent))!
    const tight = buildBlockTemplate(pool.families(), { maxWeight: weight, maxSigops: 100 })
    expect(tight.transactions.map(({ txid }) => txid)).toEqual(idsOf(rival))
  })

  it('leave together when the child is replaced by what does not pay for the parent', () => {
    const coin = world.coin()
    const parent = commitment()
    const child = bump(parent, 2_000, coin)
    submit(parent, child)
    const elsewhere = spend([coin], 3_000)
    expect(admit(elsewhere)).toBe('ok')
    expect(pool.ids()).toEqual(idsOf(elsewhere))
    expect(pool.stats(world.nowMs)).toMatchObject({ count: 1, totalFee: 3_000n })
  })

  it('stay when the child is replaced by another that pays more', () => {
    const coin = world.coin()
    const parent = commitment()
    submit(parent, bump(parent, 2_000, coin))
    const better = bump(parent, 3_000, coin)
    expect(admit(better)).toBe('ok')
    expect(pool.ids()).toEqual(idsOf(parent, better))
    // Another payer with coins of its own takes the child's place too (sibling eviction).
    const sibling = bump(parent, 4_000)
    expect(admit(sibling)).toBe('ok')
    expect(pool.ids()).toEqual(idsOf(parent, sibling))
  })

  it('leave together from a full pool, and when a block takes the coin of the child', () => {
    pool = createMempool({ bytesMax: 4 * 2_150 })
    const parent = commitment()
    submit(parent, bump(parent, 300))
    for (let i = 0; i < 4; i++) expect(admit(spend([world.coin()], 5_000))).toBe('ok')
    expect(pool.has(transactionId(parent))).toBe(false)
    expect(pool.size).toBe(4)

    pool = createMempool()
    const coin = world.coin()
    submit(parent, bump(parent, 2_000, coin))
    const { conflicted } = pool.removeForBlock([spend([coin], 100)])
    expect(conflicted).toHaveLength(2)
    expect(pool.size).toBe(0)
  })

  it('stay apart when a block takes the parent alone', () => {
    const parent = commitment()
    const child = bump(parent, 2_000)
    submit(parent, child)
    pool.removeForBlock([parent])
    expect(pool.ids()).toEqual(idsOf(child))
  })

  it('need version 3: nothing else may pay less than the minimum', () => {
    const parent = { ...commitment(), version: 2 }
    const child = { ...bump(parent, 5_000), version: 2 }
    expect(submit(parent, child)).toEqual([
      'min relay fee not met',
      'bad-txns-inputs-missingorspent',
    ])
  })
})

describe('ephemeral dust', () => {
  it('is welcome on a parent without fee whose child spends it', () => {
    const parent = commitment(world.coin(), 7)
    expect(submit(parent, bump(parent, 2_000, world.coin(), 7))).toEqual(['accepted', 'accepted'])
  })

  it('has to be spent by the child, and by every child after it', () => {
    const parent = commitment(world.coin(), 7)
    const other = transactionOf([outputOf(parent, 0)], [anchor(COIN_SATS - 5_007), padding(1)], {
      version: 3,
    })
    expect(submit(parent, other)).toEqual(['min relay fee not met', 'missing-ephemeral-spends'])
    submit(parent, bump(parent, 2_000, world.coin(), 7))
    const replacement = transactionOf(
      [outputOf(parent, 0)],
      [anchor(COIN_SATS - 50_007), padding(1)],
      { version: 3 },
    )
    expect(admit(replacement)).toBe('missing-ephemeral-spends')
  })

  it('is refused beside a fee, and twice in one transaction', () => {
    const paying = transactionOf([world.coin()], [anchor(COIN_SATS - 5_000), anchor(7)])
    expect(admit(paying)).toBe('dust')
    const twice = transactionOf([world.coin()], [anchor(COIN_SATS - 14), anchor(7), anchor(7)], {
      version: 3,
    })
    expect(submit(twice, bump(twice, 2_000, world.coin(), 7))).toEqual([
      'dust',
      'bad-txns-inputs-missingorspent',
    ])
  })
})

/** Spends the first output of each. */
function childOf(parents: readonly Transaction[], fee = 1_000): Transaction {
  const value = parents.reduce((sum, one) => sum + Number(one.outputs[0]!.value), 0)
  return spend(
    parents.map((parent) => outputOf(parent)),
    fee,
    value,
  )
}

describe('the shape of a package', () => {
  it('is one child with its parents', () => {
    const parents = Array.from({ length: 3 }, () => spend([world.coin()], 200))
    expect(submit(...parents, childOf(parents))).toEqual(Array(4).fill('accepted'))
    expect(submit(spend([world.coin()], 200))).toEqual(['accepted'])
    const stranger = spend([world.coin()], 200)
    const parent = spend([world.coin()], 200)
    expect(submit(stranger, parent, childOf([parent]))).toBe('package-not-child-with-parents')
    const middle = childOf([parent])
    const last = transactionOf([outputOf(middle), outputOf(parent, 1)], [anchor(1_000)])
    expect(submit(parent, middle, last)).toBe('package-not-child-with-parents')
    expect(submit()).toBe('package-not-child-with-parents')
  })

  it('has parents first, nothing twice, and no conflict', () => {
    const coin = world.coin()
    const parent = spend([coin], 200)
    expect(submit(childOf([parent]), parent)).toBe('package-not-sorted')
    expect(submit(parent, parent)).toBe('package-contains-duplicates')
    expect(submit(parent, spend([coin], 300))).toBe('conflict-in-package')
  })

  it('has at most 25 members and 404,000 weight units', () => {
    const parents = Array.from({ length: 25 }, () => spend([world.coin()], 200))
    expect(submit(...parents, childOf(parents))).toBe('package-too-many-transactions')
    const some = parents.slice(0, 24)
    expect(submit(...some, childOf(some, 5_000))).toEqual(Array(25).fill('accepted'))
    const bulk = Array.from({ length: 560 }, () => padding(83))
    const big = Array.from({ length: 2 }, () =>
      transactionOf([world.coin()], [anchor(10_000), ...bulk]),
    )
    expect(submit(...big, childOf(big))).toBe('package-too-large')
  })
})

describe('members', () => {
  it('that are good alone stay when the child is refused', () => {
    const parent = spend([world.coin()], 500)
    const child = spend([outputOf(parent)], 1, COIN_SATS - 500)
    expect(submit(parent, child)).toEqual(['accepted', 'min relay fee not met'])
    expect(pool.ids()).toEqual(idsOf(parent))
  })

  it('are left alone once one is valid under no state', () => {
    const parent = transactionOf([world.coin()], [anchor(COIN_SATS + 1), padding(1)])
    const child = spend([outputOf(parent)], 500)
    expect(submit(parent, child)).toEqual(['bad-txns-in-belowout', 'unevaluated'])
  })

  it('may be cheaper than a full pool asks, when the child makes up for it', () => {
    pool = createMempool({ bytesMax: 6 * 2_100 })
    for (let i = 0; i < 12; i++) admit(spend([world.coin()], 1_000 + i * 10))
    const { minFeeSatsPerKvb } = pool.stats(world.nowMs)
    expect(minFeeSatsPerKvb).toBeGreaterThan(5_000)
    const parent = spend([world.coin()], 200)
    const child = spend([outputOf(parent)], 9_000, COIN_SATS - 200)
    expect(admit(parent)).toBe('mempool min fee not met')
    expect(submit(parent, child)).toEqual(['accepted', 'accepted'])
    expect(pool.has(transactionId(parent))).toBe(true)
  })

  it('that there is no room for are told so, all or none', () => {
    pool = createMempool({ bytesMax: 3 * 2_100 })
    for (let i = 0; i < 3; i++) admit(spend([world.coin()], 50_000))
    const parent = commitment()
    expect(submit(parent, bump(parent, 900))).toEqual(['mempool full', 'mempool full'])
    expect(pool.size).toBe(3)
  })

  it('count against the family of what they build on', () => {
    let last = spend([world.coin()], 500)
    admit(last)
    for (let i = 1; i < 24; i++) {
      last = spend([outputOf(last)], 500, COIN_SATS - 500 * i)
      admit(last)
    }
    const outputs = [anchor(40_000), anchor(40_000)]
    const parent = transactionOf([outputOf(last)], outputs)
    expect(admit(parent)).toBe('ok')
    expect(submit(parent, spend([outputOf(parent)], 500, 40_000))).toEqual([
      'known',
      'too-long-mempool-chain',
    ])
  })

  it('with another witness than the one that waits are known', () => {
    const parent = spend([world.coin()], 500)
    admit(parent)
    const [input] = parent.inputs
    const other = { ...parent, inputs: [{ ...input!, witness: [new Uint8Array(1)] }] }
    const child = spend([outputOf(parent)], 500, COIN_SATS - 500)
    expect(submit(other, child)).toEqual(['known', 'accepted'])
  })
})

describe('replacement by a package', () => {
  it('takes the place of another commitment and its child when both pay more', () => {
    const coin = world.coin()
    const theirs = commitment(coin)
    submit(theirs, bump(theirs, 2_000))
    const ours = { ...commitment(coin), lockTime: 1 }
    const cheap = bump(ours, 2_000)
    expect(submit(ours, cheap)).toEqual([
      'min relay fee not met',
      'bad-txns-inputs-missingorspent',
      'all: insufficient fee',
    ])
    expect(pool.has(transactionId(theirs))).toBe(true)
    const result = pool.admitPackage([ours, bump(ours, 4_000)], world.at)
    expect(result).toMatchObject({ ok: true, value: { replaced: { length: 2 } } })
    expect(pool.size).toBe(2)
    expect(pool.has(transactionId(ours))).toBe(true)
  })

  it('wants all fees that go, and the relay of both, to the satoshi', () => {
    const coin = world.coin()
    const theirs = commitment(coin)
    submit(theirs, bump(theirs, 2_000))
    const ours = { ...commitment(coin), lockTime: 1 }
    const payer = world.coin()
    const size = transactionVsize(ours) + transactionVsize(bump(ours, 1_000, payer))
    expect(submit(ours, bump(ours, 1_999 + size, payer))).toContain('all: insufficient fee')
    expect(submit(ours, bump(ours, 2_000 + size, payer))).toEqual(['accepted', 'accepted'])
  })

  it('is only for one parent with one child', () => {
    const coins = [world.coin(), world.coin()]
    for (const coin of coins) admit(spend([coin], 2_000))
    // Two parents that each pay too little to replace anything.
    const parents = coins.map((coin) => spend([coin], 1_000))
    const child = spend(
      parents.map((parent) => outputOf(parent)),
      50_000,
      2 * (COIN_SATS - 1_000),
    )
    expect(submit(...parents, child)).toContain('all: package RBF failed')
    expect(pool.size).toBe(2)
  })

  it('is no cover for a parent that pays more than its child adds', () => {
    const coin = world.coin()
    admit(spend([coin], 2_000))
    const parent = spend([coin], 2_010)
    const child = spend([outputOf(parent)], 300, COIN_SATS - 2_010)
    expect(submit(parent, child)).toContain('all: package RBF failed')
  })
})

describe('a dry run of several', () => {
  it('judges children beside their parents, and changes nothing', () => {
    const parent = spend([world.coin()], 500)
    const child = spend([outputOf(parent)], 500, COIN_SATS - 500)
    const grandchild = spend([outputOf(child)], 500, COIN_SATS - 1_000)
    expect(dryRun(parent, child, grandchild)).toEqual(['accepted', 'accepted', 'accepted'])
    expect(pool.size).toBe(0)
    expect(pool.stats(world.nowMs)).toMatchObject({ totalFee: 0n, memoryBytes: 0 })
  })

  it('ends at the first that is refused, and lets nobody pay for others', () => {
    const parent = commitment()
    expect(dryRun(parent, bump(parent, 5_000))).toEqual(['min relay fee not met', 'unevaluated'])
    expect(dryRun(bump(parent, 5_000), parent)).toEqual([
      'unevaluated',
      'unevaluated',
      'all: package-not-sorted',
    ])
  })

  it('replaces nothing, unless it is one alone', () => {
    const coin = world.coin()
    admit(spend([coin], 500))
    const better = spend([coin], 5_000)
    expect(dryRun(better)).toEqual(['accepted'])
    expect(dryRun(better, spend([outputOf(better)], 500, COIN_SATS - 5_000))).toContain(
      'all: bip125-replacement-disallowed',
    )
  })

  it('keeps the limits on families', () => {
    const parent = transactionOf(
      [world.coin()],
      Array.from({ length: 26 }, () => anchor(3_000)),
    )
    admit(parent)
    const children = Array.from({ length: 24 }, (_, vout) =>
      spend([outputOf(parent, vout)], 500, 3_000),
    )
    expect(dryRun(...children)).toEqual(Array(24).fill('accepted'))
    admit(spend([outputOf(parent, 25)], 500, 3_000))
    expect(dryRun(...children)).toContain('all: package-mempool-limits')
  })

  it('knows the limit that the sender sets himself', () => {
    const transaction = spend([world.coin()], 50_000)
    const at = { ...world.at, maxFeeSatsPerKvb: 100_000 }
    expect(wordsOf(pool.dryRun([transaction], at))).toEqual(['max feerate exceeded'])
    expect(pool.admitPackage([transaction], at)).toMatchObject({
      value: { members: [{ error: { code: 'max feerate exceeded' } }] },
    })
    expect(pool.size).toBe(0)
  })
})
