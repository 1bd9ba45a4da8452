import { describe, expect, it } from 'vitest'
import type { DkgEffect } from '../../../federation/signing/dkg.ts'
import {
  type DkgPayload,
  decodeDkgMessage,
  encodeDkgMessage,
} from '../../../federation/signing/dkg-messages.ts'
import { decodeEnvelope, sealMessage } from '../../../federation/signing/envelope.ts'
import { SecretDealing } from '../../../federation/signing/key-generation.ts'
import type { SigningMessage } from '../../../federation/signing/signing-messages.ts'
import { verifyKeyEpochAnnouncement } from '../../../src/chain/peg/key-epoch-announcement.ts'
import { equalBytes } from '../../../src/primitives/bytes.ts'
import { DkgNetwork, type Faults } from './dkg-network.ts'
import { CHAIN_ID, hostSigner, seededRandom } from './test-federation.ts'

const CALM: Faults = { loss: 0, duplication: 0 }
const ROUGH: Faults = { loss: 20, duplication: 20 }

/** Every announced key is good, and every member has a durable share of it. */
function expectGoodKey(network: DkgNetwork): void {
  for (const [member] of network.members.entries()) {
    expect(network.announced.has(member), `member ${member} announced`).toBe(true)
  }
  for (const announcement of [...network.announced.values()].flat()) {
    const expected = { chainId: CHAIN_ID, epoch: 0, members: network.members }
    expect(verifyKeyEpochAnnouncement(announcement, expected)).toBe(true)
    for (const [member] of network.members.entries()) {
      const shares = network.disks.get(member)?.shares ?? []
      const durable = shares.some((share) =>
        equalBytes(share.group.commitments[0]!, announcement.groupKey),
      )
      expect(durable, `member ${member} has a share`).toBe(true)
    }
  }
}

function payloadOf(effect: DkgEffect): DkgPayload['kind'] | undefined {
  if (effect.kind !== 'send' && effect.kind !== 'broadcast') return undefined
  return kindOf(effect.sealed)
}

/** Re-seals a changed payload with the sender's own key: what a malicious member can do. */
function forge(sealed: Uint8Array, change: (payload: DkgPayload) => DkgPayload): Uint8Array {
  const envelope = decodeEnvelope(sealed)
  const message = decodeDkgMessage(envelope.body)
  const body = encodeDkgMessage({ ...message, payload: change(message.payload) })
  return sealMessage({ ...envelope, body }, CHAIN_ID, hostSigner(envelope.sender))
}

function kindOf(sealed: Uint8Array): DkgPayload['kind'] {
  return decodeDkgMessage(decodeEnvelope(sealed).body).payload.kind
}

function isFirstAttempt(sealed: Uint8Array): boolean {
  return decodeDkgMessage(decodeEnvelope(sealed).body).attempt === 1
}

function flipped(bytes: Uint8Array): Uint8Array {
  const out = bytes.slice()
  out[out.length - 1]! ^= 1
  return out
}

