/** Nodes that begin with a snapshot, among nodes that have every block. */

import { describe, expect, it } from 'vitest'
import { decodeDecidedAnswer, encodeDecidedRequest } from '../../src/consensus/sync-messages.ts'
import { PrunedBlocksError } from '../../src/node/block-sync.ts'
import { openMemoryStore } from '../../src/storage/memory-store.ts'
import { importSnapshot } from '../../src/storage/snapshot-import.ts'
import { testParams } from '../support/chain-world.ts'
import { fundingPeg, NodeWorld, type Seat } from '../support/node-world.ts'
import { snapshotOf, sourceOf } from '../support/snapshot-bytes.ts'

const params = testParams()
const peg = fundingPeg(params)

async function pay(world: NodeWorld, times: number, at: Seat = world.seat(0)): Promise<void> {
  for (let i = 0; i < times; i++) {
    const payment = world.payment()
    expect(at.node.submit(payment).ok).toBe(true)
    await world.time.until(
      () => world.seats.every((seat) => world.isConfirmed(payment, seat)),
      'the payment is everywhere',
    )
  }
}

/** A world with blocks, and an observer whose disk has been made out of validator 2's snapshot. */
async function worldWithSnapshot(): Promise<{ world: NodeWorld; late: Seat; height: number }> {
  const world = new NodeWorld(params, peg)
  await world.start()
  await pay(world, 14)
  const { chain } = world.seat(2).node
  const snapshot = await snapshotOf(chain)
  const { height } = chain.database.tip()!
  const late = world.observer('late')
  const store = openMemoryStore(late.disk)
  expect((await importSnapshot(params, sourceOf(snapshot), store)).ok).toBe(true)
  await store.close()
  return { world, late, height }
}

describe('a node from a snapshot', () => {
  it('catches up from its peers, follows the chain and agrees with it', async () => {
    const { world, late, height } = await worldWithSnapshot()
    await pay(world, 5)
    await late.start()
    const whole = world.seat(2)
    await world.time.until(() => late.height === whole.height, 'it has caught up')
    // Also a payment that it is the first to hear of, spending a coin that came with the snapshot.
    await pay(world, 3, late)
    await world.untilHeight(whole.height, [late])
    await world.time.until(
      () => late.node.chain.state().tip.height === whole.node.chain.state().tip.height,
      'both stand at one block',
    )
    expect(late.node.chain.state().trie.root).toBe(whole.node.chain.state().trie.root)
    expect(late.node.chain.state().tip).toEqual(whole.node.chain.state().tip)
    await world.time.until(() => late.node.isSynced(), 'it says so')
    const { database } = late.node.chain
    expect(database.firstHeight()).toBe(height)
    expect(database.findBlockBytes(height - 1)).toBeUndefined()
    expect(world.errors()).toEqual([])
    expect(world.hub.disconnections).toEqual([])
  })

  it('goes on where it was after a restart', async () => {
    const { world, late } = await worldWithSnapshot()
    await late.start()
    await pay(world, 2)
    await world.untilHeight(world.seat(0).height, [late])
    await late.stop()
    await pay(world, 2)
    await late.start()
    await world.untilHeight(world.seat(0).height, [late])
    expect(late.node.chain.state().trie.root).toBe(world.seat(0).node.chain.state().trie.root)
    expect(world.errors()).toEqual([])
  })

  it('declines to give blocks that it does not have, and gives those that it has', async () => {
    const { world, late, height } = await worldWithSnapshot()
    await late.start()
    await pay(world, 3)
    await world.untilHeight(world.seat(0).height, [late])
    const asked = world.hub.find('late')!
    const ask = (fromHeight: number) =>
      asked.answer('somebody', encodeDecidedRequest({ fromHeight, count: 4 }))
    await expect(ask(1)).rejects.toThrow(PrunedBlocksError)
    await expect(ask(height - 1)).rejects.toThrow(PrunedBlocksError)
    const [first] = decodeDecidedAnswer(await ask(height))
    expect(first?.certificate.height).toBe(height)
    expect(decodeDecidedAnswer(await ask(late.height + 1))).toEqual([])

    // A node that has nothing finds the others.
    const fresh = world.observer('fresh')
    await fresh.start()
    await world.untilHeight(world.seat(0).height, [fresh])
    expect(world.forks([...world.seats, fresh])).toEqual([])
    expect(world.hub.disconnections).toEqual([])
  })
})
