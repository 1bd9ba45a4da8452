import { describe, expect, it } from 'vitest'
import { openDepositBook } from '../../federation/deposits/deposit-book.ts'
import { scanBlock } from '../../federation/deposits/scan-block.ts'
import {
  createL1SectionPlanner,
  type L1SectionPlanner,
  type PlannerParts,
} from '../../federation/l1-section-planner.ts'
import { createConfirmationFinder } from '../../federation/releases/confirmation-finder.ts'
import { CHANGE_RECIPIENT } from '../../src/chain/peg/deposit-address.ts'
import { findClaimHeight } from '../../src/chain/peg/deposits.ts'
import type { StateView } from '../../src/chain/state.ts'
import { bytesToHex } from '../../src/primitives/bytes.ts'
import { aUser } from '../support/chain-world.ts'
import { memberShare, type PegWorld } from './peg-world.ts'
import { BatchWorld } from './releases/batch-world.ts'
import { signAlone } from './releases/sign-alone.ts'

function strictlyWalked(world: PegWorld): StateView {
  return {
    get: (key) => world.chain.state.view.get(key),
    *range(namespace) {
      const { height } = world.chain.state.tip
      for (const record of world.chain.state.view.range(namespace)) {
        expect(world.chain.state.tip.height).toBe(height)
        yield record
      }
    },
  }
}

/** All open batches signed, sent and buried. */
async function payAll(world: BatchWorld): Promise<void> {
  const shares = [0, 1, 2].map((member) => memberShare(member, world))
  for (const batch of world.openBatches()) world.send(signAlone(world, batch, shares))
  await world.mine(5)
}

async function plannerOf(
  world: BatchWorld,
  parts: Partial<PlannerParts>,
): Promise<L1SectionPlanner> {
  return createL1SectionPlanner({
    params: world.params,
    state: () => world.chain.state,
    l1: world.l1.port,
    book: await world.openBook(),
    finder: createConfirmationFinder(world.l1.port),
    memberChange: () => undefined,
    announcement: () => undefined,
    clock: world.runtime.clock,
    log: world.runtime.log,
    ...parts,
  })
}

describe('the L1 section planner, with batches on L1,', () => {
  it('survives a block that moves the state on while it proves confirmations', async () => {
    const world = await BatchWorld.withBatches(2)
    await payAll(world)
    const finder = createConfirmationFinder(world.l1.port)
    await finder.look(world.openBatches(), world.l1Tip.height)
    let isMoved = false
    const l1 = new Proxy(world.l1.port, {
      get: (target, name) => {
        if (name !== 'block' || isMoved) return Reflect.get(target, name)
        isMoved = true
        world.chain.extend()
        return Reflect.get(target, name)
      },
    })
    const planner = await plannerOf(world, {
      // As a node's state is: it must not change while it is walked.
      state: () => ({ ...world.chain.state, view: strictlyWalked(world) }),
      l1,
      finder,
    })
    await planner.prepare(world.l1Tip)
    expect(isMoved).toBe(true)
    await planner.prepare(world.l1Tip)
    expect(planner.take(world.chain.state).confirmations).toHaveLength(2)
  })

  it('takes no change for a gift while it is behind, and does not know the coins that paid it', async () => {
    const world = await BatchWorld.open()
    const behind = world.chain.state
    await world.addBatch('user 0')
    await payAll(world)
    const book = await openDepositBook(world.store, {
      isMinted: (outPoint) => findClaimHeight(behind.view, outPoint) !== undefined,
      minDepositSats: world.params.peg.minDepositSats,
    })
    const own = [aUser('user 0').script, CHANGE_RECIPIENT].map((to) => world.registration(to))
    const registrations = new Map(own.map((one) => [bytesToHex(one.script), one]))
    for (let height = 1; height <= world.l1Tip.height; height++) {
      const { transactions } = world.l1Chain.blockAt(height)!.block
      // As a member sees it whose chain does not have the reserves yet.
      const found = scanBlock(transactions, height, registrations, () => false)
      await book.record(found, undefined)
    }
    expect([...book.ripe()]).toHaveLength(2)
    const planner = await plannerOf(world, { state: () => behind, book })
    await planner.prepare(world.l1Tip)
    const { deposits } = planner.take(behind)
    expect(deposits.flatMap(({ claims }) => claims)).toHaveLength(1)
    expect(world.runtime.lines.filter(({ level }) => level === 'error')).toEqual([])
  })
})