describe('key generation', () => {
  it('makes one key for four members at the first attempt', () => {
    const network = new DkgNetwork(4, 3, 'calm', CALM)
    network.startAll()
    expect(network.run(5)).toBeLessThanOrEqual(5)
    expectGoodKey(network)
    const keys = new Set([...network.announced.values()].flat().map((a) => a.groupKey.join()))
    expect(keys.size).toBe(1)
    expect([...network.announced.values()].flat().every(({ attempt }) => attempt === 1)).toBe(true)
    expect(network.blames).toEqual([])
  })

  it('says whom it waits for', () => {
    const network = new DkgNetwork(4, 3, 'waiting', CALM)
    for (const member of [0, 1, 3]) network.start(member)
    network.round()
    network.round()
    expect(network.phaseOf(0)).toBe('dealing')
    expect(network.announced.size).toBe(0)
    network.start(2)
    expect(network.run(5)).toBeLessThanOrEqual(5)
    expectGoodKey(network)
  })

  for (const [count, threshold, seeds] of [
    [4, 3, 3],
    [7, 5, 1],
  ] as const) {
    it(`survives lost, repeated and reordered messages with ${count} members`, () => {
      for (let seed = 0; seed < seeds; seed++) {
        const network = new DkgNetwork(count, threshold, `rough ${seed}`, ROUGH)
        network.startAll()
        expect(network.run(80), `seed ${seed}`).toBeLessThanOrEqual(80)
        expectGoodKey(network)
        expect(network.blames, `seed ${seed}`).toEqual([])
      }
    })
  }

  const steps: readonly (readonly [string, (effect: DkgEffect) => boolean])[] = [
    ['the attempt is durable', (e) => e.kind === 'persist' && e.record.kind === 'attempt'],
    ['its deal leaves', (e) => payloadOf(e) === 'deal'],
    ['its echo leaves', (e) => payloadOf(e) === 'echo'],
    ['a dealt share leaves', (e) => payloadOf(e) === 'share'],
    ['its share is durable', (e) => e.kind === 'persist' && e.record.kind === 'share'],
    ['its certificate leaves', (e) => payloadOf(e) === 'certify'],
    ['its test message leaves', (e) => payloadOf(e) === 'test'],
    ['it announces', (e) => e.kind === 'announce'],
  ]
  for (const [index, [name, matches]] of steps.entries()) {
    it(`completes when a member crashes before ${name} and restarts`, () => {
      for (const victim of [index % 4, (index + 3) % 4]) {
        const network = new DkgNetwork(4, 3, `crash ${name} ${victim}`, CALM)
        const crashed: string[] = []
        network.crashBefore = (member, effect) => {
          if (crashed.length > 0 || member !== victim || !matches(effect)) return false
          crashed.push(effect.kind)
          return true
        }
        network.startAll()
        for (let i = 0; i < 2; i++) network.round()
        expect(crashed).toHaveLength(1)
        network.start(victim)
        expect(network.run(30), `victim ${victim}`).toBeLessThanOrEqual(30)
        expectGoodKey(network)
      }
    })
  }

  it('completes when members crash again and again on a rough network', () => {
    for (let seed = 0; seed < 2; seed++) {
      const network = new DkgNetwork(4, 3, `crashes ${seed}`, ROUGH)
      const random = seededRandom(`crashes ${seed}`)
      network.startAll()
      for (let round = 0; round < 12; round++) {
        network.round()
        const victim = random(1)[0]! % 8
        if (victim < 4 && network.isRunning(victim)) network.crash(victim)
        for (const member of network.members.keys()) {
          if (!network.isRunning(member) && random(1)[0]! % 2 === 0) network.start(member)
        }
      }
      for (const member of network.members.keys()) {
        if (!network.isRunning(member)) network.start(member)
      }
      expect(network.run(100), `seed ${seed}`).toBeLessThanOrEqual(100)
      expectGoodKey(network)
    }
  })

  it('completes when a member lost a dealt share and its dealer restarted', () => {
    const network = new DkgNetwork(4, 3, 'lost deal', CALM)
    network.tamper = (from, to, sealed) =>
      from === 1 && to === 2 && isFirstAttempt(sealed) && kindOf(sealed) === 'share'
        ? undefined
        : sealed
    network.startAll()
    for (let i = 0; i < 3; i++) network.round()
    expect(network.phaseOf(1)).toBe('certifying')
    expect(network.phaseOf(2)).toBe('sharing')
    network.crash(1)
    network.start(1)
    expect(network.run(20)).toBeLessThanOrEqual(20)
    expectGoodKey(network)
  })

  it('keeps the shares of a key that others announced while a member lost its disk', () => {
    const network = new DkgNetwork(4, 3, 'lost disk', CALM)
    network.startAll()
    network.run(5)
    network.crash(3)
    network.disks.delete(3)
    network.start(3)
    for (let i = 0; i < 12; i++) network.round()
    // The first key stays in the others' hands; a second one has everybody's.
    const later = network.announced.get(3)!.at(-1)!
    expect(later.attempt).toBeGreaterThan(1)
    for (const member of [0, 1, 2]) {
      expect(network.disks.get(member)!.shares.map(({ attempt }) => attempt)).toContain(1)
      expect(network.disks.get(member)!.shares.at(-1)!.group.commitments[0]).toEqual(later.groupKey)
    }
  })
})

