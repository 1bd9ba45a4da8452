import { describe, expect, it } from 'vitest'
import { decodeMessage, encodeMessage } from '../../src/consensus/messages.ts'
import type { Vote } from '../../src/consensus/votes.ts'
import { JournalContentError } from '../../src/node/journal-record.ts'
import { openMemoryStore } from '../../src/storage/memory-store.ts'
import { testParams } from '../support/chain-world.ts'
import { fundingPeg, NodeWorld, type Seat } from '../support/node-world.ts'

const params = testParams()
const peg = fundingPeg(params)

/** A world that has made its first blocks. */
async function runningWorld(indexes?: readonly number[]): Promise<NodeWorld> {
  const world = new NodeWorld(params, peg)
  await world.start(indexes)
  return world
}

async function confirm(world: NodeWorld, at: Seat, seats: readonly Seat[] = world.seats) {
  const payment = world.payment()
  expect(at.node.submit(payment).ok).toBe(true)
  await world.time.until(
    () => seats.every((seat) => world.isConfirmed(payment, seat)),
    'the payment is everywhere',
  )
  return payment
}

function expectPeace(world: NodeWorld): void {
  expect(world.errors()).toEqual([])
  expect(world.hub.failures).toEqual([])
  expect(world.hub.disconnections).toEqual([])
  expect(world.hub.rejections).toEqual([])
}

/** Votes that validators have sent, by signer, height, view and type: to how many blocks. */
function contradictions(world: NodeWorld): readonly string[] {
  const said = new Map<string, string>()
  const found: string[] = []
  const note = (vote: Vote): void => {
    const key = `${vote.signer} ${vote.height} ${vote.view} ${vote.type === 'notarize' ? 'n' : 'out'}`
    const what = `${vote.type} ${vote.blockHash ?? ''}`
    if ((said.get(key) ?? what) !== what) found.push(`${key}: ${said.get(key)} and ${what}`)
    said.set(key, what)
  }
  for (const { channel, frame } of world.hub.sent) {
    if (channel === 'federation') continue
    const message = decodeMessage(frame)
    if (message.kind === 'vote') note(message.vote)
    if (message.kind === 'propose') note(message.leaderVote)
  }
  return found
}

describe('four validators', () => {
  it('make blocks of what is submitted to any of them, and agree', async () => {
    const world = await runningWorld()
    for (const seat of world.seats) await confirm(world, seat)
    expect(world.forks()).toEqual([])
    expect(contradictions(world)).toEqual([])
    expectPeace(world)
  })

  it('know that they are in sync as soon as they have asked each other', async () => {
    const world = new NodeWorld(params, peg)
    await world.seat(0).start()
    await world.time.pass(10_000)
    expect(world.seat(0).node.isSynced()).toBe(false)
    await world.seat(1).start()
    await world.seat(2).start()
    await world.time.until(
      () => [0, 1, 2].every((index) => world.seat(index).node.isSynced()),
      'three nodes are in sync',
    )
  })

  it('go on without one of them', async () => {
    const world = await runningWorld([0, 1, 2])
    const alive = world.seats.slice(0, 3)
    for (let i = 0; i < 4; i++) await confirm(world, world.seat(i % 3), alive)
    expect(world.forks(alive)).toEqual([])
    expectPeace(world)
  })

  it('make no blocks when there is nothing to do, but for the heartbeat', async () => {
    const world = await runningWorld()
    // What the first blocks left undone, such as the last coinbase, asks for nothing.
    const height = world.seat(0).height
    await world.time.pass(params.heartbeatMs - 5_000)
    expect(world.seats.map((seat) => seat.height)).toEqual([height, height, height, height])
    await world.untilHeight(height + 1)
    const beaten = world.seat(0).height
    await world.time.pass(params.heartbeatMs - 5_000)
    expect(world.seat(0).height).toBe(beaten)
    expectPeace(world)
  })

  it('include a transaction that only one of them knows', async () => {
    const world = await runningWorld()
    const secretive = world.seat(2)
    // Gossip takes it nowhere; only the rule about stalls can spread it.
    for (const seat of world.seats) {
      if (seat !== secretive) seat.node.network.onGossip('transactions', () => 'ignore')
    }
    const payment = await confirm(world, secretive)
    expect(world.isConfirmed(payment, world.seat(0))).toBe(true)
    expect(contradictions(world)).toEqual([])
  })

  it('slow down together when blocks come faster than header seconds, without losing a view', async () => {
    const world = await runningWorld()
    const views = new Set<number>()
    world.seat(0).node.events.subscribe((event) => {
      if (event.kind === 'block') views.add(event.block.extension.view)
    })
    for (let i = 0; i < 30; i++) await confirm(world, world.seat(i % 4))
    expect([...views]).toEqual([0])
    expectPeace(world)
  })
})

