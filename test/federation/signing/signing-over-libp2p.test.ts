import { afterEach, describe, expect, it } from 'vitest'
import { coordinatorOrder } from '../../../federation/signing/roast-session.ts'
import {
  createSigningSessions,
  type SigningEffect,
  type SigningEvent,
} from '../../../federation/signing/signing-sessions.ts'
import { identityTweak, xOnly } from '../../../src/chain/peg/key-tweak.ts'
import { utf8 } from '../../../src/primitives/bytes.ts'
import { hash32FromBytes } from '../../../src/primitives/hashes.ts'
import { verifySchnorr } from '../../../src/primitives/secp256k1.ts'
import { sha256 } from '../../../src/primitives/sha256.ts'
import type { Network } from '../../../src/runtime/runtime.ts'
import { connect, startNode, stopAll } from '../../p2p/nodes.ts'
import { createOffCurve } from '../../support/member-adversaries/bad-nonces.ts'
import { createBadShares } from '../../support/member-adversaries/bad-shares.ts'
import { createGarbage } from '../../support/member-adversaries/garbage.ts'
import type { CreateAdversary, Frame } from '../../support/member-adversaries/member-adversary.ts'
import { createMisquotingCoordinator } from '../../support/member-adversaries/misquoting-coordinator.ts'
import { createMuteAfterCommitment } from '../../support/member-adversaries/mute-after-commitment.ts'
import { CHAIN_ID, dealShares, hostSigner, memberKeys, seededRandom } from './test-federation.ts'

afterEach(stopAll)

const SHARES = dealShares(4, 3, 'libp2p')
const GROUP_KEY = SHARES[0]!.group.commitments[0]!
const INPUTS = {
  inputs: ['a', 'b'].map((name) => ({
    sighash: sha256(utf8(name)),
    tweak: identityTweak(GROUP_KEY),
  })),
}
const TICK_MS = 50

interface Outcome {
  readonly signed: ReadonlyMap<number, readonly Uint8Array[]>
  readonly faults: readonly string[]
}

/** Four members on real streams until the honest ones have the signatures. */
async function signOverStreams(
  name: string,
  bad: number,
  create: CreateAdversary,
): Promise<Outcome> {
  const task = { batchId: hash32FromBytes(sha256(utf8(name))), version: 0 }
  const networks: Network[] = []
  const signed = new Map<number, readonly Uint8Array[]>()
  const faults: string[] = []
  const random = seededRandom(name)
  const adversary = create({ self: bad, memberCount: 4, random })
  const { promise, resolve } = Promise.withResolvers<void>()
  const steps: ((event: SigningEvent) => void)[] = []
  const post = (from: number, frames: readonly Frame[]): void => {
    for (const { to, sealed } of frames) {
      networks[from]!.send(networks[to]!.peerId, 'federation', sealed)
    }
  }
  const perform = (member: number, effect: SigningEffect): void => {
    const send = (frame: Frame): void =>
      post(member, member === bad ? adversary.send(frame) : [frame])
    if (effect.kind === 'send') send(effect)
    else if (effect.kind === 'broadcast') {
      for (let to = 0; to < 4; to++) if (to !== member) send({ to, sealed: effect.sealed })
    } else if (effect.kind === 'journal') steps[member]!({ kind: 'journaled', token: effect.token })
    else if (effect.kind === 'blame' && member !== bad)
      faults.push(`${effect.member} ${effect.fault}`)
    else if (effect.kind === 'signed') {
      if (member !== bad) signed.set(member, effect.signatures)
      if (signed.size === 3) resolve()
    }
  }
  for (const [member, share] of SHARES.entries()) {
    const sessions = createSigningSessions(
      {
        chainId: CHAIN_ID,
        members: memberKeys(4),
        share,
        timing: { rankDelayMs: 500, resendMs: 200, nonceTtlMs: 60_000 },
      },
      { sign: hostSigner(member), random, authorise: () => INPUTS },
    )
    steps.push((event) => {
      for (const effect of sessions.step(event)) perform(member, effect)
    })
    networks.push(
      await startNode(member + 1, (network) => {
        network.onFrame('federation', (_from, sealed) =>
          steps[member]!({ kind: 'received', sealed }),
        )
      }),
    )
  }
  for (let from = 0; from < 4; from++) {
    for (let to = from + 1; to < 4; to++) await connect(networks[from]!, networks[to]!)
  }
  const order = [bad, 0, 1, 2, 3]
  for (const member of order) steps[member]!({ kind: 'task', task, nowMs: 0 })
  let nowMs = 0
  const ticks = setInterval(() => {
    nowMs += TICK_MS
    for (const step of steps) step({ kind: 'tick', nowMs })
    post(bad, adversary.tick?.() ?? [])
  }, TICK_MS)
  await promise
  clearInterval(ticks)
  return { signed, faults }
}

describe('signing over real streams', () => {
  for (const [name, create, place] of [
    ['bad shares', createBadShares, 1],
    ['bad nonces', createOffCurve, 1],
    ['garbage', createGarbage, 1],
    ['silence after commitment', createMuteAfterCommitment, 1],
    ['a coordinator that misquotes', createMisquotingCoordinator, 0],
  ] as const) {
    it(`ends in spite of ${name}, and names only who is to blame`, async () => {
      const task = { batchId: hash32FromBytes(sha256(utf8(name))), version: 0 }
      const bad = coordinatorOrder(task, memberKeys(4))[place]!
      const { signed, faults } = await signOverStreams(name, bad, create)
      for (const signatures of signed.values()) {
        for (const [i, { sighash }] of INPUTS.inputs.entries()) {
          expect(verifySchnorr(signatures[i]!, sighash, xOnly(GROUP_KEY))).toBe(true)
        }
      }
      expect(faults.filter((fault) => !fault.startsWith(`${bad} `))).toEqual([])
    })
  }
})
