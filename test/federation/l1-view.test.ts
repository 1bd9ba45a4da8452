import { describe, expect, it } from 'vitest'
import { L1WrongNetworkError } from '../../federation/l1/l1-error.ts'
import { createL1View, type L1View } from '../../federation/l1-view.ts'
import { headerHash } from '../../src/bitcoin/header.ts'
import { getPegBooks } from '../../src/chain/peg/books.ts'
import { findL1Header } from '../../src/chain/peg/l1-headers.ts'
import { WALLET_SCRIPT } from './l1/taproot-spender.ts'
import { PegWorld, until } from './peg-world.ts'

async function viewing(world: PegWorld, l1 = world.l1.port): Promise<L1View & { changes: number }> {
  const view = createL1View(l1, world.runtime, {
    last: () => {
      const { l1Height, l1Hash } = getPegBooks(world.chain.state.view)
      return { height: l1Height, hash: l1Hash }
    },
    hashAt: (height) => {
      const header = findL1Header(world.chain.state.view, height)
      return header === undefined ? undefined : headerHash(header)
    },
  })
  const counted = Object.assign(view, { changes: 0 })
  view.onChange(() => {
    counted.changes += 1
  })
  view.start()
  return counted
}

const becomes = (world: PegWorld, view: L1View, state: string): Promise<void> =>
  until(
    () => view.health().state === state,
    () => world.runtime.advance(250),
  )

describe('the view of L1', () => {
  it('is down at first and while L1 is, and tells of every new tip', async () => {
    const world = await PegWorld.open()
    world.l1.isDown = true
    const view = await viewing(world)
    await until(() => view.changes === 1)
    expect(view.health()).toEqual({ state: 'down', message: 'connection refused' })
    world.l1.isDown = false
    await becomes(world, view, 'ok')
    expect(view.health()).toEqual({ state: 'ok', ...world.l1Tip })
    const { changes } = view
    await world.mine()
    await until(
      () => view.changes > changes,
      () => world.runtime.advance(250),
    )
    expect(view.health()).toEqual({ state: 'ok', ...world.l1Tip })
    await view.stop()
  })

  it('is behind while L1 lacks what the chain knows', async () => {
    const world = await PegWorld.open()
    const { height } = world.l1Chain.tip()
    await world.mine(10)
    world.extendWith({})
    const view = await viewing(world)
    await becomes(world, view, 'ok')
    await world.l1Chain.invalidate(world.l1Chain.blockAt(height - 1)!.hash)
    await becomes(world, view, 'behind')
    await view.stop()
  })

  it('is forked when L1 has another block where the chain has its last header', async () => {
    const world = await PegWorld.open()
    const view = await viewing(world)
    await becomes(world, view, 'ok')
    const depth = world.l1Tip.height - getPegBooks(world.chain.state.view).l1Height
    // As deep as the peg allows for: nothing has happened.
    await world.l1Chain.reorganise(depth, { script: WALLET_SCRIPT, transactions: 'return' })
    await until(
      () => {
        const health = view.health()
        return health.state === 'ok' && health.hash === world.l1Tip.hash
      },
      () => world.runtime.advance(250),
    )
    await world.l1Chain.reorganise(depth + 2, { script: WALLET_SCRIPT, transactions: 'return' })
    await becomes(world, view, 'forked')
    expect(view.health()).toMatchObject({ message: expect.stringContaining('another branch') })
    await view.stop()
  })

  it('is forked, not behind, when what L1 has is another branch that is shorter', async () => {
    const world = await PegWorld.open()
    const { height } = world.l1Tip
    await world.mine(10)
    world.extendWith({})
    const view = await viewing(world)
    await becomes(world, view, 'ok')
    await world.l1Chain.invalidate(world.l1Chain.blockAt(height - 1)!.hash)
    await becomes(world, view, 'behind')
    await world.mine(4)
    expect(world.l1Tip.height).toBeLessThan(getPegBooks(world.chain.state.view).l1Height)
    await becomes(world, view, 'forked')
    await view.stop()
  })

  it('is of the wrong network when L1 is', async () => {
    const world = await PegWorld.open()
    const wrong = new Proxy(world.l1.port, {
      get: (target, name) =>
        name === 'checkNetwork'
          ? async () => {
              throw new L1WrongNetworkError('regtest', world.l1Tip.hash, undefined)
            }
          : Reflect.get(target, name),
    })
    const view = await viewing(world, wrong)
    await becomes(world, view, 'wrong-network')
    await view.stop()
  })

  it('says nothing more after it has stopped', async () => {
    const world = await PegWorld.open()
    const view = await viewing(world)
    await view.stop()
    const { changes } = view
    await world.mine()
    world.runtime.advance(5_000)
    await until(() => true)
    expect(view.changes).toBe(changes)
  })
})
