import { schnorr } from '@noble/curves/secp256k1.js'
import { describe, expect, it } from 'vitest'
import { type Authorisation, coordinatorOrder } from '../../../federation/signing/roast-session.ts'
import type { SigningTask } from '../../../federation/signing/signing-messages.ts'
import { depositTweaks } from '../../../src/chain/peg/deposit-address.ts'
import { utf8 } from '../../../src/primitives/bytes.ts'
import { hash32FromBytes } from '../../../src/primitives/hashes.ts'
import { sha256 } from '../../../src/primitives/sha256.ts'
import { ALL_ADVERSARIES } from '../../support/member-adversaries/all-adversaries.ts'
import { endlessCoordinator } from '../../support/member-adversaries/endless-coordinator.ts'
import {
  type CreateAdversary,
  messageIn,
} from '../../support/member-adversaries/member-adversary.ts'
import type { Faults } from './dkg-network.ts'
import { SigningNetwork } from './signing-network.ts'
import { CHAIN_ID, dealShares, memberKeys, pick, seededRandom } from './test-federation.ts'

const CALM: Faults = { loss: 0, duplication: 0 }
const ROUGH: Faults = { loss: 15, duplication: 15 }
const MEMBERS = 7
const THRESHOLD = 5
const SHARES = dealShares(MEMBERS, THRESHOLD, 'adversarial members')
const INPUTS: Authorisation = {
  inputs: [0, 1].map((i) => ({
    sighash: sha256(utf8(`input ${i}`)),
    tweak: depositTweaks({
      chainId: CHAIN_ID,
      epoch: 0,
      groupKey: SHARES[0]!.group.commitments[0]!,
      recovery: { delayBlocks: 1000, threshold: 1, keys: memberKeys(2) },
      recipient: utf8(`recipient ${i}`),
    }),
  })),
}
const NO_MORE_TICKS = 400

function taskOf(name: string): SigningTask {
  return { batchId: hash32FromBytes(sha256(utf8(name))), version: 0 }
}

interface Outcome {
  readonly network: SigningNetwork
  readonly ticks: number
  readonly honest: readonly number[]
}

/** A task signed by seven, of whom those named by `bad` are not honest; these come first. */
function signAmong(
  name: string,
  bad: ReadonlyMap<number, CreateAdversary>,
  faults: Faults = CALM,
): Outcome {
  const network = new SigningNetwork(SHARES, name, faults)
  const task = taskOf(name)
  network.authorise = (_member, asked) =>
    asked.batchId === task.batchId && asked.version === 0 ? INPUTS : undefined
  for (const member of SHARES.keys()) network.start(member)
  for (const [self, create] of bad) {
    const random = seededRandom(`${name} adversary ${self}`)
    network.adversaries.set(self, create({ self, memberCount: MEMBERS, random }))
  }
  const honest = [...SHARES.keys()].filter((member) => !bad.has(member))
  network.begin(task, bad.keys())
  network.deliver()
  network.begin(task, honest)
  const ticks = network.run(honest, NO_MORE_TICKS)
  return { network, ticks, honest }
}

function expectSignedByAll({ network, honest }: Outcome): void {
  for (const member of honest) {
    const [signatures] = network.signed.get(member) ?? []
    for (const [i, { sighash, tweak }] of INPUTS.inputs.entries()) {
      expect(schnorr.verify(signatures![i]!, sighash, tweak.point.subarray(1))).toBe(true)
    }
  }
}

/** What honest members say of others. */
function named({ network, honest }: Outcome): { member: number; fault: string }[] {
  return network.blames.filter(({ by }) => honest.includes(by))
}

