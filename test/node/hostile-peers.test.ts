import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { encodeTransaction } from '../../src/bitcoin/transaction.ts'
import { blockHash, encodeBlock } from '../../src/chain/block.ts'
import { EMPTY_L1_SECTION } from '../../src/chain/l1-section.ts'
import { type Certificate, decodeCertificate } from '../../src/consensus/certificate.ts'
import { helloDigest } from '../../src/consensus/hello.ts'
import { leaderOfView, leaderPermutation } from '../../src/consensus/leader.ts'
import { decodeMessage, encodeMessage, type Message } from '../../src/consensus/messages.ts'
import {
  decodeDecidedRequest,
  encodeDecidedAnswer,
  MAX_DECIDED_COUNT,
} from '../../src/consensus/sync-messages.ts'
import { reseal } from '../chain/block-surgery.ts'
import { aUser, testParams } from '../support/chain-world.ts'
import type { MemoryNetwork } from '../support/memory-network.ts'
import { fundingPeg, NodeWorld, type Seat, validatorIdentity } from '../support/node-world.ts'

const params = testParams()
const peg = fundingPeg(params)

async function runningWorld(indexes?: readonly number[]): Promise<NodeWorld> {
  const world = new NodeWorld(params, peg)
  await world.start(indexes)
  return world
}

/** A peer that says what the test wants. */
async function stranger(world: NodeWorld, name = 'mallory'): Promise<MemoryNetwork> {
  const network = world.hub.create(name)
  network.onRequest(async () => encodeDecidedAnswer([]))
  await network.start()
  return network
}

function helloOf(index: number, peerId: string, sequence: number): Uint8Array {
  const identity = validatorIdentity(index)
  const fields = { chainId: params.chainId, validatorKey: identity.publicKey, peerId, sequence }
  return encodeMessage({ kind: 'hello', ...fields, signature: identity.sign(helloDigest(fields)) })
}

/** A validator of the set that is ours. */
async function turncoat(world: NodeWorld, index: number): Promise<MemoryNetwork> {
  const network = await stranger(world, `turncoat-${index}`)
  for (const { peerId } of network.peers()) {
    network.send(peerId, 'consensus', helloOf(index, network.peerId, world.time.nowMs))
  }
  await world.time.pass(10)
  return network
}

async function confirm(world: NodeWorld, at: Seat, seats: readonly Seat[]): Promise<void> {
  const payment = world.payment()
  at.node.submit(payment)
  await world.time.until(
    () => seats.every((seat) => world.isConfirmed(payment, seat)),
    'the payment is everywhere',
  )
}

function reasonsAgainst(world: NodeWorld, peer: string): readonly string[] {
  return world.hub.disconnections.filter((one) => one.peer === peer).map(({ reason }) => reason)
}

/** The next height at which this validator leads view 0, with the chain just below it. */
async function leadNext(world: NodeWorld, leader: number, seats: readonly Seat[]): Promise<number> {
  for (;;) {
    await world.time.pass(500)
    const next = Math.max(...seats.map((seat) => seat.height)) + 1
    const context = { chainId: params.chainId, epoch: 0 }
    if (leaderOfView(leaderPermutation(context, next, 4), 0) === leader) return next
    const [seat] = seats
    if (seat !== undefined) await confirm(world, seat, seats)
  }
}

describe('a hostile leader', () => {
  it('gets its invalid block nullified, and the chain goes on', async () => {
    const world = await runningWorld([0, 1, 2])
    const honest = world.seats.slice(0, 3)
    const network = await turncoat(world, 3)
    const height = await leadNext(world, 3, honest)
    const { chain } = world.seat(0).node
    const good = chain.build({
      view: 0,
      proposer: 3,
      timeMs: world.time.nowMs,
      feeRate: params.peg.feeRateFloor,
      l1Section: EMPTY_L1_SECTION,
      evidence: [],
      freezeVotes: [],
      transactions: [],
      payoutScript: aUser('mallory').script,
    })
    if (!good.ok) throw new TypeError('not built')
    const { totals } = good.value.extension
    const bad = reseal(good.value, {
      extension: { totals: { ...totals, supply: totals.supply } },
      payouts: [{ value: totals.supply, script: aUser('mallory').script }],
    })
    const leaderVote = world.sign(3, {
      type: 'notarize',
      height,
      view: 0,
      blockHash: blockHash(bad),
    })
    const message: Message = {
      kind: 'propose',
      block: encodeBlock(bad),
      justification: { nulls: [] },
      leaderVote,
    }
    for (const seat of honest) network.send(seat.name, 'bulk', encodeMessage(message))
    await world.untilHeight(height, honest)
    const hash = chain.database.blockHashAt(height)
    const block = hash === undefined ? undefined : chain.database.findBlock(hash)?.block
    expect(block?.extension.view).toBeGreaterThan(0)
    expect(hash).not.toBe(blockHash(bad))
    expect(world.forks(honest)).toEqual([])
    expect(honest.map((seat) => seat.node.haltReason())).toEqual([undefined, undefined, undefined])
  })
})

