import { describe, expect, it } from 'vitest'
import type { Evidence } from '../../src/consensus/evidence.ts'
import { helloDigest } from '../../src/consensus/hello.ts'
import { leaderPermutation } from '../../src/consensus/leader.ts'
import { decodeMessage, encodeMessage } from '../../src/consensus/messages.ts'
import { encodeDecidedAnswer } from '../../src/consensus/sync-messages.ts'
import type { NodeEvent } from '../../src/node/events.ts'
import { testParams } from '../support/chain-world.ts'
import { doubleVote } from '../support/double-votes.ts'
import type { MemoryNetwork } from '../support/memory-network.ts'
import { fundingPeg, NodeWorld, type Seat, validatorIdentity } from '../support/node-world.ts'

const params = testParams()
const peg = fundingPeg(params)
const HOSTILE = 3

interface Scene {
  readonly world: NodeWorld
  readonly honest: readonly Seat[]
  readonly hostile: MemoryNetwork
}

/** Three honest validators; the fourth's key is ours. */
async function aScene(): Promise<Scene> {
  const world = new NodeWorld(params, peg)
  await world.start([0, 1, 2])
  const hostile = world.hub.create('hostile')
  hostile.onRequest(async () => encodeDecidedAnswer([]))
  await hostile.start()
  greet(world, hostile)
  await world.time.pass(10)
  return { world, honest: world.seats.slice(0, 3), hostile }
}

function greet(world: NodeWorld, hostile: MemoryNetwork): void {
  const identity = validatorIdentity(HOSTILE)
  const fields = {
    chainId: params.chainId,
    validatorKey: identity.publicKey,
    peerId: hostile.peerId,
    sequence: world.time.nowMs,
  }
  const signature = identity.sign(helloDigest(fields))
  const hello = encodeMessage({ kind: 'hello', ...fields, signature })
  for (const { peerId } of hostile.peers()) hostile.send(peerId, 'consensus', hello)
}

const nextHeight = (seat: Seat): number => seat.node.chain.state().tip.height + 1

/** Both votes to one validator. */
function vote({ hostile }: Scene, { first, second }: Evidence, to = 'validator-0'): void {
  for (const one of [first, second]) {
    hostile.send(to, 'consensus', encodeMessage({ kind: 'vote', vote: one }))
  }
}

function accuse({ hostile }: Scene, evidence: Evidence, to = 'validator-0'): void {
  hostile.send(to, 'consensus', encodeMessage({ kind: 'evidence', ...evidence }))
}

async function confirm({ world, honest }: Scene): Promise<void> {
  const payment = world.payment()
  honest[0]?.node.submit(payment)
  await world.time.until(
    () => honest.every((seat) => world.isConfirmed(payment, seat)),
    'the payment is everywhere',
  )
}

function isLedByHostile(height: number): boolean {
  const context = { chainId: params.chainId, epoch: 0 }
  return leaderPermutation(context, height, params.validators.length)[0] === HOSTILE
}

const convictions = (seat: Seat): number =>
  seat.node.chain.offencesOf(validatorIdentity(HOSTILE).publicKey)

async function untilConvicted({ world }: Scene, seats: readonly Seat[], count = 1): Promise<void> {
  await world.time.until(
    () => seats.every((seat) => convictions(seat) >= count && seat.height >= 3),
    'the evidence is in a block on every node',
  )
  await world.time.pass(100)
}

/** The same evidence in the same block on all disks, and nothing waits. */
async function expectRecorded(seats: readonly Seat[], evidence: Evidence): Promise<void> {
  const [first] = seats
  const recorded = await first?.node.chain.database.evidence.recorded({ limit: 10 })
  expect(recorded?.map((one) => one.evidence)).toEqual([evidence])
  for (const seat of seats) {
    const { database } = seat.node.chain
    expect(await database.evidence.recorded({ limit: 10 })).toEqual(recorded)
    expect(await database.evidence.waiting()).toEqual([])
    expect(seat.node.evidence.waiting()).toEqual([])
    expect(convictions(seat)).toBe(1)
    const carrying = Array.from({ length: seat.height }, (_, i) => i + 1).filter((height) => {
      const hash = database.blockHashAt(height)
      const block = hash === undefined ? undefined : database.findBlock(hash)?.block
      return block !== undefined && block.extension.evidence.length > 0
    })
    expect(carrying).toEqual(recorded?.map(({ blockHeight }) => blockHeight))
  }
}