describe('a node that was away', () => {
  it('catches up over the sync protocol, and votes again', async () => {
    const world = await runningWorld()
    await world.seat(3).stop()
    const others = world.seats.slice(0, 3)
    for (let i = 0; i < 15; i++) await confirm(world, world.seat(0), others)
    const requests = countRequests(world)
    await world.seat(3).start()
    expect(world.seat(3).node.isSynced()).toBe(false)
    await world.untilHeight(world.seat(0).height)
    await world.time.until(() => world.seat(3).node.isSynced(), 'in sync')
    expect(world.forks()).toEqual([])
    // Fifteen blocks came in few answers, not in one each.
    expect(requests()).toBeLessThan(8)
    await world.seat(0).stop()
    await confirm(world, world.seat(3), world.seats.slice(1))
    expect(contradictions(world)).toEqual([])
    expectPeace(world)
  })

  it('comes back from a crash at any moment without a second, different vote', async () => {
    const world = await runningWorld()
    for (let round = 0; round < 12; round++) {
      const victim = world.seat(round % 4)
      const other = world.seat((round + 1) % 4)
      const payment = world.payment()
      expect(other.node.submit(payment).ok).toBe(true)
      // Another moment of the round each time.
      await world.time.pass(round * 3)
      victim.crash()
      await world.time.pass(round % 3 === 0 ? 1 : 700)
      await victim.start()
      await world.time.until(
        () => world.seats.every((seat) => world.isConfirmed(payment, seat)),
        'the payment is everywhere',
      )
    }
    expect(world.forks()).toEqual([])
    expect(contradictions(world)).toEqual([])
    expect(world.hub.failures).toEqual([])
    expect(world.hub.disconnections).toEqual([])
  })

  it('comes back when all crash at once', async () => {
    const world = await runningWorld()
    for (let round = 0; round < 6; round++) {
      const payment = world.payment()
      world.seat(0).node.submit(payment)
      await world.time.pass(4 + round * 2)
      for (const seat of world.seats) seat.crash()
      for (const seat of world.seats) await seat.start()
      world.seat(1).node.submit(payment)
      await world.time.until(
        () => world.seats.every((seat) => world.isConfirmed(payment, seat)),
        'the payment is everywhere',
      )
    }
    expect(world.forks()).toEqual([])
    expect(contradictions(world)).toEqual([])
  })
})

function countRequests(world: NodeWorld): () => number {
  let count = 0
  for (const seat of world.seats.slice(0, 3)) {
    const network = world.hub.find(seat.name)
    if (network === undefined) continue
    const answer = network.answer.bind(network)
    network.answer = (from, question) => {
      count += 1
      return answer(from, question)
    }
  }
  return () => count
}

describe('an observer', () => {
  it('follows by the blocks topic', async () => {
    const world = await runningWorld()
    const observer = world.observer('observer')
    await observer.start()
    await world.untilHeight(2, [observer])
    await world.time.until(() => observer.node.isSynced(), 'in sync')
    const questions = countRequests(world)
    await confirm(world, world.seat(0), [...world.seats, observer])
    await confirm(world, world.seat(1), [...world.seats, observer])
    expect(questions()).toBeLessThan(3)
    expectPeace(world)
  })

  it('follows a validator that was not the proposer', async () => {
    const world = await runningWorld()
    const observer = world.observer('observer')
    for (const index of [0, 1, 2]) world.hub.cut('observer', `validator-${index}`)
    await observer.start()
    await world.untilHeight(2, [observer])
    const questions = countRequests(world)
    for (let i = 0; i < 4; i++) await confirm(world, world.seat(0), [...world.seats, observer])
    expect(questions()).toBe(0)
    expectPeace(world)
  })

  it('passes on what is submitted to it', async () => {
    const world = await runningWorld()
    const observer = world.observer('observer')
    for (const seat of world.seats) world.hub.cut('observer', seat.name)
    await observer.start()
    expect(observer.node.isSynced()).toBe(false)
    world.hub.mend('observer', 'validator-1')
    await world.untilHeight(2, [observer])
    world.hub.cut('observer', 'validator-1')
    const payment = world.payment()
    expect(observer.node.submit(payment).ok).toBe(true)
    await world.time.pass(5_000)
    expect(world.isConfirmed(payment, world.seat(0))).toBe(false)
    world.hub.mend('observer', 'validator-2')
    await world.time.until(() => world.isConfirmed(payment, observer), 'the payment is in')
  })
})