function runWith(name: string, tamper: DkgNetwork['tamper']): DkgNetwork {
  const network = new DkgNetwork(4, 3, name, CALM)
  network.tamper = (from, to, sealed) =>
    isFirstAttempt(sealed) ? tamper(from, to, sealed) : sealed
  network.startAll()
  expect(network.run(40)).toBeLessThanOrEqual(40)
  expectGoodKey(network)
  return network
}

function changing<Kind extends DkgPayload['kind']>(
  kind: Kind,
  change: (payload: Extract<DkgPayload, { kind: Kind }>) => DkgPayload,
) {
  return (sealed: Uint8Array): Uint8Array =>
    forge(sealed, (payload) => (isKind(payload, kind) ? change(payload) : payload))
}

function isKind<Kind extends DkgPayload['kind']>(
  payload: DkgPayload,
  kind: Kind,
): payload is Extract<DkgPayload, { kind: Kind }> {
  return payload.kind === kind
}

const OTHER_DEAL = new SecretDealing(
  3,
  { threshold: 3, memberCount: 4 },
  seededRandom('another polynomial'),
).dealing

/** What member 3 does to what it sends, and what for it is named. */
const CHEATS: readonly (readonly [
  string,
  string,
  (to: number, sealed: Uint8Array) => Uint8Array,
])[] = [
  [
    'two deals',
    'two-deals',
    (to, sealed) =>
      to === 1 ? changing('deal', () => ({ kind: 'deal', dealing: OTHER_DEAL }))(sealed) : sealed,
  ],
  [
    'a deal that it does not know',
    'bad-deal',
    (_to, sealed) =>
      changing('deal', ({ dealing }) => ({
        kind: 'deal',
        dealing: { ...dealing, proof: flipped(dealing.proof) },
      }))(sealed),
  ],
  [
    'an echo of deals that nobody made',
    'bad-echo',
    (_to, sealed) =>
      changing('echo', ({ deals }) => ({ kind: 'echo', deals: deals.toReversed() }))(sealed),
  ],
  [
    'a bad share for one member',
    'bad-share',
    (to, sealed) =>
      to === 0
        ? changing('share', ({ secret }) => ({ kind: 'share', secret: flipped(secret) }))(sealed)
        : sealed,
  ],
  [
    'a certificate for something else',
    'bad-certificate',
    (_to, sealed) =>
      changing('certify', ({ signature }) => ({ kind: 'certify', signature: flipped(signature) }))(
        sealed,
      ),
  ],
  [
    'a spoiled test signature',
    'bad-test',
    (_to, sealed) =>
      changing('test', ({ message }) => ({ kind: 'test', message: spoiled(message) }))(sealed),
  ],
]

/** As a signer its share, as the coordinator the nonces that it says others have offered. */
function spoiled(message: SigningMessage): SigningMessage {
  if (message.kind === 'share') return { ...message, shares: message.shares.map(flipped) }
  if (message.kind !== 'start') return message
  const participants = message.participants.map(({ member, offer }) => ({
    member,
    offer: {
      handle: offer.handle,
      nonces: offer.nonces.map(({ hiding, binding }) => ({ hiding: binding, binding: hiding })),
    },
  }))
  return { ...message, participants }
}

