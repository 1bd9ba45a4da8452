import { schnorr_FROST, secp256k1, secp256k1_hasher } from '@noble/curves/secp256k1.js'
import { describe, expect, it } from 'vitest'
import { decodeEnvelope, openMessage } from '../../../federation/signing/envelope.ts'
import {
  createSigningContext,
  FROST_SUITE,
  identifierOf,
  type Participant,
  parsePoint,
  tweakGroupKey,
} from '../../../federation/signing/frost.ts'
import { participantsOf, sessionHash } from '../../../federation/signing/roast-session.ts'
import {
  decodeSigningMessage,
  type StartMessage,
} from '../../../federation/signing/signing-messages.ts'
import { keyName, type WorkResult } from '../../../federation/signing/work-jobs.ts'
import { Workbench } from '../../../federation/signing/workbench.ts'
import { identityTweak } from '../../../src/chain/peg/key-tweak.ts'
import { bytesToHex, concatBytes, utf8 } from '../../../src/primitives/bytes.ts'
import { hash32FromBytes } from '../../../src/primitives/hashes.ts'
import { sha256 } from '../../../src/primitives/sha256.ts'
import { endlessCoordinator } from '../../support/member-adversaries/endless-coordinator.ts'
import type { CreateAdversary } from '../../support/member-adversaries/member-adversary.ts'
import { createReplayer } from '../../support/member-adversaries/replayer.ts'
import { createSplittingCoordinator } from '../../support/member-adversaries/splitting-coordinator.ts'
import { SigningNetwork } from './signing-network.ts'
import { CHAIN_ID, dealShares, memberKeys, pick, seededRandom } from './test-federation.ts'

const { Fn } = secp256k1.Point
const SHARES = dealShares(4, 3, 'nonce reuse')
const GROUP_KEY = SHARES[0]!.group.commitments[0]!
const INPUTS = {
  inputs: ['a', 'b'].map((name) => ({
    sighash: sha256(utf8(name)),
    tweak: identityTweak(GROUP_KEY),
  })),
}
const CONTEXT = { chainId: CHAIN_ID, epoch: 0, members: memberKeys(4) }
const ATTACKERS: readonly CreateAdversary[] = [
  createReplayer,
  createSplittingCoordinator,
  endlessCoordinator({ shares: 0 }),
]

/** The commitments that every share which left an honest member was made under. */
function commitmentsUsed(network: SigningNetwork): string[] {
  const starts = new Map<string, StartMessage>()
  for (const { sealed } of network.heard) {
    const envelope = openMessage(sealed, CONTEXT)
    if (envelope === undefined) continue
    const message = decodeSigningMessage(envelope.body)
    if (message.kind !== 'start') continue
    starts.set(bytesToHex(sessionHash(CONTEXT, envelope.sender, message, INPUTS)), message)
  }
  return network.sent.flatMap(({ from, sealed }) => {
    const message = decodeSigningMessage(decodeEnvelope(sealed).body)
    const start = message.kind === 'share' ? starts.get(bytesToHex(message.sessionHash)) : undefined
    if (start === undefined) return []
    return INPUTS.inputs.flatMap((_input, i) => {
      const { nonce } = participantsOf(start.participants, i)!.find(
        ({ member }) => member === from,
      )!
      return [`${from} ${bytesToHex(nonce.hiding)}`]
    })
  })
}

describe('a nonce', () => {
  it('signs once, whatever the network, the others, crashes and old disks do', () => {
    let shares = 0
    for (let seed = 0; seed < 4; seed++) {
      const name = `reuse ${seed}`
      const random = seededRandom(name)
      const network = new SigningNetwork(SHARES, name, { loss: 15, duplication: 30 })
      network.timing = { rankDelayMs: 1_000, resendMs: 1_000, nonceTtlMs: 6_000 }
      // Nobody ever learns the result, so that sessions follow each other.
      network.tamper = (_from, _to, sealed) =>
        decodeSigningMessage(decodeEnvelope(sealed).body).kind === 'signed' ? undefined : sealed
      network.authorise = () => INPUTS
      for (const member of SHARES.keys()) network.start(member)
      const attacker = pick(random, 4)
      const create = ATTACKERS[seed % ATTACKERS.length]!
      network.adversaries.set(attacker, create({ self: attacker, memberCount: 4, random }))
      const task = { batchId: hash32FromBytes(sha256(utf8(name))), version: 0 }
      network.begin(task)
      for (let tick = 0; tick < 14; tick++) {
        network.holdJournal = pick(random, 3) === 0
        network.deliver()
        if (pick(random, 4) === 0) {
          // Also between START and share; its disk may be any older one: nothing on it matters.
          const victim = pick(random, 4)
          network.crash(victim)
          network.start(victim)
          network.begin(task, [victim])
        }
        for (const { member, token } of network.held.splice(0)) {
          network.step(member, { kind: 'journaled', token })
          network.step(member, { kind: 'journaled', token })
        }
        network.tick()
      }
      const used = commitmentsUsed(network)
      shares += used.length
      expect(new Set(used).size, name).toBe(used.length)
    }
    expect(shares).toBeGreaterThan(40)
  })

  it('would give the share away if it signed three times', () => {
    const made = [0, 1, 2].map((member) =>
      schnorr_FROST.commit({
        identifier: identifierOf(member),
        signingShare: SHARES[member]!.exposeSecret(),
      }),
    )
    const nonces = made[0]!.nonces
    const participants = made.map(({ commitments: { hiding, binding } }, member) => ({
      member,
      nonce: { hiding, binding },
    }))
    const equations = ['one', 'two', 'three'].map((text) => {
      const message = sha256(utf8(text))
      // A copy each time: what no SecretNonce allows.
      const copy = { hiding: nonces.hiding.slice(), binding: nonces.binding.slice() }
      const share = schnorr_FROST.signShare(
        { identifier: identifierOf(0), signingShare: SHARES[0]!.exposeSecret() },
        { signers: { min: 3, max: 4 }, commitments: [GROUP_KEY.slice()], verifyingShares: {} },
        copy,
        made.map(({ commitments }) => ({ ...commitments })),
        message,
      )
      return equationOf(message, participants, share)
    })
    const secret = solveForShare(equations)
    const stated = Fn.fromBytes(SHARES[0]!.exposeSecret())
    // Up to the sign that an odd group key takes.
    expect([stated, Fn.neg(stated)]).toContain(secret)
  })
})

