/**
 * The arithmetic of one member's part in a distributed key generation (Pedersen with proofs of
 * possession, as in FROST's paper and `frost-secp256k1-tr`): noble's `schnorr_FROST.DKG` with checks
 * that name the member at fault. noble tweaks the resulting key with the empty taproot root, which
 * stops the last to speak from hiding a script in it.
 * Leaves out agreement on what was broadcast: `dkg.ts` echoes it before any share leaves.
 */

import { schnorr_FROST, secp256k1, secp256k1_hasher } from '@noble/curves/secp256k1.js'
import { assert, present } from '../../src/primitives/assert.ts'
import { concatBytes, equalBytes, utf8 } from '../../src/primitives/bytes.ts'
import {
  deriveGroupKey,
  FROST_SUITE,
  type GroupKey,
  identifierOf,
  parsePoint,
  parseScalar,
} from './frost.ts'

const { Point } = secp256k1
const { Fn } = Point

/** What a member broadcasts first. */
export interface Dealing {
  /** Of its polynomial, 33 bytes each, as many as the threshold. */
  readonly commitments: readonly Uint8Array[]
  /** Schnorr proof that it knows the constant term, 64 bytes. */
  readonly proof: Uint8Array
}

export interface KeyGenerationSize {
  readonly threshold: number
  readonly memberCount: number
}

/** True when every point parses and the sender knows the secret behind its first commitment. */
export function verifyDealing(dealing: Dealing, sender: number, threshold: number): boolean {
  if (dealing.commitments.length !== threshold || dealing.proof.length !== 64) return false
  if (dealing.commitments.some((bytes) => parsePoint(bytes) === undefined)) return false
  const phi = parsePoint(dealing.commitments[0] ?? new Uint8Array())
  const nonceBytes = concatBytes(Uint8Array.of(2), dealing.proof.subarray(0, 32))
  const nonce = parsePoint(nonceBytes)
  const mu = parseScalar(dealing.proof.subarray(32))
  if (phi === undefined || nonce === undefined || mu === undefined) return false
  const challenge = secp256k1_hasher.hashToScalar(
    concatBytes(Fn.toBytes(BigInt(sender + 1)), phi.toBytes(true), nonceBytes),
    { DST: utf8(`${FROST_SUITE}dkg`) },
  )
  // R = µ·G - c·φ_0
  return nonce.equals(Point.BASE.multiplyUnsafe(mu).subtract(phi.multiplyUnsafe(challenge)))
}

/** True when `secret` (32 bytes) is what the dealer's polynomial gives `recipient`. */
export function verifyDealtShare(
  dealing: Dealing,
  recipient: number,
  secret: Uint8Array,
  size: KeyGenerationSize,
): boolean {
  const scalar = parseScalar(secret)
  if (scalar === undefined || scalar === 0n) return false
  try {
    schnorr_FROST.validateSecret(
      { identifier: identifierOf(recipient), signingShare: secret.slice() },
      {
        signers: { min: size.threshold, max: size.memberCount },
        commitments: dealing.commitments.map((point) => point.slice()),
        verifyingShares: {},
      },
    )
    return true
  } catch {
    return false
  }
}

/** One run's secret polynomial; in memory only, a restart begins a new run. */
export class SecretDealing {
  readonly dealing: Dealing
  readonly member: number
  readonly size: KeyGenerationSize
  readonly #secret: ReturnType<typeof schnorr_FROST.DKG.round1>['secret']

  constructor(member: number, size: KeyGenerationSize, random: (length: number) => Uint8Array) {
    this.member = member
    this.size = size
    const { public: broadcast, secret } = schnorr_FROST.DKG.round1(
      identifierOf(member),
      { min: size.threshold, max: size.memberCount },
      undefined,
      (length = 32) => Uint8Array.from(random(length)),
    )
    this.#secret = secret
    this.dealing = { commitments: broadcast.commitment, proof: broadcast.proofOfKnowledge }
  }

  /** The other members' shares, by member. Every dealing has passed `verifyDealing`. */
  sharesFor(dealings: readonly Dealing[]): Map<number, Uint8Array> {
    const packages = schnorr_FROST.DKG.round2(this.#secret, this.#others(dealings))
    return new Map(
      [...dealings.keys()].flatMap((member) => {
        if (member === this.member) return []
        const share = present(packages[identifierOf(member)], 'dealt share').signingShare
        return [[member, share] as const]
      }),
    )
  }

  /**
   * The key and our share of it. Needs `sharesFor` first, the same dealings, and shares that have
   * passed `verifyDealtShare`; forgets the polynomial.
   */
  finish(
    dealings: readonly Dealing[],
    shares: ReadonlyMap<number, Uint8Array>,
  ): { readonly group: GroupKey; readonly secret: Uint8Array } {
    const received = [...shares].map(([member, share]) => ({
      identifier: identifierOf(member),
      signingShare: share.slice(),
    }))
    const key = schnorr_FROST.DKG.round3(this.#secret, this.#others(dealings), received)
    const group = deriveGroupKey(key.public.commitments, this.size.memberCount)
    for (const [member, share] of group.verifyingShares.entries()) {
      const stated = present(key.public.verifyingShares[identifierOf(member)], 'verifying share')
      assert(equalBytes(share, stated), 'verifying shares do not follow from the commitments')
    }
    return { group, secret: key.secret.signingShare }
  }

  /** Best effort: copies of bigints may survive in the heap. */
  wipe(): void {
    schnorr_FROST.DKG.clean(this.#secret)
  }

  #others(dealings: readonly Dealing[]): {
    identifier: string
    commitment: Uint8Array[]
    proofOfKnowledge: Uint8Array
  }[] {
    return [...dealings.entries()]
      .filter(([member]) => member !== this.member)
      .map(([member, dealing]) => ({
        identifier: identifierOf(member),
        commitment: dealing.commitments.map((point) => point.slice()),
        proofOfKnowledge: dealing.proof.slice(),
      }))
  }

  toJSON(): string {
    return 'SecretDealing'
  }
}
