import { describe, expect, it } from 'vitest'
import { type Certificate, decodeCertificate } from '../../src/consensus/certificate.ts'
import { encodeMessage, type Message } from '../../src/consensus/messages.ts'
import { decodeDecidedRequest, encodeDecidedAnswer } from '../../src/consensus/sync-messages.ts'
import { toBlockHash } from '../../src/primitives/hashes.ts'
import type { Topic } from '../../src/runtime/runtime.ts'
import { testParams } from '../support/chain-world.ts'
import type { MemoryNetwork } from '../support/memory-network.ts'
import { fundingPeg, NodeWorld, type Seat } from '../support/node-world.ts'

const params = testParams()
const peg = fundingPeg(params)

async function runningWorld(indexes?: readonly number[]): Promise<NodeWorld> {
  const world = new NodeWorld(params, peg)
  await world.start(indexes)
  return world
}

/** Somebody who speaks to the validators, and somebody who hears only what they pass on. */
async function speakerAndWitness(
  world: NodeWorld,
  topic: Topic,
): Promise<{ speaker: MemoryNetwork; heard: Uint8Array[] }> {
  const heard: Uint8Array[] = []
  const speaker = world.hub.create('mallory')
  const witness = world.hub.create('witness')
  world.hub.cut('mallory', 'witness')
  witness.onGossip(topic, (_from, payload) => {
    heard.push(payload)
    return 'ignore'
  })
  for (const network of [speaker, witness]) {
    network.onRequest(async () => encodeDecidedAnswer([]))
    await network.start()
  }
  return { speaker, heard }
}

function decidedAt(seat: Seat, height: number): { block: Uint8Array; certificate: Certificate } {
  const stored = seat.node.chain.database.findBlockBytes(height)
  if (stored === undefined) throw new TypeError('no such block')
  return { block: stored.bytes, certificate: decodeCertificate(stored.certificate) }
}

const isOf = (signer: number, bytes: Uint8Array): boolean => {
  // The signer and the signature end a vote.
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return view.getUint16(bytes.length - 66, true) === signer
}

describe('gossip of one faulty validator', () => {
  it('is not passed on without end: votes for ever new views', async () => {
    const world = await runningWorld([0, 1, 2])
    const { speaker, heard } = await speakerAndWitness(world, 'votes')
    const height = world.seat(0).height + 2
    for (let view = 0; view < 300; view++) {
      const vote = world.sign(3, { type: 'nullify', height, view })
      await speaker.publish('votes', encodeMessage({ kind: 'vote', vote }))
    }
    await world.time.pass(20)
    const passedOn = heard.filter((bytes) => isOf(3, bytes)).length
    // By each of three validators.
    expect(passedOn).toBeGreaterThan(0)
    expect(passedOn).toBeLessThanOrEqual(3 * 70)
    expect(world.hub.rejections).toEqual([])
  })

  it('is not passed on without end: proposals for ever new views', async () => {
    const world = await runningWorld([0, 1, 2])
    const { speaker, heard } = await speakerAndWitness(world, 'proposals')
    const height = world.seat(0).height + 2
    const before = heard.length
    for (let view = 0; view < 60; view++) {
      const blockHash = toBlockHash('ab'.repeat(32))
      const message: Message = {
        kind: 'propose',
        block: new Uint8Array(100),
        justification: { nulls: [] },
        leaderVote: world.sign(3, { type: 'notarize', height, view, blockHash }),
      }
      await speaker.publish('proposals', encodeMessage(message))
    }
    await world.time.pass(20)
    expect(heard.length).toBeGreaterThan(before)
    expect(heard.length - before).toBeLessThanOrEqual(3 * 10)
    expect(world.hub.failures).toEqual([])
  })
})

/** An observer that knows only this peer, which has the chain up to `peer.height`. */
async function follower(): Promise<{
  world: NodeWorld
  observer: Seat
  peer: { height: number; questions: number; readonly network: MemoryNetwork }
  hint: (height: number) => Promise<boolean>
}> {
  const world = await runningWorld()
  await world.untilHeight(4)
  const network = world.hub.create('relay')
  const peer = { height: 2, questions: 0, network }
  network.onRequest(async (_from, question) => {
    peer.questions += 1
    const { fromHeight, count } = decodeDecidedRequest(question)
    const heights = Array.from({ length: count }, (_, i) => fromHeight + i)
    const known = heights.filter((height) => height <= peer.height)
    return encodeDecidedAnswer(known.map((height) => decidedAt(world.seat(0), height)))
  })
  const observer = world.observer('observer')
  for (const seat of world.seats) {
    world.hub.cut('observer', seat.name)
    world.hub.cut('relay', seat.name)
  }
  await network.start()
  await observer.start()
  await world.untilHeight(2, [observer])
  const hint = (height: number): Promise<boolean> => {
    const { certificate } = decidedAt(world.seat(0), height)
    const message: Message = { kind: 'decided', block: new Uint8Array(), certificate }
    return network.publish('blocks', encodeMessage(message))
  }
  return { world, observer, peer, hint }
}

describe('a certificate without its block', () => {
  it('brings the block within a round trip, for blocks too long for a topic', async () => {
    const { world, observer, peer, hint } = await follower()
    // Just asked, with nothing new: its pause ends with the news.
    await world.time.pass(20)
    peer.height = 3
    await hint(3)
    await world.time.pass(20)
    expect(observer.height).toBe(3)
    peer.height = 4
    await hint(4)
    await world.time.pass(20)
    expect(observer.height).toBe(4)
    expect(world.hub.rejections).toEqual([])
  })

  it('of a peer that does not have the block either costs a question or two', async () => {
    const { world, observer, peer, hint } = await follower()
    await world.time.pass(20)
    const before = peer.questions
    for (let i = 0; i < 100; i++) await hint(3)
    await world.time.pass(400)
    expect(peer.questions - before).toBeLessThanOrEqual(2)
    expect(observer.height).toBe(2)
    // Asked again when the pause is over, since the block must be somewhere.
    peer.height = 3
    await world.time.pass(700)
    expect(observer.height).toBe(3)
  })

  it('that is forged is passed on by nobody, and believed by nobody', async () => {
    const { world, peer } = await follower()
    const { certificate } = decidedAt(world.seat(0), 2)
    const forged = { ...certificate, height: 99 }
    await peer.network.publish(
      'blocks',
      encodeMessage({ kind: 'decided', block: new Uint8Array(), certificate: forged }),
    )
    await world.time.pass(20)
    // Later validators might have signed it: no fault, but nothing learned either.
    expect(world.hub.rejections).toEqual([])
    const next = { ...certificate, height: 3 }
    await peer.network.publish(
      'blocks',
      encodeMessage({ kind: 'decided', block: new Uint8Array(), certificate: next }),
    )
    await world.time.pass(20)
    expect(world.hub.rejections).toEqual([{ by: 'observer', from: 'relay', topic: 'blocks' }])
  })
})
