import { beforeEach, describe, expect, it } from 'vitest'
import {
  type OutPoint,
  type Transaction,
  transactionId,
  transactionVsize,
} from '../../src/bitcoin/transaction.ts'
import { createMempool, type Mempool } from '../../src/mempool/mempool.ts'
import { TRUC_CHILD_VSIZE_MAX, TRUC_VSIZE_MAX } from '../../src/mempool/policy.ts'
import { anchor, codeOf, outputOf, padding, transactionOf, World } from './coins.ts'

let world: World
let pool: Mempool

beforeEach(() => {
  world = new World()
  pool = createMempool()
})

const admit = (transaction: Transaction): string => codeOf(pool.admit(transaction, world.at))

/** Two outputs to build on, of `value` each less half the fee. */
function make(prevout: OutPoint, version: number, fee = 2_000, value = 50_000): Transaction {
  const half = value - fee / 2
  return transactionOf([prevout], [anchor(half), anchor(half)], { version })
}

const childOf = (parent: Transaction, vout: number, version: number, fee = 2_000): Transaction =>
  make(outputOf(parent, vout), version, fee, Number(parent.outputs[vout]!.value) / 2)

/** Exactly that many virtual bytes. */
function sized(prevout: OutPoint, value: number, vsize: number): Transaction {
  for (let count = Math.floor(vsize / 69) - 2; count <= vsize / 69; count++) {
    for (let last = 1; last <= 83; last++) {
      const bulk = Array.from({ length: count }, () => padding(60))
      const outputs = [anchor(value - vsize), ...bulk, padding(last)]
      const transaction = transactionOf([prevout], outputs, { version: 3 })
      if (transactionVsize(transaction) === vsize) return transaction
    }
  }
  throw new TypeError(`no transaction of ${vsize} vB`)
}

describe('version 3 (BIP431)', () => {
  it('allows one parent with one child', () => {
    const parent = make(world.coin(), 3)
    const child = childOf(parent, 0, 3)
    expect(admit(parent)).toBe('ok')
    expect(admit(child)).toBe('ok')
    expect(admit(childOf(child, 0, 3))).toBe('TRUC-violation')
  })

  it('takes a second child only in place of the first', () => {
    const parent = make(world.coin(), 3)
    const first = childOf(parent, 0, 3)
    admit(parent)
    admit(first)
    expect(admit(childOf(parent, 1, 3))).toBe('insufficient fee')
    const second = childOf(parent, 1, 3, 8_000)
    expect(admit(second)).toBe('ok')
    expect(pool.ids()).toEqual([transactionId(parent), transactionId(second)])
  })

  it('has no child with two parents', () => {
    const parents = [make(world.coin(), 3), make(world.coin(), 3)]
    for (const parent of parents) admit(parent)
    const both = parents.map((parent) => outputOf(parent))
    const child = transactionOf(both, [anchor(90_000), padding(1)], { version: 3 })
    expect(admit(child)).toBe('TRUC-violation')
  })

  it.each([
    [3, 2],
    [2, 3],
    [1, 3],
  ])('does not mix: a parent of version %i and a child of version %i', (above, below) => {
    const parent = make(world.coin(), above)
    admit(parent)
    expect(admit(childOf(parent, 0, below))).toBe('TRUC-violation')
    // Once the parent is in a block there is no family any more.
    world.confirm(parent)
    pool.removeForBlock([parent])
    expect(admit(childOf(parent, 0, below))).toBe('ok')
  })

  it('is small, and its child smaller, to the virtual byte', () => {
    const value = 1_000_000
    const coin = (): OutPoint => world.coin(anchor(value))
    expect(admit(sized(coin(), value, TRUC_VSIZE_MAX + 1))).toBe('TRUC-violation')
    expect(admit(sized(coin(), value, TRUC_VSIZE_MAX))).toBe('ok')
    const parent = make(world.coin(), 3)
    admit(parent)
    const from = (vsize: number): Transaction => sized(outputOf(parent), 49_000, vsize)
    expect(admit(from(TRUC_CHILD_VSIZE_MAX + 1))).toBe('TRUC-violation')
    expect(admit(from(TRUC_CHILD_VSIZE_MAX))).toBe('ok')
  })

  it('holds inside packages too', () => {
    const submit = (...transactions: readonly Transaction[]): unknown => {
      const result = pool.admitPackage(transactions, world.at)
      if (!result.ok) return result.error.code
      return result.value.members.map((one) => (one.kind === 'refused' ? one.error.code : one.kind))
    }
    const free = make(world.coin(), 3, 0)
    expect(submit(free, childOf(free, 0, 2, 8_000))).toEqual([
      'min relay fee not met',
      'TRUC-violation',
    ])
    const two = [make(world.coin(), 3, 0), make(world.coin(), 3, 0)]
    const prevouts = two.map((parent) => outputOf(parent))
    const child = transactionOf(prevouts, [anchor(90_000), padding(1)], { version: 3 })
    expect(submit(...two, child)).toContain('TRUC-violation')
    // A parent that waits already has the only child that it may have.
    const parent = make(world.coin(), 3)
    admit(parent)
    admit(childOf(parent, 0, 3))
    const outcome = pool.dryRun([make(world.coin(), 3), childOf(parent, 1, 3, 9_000)], world.at)
    expect(outcome.members[1]).toMatchObject({ error: { code: 'TRUC-violation' } })
  })

  it('lets no two children of one parent be tested together', () => {
    const parent = make(world.coin(), 3)
    const children = [childOf(parent, 0, 3), childOf(parent, 1, 3)]
    expect(pool.dryRun([parent, ...children], world.at).members[2]).toMatchObject({
      error: { code: 'TRUC-violation' },
    })
  })
})