describe('direct frames', () => {
  it('that are malformed end the connection', async () => {
    const world = await runningWorld()
    const network = await stranger(world)
    network.send('validator-0', 'consensus', Uint8Array.of(250, 1, 2))
    await world.time.pass(10)
    expect(reasonsAgainst(world, 'mallory')).toEqual(['malformed consensus message'])
  })

  it('of a validator with a wrong signature end the connection', async () => {
    const world = await runningWorld([0, 1, 2])
    const network = await turncoat(world, 3)
    const height = world.seat(0).node.chain.state().tip.height + 1
    const vote = { ...world.sign(3, { type: 'nullify', height, view: 0 }), signer: 2 }
    network.send('validator-0', 'consensus', encodeMessage({ kind: 'vote', vote }))
    await world.time.pass(10)
    expect(reasonsAgainst(world, 'turncoat-3')).toEqual(['invalid signature in vote'])
  })

  it('of strangers are not listened to, whatever they say', async () => {
    const world = await runningWorld()
    const network = await stranger(world)
    const forged = encodeTransaction({ ...world.payment(), lockTime: 1 })
    const height = world.seat(0).node.chain.state().tip.height + 1
    const vote = world.sign(3, { type: 'nullify', height, view: 0 })
    const said: readonly Message[] = [
      { kind: 'transactions', transactions: [forged] },
      { kind: 'vote', vote: { ...vote, signature: new Uint8Array(64) } },
      { kind: 'status', height: 1_000_000, view: 3 },
    ]
    for (const message of said) {
      network.send('validator-0', 'consensus', encodeMessage(message))
      network.send('validator-0', 'bulk', encodeMessage(message))
    }
    await world.time.pass(10)
    expect(world.hub.disconnections).toEqual([])
    expect(world.seat(0).node.mempool.size).toBe(0)
    expect(world.hub.sent.filter(({ to }) => to === 'mallory').length).toBe(4)
  })

  it('with the same HELLO again and again cause nothing', async () => {
    const world = await runningWorld([0, 1, 2])
    const network = await turncoat(world, 3)
    const before = world.hub.sent.length
    const hello = helloOf(3, network.peerId, world.time.nowMs - 10)
    for (let i = 0; i < 100; i++) network.send('validator-0', 'consensus', hello)
    await world.time.pass(20)
    const answers = world.hub.sent.slice(before).filter(({ to }) => to === 'turncoat-3')
    expect(answers.length).toBeLessThan(10)
  })

  it('with a HELLO that proves nothing end the connection', async () => {
    const world = await runningWorld([0, 1, 2])
    const network = await stranger(world)
    network.send('validator-0', 'consensus', helloOf(3, 'somebody-else', world.time.nowMs))
    await world.time.pass(10)
    expect(reasonsAgainst(world, 'mallory')).toEqual(['invalid hello'])
  })

  it('with forged transactions cost a validator its connection', async () => {
    const world = await runningWorld([0, 1, 2])
    const network = await turncoat(world, 3)
    const payment = world.payment()
    const forged = { ...payment, lockTime: 1 }
    const message: Message = { kind: 'transactions', transactions: [encodeTransaction(forged)] }
    network.send('validator-0', 'bulk', encodeMessage(message))
    await world.time.pass(10)
    expect(reasonsAgainst(world, 'turncoat-3')).toEqual(['invalid transactions'])
    expect(world.seat(0).node.mempool.size).toBe(0)
  })
})

