import { describe, expect, it } from 'vitest'
import { EMPTY_L1_SECTION } from '../../src/chain/l1-section.ts'
import { getEpochBooks, pendingMemberSet } from '../../src/chain/member-sets.ts'
import { currentValidators } from '../../src/chain/validators.ts'
import { helloDigest } from '../../src/consensus/hello.ts'
import { encodeMessage } from '../../src/consensus/messages.ts'
import type { PegSide } from '../../src/node/peg-side.ts'
import { testParams } from '../support/chain-world.ts'
import { doubleVote } from '../support/double-votes.ts'
import { aMemberChange, type Crew, keyOfCrew, setOfCrew } from '../support/member-changes.ts'
import {
  mintedBy,
  NodeWorld,
  type Seat,
  scriptedPeg,
  validatorIdentity,
} from '../support/node-world.ts'

const params = testParams()
const founders: Crew = { epoch: 0, threshold: 3, members: [0, 1, 2, 3] }
/** Number 3 leaves, 4 and 5 come. */
const crew: Crew = { epoch: 1, threshold: 3, members: [4, 0, 1, 2, 5] }
const BOUNDARY = 2

/** The change in block 1, its key in block 2, the last of the founders; then coins. */
function changingPeg(): PegSide {
  const change = aMemberChange(params, founders, crew)
  const announcement = keyOfCrew(params, crew)
  const mint = mintedBy(params, crew)
  return scriptedPeg(params, (view) => {
    if (getEpochBooks(view).next === 1) return { ...EMPTY_L1_SECTION, memberChanges: [change] }
    if (pendingMemberSet(view) !== undefined) {
      return { ...EMPTY_L1_SECTION, keyEpochs: [announcement] }
    }
    return mint(view)
  })
}

function helloOf(index: number, peerId: string): Uint8Array {
  const identity = validatorIdentity(index)
  const validatorKey = identity.publicKey
  const fields = { chainId: params.chainId, validatorKey, peerId, sequence: 1 }
  const signature = identity.sign(helloDigest(fields))
  return encodeMessage({ kind: 'hello', ...fields, signature })
}

interface Scene {
  readonly world: NodeWorld
  readonly newcomers: readonly Seat[]
  readonly all: readonly Seat[]
}

function aScene(): Scene {
  const world = new NodeWorld(params, changingPeg())
  const newcomers = [world.newcomer(4), world.newcomer(5)]
  return { world, newcomers, all: [...world.seats, ...newcomers] }
}

async function started(): Promise<Scene> {
  const scene = aScene()
  for (const seat of scene.all) await seat.start()
  await scene.world.untilHeight(BOUNDARY + 1, scene.all)
  return scene
}

async function confirm({ world }: Scene, at: Seat, seats: readonly Seat[]): Promise<void> {
  const payment = world.payment()
  expect(at.node.submit(payment).ok).toBe(true)
  await world.time.until(
    () => seats.every((seat) => world.isConfirmed(payment, seat)),
    `the payment is at ${seats.map(({ name }) => name).join(', ')}`,
  )
}

function expectPeace({ world, all }: Scene): void {
  expect(world.errors()).toEqual([])
  expect(world.hub.failures).toEqual([])
  expect(world.hub.disconnections).toEqual([])
  expect(world.hub.rejections).toEqual([])
  expect(world.forks(all)).toEqual([])
}

describe('evidence', () => {
  it('against a validator that has left convicts it by the set of its height, for ever by its key', async () => {
    const scene = await started()
    const { world, all } = scene
    const leaver = validatorIdentity(3)
    const evidence = doubleVote(params, { height: BOUNDARY, signer: 3 })
    const network = world.hub.create('informer')
    await network.start()
    const told = encodeMessage({ kind: 'evidence', ...evidence })
    // Whoever is a validator may tell: here one whose node is down for it.
    world.seat(2).crash()
    network.send('validator-0', 'consensus', helloOf(2, 'informer'))
    await world.time.pass(20)
    network.send('validator-0', 'consensus', told)
    const others = all.filter((seat) => seat !== world.seat(2))
    await world.time.until(
      () => others.every((seat) => seat.node.chain.offencesOf(leaver.publicKey) === 1),
      'the chain convicts it',
    )
    // Index 3 is another's now.
    expect(world.seat(0).node.chain.offencesOf(validatorIdentity(2).publicKey)).toBe(0)
    expect(world.hub.disconnections).toEqual([])
    // The same votes as if of the new set's number 3 prove nothing.
    const wrong = doubleVote(params, { height: world.seat(0).height + 1, signer: 3 })
    network.send('validator-0', 'consensus', encodeMessage({ kind: 'evidence', ...wrong }))
    await world.time.pass(50)
    expect(world.hub.disconnections.map(({ peer }) => peer)).toEqual(['informer'])
  })
})

describe('validators that change', () => {
  it('hand over without a restart: who leaves follows, who comes votes', async () => {
    const scene = await started()
    const { world, newcomers, all } = scene
    for (const seat of all) await confirm(scene, seat, all)
    for (const seat of all) {
      expect(currentValidators(seat.node.chain.state().view)).toEqual(setOfCrew(crew))
    }
    // The new ones are needed: without 0 and 1 there is no quorum of four in five.
    world.seat(0).crash()
    await confirm(scene, newcomers[0]!, [...newcomers, world.seat(1), world.seat(3)])
    // And the one that left is not.
    await world.seat(0).start()
    world.seat(3).crash()
    await confirm(scene, newcomers[1]!, [...newcomers, world.seat(0), world.seat(1)])
    await world.seat(3).start()
    await confirm(scene, world.seat(3), all)
    expectPeace(scene)
  })

  it('reach a node that slept through it, whichever side it is on', async () => {
    const scene = aScene()
    const { world, newcomers, all } = scene
    const [first, late] = newcomers
    const awake = [...world.seats.slice(0, 3), first!]
    for (const seat of awake) await seat.start()
    await world.untilHeight(BOUNDARY + 1, awake)
    for (let i = 0; i < 3; i++) await confirm(scene, first!, awake)
    await late!.start()
    await world.seat(3).start()
    await world.untilHeight(first!.height, all)
    await confirm(scene, late!, all)
    await confirm(scene, world.seat(3), all)
    expectPeace(scene)
  })

  it('survive a power failure of everybody right at the boundary', async () => {
    for (const lead of [0, 1]) {
      const scene = aScene()
      const { world, all } = scene
      for (const seat of all) await seat.start()
      const some = all.slice(lead, lead + 3)
      await world.time.until(
        () => some.some((seat) => seat.node.chain.state().tip.height >= BOUNDARY),
        'somebody has crossed',
      )
      for (const seat of all) seat.crash()
      for (const seat of all) await seat.start()
      await world.untilHeight(BOUNDARY + 1, all)
      for (const seat of all) await confirm(scene, seat, all)
      expectPeace(scene)
    }
  })
})
