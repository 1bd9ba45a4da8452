import { schnorr, schnorr_FROST } from '@noble/curves/secp256k1.js'
import { describe, expect, it } from 'vitest'
import {
  aggregate,
  createSigningContext,
  deriveGroupKey,
  identifierOf,
  KeyShare,
  type Participant,
  parsePoint,
  parseScalar,
  SecretNonce,
  signShare,
  tweakGroupKey,
  verifyNonceCommitment,
  verifyShare,
} from '../../../federation/signing/frost.ts'
import {
  applyPlainTweak,
  applyXOnlyTweak,
  hasOddY,
  identityTweak,
  type KeyTweak,
} from '../../../src/chain/peg/key-tweak.ts'
import { bytesToHex, utf8 } from '../../../src/primitives/bytes.ts'
import { sha256 } from '../../../src/primitives/sha256.ts'
import { dealShares, seededRandom } from './test-federation.ts'

const random = seededRandom('frost')
const message = sha256(utf8('a transaction'))

function tweaked(share: KeyShare, seed: string): { internal: KeyTweak; output: KeyTweak } {
  const groupKey = share.group.commitments[0]!
  const internal = applyPlainTweak(identityTweak(groupKey), sha256(utf8(`plain ${seed}`)))
  return { internal, output: applyXOnlyTweak(internal, sha256(utf8(`x-only ${seed}`))) }
}

function signWith(shares: readonly KeyShare[], tweak: KeyTweak) {
  const nonces = shares.map((share) => new SecretNonce(share, random))
  const participants: Participant[] = shares.map(({ member }, i) => ({
    member,
    nonce: nonces[i]!.commitment,
  }))
  const parts = shares.map((share, i) => signShare(share, tweak, nonces[i]!, message, participants))
  const key = tweakGroupKey(shares[0]!.group, tweak)
  const context = createSigningContext(key, message, participants)!
  return { key, participants, parts: parts.map((part) => part!), context, nonces }
}