describe('gossip', () => {
  it('is rejected when it is malformed, forged, or on the wrong topic', async () => {
    const world = await runningWorld()
    const network = await stranger(world)
    const height = world.seat(0).node.chain.state().tip.height + 1
    const vote = world.sign(1, { type: 'nullify', height, view: 0 })
    const forged: Message = { kind: 'vote', vote: { ...vote, signature: new Uint8Array(64) } }
    await network.publish('votes', Uint8Array.of(99))
    await network.publish('votes', encodeMessage(forged))
    await network.publish('proposals', encodeMessage({ kind: 'vote', vote }))
    await world.time.pass(10)
    const topics = world.hub.rejections.map(({ topic }) => topic)
    expect(topics.filter((topic) => topic === 'votes')).toHaveLength(8)
    expect(topics.filter((topic) => topic === 'proposals')).toHaveLength(4)
  })

  it('of a forged decided block far ahead keeps no backup from publishing', async () => {
    const world = await runningWorld()
    const network = await stranger(world)
    const { certificate, block } = lastDecided(world.seat(0))
    const forged: Message = {
      kind: 'decided',
      block,
      certificate: { ...certificate, height: 1_000_000 },
    }
    await network.publish('blocks', encodeMessage(forged))
    await world.time.pass(10)
    // Whoever agrees on that height is not known here.
    expect(world.hub.rejections).toEqual([])
    expect(world.seats.every((seat) => seat.node.isSynced())).toBe(true)
  })

  it('of a decided block with another body is rejected, and the good copy still travels', async () => {
    const world = await runningWorld()
    const observer = world.observer('observer')
    const network = world.hub.create('mallory')
    await network.start()
    for (const seat of world.seats) world.hub.cut('observer', seat.name)
    network.onRequest(async () => encodeDecidedAnswer([]))
    await observer.start()
    const first = decidedAt(world.seat(0), 1)
    const second = decidedAt(world.seat(0), 2)
    const publish = (block: Uint8Array, certificate: Certificate): Promise<boolean> =>
      network.publish('blocks', encodeMessage({ kind: 'decided', block, certificate }))
    await publish(second.block, first.certificate)
    await world.time.pass(10)
    expect(observer.height).toBe(0)
    await publish(first.block, first.certificate)
    await world.untilHeight(1, [observer])
    const rejected = world.hub.rejections.filter(({ by }) => by === 'observer')
    expect(rejected).toEqual([{ by: 'observer', from: 'mallory', topic: 'blocks' }])
  })

  it('of more transactions than an honest node sends is rejected unread', async () => {
    const world = await runningWorld()
    const network = await stranger(world)
    const transactions = Array(251).fill(encodeTransaction(world.payment()))
    await network.publish('transactions', encodeMessage({ kind: 'transactions', transactions }))
    await world.time.pass(10)
    expect(world.hub.rejections).toHaveLength(4)
    expect(world.seat(0).node.mempool.size).toBe(0)
  })
})

function decidedAt(seat: Seat, height: number): { block: Uint8Array; certificate: Certificate } {
  const stored = seat.node.chain.database.findBlockBytes(height)
  if (stored === undefined) throw new TypeError('no such block')
  return { block: stored.bytes, certificate: decodeCertificate(stored.certificate) }
}

const lastDecided = (seat: Seat): { block: Uint8Array; certificate: Certificate } =>
  decidedAt(seat, seat.height)

const blocksOf =
  (world: NodeWorld) =>
  (from: number, count: number): { block: Uint8Array; certificate: Certificate }[] =>
    Array.from({ length: count }, (_, i) => from + i)
      .filter((height) => height <= world.seat(0).height)
      .map((height) => decidedAt(world.seat(0), height))

