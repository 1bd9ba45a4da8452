/** Members with known keys, seeded randomness and a message pool with faults, for the signing tests. */

import { schnorr_FROST } from '@noble/curves/secp256k1.js'
import { signSchnorr } from 'tiny-secp256k1'
import { deriveGroupKey, identifierOf, KeyShare } from '../../../federation/signing/frost.ts'
import { concatBytes, utf8 } from '../../../src/primitives/bytes.ts'
import { hash32FromBytes, type XOnlyKey } from '../../../src/primitives/hashes.ts'
import { xOnlyPublicKey } from '../../../src/primitives/secp256k1.ts'
import { sha256, taggedHash } from '../../../src/primitives/sha256.ts'

// Thousands of messages are signed and verified: the fast library for both.

export const CHAIN_ID = hash32FromBytes(sha256(utf8('signing tests')))

/** Deterministic bytes: a hash in counter mode. */
export function seededRandom(seed: string): (length: number) => Uint8Array {
  let counter = 0
  return (length) => {
    let out = new Uint8Array()
    while (out.length < length) {
      out = new Uint8Array(
        concatBytes(out, taggedHash('test/random', utf8(`${seed}/${counter++}`))),
      )
    }
    return out.slice(0, length)
  }
}

/** A number from 0 to bound - 1. */
export function pick(random: (length: number) => Uint8Array, bound: number): number {
  return new DataView(random(4).slice().buffer).getUint32(0) % bound
}

const hostSecret = (member: number): Uint8Array => sha256(utf8(`host ${member}`))

export function hostSigner(member: number): (digest: Uint8Array) => Uint8Array {
  const secret = hostSecret(member)
  return (digest) => new Uint8Array(signSchnorr(digest, secret))
}

export function memberKeys(count: number): XOnlyKey[] {
  return Array.from({ length: count }, (_, member) => xOnlyPublicKey(hostSecret(member)))
}

/** Shares of one key by a dealer: what a key generation ends with, in a millisecond. */
export function dealShares(memberCount: number, threshold: number, seed = 'deal'): KeyShare[] {
  const random = seededRandom(seed)
  const members = [...Array.from({ length: memberCount }).keys()]
  const deal = schnorr_FROST.trustedDealer(
    { min: threshold, max: memberCount },
    members.map(identifierOf),
    undefined,
    (length = 32) => Uint8Array.from(random(length)),
  )
  const group = deriveGroupKey(deal.public.commitments, memberCount)
  return members.map((member) => {
    const secret = deal.secretShares[identifierOf(member)]!.signingShare
    return new KeyShare({ epoch: 0, attempt: 1, member, group, secret })
  })
}