describe('a malicious member of a key generation', () => {
  it('is named when it deals two ways, and no share leaves', () => {
    const other = new SecretDealing(
      3,
      { threshold: 3, memberCount: 4 },
      seededRandom('other polynomial'),
    ).dealing
    const leaked: string[] = []
    const network = runWith('equivocation', (from, to, sealed) => {
      const kind = kindOf(sealed)
      if (kind === 'share' && from !== 3) leaked.push(`${from} to ${to}`)
      if (from !== 3 || to !== 0 || decodeEnvelope(sealed).sender !== 3) return sealed
      if (kind === 'deal') return forge(sealed, () => ({ kind: 'deal', dealing: other }))
      return sealed
    })
    expect(leaked).toEqual([])
    expect(network.blames.length).toBeGreaterThan(0)
    expect(network.blames.every((b) => b.member === 3 && b.fault === 'two-deals')).toBe(true)
  })

  it('is named when it does not know what it committed to', () => {
    const network = runWith('bad proof', (from, _to, sealed) =>
      from === 2
        ? forge(sealed, (payload) =>
            payload.kind === 'deal'
              ? {
                  kind: 'deal',
                  dealing: { ...payload.dealing, proof: flipped(payload.dealing.proof) },
                }
              : payload,
          )
        : sealed,
    )
    expect(new Set(network.blames.map((b) => `${b.member} ${b.fault}`))).toEqual(
      new Set(['2 bad-deal']),
    )
  })

  it('is named by all when it deals one member a bad share', () => {
    const network = runWith('bad share', (from, to, sealed) =>
      from === 1 && to === 3 && decodeEnvelope(sealed).sender === 1
        ? forge(sealed, (payload) =>
            payload.kind === 'share' ? { kind: 'share', secret: flipped(payload.secret) } : payload,
          )
        : sealed,
    )
    expect(new Set(network.blames.map((b) => `${b.member} ${b.fault}`))).toEqual(
      new Set(['1 bad-share']),
    )
    expect(new Set(network.blames.map(({ by }) => by)).size).toBeGreaterThan(1)
  })

  it('is named when it certifies something else', () => {
    const network = runWith('bad certificate', (from, _to, sealed) =>
      from === 0
        ? forge(sealed, (payload) =>
            payload.kind === 'certify'
              ? { kind: 'certify', signature: flipped(payload.signature) }
              : payload,
          )
        : sealed,
    )
    expect(network.blames.every((b) => b.member === 0 && b.fault === 'bad-certificate')).toBe(true)
  })

  it('is named when it shows deals that nobody made', () => {
    const network = runWith('echo', (from, _to, sealed) =>
      from === 0
        ? forge(sealed, (payload) =>
            payload.kind === 'echo'
              ? { kind: 'echo', deals: payload.deals.with(2, flipped(payload.deals[2]!)) }
              : payload,
          )
        : sealed,
    )
    const named = network.blames.filter(({ by }) => by !== 0)
    expect(named.length).toBeGreaterThan(0)
    expect(named.every((b) => b.member === 0 && b.fault === 'bad-echo')).toBe(true)
  })

  for (const [name, fault, tamper] of CHEATS) {
    it(`is named, and nobody else, for ${name} over a network that loses a third`, () => {
      for (const seed of [1, 2]) {
        const network = new DkgNetwork(4, 3, `${name} ${seed}`, { loss: 33, duplication: 20 })
        network.tamper = (from, to, sealed) =>
          from === 3 && decodeEnvelope(sealed).sender === 3 && isFirstAttempt(sealed)
            ? tamper(to, sealed)
            : sealed
        network.startAll()
        expect(network.run(150), `seed ${seed}`).toBeLessThanOrEqual(150)
        expectGoodKey(network)
        const named = network.blames.filter(({ by }) => by !== 3)
        expect(
          named.every((b) => b.member === 3),
          `seed ${seed}`,
        ).toBe(true)
        expect(named.map((b) => b.fault).join()).toContain(fault)
      }
    })
  }

  it('is waited for by name when it is silent', () => {
    const network = new DkgNetwork(4, 3, 'silent', CALM)
    network.tamper = (from, _to, sealed) => (from === 2 ? undefined : sealed)
    network.startAll()
    for (let i = 0; i < 5; i++) network.round()
    expect(network.waitingFor(0)).toEqual([2])
    expect(network.blames).toEqual([])
  })

  it('cannot speak for another, for another list of members, or nonsense', () => {
    const network = new DkgNetwork(4, 3, 'impostor', CALM)
    network.startAll()
    const body = encodeDkgMessage({
      attempt: 1,
      context: new Uint8Array(32),
      payload: { kind: 'echo', deals: [] },
    })
    const envelope = { protocol: 'key-generation', epoch: 0, recipient: undefined } as const
    network.inject(0, sealMessage({ ...envelope, sender: 1, body }, CHAIN_ID, hostSigner(2)))
    network.inject(0, sealMessage({ ...envelope, sender: 1, body }, CHAIN_ID, hostSigner(1)))
    const nonsense = Uint8Array.of(9, 9, 9)
    network.inject(
      0,
      sealMessage({ ...envelope, sender: 2, body: nonsense }, CHAIN_ID, hostSigner(2)),
    )
    expect(network.run(5)).toBeLessThanOrEqual(5)
    expect(network.blames).toEqual([{ by: 0, member: 2, fault: 'malformed' }])
    expectGoodKey(network)
  })
})
