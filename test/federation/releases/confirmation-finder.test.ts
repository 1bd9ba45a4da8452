import { describe, expect, it } from 'vitest'
import { createConfirmationFinder } from '../../../federation/releases/confirmation-finder.ts'
import { type Transaction, transactionId } from '../../../src/bitcoin/transaction.ts'
import type { Batch, BatchVersion } from '../../../src/chain/peg/batches.ts'
import { sats } from '../../../src/primitives/units.ts'
import { sweep, WALLET_SCRIPT } from '../l1/taproot-spender.ts'
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

  it('is stuck, not busy, while L1 lacks a block that is on its way', async () => {
    const { world, finder, payment } = await finding()
    const batch = batchOf(payment(), world.l1Tip.height)
    await world.mine()
    world.l1.prunedTo = world.l1Tip.height
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

describe('the confirmation finder with an L1 that has pruned blocks', () => {
  it('passes them over, and is content when the batch is not in there', async () => {
    const { world, finder, payment, look } = await finding()
    const [waiting, mined] = [payment(), payment()]
    const after = world.l1Tip.height
    const batches = [batchOf(waiting, after), batchOf(mined, after, 1)]
    await world.mine(5)
    world.l1.prunedTo = after + 3
    world.send(mined)
    await world.mine()
    expect(await look(batches)).toBe('done')
    expect(batches.map((batch) => finder.find(batch)?.l1Height)).toEqual([undefined, after + 6])
    expect(finder.problems()).toEqual([])
    // Nobody asks again.
    const { calls } = world.l1
    expect(await look(batches)).toBe('done')
    expect(world.l1.calls - calls).toBe(1)
    world.send(waiting)
    await world.mine()
    await look(batches)
    expect(finder.find(batches[0]!)?.l1Height).toBe(after + 7)
  })

  it('finds a batch in there by its coins, and says which block the operator has to fetch', async () => {
    const { world, finder, payment, look } = await finding()
    const [pruned, mined] = [payment(), payment()]
    const after = world.l1Tip.height
    world.send(pruned)
    await world.mine(4)
    world.l1.prunedTo = after + 1
    world.send(mined)
    await world.mine()
    const batches = [batchOf(pruned, after), batchOf(mined, after, 1)]
    expect(await look(batches)).toBe('done')
    expect(batches.map((batch) => finder.find(batch)?.l1Height)).toEqual([after + 1, after + 5])
    const hash = world.l1Chain.blockAt(after + 1)!.hash
    expect(finder.problems()).toEqual([
      expect.stringContaining(`batch 0 is in L1's block ${after + 1}`),
    ])
    expect(finder.problems()[0]).toContain(`bitcoin-cli getblockfrompeer ${hash} `)
    await look(batches.slice(1))
    expect(finder.problems()).toEqual([])
  })

  it('finds the version that L1 took, when all blocks since the batch are pruned', async () => {
    const { world, finder, payment, look } = await finding()
    const first = payment()
    const second = { ...first, lockTime: 1 }
    const after = world.l1Tip.height
    const batch = batchOf(first, after)
    const versions = [...batch.versions, versionOf(second, after + 2)]
    world.send(first)
    await world.mine(6)
    world.l1.prunedTo = world.l1Tip.height - 1
    expect(await look([{ ...batch, versions }])).toBe('done')
    const found = { txid: transactionId(first), l1Height: after + 1 }
    expect(finder.find({ ...batch, versions })).toEqual(found)
    expect(finder.problems()).toHaveLength(1)
  })

  it('says so when nothing is left to tell, and goes on with the others', async () => {
    const { world, finder, payment, look } = await finding()
    const [gone, waiting] = [payment(), payment()]
    const after = world.l1Tip.height
    const txid = world.send(gone)
    await world.mine()
    for (const [vout, { value }] of gone.outputs.entries()) {
      world.l1Chain.mempool.add(sweep({ outPoint: { txid, vout }, value }, 1_000n).transaction)
    }
    await world.mine(3)
    world.l1.prunedTo = after + 2
    const batches = [batchOf(gone, after), batchOf(waiting, after, 1)]
    expect(await look(batches)).toBe('done')
    expect(finder.problems()).toEqual([
      expect.stringContaining(`batch 0 may be in one of L1's blocks ${after + 1} to ${after + 2}`),
    ])
    const { calls } = world.l1
    expect(await look(batches)).toBe('done')
    expect(world.l1.calls - calls).toBe(1)
    world.send(waiting)
    await world.mine()
    await look(batches)
    expect(finder.find(batches[1]!)?.l1Height).toBe(world.l1Tip.height)
  })

  it('looks again when what was found or missed is reorganised away', async () => {
    const { world, finder, payment, look } = await finding()
    const payout = payment()
    const after = world.l1Tip.height
    const batch = batchOf(payout, after)
    world.send(payout)
    await world.mine(3)
    world.l1.prunedTo = after + 2
    await look([batch])
    expect(finder.problems()).toHaveLength(1)
    await world.l1Chain.reorganise(3, { script: WALLET_SCRIPT, transactions: 'forget' })
    await look([batch])
    expect(finder.find(batch)).toBeUndefined()
    expect(finder.problems()).toEqual([])
  })
})