/** z = sign·d + sign·ρ·e + λ·c·s, by its coefficients of the unknowns d, e and s. */
type Equation = readonly [bigint, bigint, bigint, bigint]

/** What member 0's share says of its nonces and its secret: everything but those is public. */
function equationOf(
  message: Uint8Array,
  participants: readonly Participant[],
  share: Uint8Array,
): Equation {
  const key = tweakGroupKey(SHARES[0]!.group, identityTweak(GROUP_KEY))
  const context = createSigningContext(key, message, participants)!
  const { nonce, lambda } = context.parts.get(0)!
  const idBytes = (member: number): Uint8Array => Fn.toBytes(BigInt(member + 1))
  const list = participants.flatMap(({ member, nonce: { hiding, binding } }) => [
    idBytes(member),
    hiding,
    binding,
  ])
  const hashed = concatBytes(
    key.tweak.point,
    sha256(concatBytes(utf8(`${FROST_SUITE}msg`), message)),
    sha256(concatBytes(utf8(`${FROST_SUITE}com`), ...list)),
    idBytes(0),
  )
  const rho = secp256k1_hasher.hashToScalar(hashed, { DST: utf8(`${FROST_SUITE}rho`) })
  const { hiding, binding } = participants[0]!.nonce
  const plain = parsePoint(hiding)!.add(parsePoint(binding)!.multiplyUnsafe(rho))
  const sign = plain.equals(nonce) ? 1n : Fn.neg(1n)
  const ofShare = Fn.mul(lambda, context.challenge)
  return [sign, Fn.mul(sign, rho), ofShare, Fn.fromBytes(share)]
}

/** Cramer's rule for the third unknown. */
function solveForShare(equations: readonly Equation[]): bigint {
  const columns = (third: 2 | 3): bigint[][] => equations.map((row) => [row[0], row[1], row[third]])
  return Fn.div(determinant(columns(3)), determinant(columns(2)))
}

function determinant([a, b, c]: readonly bigint[][]): bigint {
  const minor = (i: number, j: number): bigint => Fn.create(b![i]! * c![j]! - b![j]! * c![i]!)
  return Fn.create(a![0]! * minor(1, 2) - a![1]! * minor(0, 2) + a![2]! * minor(0, 1))
}

const stuck = (length: number): Uint8Array => new Uint8Array(length)

function hidings(result: WorkResult): string[] {
  return result.kind === 'nonces' ? result.nonces.map(({ hiding }) => bytesToHex(hiding)) : []
}

describe('the workbench', () => {
  const order = { handle: 5n, count: 2 }
  const key = keyName(SHARES[0]!)
  const benchWith = (random: (length: number) => Uint8Array, salt: string): Workbench => {
    const bench = new Workbench(random, utf8(salt))
    bench.addShare(SHARES[0]!)
    return bench
  }

  it('makes other nonces each time, even where the random generator is stuck', () => {
    const made = ['first life', 'second life'].flatMap((salt) => {
      const bench = benchWith(stuck, salt)
      const first = bench.perform({ kind: 'make-nonces', key, order })
      bench.perform({ kind: 'forget-nonces', key, handle: 5n })
      return [...hidings(first), ...hidings(bench.perform({ kind: 'make-nonces', key, order }))]
    })
    expect(made).toHaveLength(8)
    expect(new Set(made).size).toBe(8)
  })

  it('has lost the nonces when it is asked with other inputs than they were made for', () => {
    const bench = benchWith(seededRandom('inputs'), 'salt')
    const made = bench.perform({ kind: 'make-nonces', key, order })
    if (made.kind !== 'nonces') throw new TypeError('no nonces')
    const participants = [{ member: 0, offer: { handle: 5n, nonces: made.nonces } }]
    const job = { kind: 'sign', key, handle: 5n, participants, next: undefined } as const
    expect(bench.perform({ ...job, inputs: INPUTS.inputs.slice(0, 1) })).toEqual({ kind: 'lost' })
    expect(bench.perform({ ...job, inputs: INPUTS.inputs })).toEqual({ kind: 'lost' })
  })

  it('shows nothing of what it keeps', () => {
    expect(JSON.stringify(benchWith(seededRandom('shown'), 'salt'))).toBe('"Workbench"')
  })
})