describe('f members that are not honest', () => {
  for (const create of ALL_ADVERSARIES) {
    const { name, role, fault } = create({
      self: 0,
      memberCount: MEMBERS,
      random: seededRandom('name'),
    })
    it(`do not stop a release by ${name}`, () => {
      const ranks = coordinatorOrder(taskOf(name), memberKeys(MEMBERS))
      const [first, second] = role === 'coordinator' ? ranks.slice(0, 2) : ranks.slice(2, 4)
      const bad = new Map([first!, second!].map((member) => [member, create] as const))
      const outcome = signAmong(name, bad)
      // The third coordinator begins after thirty seconds.
      expect(outcome.ticks).toBeLessThanOrEqual(60)
      expectSignedByAll(outcome)
      const found = named(outcome)
      expect(found.filter(({ member }) => !bad.has(member))).toEqual([])
      if (fault !== undefined) {
        expect(found.length).toBeGreaterThan(0)
        expect(new Set(found.map((b) => b.fault))).toEqual(new Set([fault]))
      }
    })
  }

  it('do not stop a release together, each in its own way, over a network that loses and repeats', () => {
    for (let seed = 0; seed < 4; seed++) {
      const random = seededRandom(`mixture ${seed}`)
      const bad = new Map<number, CreateAdversary>()
      while (bad.size < MEMBERS - THRESHOLD) {
        bad.set(pick(random, MEMBERS), ALL_ADVERSARIES[pick(random, ALL_ADVERSARIES.length)]!)
      }
      const outcome = signAmong(`mixture ${seed}`, bad, ROUGH)
      const who = [...outcome.network.adversaries].map(([m, { name }]) => `${m}: ${name}`)
      expect(outcome.ticks, `seed ${seed}, ${who.join(', ')}`).toBeLessThan(NO_MORE_TICKS)
      expectSignedByAll(outcome)
      const framed = named(outcome).filter(({ member }) => !bad.has(member))
      expect(framed, `seed ${seed}, ${who.join(', ')}`).toEqual([])
    }
  })

  it('get few shares for sessions that they never finish', () => {
    const count = { shares: 0 }
    const task = taskOf('few shares')
    const ranks = coordinatorOrder(task, memberKeys(MEMBERS))
    const network = new SigningNetwork(SHARES, 'few shares', CALM)
    network.timing = { ...network.timing, rankDelayMs: 10_000_000 }
    network.authorise = () => INPUTS
    for (const member of SHARES.keys()) network.start(member)
    const random = seededRandom('few shares adversary')
    const create = endlessCoordinator(count)
    network.adversaries.set(ranks[0]!, create({ self: ranks[0]!, memberCount: MEMBERS, random }))
    network.begin(task)
    for (let i = 0; i < 100; i++) {
      network.deliver()
      network.tick()
    }
    // Each of six: the three that ROAST needs, eight for a lossy network, then ever fewer.
    expect(count.shares).toBeGreaterThan(6 * 10)
    expect(count.shares).toBeLessThanOrEqual(6 * 18)
  })

  it("frame nobody by an honest member's old offers", () => {
    const task = taskOf('old offers')
    const [first, second] = coordinatorOrder(task, memberKeys(MEMBERS))
    const network = new SigningNetwork(SHARES, 'old offers', CALM)
    network.timing = { ...network.timing, rankDelayMs: 10_000_000 }
    network.authorise = () => INPUTS
    for (const member of SHARES.keys()) network.start(member)
    // Nobody's shares arrive, and the second member restarts: sessions follow each other.
    network.tamper = (_from, _to, sealed) =>
      messageIn(sealed).kind === 'share' ? undefined : sealed
    for (let life = 0; life < 20; life++) {
      network.begin(task)
      network.deliver()
      for (const member of SHARES.keys()) {
        if (member === first) continue
        network.crash(member)
        network.start(member)
      }
      network.tick()
    }
    const hellos = network.sent.filter(
      ({ from, sealed }) => from === second && messageIn(sealed).kind === 'hello',
    )
    expect(hellos.length).toBeGreaterThan(10)
    for (const { sealed } of hellos) network.inject(first!, sealed)
    network.deliver()
    expect(network.blames).toEqual([])
  })
})
