import { describe, expect, it } from 'vitest'
import { createConfirmationFinder } from '../../../federation/releases/confirmation-finder.ts'
import { type Transaction, transactionId } from '../../../src/bitcoin/transaction.ts'
import type { Batch, BatchVersion } from '../../../src/chain/peg/batches.ts'
import { sats } from '../../../src/primitives/units.ts'
import { WALLET_SCRIPT } from '../l1/taproot-spender.ts'
import { PegWorld } from '../peg-world.ts'

function batchOf(transaction: Transaction, afterL1Height: number, id = 0): Batch {
  return {
    id,
    kind: 'payment',
    status: { kind: 'open' },
    keyEpoch: 0,
    changeKeyEpoch: 0,
    releaseIds: [],
    versions: [versionOf(transaction, afterL1Height)],
    timeMs: 0,
  }
}

function versionOf(transaction: Transaction, l1Height: number): BatchVersion {
  return { transaction, fee: sats(0), feeRate: 1_000, height: 1, l1Height }
}

async function finding() {
  const world = await PegWorld.closed()
  const finder = createConfirmationFinder(world.l1.port)
  const payment = () => world.payment([{ value: 5_000n, script: WALLET_SCRIPT }])
  const look = async (batches: readonly Batch[]) => {
    let progress = await finder.look(batches, world.l1Tip.height)
    while (progress === 'more') progress = await finder.look(batches, world.l1Tip.height)
    return progress
  }
  return { world, finder, payment, look }
}

describe('the confirmation finder', () => {
  it('finds transactions in blocks, whoever sent them', async () => {
    const { world, finder, payment, look } = await finding()
    const first = payment()
    const batch = batchOf(first, world.l1Tip.height)
    expect(await look([batch])).toBe('done')
    expect(finder.find(batch)).toBeUndefined()
    await world.mine(60)
    world.send(first)
    await world.mine()
    expect(await finder.look([batch], world.l1Tip.height)).toBe('more')
    await look([batch])
    expect(finder.find(batch)).toEqual({ txid: transactionId(first), l1Height: 171 })
  })

  it('finds a batch that it hears of late, below where it has looked for others', async () => {
    const { world, finder, payment, look } = await finding()
    const [early, late] = [payment(), payment()]
    const after = world.l1Tip.height
    world.send(late)
    await world.mine(3)
    world.send(early)
    await world.mine(3)
    const batches = [batchOf(early, after + 2), batchOf(late, after, 1)]
    await look(batches.slice(0, 1))
    await look(batches)
    expect(batches.map((batch) => finder.find(batch)?.l1Height)).toEqual([after + 4, after + 1])
  })

  it('finds whichever version of a batch L1 took, also one that was replaced', async () => {
    const { world, finder, payment, look } = await finding()
    const [replaced, current] = [payment(), payment()]
    const after = world.l1Tip.height
    const batch = batchOf(replaced, after)
    const versions = [...batch.versions, versionOf(current, after + 3)]
    await world.mine(3)
    world.send(replaced)
    await world.mine()
    await look([batch])
    await look([{ ...batch, versions }])
    const found = { txid: transactionId(replaced), l1Height: after + 4 }
    expect(finder.find({ ...batch, versions })).toEqual(found)
  })

  it('looks again after a reorganisation, however deep', async () => {
    const { world, finder, payment, look } = await finding()
    const payout = payment()
    const batch = batchOf(payout, world.l1Tip.height)
    world.send(payout)
    await world.mine(25)
    await look([batch])
    const before = finder.revision()
    await world.l1Chain.reorganise(25, { script: WALLET_SCRIPT, transactions: 'forget' })
    await look([batch])
    expect(finder.find(batch)).toBeUndefined()
    expect(finder.revision()).toBeGreaterThan(before)
    world.send(payout)
    await world.mine()
    await look([batch])
    expect(finder.find(batch)?.l1Height).toBe(world.l1Tip.height)
  })

  it('is stuck, not busy, while L1 lacks a block', async () => {
    const { world, finder, payment } = await finding()
    const batch = batchOf(payment(), world.l1Tip.height)
    await world.mine(3)
    world.l1.prunedTo = 112
    const { calls } = world.l1
    expect(await finder.look([batch], world.l1Tip.height)).toBe('stuck')
    expect(world.l1.calls - calls).toBeLessThan(5)
    world.l1.prunedTo = -1
    expect(await finder.look([batch], world.l1Tip.height)).toBe('done')
  })

  it('forgets batches that are no longer open', async () => {
    const { world, finder, payment, look } = await finding()
    const payout = payment()
    const batch = batchOf(payout, world.l1Tip.height)
    world.send(payout)
    await world.mine()
    await look([batch])
    await look([])
    expect(finder.find(batch)).toBeUndefined()
  })
})