describe('a stopped node', () => {
  it('leaves nothing running and loses nothing', async () => {
    const world = await runningWorld()
    await confirm(world, world.seat(0))
    const { tip } = world.seat(0).node.chain.state()
    for (const seat of world.seats) await seat.stop()
    // Frames that were on their way.
    await world.time.pass(10)
    expect(world.time.timerCount).toBe(0)
    for (const seat of world.seats) await seat.start()
    expect(world.seat(0).node.chain.state().tip).toEqual(tip)
    await world.time.until(() => world.seat(0).node.isSynced(), 'in sync')
    await confirm(world, world.seat(0))
    expect(contradictions(world)).toEqual([])
    expectPeace(world)
  })

  it('does not start on a journal that it does not understand', async () => {
    const seat = new NodeWorld(params, peg).seat(0)
    seat.journal.records = [Uint8Array.of(77, 1, 2)]
    await expect(seat.start()).rejects.toThrow(JournalContentError)
  })

  it('has closed everything when the network cannot start', async () => {
    const world = new NodeWorld(params, peg)
    const seat = world.seat(0)
    world.hub.join = () => {
      throw new TypeError('the port is taken')
    }
    await expect(seat.start()).rejects.toThrow('the port is taken')
    expect(world.time.timerCount).toBe(0)
    // Its disk can be opened again.
    openMemoryStore(seat.disk)
  })
})

describe('a node that cannot write its journal', () => {
  it('halts, says why, and sends nothing that depends on it', async () => {
    const world = await runningWorld()
    const seat = world.seat(1)
    const reasons: string[] = []
    seat.node.events.subscribe((event) => {
      if (event.kind === 'halted') reasons.push(event.reason)
    })
    seat.journal.appendsLeft = 0
    const others = world.seats.filter((other) => other !== seat)
    const before = world.hub.sent.length
    await confirm(world, world.seat(0), others)
    expect(reasons).toHaveLength(1)
    expect(seat.node.haltReason()).toContain('no space left on device')
    const votes = world.hub.sent
      .slice(before)
      .filter(({ from, channel }) => from === seat.name && channel !== 'federation')
      .map(({ frame }) => decodeMessage(frame).kind)
    expect(votes.filter((kind) => kind === 'vote' || kind === 'propose')).toEqual([])
    seat.crash()
    seat.journal.appendsLeft = Number.POSITIVE_INFINITY
    await seat.start()
    await confirm(world, seat)
    expect(contradictions(world)).toEqual([])
  })
})

describe('a listener that throws', () => {
  it('does not stop the node, and the others are called', async () => {
    const world = await runningWorld()
    const heard: string[] = []
    const { events } = world.seat(0).node
    events.subscribe(() => {
      throw new TypeError('a page that cannot be shown')
    })
    events.subscribe((event) => heard.push(event.kind))
    await confirm(world, world.seat(0))
    expect(heard).toContain('block')
    expect(world.seat(0).node.haltReason()).toBeUndefined()
    expect(world.errors().join()).toContain('a page that cannot be shown')
  })
})

describe('a validator key that runs twice', () => {
  it('stops the node that came later', async () => {
    const world = await runningWorld()
    await world.time.pass(1_000)
    const twin = world.twin(2)
    await twin.start()
    await world.time.until(() => twin.node.haltReason() !== undefined, 'the twin has halted')
    expect(twin.node.haltReason()).toContain('same validator key')
    expect(world.seat(2).node.haltReason()).toBeUndefined()
    await confirm(world, world.seat(0))
  })

  it('stops a node whose disk does not know what its key has signed', async () => {
    const world = await runningWorld()
    await world.seat(2).stop()
    const emptied = world.twin(2)
    await emptied.start()
    await world.time.until(() => emptied.node.haltReason() !== undefined, 'the node has halted')
    expect(emptied.node.haltReason()).toContain("has this validator's signature")
  })

  it('stops a node whose own vote comes from elsewhere', async () => {
    const world = await runningWorld()
    const { tip } = world.seat(2).node.chain.state()
    const foreign = world.sign(2, {
      type: 'nullify',
      height: tip.height + 1,
      view: 0,
    })
    const network = world.hub.find('validator-0')
    network?.send('validator-2', 'consensus', encodeMessage({ kind: 'vote', vote: foreign }))
    await world.time.until(() => world.seat(2).node.haltReason() !== undefined, 'halted')
    expect(world.seat(2).node.haltReason()).toContain('not in its journal')
  })
})
