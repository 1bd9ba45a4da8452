import { secp256k1 } from '@noble/curves/secp256k1.js'
import { describe, expect, it } from 'vitest'
import {
  type KeyEpochAnnouncement,
  keyCertificateDigest,
  keyTestMessage,
  verifyKeyEpochAnnouncement,
} from '../../../src/chain/peg/key-epoch-announcement.ts'
import { utf8 } from '../../../src/primitives/bytes.ts'
import { hash32FromBytes } from '../../../src/primitives/hashes.ts'
import { signSchnorr, xOnlyPublicKey } from '../../../src/primitives/secp256k1.ts'
import { sha256 } from '../../../src/primitives/sha256.ts'

const CHAIN_ID = hash32FromBytes(sha256(utf8('a chain')))
const AUXILIARY = new Uint8Array(32)
const SECRETS = ['a', 'b', 'c', 'd'].map((name) => sha256(utf8(name)))
const MEMBERS = SECRETS.map(xOnlyPublicKey)
const EXPECTED = { chainId: CHAIN_ID, epoch: 2, members: MEMBERS }

/** Signed by everybody, with a key whose secret we know instead of a generated one. */
function announce(keySeed = 'key'): KeyEpochAnnouncement {
  const keySecret = sha256(utf8(keySeed))
  const commitments = [keySecret, sha256(utf8('c1')), sha256(utf8('c2'))].map((secret) =>
    secp256k1.getPublicKey(secret, true),
  )
  const fixed = { epoch: 2, attempt: 5, threshold: 3 }
  const digest = keyCertificateDigest(
    { chainId: CHAIN_ID, members: MEMBERS, ...fixed },
    commitments,
  )
  const groupKey = commitments[0]!
  return {
    ...fixed,
    groupKey,
    commitments,
    memberSignatures: SECRETS.map((secret) => signSchnorr(digest, secret, AUXILIARY)),
    testSignature: signSchnorr(keyTestMessage(groupKey), keySecret, AUXILIARY),
  }
}

describe('a key epoch announcement', () => {
  it('is good when all members and the key signed it, whatever the parity of the key', () => {
    const parities = new Set<number>()
    for (const seed of ['key', 'other', 'third', 'fourth', 'fifth']) {
      const announcement = announce(seed)
      parities.add(announcement.groupKey[0]!)
      expect(verifyKeyEpochAnnouncement(announcement, EXPECTED)).toBe(true)
    }
    expect(parities.size).toBe(2)
  })

  it('is bad for another chain, epoch or member list', () => {
    const announcement = announce()
    const otherChain = hash32FromBytes(new Uint8Array(32))
    for (const change of [
      { chainId: otherChain },
      { epoch: 3 },
      { members: MEMBERS.slice(0, 3) },
      { members: MEMBERS.toReversed() },
      { members: [] },
    ]) {
      expect(verifyKeyEpochAnnouncement(announcement, { ...EXPECTED, ...change })).toBe(false)
    }
  })

  it('is bad when any part is changed or missing', () => {
    const good = announce()
    const other = announce('another key')
    const [first, ...rest] = good.memberSignatures
    for (const change of [
      { epoch: 1 },
      { attempt: 6 },
      { threshold: 2 },
      { threshold: 1, commitments: good.commitments.slice(0, 1) },
      { threshold: 2, commitments: good.commitments.slice(0, 2) },
      { commitments: [good.commitments[0]!, good.commitments[2]!, good.commitments[1]!] },
      { commitments: [good.groupKey, new Uint8Array(33), new Uint8Array(33)] },
      { groupKey: other.groupKey },
      { groupKey: other.groupKey, commitments: other.commitments },
      { memberSignatures: rest },
      { memberSignatures: [...rest, first!] },
      { memberSignatures: [new Uint8Array(63), ...rest] },
      { testSignature: other.testSignature },
      { testSignature: first! },
    ]) {
      const changed: KeyEpochAnnouncement = { ...good, ...change }
      expect(verifyKeyEpochAnnouncement(changed, EXPECTED)).toBe(false)
    }
  })
})