describe('a peer that lies about the past', () => {
  type Answer = (fromHeight: number, count: number) => Uint8Array | Promise<Uint8Array>

  let shared: NodeWorld | undefined
  let meetings = 0
  let leaving: (() => void)[] = []

  afterEach(() => {
    for (const leave of leaving) leave()
    leaving = []
  })

  beforeAll(async () => {
    const world = await runningWorld()
    for (let i = 0; i < 10; i++) await confirm(world, world.seat(0), world.seats)
    shared = world
  })

  /** An observer that knows only a liar. */
  async function misled(answer: (world: NodeWorld) => Answer): Promise<{
    world: NodeWorld
    observer: Seat
    /** Why the observer has sent the liar away. */
    reasons: () => readonly string[]
  }> {
    const world = shared
    if (world === undefined) throw new TypeError('no world')
    meetings += 1
    const liar = world.hub.create(`liar-${meetings}`)
    const answering = answer(world)
    liar.onRequest(async (_from, question) => {
      const { fromHeight, count } = decodeDecidedRequest(question)
      return answering(fromHeight, count)
    })
    const observer = world.observer(`observer-${meetings}`)
    for (const seat of world.seats) {
      world.hub.cut(observer.name, seat.name)
      world.hub.cut(liar.peerId, seat.name)
    }
    await liar.start()
    await observer.start()
    leaving.push(
      () => observer.crash(),
      () => void liar.stop(),
    )
    await world.time.pass(3_000)
    const reasons = (): readonly string[] => reasonsAgainst(world, liar.peerId)
    return { world, observer, reasons }
  }

  const lies: readonly (readonly [string, (world: NodeWorld) => Answer])[] = [
    ['sends garbage', () => () => Uint8Array.of(1, 2, 3)],
    [
      'starts elsewhere',
      (world) => (from, count) => encodeDecidedAnswer(blocksOf(world)(from + 1, count)),
    ],
    [
      'sends more than was asked for',
      (world) => () =>
        encodeDecidedAnswer(
          Array(MAX_DECIDED_COUNT)
            .fill(0)
            .map((_, i) => {
              const { block, certificate } = decidedAt(world.seat(0), 1)
              return { block, certificate: { ...certificate, height: i + 1 } }
            }),
        ),
    ],
    [
      'forges a certificate',
      (world) => (from, count) =>
        encodeDecidedAnswer(
          blocksOf(world)(from, count).map(({ block, certificate }) => ({
            block,
            certificate: {
              ...certificate,
              signatures: certificate.signatures.map(() => new Uint8Array(64)),
            },
          })),
        ),
    ],
    [
      'sends another body',
      (world) => (from, count) => {
        const blocks = blocksOf(world)(from, count)
        const [first] = blocks
        return encodeDecidedAnswer(
          blocks.map(({ certificate }) => ({
            block: first?.block ?? Uint8Array.of(),
            certificate,
          })),
        )
      },
    ],
  ]

  for (const [what, answer] of lies) {
    it(`and ${what} is sent away, and another one is asked`, async () => {
      const { world, observer, reasons } = await misled(answer)
      expect(reasons()).toHaveLength(1)
      expect(observer.node.isSynced()).toBe(false)
      world.hub.mend(observer.name, 'validator-2')
      await world.untilHeight(world.seat(0).height, [observer])
      await world.time.until(() => observer.node.isSynced(), 'in sync')
      expect(world.hub.failures).toEqual([])
    })
  }

  it('and never answers is not waited for by others for ever', async () => {
    const { world, observer, reasons } = await misled(
      () => () => new Promise<never>(() => undefined),
    )
    world.hub.mend(observer.name, 'validator-2')
    await world.untilHeight(world.seat(0).height, [observer])
    expect(reasons()).toEqual([])
  })

  it('and gives one block at a time is used all the same', async () => {
    const { world, observer, reasons } = await misled(
      (w) => (from) => encodeDecidedAnswer(blocksOf(w)(from, 1)),
    )
    await world.untilHeight(world.seat(0).height, [observer])
    expect(reasons()).toEqual([])
  })

  it('and claims great heights for ever is asked a few times a second at most', async () => {
    const world = await runningWorld([0, 1, 2])
    const network = await turncoat(world, 3)
    let questions = 0
    network.onRequest(async () => {
      questions += 1
      return encodeDecidedAnswer([])
    })
    const status = encodeMessage({ kind: 'status', height: 9_999_999, view: 0 })
    for (let i = 0; i < 100; i++) {
      network.send('validator-0', 'consensus', status)
      await world.time.pass(20)
    }
    expect(questions).toBeLessThan(12)
    expect(world.seat(0).node.isSynced()).toBe(true)
    expect(decodeMessage(status).kind).toBe('status')
  })
})
