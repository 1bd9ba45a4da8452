import { describe, expect, it } from 'vitest'
import {
  openSignedBatches,
  type SignedBatches,
} from '../../../federation/releases/signed-batches.ts'
import { transactionId } from '../../../src/bitcoin/transaction.ts'
import { withSignatures } from '../../../src/chain/peg/batch-transaction.ts'
import type { Batch } from '../../../src/chain/peg/batches.ts'
import { currentVersion } from '../../../src/chain/peg/batches.ts'
import { present } from '../../../src/primitives/assert.ts'
import type { KeyValueStore } from '../../../src/runtime/runtime.ts'
import { MemoryDisk, openMemoryStore } from '../../../src/storage/memory-store.ts'
import { memberShare } from '../peg-world.ts'
import { BatchWorld } from './batch-world.ts'
import { signAlone } from './sign-alone.ts'

function openSigned(world: BatchWorld, store: KeyValueStore): Promise<SignedBatches> {
  const { clock, log } = world.runtime
  return openSignedBatches({ store, l1: world.l1.port, clock, log })
}

function signed(world: BatchWorld, batch: Batch) {
  const shares = [0, 1, 2].map((member) => memberShare(member, world))
  return signAlone(world, batch, shares)
}

const notMined = { find: () => undefined }

describe('signed batches', () => {
  it('go to L1 until the chain has confirmed them', async () => {
    const world = await BatchWorld.withBatches(1)
    const batches = await openSigned(world, openMemoryStore())
    const [batch] = world.openBatches()
    const transaction = signed(world, batch!)
    await batches.add(batch!, transaction)
    expect([batches.find(batch!) === transaction, batches.isBroadcast(batch!)]).toEqual([
      true,
      false,
    ])
    await batches.broadcast(world.chain.state.view, 'tip', notMined)
    expect(batches.isBroadcast(batch!)).toBe(true)
    expect(world.l1Chain.mempool.find(transactionId(transaction))).toBeDefined()
    const [hash] = await world.mine(4)
    await world.confirm(transaction, present(hash, 'block'))
    await batches.broadcast(world.chain.state.view, 'tip 2', notMined)
    expect(batches.find(batch!)).toBeUndefined()
  })

  it('are sent again when L1 has forgotten them, and not with every question', async () => {
    const world = await BatchWorld.withBatches(1)
    const batches = await openSigned(world, openMemoryStore())
    const [batch] = world.openBatches()
    await batches.add(batch!, signed(world, batch!))
    await batches.broadcast(world.chain.state.view, 'tip', notMined)
    world.l1Chain.mempool.clear()
    const { calls } = world.l1
    await batches.broadcast(world.chain.state.view, 'tip', notMined)
    expect(world.l1.calls).toBe(calls)
    world.runtime.advance(30_000)
    await batches.broadcast(world.chain.state.view, 'tip', notMined)
    expect(world.l1Chain.mempool.entries()).toHaveLength(1)
    world.l1Chain.mempool.clear()
    await batches.broadcast(world.chain.state.view, 'another tip', notMined)
    expect(world.l1Chain.mempool.entries()).toHaveLength(1)
  })

  it('are not sent while L1 has another version, until that is reorganised away', async () => {
    const world = await BatchWorld.withBatches(2)
    const batches = await openSigned(world, openMemoryStore())
    const [mined, other] = world.openBatches()
    for (const batch of [mined!, other!]) await batches.add(batch, signed(world, batch))
    const { view } = world.chain.state
    const found = { txid: transactionId(currentVersion(mined!).transaction), l1Height: 1 }
    await batches.broadcast(view, 'tip', {
      find: ({ id }) => (id === mined!.id ? found : undefined),
    })
    expect([batches.isBroadcast(mined!), batches.isBroadcast(other!)]).toEqual([false, true])
    await batches.broadcast(view, 'tip', notMined)
    expect(batches.isBroadcast(mined!)).toBe(true)
  })

  it('survive a restart; a row of another transaction is not this batch\u2019s', async () => {
    const world = await BatchWorld.withBatches(2)
    const [one, two] = world.openBatches()
    const disk = new MemoryDisk()
    const store = openMemoryStore(disk)
    const before = await openSigned(world, store)
    await before.add(one!, signed(world, one!))
    disk.crash()
    const again = await openSigned(world, openMemoryStore(disk))
    expect(transactionId(again.find(one!)!)).toBe(transactionId(currentVersion(one!).transaction))
    expect(again.find({ ...one!, versions: two!.versions })).toBeUndefined()
  })

  it('keep the first of two signed forms, since L1 has it', async () => {
    const world = await BatchWorld.withBatches(1)
    const [batch] = world.openBatches()
    const batches = await openSigned(world, openMemoryStore())
    const transaction = signed(world, batch!)
    await batches.add(batch!, transaction)
    await batches.add(batch!, signed(world, batch!))
    expect(batches.find(batch!)).toBe(transaction)
    // Another member was faster, with other signatures: the same transaction all the same.
    world.l1Chain.mempool.add(signed(world, batch!))
    await batches.broadcast(world.chain.state.view, 'tip', notMined)
    expect(batches.isBroadcast(batch!)).toBe(true)
    expect(batches.refusal(batch!)).toBeUndefined()
  })

  it('do not hold each other up: one that L1 refuses, and an L1 that fails in between', async () => {
    const world = await BatchWorld.withBatches(2)
    const [one, two] = world.openBatches()
    const batches = await openSigned(world, openMemoryStore())
    const { transaction } = currentVersion(one!)
    const spoilt = transaction.inputs.map(() => new Uint8Array(64).fill(1))
    await batches.add(one!, withSignatures(transaction, spoilt))
    await batches.add(two!, signed(world, two!))
    world.l1.isDown = true
    await batches.broadcast(world.chain.state.view, 'tip', notMined)
    world.l1.isDown = false
    await batches.broadcast(world.chain.state.view, 'tip', notMined)
    expect([batches.isBroadcast(one!), batches.isBroadcast(two!)]).toEqual([false, true])
    expect(batches.refusal(one!)).toMatch(/script-verify-flag/)
  })

  it('are kept when the chain does not know the batch yet', async () => {
    const world = await BatchWorld.withBatches(1)
    const young = await BatchWorld.open()
    const [batch] = world.openBatches()
    const batches = await openSigned(world, openMemoryStore())
    await batches.add(batch!, signed(world, batch!))
    await batches.broadcast(young.chain.state.view, 'tip', notMined)
    expect(batches.find(batch!)).toBeDefined()
  })
})