describe('a validator that notarizes two blocks', () => {
  it('is convicted by a block on every node, observers too, though nothing else is to do', async () => {
    const scene = await aScene()
    const { world, honest } = scene
    const observer = world.observer('observer')
    await observer.start()
    const height = nextHeight(world.seat(0))
    const evidence = doubleVote(params, { height, signer: HOSTILE })
    const events: NodeEvent[] = []
    world.seat(0).node.events.subscribe((event) => {
      if (event.kind === 'evidence') events.push(event)
    })
    vote(scene, evidence)
    await untilConvicted(scene, [...honest, observer])
    await expectRecorded([...honest, observer], evidence)
    expect(events).toEqual([
      { kind: 'evidence', evidence, carriedBy: undefined },
      { kind: 'evidence', evidence, carriedBy: height },
    ])
    // One block was enough, and the chain is idle again.
    await world.time.pass(5_000)
    expect(honest.map((seat) => seat.height)).toEqual([height, height, height])
    const told = world.errors().filter((line) => line.includes('contradicted itself'))
    expect(told).toHaveLength(4)
  })

  it('is told of by each validator to each other once at most', async () => {
    const scene = await aScene()
    const { world, honest } = scene
    // A stalled chain is told again, and under this leader it would stall.
    while (isLedByHostile(nextHeight(world.seat(0)))) await confirm(scene)
    const height = nextHeight(world.seat(0))
    vote(scene, doubleVote(params, { height, signer: HOSTILE }))
    await untilConvicted(scene, honest)
    const told = world.hub.sent.flatMap(({ from, to, channel, frame }) =>
      channel === 'consensus' && decodeMessage(frame).kind === 'evidence' ? [`${from} ${to}`] : [],
    )
    expect(told.length).toBeGreaterThan(1)
    expect(new Set(told).size).toBe(told.length)
  })

  it('is convicted although the one that saw it was killed before a block could be made', async () => {
    const scene = await aScene()
    const { world, honest } = scene
    const height = nextHeight(world.seat(0))
    const evidence = doubleVote(params, { height, signer: HOSTILE })
    world.seat(1).crash()
    world.seat(2).crash()
    await world.time.pass(10)
    vote(scene, evidence)
    await world.time.pass(50)
    world.seat(0).crash()
    for (const seat of honest) await seat.start()
    expect(world.seat(0).node.evidence.waiting()).toEqual([evidence])
    expect(world.seat(1).node.evidence.waiting()).toEqual([])
    await untilConvicted(scene, honest)
    await expectRecorded(honest, evidence)
    // And nothing comes back at the next start.
    for (const seat of honest) await seat.stop()
    for (const seat of honest) await seat.start()
    await expectRecorded(honest, evidence)
  })

  it('is convicted by a proposal whose evidence the others have not seen', async () => {
    const scene = await aScene()
    const { world, honest } = scene
    world.hub.loses = ({ channel, frame }) =>
      channel === 'consensus' && decodeMessage(frame).kind === 'evidence'
    const evidence = doubleVote(params, { height: nextHeight(world.seat(0)), signer: HOSTILE })
    vote(scene, evidence)
    await world.time.pass(10)
    expect(world.seat(1).node.evidence.waiting()).toEqual([])
    while (convictions(world.seat(0)) === 0) await confirm(scene)
    await untilConvicted(scene, honest)
    await expectRecorded(honest, evidence)
    expect(world.forks(honest)).toEqual([])
  })
})

describe('evidence in a message', () => {
  it('counts though its height is long decided here', async () => {
    const scene = await aScene()
    for (let i = 0; i < 3; i++) await confirm(scene)
    const { first, second } = doubleVote(params, { height: 2, signer: HOSTILE })
    accuse(scene, { first: second, second: first })
    await untilConvicted(scene, scene.honest)
    await expectRecorded(scene.honest, { first, second })
    expect(scene.world.hub.disconnections).toEqual([])
  })

  it('is dropped unread when it says nothing new, and costs the connection when it is forged', async () => {
    const scene = await aScene()
    const { world, honest } = scene
    const evidence = doubleVote(params, { height: 2, signer: HOSTILE })
    const { first, second } = evidence
    const forged = { first, second: { ...second, signature: first.signature } }
    accuse(scene, evidence)
    await untilConvicted(scene, honest)
    const sent = world.hub.sent.length
    accuse(scene, evidence)
    accuse(scene, forged)
    accuse(scene, doubleVote(params, { height: 1_000, signer: HOSTILE }))
    await world.time.pass(10)
    expect(world.hub.disconnections).toEqual([])
    const answers = world.hub.sent.slice(sent + 3).map(({ frame }) => decodeMessage(frame).kind)
    expect(answers).not.toContain('evidence')
    const other = doubleVote(params, { height: 1, signer: HOSTILE })
    accuse(scene, { first: other.first, second: { ...other.second, signature: first.signature } })
    await world.time.pass(10)
    expect(world.hub.disconnections.map(({ reason }) => reason)).toEqual([
      'invalid signature in evidence',
    ])
  })

  it('takes no more room than blocks carry away, however much there is', async () => {
    const scene = await aScene()
    const { world, honest } = scene
    for (let i = 0; i < 12; i++) await confirm(scene)
    const before = world.seat(0).height
    for (let height = 1; height <= before; height++) {
      for (const kind of ['double-notarize', 'double-finalize'] as const) {
        accuse(scene, doubleVote(params, { height, signer: HOSTILE, kind }))
      }
    }
    await world.time.pass(5)
    expect(world.seat(0).node.evidence.waiting()).toHaveLength(8)
    await untilConvicted(scene, honest, 8)
    await world.time.pass(20_000)
    expect(honest.map(convictions)).toEqual([8, 8, 8])
    // Four to a block.
    expect(world.seat(0).height).toBe(before + 2)
  })
})
