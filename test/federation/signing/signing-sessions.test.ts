import { schnorr } from '@noble/curves/secp256k1.js'
import { describe, expect, it } from 'vitest'
import { decodeEnvelope, sealMessage } from '../../../federation/signing/envelope.ts'
import { type Authorisation, coordinatorOrder } from '../../../federation/signing/roast-session.ts'
import {
  decodeSigningMessage,
  encodeSigningMessage,
  type SigningMessage,
  type SigningTask,
} from '../../../federation/signing/signing-messages.ts'
import { depositTweaks } from '../../../src/chain/peg/deposit-address.ts'
import { concatBytes, utf8 } from '../../../src/primitives/bytes.ts'
import { hash32FromBytes } from '../../../src/primitives/hashes.ts'
import { sha256 } from '../../../src/primitives/sha256.ts'
import type { Faults } from './dkg-network.ts'
import { SigningNetwork } from './signing-network.ts'
import { CHAIN_ID, dealShares, hostSigner, memberKeys, seededRandom } from './test-federation.ts'

const CALM: Faults = { loss: 0, duplication: 0 }
const ROUGH: Faults = { loss: 20, duplication: 20 }
const SHARES = dealShares(4, 3, 'sessions')
const EVERYBODY = [0, 1, 2, 3]

function taskOf(name: string, version = 0): SigningTask {
  return { batchId: hash32FromBytes(sha256(utf8(name))), version }
}

/** Inputs paid to deposit addresses of different recipients. */
function inputsOf(name: string, count: number, shares = SHARES): Authorisation {
  const groupKey = shares[0]!.group.commitments[0]!
  const inputs = Array.from({ length: count }, (_, i) => ({
    sighash: sha256(utf8(`${name} input ${i}`)),
    tweak: depositTweaks({
      chainId: CHAIN_ID,
      epoch: 0,
      groupKey,
      recovery: { delayBlocks: 1000, threshold: 1, keys: memberKeys(2) },
      recipient: i === 0 ? new Uint8Array() : utf8(`recipient ${i}`),
    }),
  }))
  return { inputs }
}

const AUTHORISATION = inputsOf('batch', 2)

function createNetwork(name: string, faults: Faults, shares = SHARES, inputs = AUTHORISATION) {
  const network = new SigningNetwork(shares, name, faults)
  network.authorise = () => inputs
  for (const member of shares.keys()) network.start(member)
  return network
}

function expectSigned(network: SigningNetwork, members: readonly number[], inputs = AUTHORISATION) {
  for (const member of members) {
    const all = network.signed.get(member) ?? []
    expect(all, `member ${member} is told once`).toHaveLength(1)
    for (const [i, { sighash, tweak }] of inputs.inputs.entries()) {
      expect(schnorr.verify(all[0]![i]!, sighash, tweak.point.subarray(1))).toBe(true)
    }
  }
}

function messageOf(sealed: Uint8Array): SigningMessage {
  return decodeSigningMessage(decodeEnvelope(sealed).body)
}

/** Re-seals a changed message with its sender's own key: what a malicious member can do. */
function forge(sealed: Uint8Array, message: SigningMessage): Uint8Array {
  const envelope = decodeEnvelope(sealed)
  const body = encodeSigningMessage(message)
  return sealMessage({ ...envelope, body }, CHAIN_ID, hostSigner(envelope.sender))
}

function withBadShare(sealed: Uint8Array): Uint8Array {
  const message = messageOf(sealed)
  if (message.kind !== 'share') return sealed
  const shares = message.shares.map((share, i) => (i === 1 ? sha256(share) : share))
  return forge(sealed, { ...message, shares })
}

function withBadNonce(sealed: Uint8Array): Uint8Array {
  const message = messageOf(sealed)
  if (message.kind !== 'hello') return sealed
  const nonces = message.offer.nonces.map(({ binding }) => ({
    hiding: concatBytes(Uint8Array.of(5), binding.subarray(1)),
    binding,
  }))
  const offer = { ...message.offer, nonces }
  return forge(sealed, { ...message, offer })
}

const ranks = (task: SigningTask): number[] => coordinatorOrder(task, memberKeys(4))