describe('FROST under tweaks', () => {
  it('signs for all eight parity classes of group, internal and output key', () => {
    const seen = new Set<string>()
    for (let seed = 0; seen.size < 8 && seed < 200; seed++) {
      const shares = dealShares(4, 3, `parity ${seed}`)
      const { internal, output } = tweaked(shares[0]!, `${seed}`)
      const groupKey = shares[0]!.group.commitments[0]!
      const parity = [groupKey, internal.point, output.point].map(hasOddY).join()
      if (seen.has(parity)) continue
      seen.add(parity)
      const chosen = [shares[3]!, shares[0]!, shares[2]!]
      const { key, parts, context } = signWith(chosen, output)
      expect(key.outputKey).toEqual(output.point.subarray(1))
      for (const [i, share] of chosen.entries()) {
        expect(verifyShare(context, share.member, parts[i]!)).toBe(true)
      }
      const result = aggregate(context, new Map(chosen.map(({ member }, i) => [member, parts[i]!])))
      expect(result.ok && schnorr.verify(result.value, message, key.outputKey)).toBe(true)
    }
    expect(seen.size).toBe(8)
  })

  it('agrees with noble on shares and signatures', () => {
    const shares = dealShares(5, 3, 'differential')
    const { output } = tweaked(shares[0]!, 'differential')
    const chosen = [shares[0]!, shares[1]!, shares[3]!, shares[4]!]
    const { key, participants, parts, context } = signWith(chosen, output)
    const list = participants.map(({ member, nonce }) => ({
      identifier: identifierOf(member),
      hiding: nonce.hiding.slice(),
      binding: nonce.binding.slice(),
    }))
    const pub = {
      signers: { min: 3, max: 5 },
      commitments: [key.tweak.point.slice()],
      verifyingShares: Object.fromEntries(
        key.verifyingShares.map((point, member) => [identifierOf(member), point.toBytes(true)]),
      ),
    }
    const byId: Record<string, Uint8Array> = {}
    for (const [i, { member }] of chosen.entries()) {
      const id = identifierOf(member)
      byId[id] = parts[i]!
      expect(schnorr_FROST.verifyShare(pub, list, message, id, parts[i]!)).toBe(true)
      const bad = parts[i]!.slice()
      bad[31]! ^= 1
      expect(verifyShare(context, member, bad)).toBe(false)
      expect(schnorr_FROST.verifyShare(pub, list, message, id, bad)).toBe(false)
    }
    const ours = aggregate(context, new Map(chosen.map(({ member }, i) => [member, parts[i]!])))
    expect(ours.ok && bytesToHex(ours.value)).toBe(
      bytesToHex(schnorr_FROST.aggregate(pub, list, message, byId)),
    )
  })

  it('names every member whose share is bad, malformed or missing', () => {
    const shares = dealShares(4, 3, 'culprits')
    const { parts, context } = signWith(shares.slice(0, 3), tweaked(shares[0]!, 'c').output)
    const foreign = new Map([
      [0, parts[1]!],
      [1, parts[2]!],
      [2, parts[2]!],
    ])
    expect(aggregate(context, foreign)).toEqual({ ok: false, error: [0, 1] })
    const malformed = new Map([
      [0, parts[0]!],
      [1, new Uint8Array(32).fill(255)],
    ])
    expect(aggregate(context, malformed)).toEqual({ ok: false, error: [1, 2] })
    expect(verifyShare(context, 3, parts[0]!)).toBe(false)
    expect(verifyShare(context, 0, new Uint8Array(31))).toBe(false)
  })

  it('refuses a nonce a second time', () => {
    const shares = dealShares(4, 3, 'reuse')
    const { output } = tweaked(shares[0]!, 'reuse')
    const { participants, nonces } = signWith(shares.slice(0, 3), output)
    expect(() => signShare(shares[0]!, output, nonces[0]!, message, participants)).toThrow(
      'missing: unused nonce',
    )
  })

  it('gives no share for a list that misstates its nonce or holds no point, and burns the nonce', () => {
    const shares = dealShares(4, 3, 'lists')
    const { output } = tweaked(shares[0]!, 'lists')
    for (const spoil of [0, 1]) {
      const nonces = shares.slice(0, 3).map((share) => new SecretNonce(share, random))
      const participants = nonces.map(({ commitment }, member) => ({ member, nonce: commitment }))
      const hiding = spoil === 0 ? nonces[1]!.commitment.hiding : new Uint8Array(33).fill(255)
      participants[spoil] = {
        member: spoil,
        nonce: { hiding, binding: participants[spoil]!.nonce.binding },
      }
      expect(signShare(shares[0]!, output, nonces[0]!, message, participants)).toBeUndefined()
      expect(() => nonces[0]!.take()).toThrow('missing')
    }
  })

  it('makes no context for unusable lists', () => {
    const shares = dealShares(4, 3, 'contexts')
    const { key, participants } = signWith(
      shares.slice(0, 3),
      identityTweak(shares[0]!.group.commitments[0]!),
    )
    const [a, b, c] = participants as [Participant, Participant, Participant]
    expect(createSigningContext(key, message, [a, b])).toBeUndefined()
    expect(createSigningContext(key, message, [a, b, b])).toBeUndefined()
    expect(createSigningContext(key, message, [a, b, { ...c, member: 4 }])).toBeUndefined()
    const bad = { hiding: new Uint8Array(33), binding: c.nonce.binding }
    expect(createSigningContext(key, message, [a, b, { member: 2, nonce: bad }])).toBeUndefined()
    expect(createSigningContext(key, message, [c, a, b])).toBeDefined()
  })
})

describe('keys and scalars', () => {
  it('derive verifying shares from the commitments', () => {
    const random2 = seededRandom('derive')
    const deal = schnorr_FROST.trustedDealer({ min: 3, max: 7 }, undefined, undefined, (n = 32) =>
      Uint8Array.from(random2(n)),
    )
    const group = deriveGroupKey(deal.public.commitments, 7)
    for (const [member, share] of group.verifyingShares.entries()) {
      expect(share).toEqual(deal.public.verifyingShares[identifierOf(member)])
    }
    expect(() => deriveGroupKey([new Uint8Array(33)], 4)).toThrow('bad commitment')
  })

  it('refuse a secret that is not the member’s', () => {
    const [first, second] = dealShares(4, 3, 'foreign')
    const { epoch, attempt, group } = first!
    expect(
      () => new KeyShare({ epoch, attempt, member: 0, group, secret: second!.exposeSecret() }),
    ).toThrow('does not belong')
    expect(JSON.stringify(first)).not.toContain(bytesToHex(first!.exposeSecret()))
    expect(Object.values(first!)).not.toContainEqual(first!.exposeSecret())
  })

  it('parse strictly', () => {
    expect(parsePoint(new Uint8Array(33))).toBeUndefined()
    expect(parsePoint(new Uint8Array(32).fill(2))).toBeUndefined()
    expect(parseScalar(new Uint8Array(32).fill(255))).toBeUndefined()
    expect(parseScalar(new Uint8Array(32))).toBe(0n)
    const off = new Uint8Array(33).fill(5)
    off[0] = 2
    expect(verifyNonceCommitment({ hiding: off, binding: off })).toBe(false)
  })
})
