import { expect, it } from 'vitest'
import { blockHash, encodeBlock } from '../../src/chain/block.ts'
import { EMPTY_L1_SECTION } from '../../src/chain/l1-section.ts'
import { helloDigest } from '../../src/consensus/hello.ts'
import { leaderOfView, leaderPermutation } from '../../src/consensus/leader.ts'
import { encodeMessage } from '../../src/consensus/messages.ts'
import { encodeDecidedAnswer } from '../../src/consensus/sync-messages.ts'
import { aUser, testParams } from '../support/chain-world.ts'
import { NodeWorld, validatorIdentity } from '../support/node-world.ts'

const TRAITOR = 3
/** The most that validators accept. */
const AHEAD_MS = 10_000

/**
 * Honest proposers once held back until their clock had come within five seconds of the chain's. One
 * validator whose blocks were ten seconds ahead was then the only one that proposed, and could leave
 * out whatever it liked.
 */
it('a block as far ahead of time as is accepted does not keep the other validators from proposing', async () => {
  const params = testParams()
  const world = new NodeWorld(params)
  await world.start([0, 1, 2])
  const honest = world.seats.slice(0, 3)
  const traitor = world.hub.create('traitor')
  traitor.onRequest(async () => encodeDecidedAnswer([]))
  await traitor.start()
  const identity = validatorIdentity(TRAITOR)
  const fields = {
    chainId: params.chainId,
    validatorKey: identity.publicKey,
    peerId: traitor.peerId,
    sequence: world.time.nowMs,
  }
  const hello = { kind: 'hello' as const, ...fields, signature: identity.sign(helloDigest(fields)) }
  for (const { peerId } of traitor.peers()) {
    traitor.send(peerId, 'consensus', encodeMessage(hello))
  }
  await world.time.pass(10)

  const tip = (): number => Math.max(...honest.map((seat) => seat.height))
  const isTraitorsTurn = (): boolean => {
    const context = { chainId: params.chainId, epoch: 0 }
    return leaderOfView(leaderPermutation(context, tip() + 1, 4), 0) === TRAITOR
  }
  const confirmOne = async (): Promise<void> => {
    const payment = world.payment()
    world.seat(0).node.submit(payment)
    await world.time.until(
      () => honest.every((seat) => world.isConfirmed(payment, seat)),
      'the payment is final',
    )
  }
  while (!isTraitorsTurn()) await confirmOne()

  await world.time.pass(500)
  const height = tip() + 1
  const built = world.seat(0).node.chain.build({
    view: 0,
    proposer: TRAITOR,
    timeMs: world.time.nowMs + AHEAD_MS,
    feeRate: params.peg.feeRateFloor,
    l1Section: EMPTY_L1_SECTION,
    evidence: [],
    freezeVotes: [],
    transactions: [],
    payoutScript: aUser('traitor').script,
  })
  if (!built.ok) throw new TypeError('not built')
  const hash = blockHash(built.value)
  const proposal = encodeMessage({
    kind: 'propose',
    block: encodeBlock(built.value),
    justification: { nulls: [] },
    leaderVote: world.sign(TRAITOR, { type: 'notarize', height, view: 0, blockHash: hash }),
  })
  for (const seat of honest) traitor.send(seat.name, 'bulk', proposal)
  await world.untilHeight(height, honest)
  expect(world.seat(0).node.chain.database.blockHashAt(height)).toBe(hash)

  await confirmOne()
  const { tip: now } = world.seat(0).node.chain.state()
  // The clock is still far behind the chain: nobody waited for it.
  expect(now.timeMs).toBeGreaterThan(world.time.nowMs + AHEAD_MS - 2_000)
  expect(world.forks(honest)).toEqual([])
})