describe('signing a batch', () => {
  it('gives every member the signatures of every input, without a tick', () => {
    const network = createNetwork('calm', CALM)
    network.begin(taskOf('calm'))
    expect(network.run(EVERYBODY, 0)).toBe(0)
    expectSigned(network, EVERYBODY)
    expect(network.journal.length).toBeGreaterThanOrEqual(3)
    expect(network.blames).toEqual([])
  })

  it('works on several batches and versions at once', () => {
    const network = createNetwork('several', CALM)
    const tasks = [taskOf('a'), taskOf('a', 1), taskOf('b'), taskOf('c'), taskOf('d'), taskOf('e')]
    for (const task of tasks) network.begin(task)
    for (let i = 0; i < 4; i++) {
      network.deliver()
      network.tick()
    }
    for (const member of EVERYBODY) expect(network.signed.get(member)).toHaveLength(6)
  })

  it('finishes over a network that loses, repeats and reorders', () => {
    for (let seed = 0; seed < 5; seed++) {
      const network = createNetwork(`rough ${seed}`, ROUGH)
      network.begin(taskOf(`rough ${seed}`))
      expect(network.run(EVERYBODY, 300), `seed ${seed}`).toBeLessThan(300)
      expectSigned(network, EVERYBODY)
      expect(network.blames, `seed ${seed}`).toEqual([])
    }
  })

  it('finishes without a silent member', () => {
    const network = createNetwork('silent', CALM)
    const task = taskOf('silent')
    const silent = ranks(task)[2]!
    network.crash(silent)
    network.begin(task)
    const others = EVERYBODY.filter((member) => member !== silent)
    expect(network.run(others, 0)).toBe(0)
    expectSigned(network, others)
  })

  it('finishes when a member answers with nonces and then falls silent', () => {
    const network = createNetwork('half silent', CALM)
    const task = taskOf('half silent')
    const [, mute] = ranks(task)
    network.tamper = (from, _to, sealed) =>
      from === mute && messageOf(sealed).kind === 'share' ? undefined : sealed
    network.begin(task)
    const others = EVERYBODY.filter((member) => member !== mute)
    expect(network.run(others, 10)).toBeLessThanOrEqual(10)
    expectSigned(network, others)
  })

  for (const [name, spoil, fault] of [
    ['a bad share', withBadShare, 'bad-share'],
    ['a nonce that is no point', withBadNonce, 'bad-nonce'],
  ] as const) {
    it(`names the sender of ${name} and finishes without it`, () => {
      const network = createNetwork(name, CALM)
      const task = taskOf(name)
      const [first, bad, third, fourth] = ranks(task) as [number, number, number, number]
      network.tamper = (from, _to, sealed) => (from === bad ? spoil(sealed) : sealed)
      network.begin(task, [first, bad, third])
      network.deliver()
      network.begin(task, [fourth])
      expect(network.run(EVERYBODY, 30)).toBeLessThanOrEqual(30)
      expectSigned(network, EVERYBODY)
      expect(network.blames).toContainEqual({ by: first, member: bad, fault })
      expect(new Set(network.blames.map(({ member }) => member))).toEqual(new Set([bad]))
    })
  }

  it('finishes with as many faulty members as the key can bear, each in its own way', () => {
    const shares = dealShares(7, 5, 'seven')
    const inputs = inputsOf('seven', 2, shares)
    const network = createNetwork('seven', CALM, shares, inputs)
    const task = taskOf('seven')
    const [first, , bad, mute] = coordinatorOrder(task, memberKeys(7))
    network.tamper = (from, _to, sealed) => {
      if (from === bad) return withBadShare(sealed)
      return from === mute && messageOf(sealed).kind !== 'hello' ? undefined : sealed
    }
    network.begin(task)
    const honest = [0, 1, 2, 3, 4, 5, 6].filter((member) => member !== bad && member !== mute)
    expect(network.run(honest, 20)).toBeLessThanOrEqual(20)
    expectSigned(network, honest, inputs)
    expect(network.blames.every(({ by, member }) => by === first && member === bad)).toBe(true)
  })

  it('waits for a late member and then finishes', () => {
    const network = createNetwork('late', CALM)
    const task = taskOf('late')
    const [first, second, third, fourth] = ranks(task) as [number, number, number, number]
    network.begin(task, [first, second])
    for (let i = 0; i < 5; i++) {
      network.deliver()
      network.tick()
    }
    expect(network.signed.size).toBe(0)
    network.begin(task, [third])
    expect(network.run([first, second, third], 2)).toBeLessThanOrEqual(2)
    // The last one hears of the result although it never took part.
    expectSigned(network, [first, second, third, fourth])
  })

  it('goes to the next coordinator when the first is dead', () => {
    const network = createNetwork('dead coordinator', CALM)
    const task = taskOf('dead coordinator')
    const [first, ...others] = ranks(task)
    network.crash(first!)
    network.begin(task)
    const ticks = network.run(others, 30)
    expect(ticks).toBeGreaterThanOrEqual(15)
    expect(ticks).toBeLessThanOrEqual(16)
    expectSigned(network, others)
  })

  it('lets two coordinators finish the same task', () => {
    const network = new SigningNetwork(SHARES, 'two', CALM)
    network.timing = { ...network.timing, rankDelayMs: 0 }
    network.authorise = () => AUTHORISATION
    for (const member of EVERYBODY) network.start(member)
    const task = taskOf('two')
    network.holdJournal = true
    network.begin(task)
    network.deliver()
    expect(network.held).toHaveLength(6)
    for (const { member, token } of network.held) network.step(member, { kind: 'journaled', token })
    network.deliver()
    expectSigned(network, EVERYBODY)
    const starters = network.sent.filter(({ sealed }) => messageOf(sealed).kind === 'start')
    expect(new Set(starters.map(({ from }) => from))).toEqual(new Set(ranks(task).slice(0, 2)))
  })

  it('finishes although members restart in the middle', () => {
    for (let seed = 0; seed < 4; seed++) {
      const network = createNetwork(`restarts ${seed}`, ROUGH)
      const random = seededRandom(`restarts ${seed}`)
      const task = taskOf(`restarts ${seed}`)
      network.begin(task)
      for (let i = 0; i < 6; i++) {
        network.deliver()
        const victim = random(1)[0]! % 4
        network.crash(victim)
        network.start(victim)
        network.signed.delete(victim)
        network.begin(task, [victim])
        network.tick()
      }
      expect(network.run(EVERYBODY, 300), `seed ${seed}`).toBeLessThan(300)
      expect(network.blames, `seed ${seed}`).toEqual([])
      expectSigned(network, EVERYBODY)
    }
  })

  it('raises an alarm when too many members are caught', () => {
    const network = createNetwork('stalled', CALM)
    const task = taskOf('stalled')
    const [first, a, b] = ranks(task)
    network.tamper = (from, to, sealed) =>
      to === first && (from === a || from === b) ? withBadNonce(sealed) : sealed
    network.begin(task)
    network.deliver()
    expect(network.stalled).toEqual([first])
    expect(network.signed.size).toBe(0)
  })
})

