import { describe, expect, it } from 'vitest'
import { findFreeze, isFrozen } from '../../src/chain/peg/freeze.ts'
import { encodeFreezeVote } from '../../src/chain/peg/freeze-vote.ts'
import { testParams } from '../support/chain-world.ts'
import { freezeVote, type Voting } from '../support/freeze-votes.ts'
import { NodeWorld, type Seat } from '../support/node-world.ts'

const params = testParams()
const stop = (validator: number): Voting => ({ validator, serial: 10, freeze: true })
const go = (validator: number): Voting => ({ validator, serial: 11, freeze: false })

async function aWorld(): Promise<NodeWorld> {
  const world = new NodeWorld(params)
  await world.start()
  return world
}

const frozen = (seat: Seat): boolean => isFrozen(seat.node.chain.state().view)

async function submit(world: NodeWorld, seat: Seat, voting: Voting): Promise<string> {
  const submitted = await world.finish(seat.node.submitFreezeVote(freezeVote(params, voting)))
  return submitted.ok ? 'ok' : submitted.error.code
}

describe('freeze votes between nodes', () => {
  it('freeze every node when a quorum has been handed to any of them, and thaw them again', async () => {
    const world = await aWorld()
    const observer = world.observer('observer')
    await observer.start()
    const seats = [...world.seats, observer]
    expect(await submit(world, observer, stop(0))).toBe('ok')
    expect(await submit(world, world.seat(2), stop(1))).toBe('ok')
    await world.time.pass(5_000)
    expect(seats.map(frozen)).toEqual(seats.map(() => false))
    expect(await submit(world, world.seat(2), stop(3))).toBe('ok')
    await world.time.until(() => seats.every(frozen), 'everybody knows of the freeze')
    const since = seats.map((seat) => findFreeze(seat.node.chain.state().view))
    expect(new Set(since.map((one) => one?.height)).size).toBe(1)
    for (const validator of [0, 1, 2]) await submit(world, observer, go(validator))
    await world.time.until(() => !seats.some(frozen), 'everybody knows of its end')
    await world.time.pass(1_000)
    for (const seat of seats) expect(seat.node.freezeVotes.waiting()).toEqual([])
    expect(world.forks()).toEqual([])
    expect(world.hub.failures).toEqual([])
  })

  it('reach a block although the node that took them was killed before it could tell', async () => {
    const world = await aWorld()
    const seat = world.seat(1)
    for (const { name } of world.seats) world.hub.cut(seat.name, name)
    expect(await submit(world, seat, stop(1))).toBe('ok')
    seat.crash()
    for (const { name } of world.seats) world.hub.mend(seat.name, name)
    await seat.start()
    const { validator } = freezeVote(params, stop(1))
    expect(seat.node.freezeVotes.newest(validator)?.freeze).toBe(true)
    await world.time.until(
      () => world.seats.every(({ node }) => node.freezeVotes.newest(validator) !== undefined),
      'the vote is everywhere',
    )
    await world.time.until(() => seat.node.freezeVotes.waiting().length === 0, 'it is in a block')
  })

  it('are told again to those who were away', async () => {
    const world = await aWorld()
    const late = world.seat(3)
    late.crash()
    world.seat(2).crash()
    // Two of four make no block, so the vote has to wait.
    expect(await submit(world, world.seat(0), stop(0))).toBe('ok')
    await world.time.pass(60_000)
    await late.start()
    const { validator } = freezeVote(params, stop(0))
    await world.time.until(
      () => late.node.freezeVotes.newest(validator)?.freeze === true,
      'the vote has been heard',
    )
  })

  it('are refused when they are old, forged or of nobody', async () => {
    const world = await aWorld()
    const seat = world.seat(0)
    expect(await submit(world, seat, go(2))).toBe('ok')
    expect(await submit(world, seat, go(2))).toBe('freeze-vote-known')
    expect(await submit(world, seat, stop(2))).toBe('freeze-vote-known')
    const other = {
      ...freezeVote(params, stop(1)),
      validator: freezeVote(params, stop(3)).validator,
    }
    expect(await world.finish(seat.node.submitFreezeVote(other))).toMatchObject({
      error: { code: 'freeze-vote-signature' },
    })
    const stranger = freezeVote(testParams(5), { ...stop(4) })
    expect(await world.finish(seat.node.submitFreezeVote(stranger))).toMatchObject({
      error: { code: 'freeze-vote-validator' },
    })
    // In gossip a forged one is the sender's fault, an old one nobody's.
    const hostile = world.hub.create('hostile')
    await hostile.start()
    await hostile.publish('freeze', encodeFreezeVote(freezeVote(params, stop(2))))
    await hostile.publish('freeze', encodeFreezeVote(stranger))
    await world.time.pass(10)
    expect(world.hub.rejections).toEqual([])
    await hostile.publish('freeze', encodeFreezeVote(other))
    await hostile.publish('freeze', Uint8Array.of(1, 2, 3))
    await world.time.pass(10)
    expect(world.hub.rejections.map(({ topic }) => topic)).toEqual(
      Array.from({ length: 8 }, () => 'freeze'),
    )
  })

  it('keep no idle chain running: one validator that votes all the time is slowed down', async () => {
    const world = await aWorld()
    const before = world.seat(0).height
    for (let serial = 100; serial < 160; serial++) {
      await submit(world, world.seat(0), { validator: 2, serial, freeze: serial % 2 === 0 })
      await world.time.pass(500)
    }
    expect(world.seat(0).height - before).toBeLessThan(8)
    // A quorum does not wait for that.
    const seats = world.seats
    for (const validator of [0, 1, 3]) await submit(world, world.seat(0), stop(validator))
    await world.time.pass(500)
    expect(seats.map(frozen)).toEqual([true, true, true, true])
  })
})