/** The messages of one kind that a member sent. */
function sentBy(network: SigningNetwork, member: number, kind: SigningMessage['kind']) {
  return network.sent.filter(
    ({ from, sealed }) => from === member && messageOf(sealed).kind === kind,
  )
}

describe('the signer', () => {
  it('offers nothing for what its state does not authorise', () => {
    const network = createNetwork('unauthorised', CALM)
    const task = taskOf('unauthorised')
    const [, second] = ranks(task) as [number, number]
    network.authorise = (member) => (member === second ? undefined : AUTHORISATION)
    network.begin(task)
    expect(
      network.run(
        EVERYBODY.filter((m) => m !== second),
        3,
      ),
    ).toBeLessThanOrEqual(3)
    expect(sentBy(network, second, 'hello')).toEqual([])
    // Nor does it believe signatures for it.
    expect(network.signed.has(second)).toBe(false)
  })

  it('sends no share before its journal is durable', () => {
    const network = createNetwork('journal', CALM)
    network.holdJournal = true
    network.begin(taskOf('journal'))
    network.deliver()
    expect(network.held).toHaveLength(3)
    expect(network.sent.some(({ sealed }) => messageOf(sealed).kind === 'share')).toBe(false)
    for (const { member, token } of network.held) network.step(member, { kind: 'journaled', token })
    network.deliver()
    expectSigned(network, EVERYBODY)
  })

  it('gives no share when the task is superseded after the HELLO, or after the START', () => {
    for (const moment of ['hello', 'start'] as const) {
      const network = createNetwork(`superseded ${moment}`, CALM)
      network.holdJournal = true
      network.begin(taskOf(`superseded ${moment}`))
      if (moment === 'start') network.deliver()
      network.authorise = () => undefined
      network.deliver()
      expect(network.held).toHaveLength(moment === 'start' ? 3 : 0)
      for (const held of network.held) {
        network.step(held.member, { kind: 'journaled', token: held.token })
      }
      network.deliver()
      expect(network.sent.some(({ sealed }) => messageOf(sealed).kind === 'share')).toBe(false)
      expect(network.signed.size).toBe(0)
    }
  })

  it('gives no share when its state now says another transaction', () => {
    const network = createNetwork('changed', CALM)
    network.holdJournal = true
    network.begin(taskOf('changed'))
    network.deliver()
    network.authorise = () => inputsOf('another', 2)
    for (const { member, token } of network.held) network.step(member, { kind: 'journaled', token })
    network.deliver()
    expect(network.sent.some(({ sealed }) => messageOf(sealed).kind === 'share')).toBe(false)
  })

  it('answers a START once, and its repetition with GONE and other nonces', () => {
    const network = createNetwork('repeated', CALM)
    const task = taskOf('repeated')
    const [first, second] = ranks(task) as [number, number]
    // Shares get lost, so that the session stays open.
    network.tamper = (_from, _to, sealed) =>
      messageOf(sealed).kind === 'share' ? undefined : sealed
    network.begin(task)
    network.deliver()
    const start = network.sent.find(
      ({ to, sealed }) => to === second && messageOf(sealed).kind === 'start',
    )!
    const records = network.journal.filter(({ by }) => by === second).length
    network.tamper = (_from, _to, sealed) => sealed
    network.inject(second, start.sealed)
    network.deliver()
    expect(network.journal.filter(({ by }) => by === second).length).toBeLessThanOrEqual(
      records + 1,
    )
    const [gone] = sentBy(network, second, 'gone')
    const message = messageOf(gone!.sealed)
    const asked = messageOf(start.sealed)
    expect(gone!.to).toBe(first)
    if (message.kind !== 'gone' || asked.kind !== 'start') throw new TypeError('other messages')
    const old = asked.participants.find(({ member }) => member === second)!.offer
    expect(message.handle).toBe(old.handle)
    expect(message.next.handle).not.toBe(old.handle)
    expect(message.next.nonces[0]).not.toEqual(old.nonces[0])
  })

  it('blames a coordinator that misstates its nonces, and gives no share', () => {
    const network = createNetwork('misstated', CALM)
    const task = taskOf('misstated')
    const [first, second] = ranks(task) as [number, number]
    network.tamper = (from, to, sealed) => {
      const message = messageOf(sealed)
      if (from !== first || to !== second || message.kind !== 'start') return sealed
      const swapped = message.participants.map((p) =>
        p.member === second
          ? { member: second, offer: { ...p.offer, nonces: p.offer.nonces.toReversed() } }
          : p,
      )
      return forge(sealed, { ...message, participants: swapped })
    }
    network.begin(task)
    network.deliver()
    expect(network.blames).toContainEqual({ by: second, member: first, fault: 'bad-start' })
    expect(sentBy(network, second, 'share')).toEqual([])
  })

  it('replaces nonces that grew old', () => {
    const network = createNetwork('old', CALM)
    const task = taskOf('old')
    const [, second] = ranks(task) as [number, number]
    for (const member of EVERYBODY) if (member !== second) network.crash(member)
    network.begin(task)
    for (let i = 0; i < 130; i++) network.tick()
    const toFirst = sentBy(network, second, 'hello').filter(({ to }) => to === ranks(task)[0])
    const handles = toFirst.map(({ sealed }) => {
      const message = messageOf(sealed)
      return message.kind === 'hello' ? message.offer.handle : 0n
    })
    expect(new Set(handles).size).toBe(2)
    expect(handles.length).toBeGreaterThan(30)
  })

  it('forgets a retired task', () => {
    const network = createNetwork('retired', CALM)
    const task = taskOf('retired')
    network.holdJournal = true
    network.begin(task)
    network.deliver()
    for (const member of EVERYBODY) network.step(member, { kind: 'retire', task })
    for (const { member, token } of network.held) network.step(member, { kind: 'journaled', token })
    network.deliver()
    network.tick()
    expect(network.sent.some(({ sealed }) => messageOf(sealed).kind === 'share')).toBe(false)
  })

  it('does not listen to outsiders, to other epochs, or to mail for others', () => {
    const network = createNetwork('outsiders', CALM)
    const task = taskOf('outsiders')
    const message: SigningMessage = {
      kind: 'signed',
      ...task,
      signatures: [new Uint8Array(64), new Uint8Array(64)],
    }
    const body = encodeSigningMessage(message)
    const envelope = {
      protocol: 'signing',
      epoch: 0,
      sender: 1,
      recipient: undefined,
      body,
    } as const
    network.begin(task, [0])
    network.inject(0, sealMessage(envelope, CHAIN_ID, hostSigner(1))) // not signed by the key
    network.inject(0, sealMessage(envelope, CHAIN_ID, hostSigner(2)))
    network.inject(0, sealMessage({ ...envelope, epoch: 1 }, CHAIN_ID, hostSigner(1)))
    network.inject(0, sealMessage({ ...envelope, sender: 9 }, CHAIN_ID, hostSigner(9)))
    const nonsense = { ...envelope, body: Uint8Array.of(7), recipient: 0 }
    network.inject(0, sealMessage({ ...nonsense, recipient: 3 }, CHAIN_ID, hostSigner(1)))
    network.inject(0, new Uint8Array(10))
    network.deliver()
    expect(network.blames).toEqual([])
    network.inject(0, sealMessage(nonsense, CHAIN_ID, hostSigner(1)))
    network.deliver()
    expect(network.blames).toEqual([{ by: 0, member: 1, fault: 'malformed' }])
    expect(network.signed.size).toBe(0)
  })
})
