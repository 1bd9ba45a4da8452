/**
 * FROST-secp256k1-SHA256-TR (RFC 9591 with BIP340 output): the federation's key, its tweaks, nonces,
 * signature shares and their aggregation. Whatever touches a secret is @noble/curves' `schnorr_FROST`;
 * the verification of a share follows RFC 9591 section 5.4 with everything that is common to one
 * session computed once, which noble's own does anew for each share. Members are counted from 0 here;
 * their FROST identifiers from 1.
 * Leaves out the messages, and constant time beyond what noble's bigint arithmetic offers.
 */

import { schnorr_FROST, secp256k1, secp256k1_hasher } from '@noble/curves/secp256k1.js'
import { GROUP_ORDER, type KeyTweak, withEvenY, xOnly } from '../../src/chain/peg/key-tweak.ts'
import { assert, present } from '../../src/primitives/assert.ts'
import { bytesToHex, concatBytes, utf8 } from '../../src/primitives/bytes.ts'
import { err, ok, type Result } from '../../src/primitives/result.ts'
import { verifySchnorr } from '../../src/primitives/secp256k1.ts'
import { sha256, taggedHash } from '../../src/primitives/sha256.ts'

const { Point } = secp256k1
const { Fn } = Point
type CurvePoint = InstanceType<typeof Point>

/** Prefix of every hash of the ciphersuite. */
export const FROST_SUITE = 'FROST-secp256k1-SHA256-TR-v1'

/** A share or a group key that contradicts its own public data. */
export class KeyShareError extends Error {
  override readonly name = 'KeyShareError'
}

/** Parses 33 bytes, compressed; undefined when they are not a point (infinity has no encoding). */
export function parsePoint(bytes: Uint8Array): CurvePoint | undefined {
  if (bytes.length !== 33) return undefined
  try {
    return Point.fromBytes(bytes)
  } catch {
    return undefined
  }
}

/** Parses 32 bytes big-endian; undefined at or above the group order. */
export function parseScalar(bytes: Uint8Array): bigint | undefined {
  if (bytes.length !== 32) return undefined
  const value = BigInt(`0x${bytesToHex(bytes)}`)
  return value < GROUP_ORDER ? value : undefined
}

export function identifierOf(member: number): string {
  return schnorr_FROST.Identifier.fromNumber(member + 1)
}

// --- keys -----------------------------------------------------------------------------------

export interface GroupKey {
  readonly threshold: number
  readonly memberCount: number
  /** Of the joint polynomial, 33 bytes each; the first is Y. */
  readonly commitments: readonly Uint8Array[]
  /** By member, 33 bytes each. */
  readonly verifyingShares: readonly Uint8Array[]
}

/** @throws KeyShareError when a commitment is no point or a verifying share is infinity. */
export function deriveGroupKey(commitments: readonly Uint8Array[], memberCount: number): GroupKey {
  const points = commitments.map(parsePoint)
  if (!points.every((point) => point !== undefined)) throw new KeyShareError('bad commitment')
  const verifyingShares = Array.from({ length: memberCount }, (_, member) => {
    // Y_i = Σ i^k·C_k by Horner's rule
    const share = points.reduceRight(
      (sum, point) => sum.multiplyUnsafe(BigInt(member + 1)).add(point),
      Point.ZERO,
    )
    if (share.is0()) throw new KeyShareError('verifying share at infinity')
    return share.toBytes(true)
  })
  return { threshold: commitments.length, memberCount, commitments, verifyingShares }
}

/** One member's share of one key. The secret shows in no log, dump or JSON. */
export class KeyShare {
  readonly epoch: number
  /** The run of the key generation that made it. */
  readonly attempt: number
  readonly member: number
  readonly group: GroupKey
  readonly #secret: Uint8Array

  /** `secret`: 32 bytes. @throws KeyShareError when it is not this member's share of the key. */
  constructor(fields: {
    readonly epoch: number
    readonly attempt: number
    readonly member: number
    readonly group: GroupKey
    readonly secret: Uint8Array
  }) {
    this.epoch = fields.epoch
    this.attempt = fields.attempt
    this.member = fields.member
    this.group = fields.group
    this.#secret = fields.secret.slice()
    const { threshold, memberCount, commitments } = fields.group
    try {
      schnorr_FROST.validateSecret(
        { identifier: identifierOf(fields.member), signingShare: this.#secret },
        {
          signers: { min: threshold, max: memberCount },
          commitments: [...commitments],
          verifyingShares: {},
        },
      )
    } catch (cause) {
      throw new KeyShareError('the share does not belong to the key', { cause })
    }
  }

  /** For the key store and the signer only. */
  exposeSecret(): Uint8Array {
    return this.#secret.slice()
  }

  toJSON(): object {
    return { epoch: this.epoch, attempt: this.attempt, member: this.member }
  }
}

/** The key that one input is signed for, with the verifying shares moved by its tweak. */
export interface SigningKey {
  readonly group: GroupKey
  /** Q.x, 32 bytes. */
  readonly outputKey: Uint8Array
  /** With even y, so that no further sign is taken anywhere. */
  readonly tweak: KeyTweak
  readonly verifyingShares: readonly CurvePoint[]
}

/** Tweaks the public shares: Y_i' = g·Y_i + τ·G (Σ λ_i = 1, so each moves by the same τ·G). */
export function tweakGroupKey(group: GroupKey, tweak: KeyTweak): SigningKey {
  const even = withEvenY(tweak)
  const shift = even.offset === 0n ? Point.ZERO : Point.BASE.multiplyUnsafe(even.offset)
  const verifyingShares = group.verifyingShares.map((bytes) => {
    const share = present(parsePoint(bytes), 'verifying share')
    return (even.sign === 1 ? share : share.negate()).add(shift)
  })
  return { group, outputKey: xOnly(even.point), tweak: even, verifyingShares }
}

// --- nonces ---------------------------------------------------------------------------------

export interface NonceCommitment {
  /** 33 bytes compressed, both. */
  readonly hiding: Uint8Array
  readonly binding: Uint8Array
}

/** The two secret nonces of one signature share: usable once, never copied, never written down. */
export class SecretNonce {
  readonly commitment: NonceCommitment
  #nonces: { hiding: Uint8Array; binding: Uint8Array } | undefined

  /** `random` gives fresh bytes from the operating system; the share is hashed in besides (H3). */
  constructor(share: KeyShare, random: (length: number) => Uint8Array) {
    const secret = {
      identifier: identifierOf(share.member),
      signingShare: share.exposeSecret(),
    }
    const { nonces, commitments } = schnorr_FROST.commit(secret, (length = 32) =>
      Uint8Array.from(random(length)),
    )
    secret.signingShare.fill(0)
    this.#nonces = nonces
    this.commitment = { hiding: commitments.hiding, binding: commitments.binding }
  }

  /** Hands the nonces over and forgets them. @throws AssertionError the second time. */
  take(): { hiding: Uint8Array; binding: Uint8Array } {
    const nonces = present(this.#nonces, 'unused nonce')
    this.#nonces = undefined
    return nonces
  }

  toJSON(): string {
    return 'SecretNonce'
  }
}

// --- signing --------------------------------------------------------------------------------

export interface Participant {
  readonly member: number
  readonly nonce: NonceCommitment
}

/** True when both points of a nonce commitment are points. */
export function verifyNonceCommitment(nonce: NonceCommitment): boolean {
  return parsePoint(nonce.hiding) !== undefined && parsePoint(nonce.binding) !== undefined
}

/**
 * One member's signature share, 32 bytes (RFC 9591 section 5.2). Consumes `nonce` whatever happens.
 * Undefined when the participants' list is unusable: a nonce that is no point, or not our own.
 */
export function signShare(
  share: KeyShare,
  tweak: KeyTweak,
  nonce: SecretNonce,
  message: Uint8Array,
  participants: readonly Participant[],
): Uint8Array | undefined {
  const nonces = nonce.take()
  const even = withEvenY(tweak)
  const identifier = identifierOf(share.member)
  const secret = Fn.fromBytes(share.exposeSecret())
  // s_i' = g·s_i + τ
  const tweaked = Fn.add(even.sign === 1 ? secret : Fn.neg(secret), even.offset)
  const { threshold, memberCount } = share.group
  try {
    return schnorr_FROST.signShare(
      { identifier, signingShare: Fn.toBytes(tweaked) },
      {
        signers: { min: threshold, max: memberCount },
        commitments: [even.point.slice()],
        verifyingShares: {},
      },
      nonces,
      participants.map(({ member, nonce: { hiding, binding } }) => ({
        identifier: identifierOf(member),
        hiding: hiding.slice(),
        binding: binding.slice(),
      })),
      message,
    )
  } catch {
    return undefined
  } finally {
    nonces.hiding.fill(0)
    nonces.binding.fill(0)
  }
}

/** What all shares of one message under one list of participants have in common. */
export interface SigningContext {
  readonly key: SigningKey
  readonly message: Uint8Array
  /** The signature's R, x-only. */
  readonly nonceX: Uint8Array
  readonly challenge: bigint
  /** By member: its part of R, with R's even-y sign taken, and its Lagrange coefficient. */
  readonly parts: ReadonlyMap<number, { readonly nonce: CurvePoint; readonly lambda: bigint }>
}

/**
 * Undefined when the list is unusable: fewer than the threshold, a stranger, a member twice, a nonce
 * that is no point, or nonces that add up to infinity.
 */
export function createSigningContext(
  key: SigningKey,
  message: Uint8Array,
  participants: readonly Participant[],
): SigningContext | undefined {
  const { threshold, memberCount } = key.group
  const sorted = participants.toSorted((a, b) => a.member - b.member)
  const members = sorted.map(({ member }) => member)
  if (sorted.length < threshold || new Set(members).size !== members.length) return undefined
  if (members.some((member) => member < 0 || member >= memberCount)) return undefined
  const nonces = parseNonces(sorted)
  if (nonces === undefined) return undefined

  const factors = bindingFactors(key, message, sorted)
  // R = Σ D_i + ρ_i·E_i
  const shares = nonces.map(({ hiding, binding }, i) =>
    hiding.add(binding.multiplyUnsafe(factors[i] ?? 0n)),
  )
  const sum = shares.reduce((total, point) => total.add(point), Point.ZERO)
  if (sum.is0()) return undefined
  const encoded = sum.toBytes(true)
  const odd = encoded[0] === 3
  const nonceX = xOnly(encoded)
  const challenge = Fn.create(
    BigInt(`0x${bytesToHex(taggedHash('BIP0340/challenge', nonceX, key.outputKey, message))}`),
  )
  const parts = new Map(
    members.map((member, i) => {
      const nonce = present(shares[i], 'nonce share')
      return [member, { nonce: odd ? nonce.negate() : nonce, lambda: lagrange(members, member) }]
    }),
  )
  return { key, message, nonceX, challenge, parts }
}

function parseNonces(
  participants: readonly Participant[],
): { hiding: CurvePoint; binding: CurvePoint }[] | undefined {
  const out: { hiding: CurvePoint; binding: CurvePoint }[] = []
  for (const { nonce } of participants) {
    const hiding = parsePoint(nonce.hiding)
    const binding = parsePoint(nonce.binding)
    if (hiding === undefined || binding === undefined) return undefined
    out.push({ hiding, binding })
  }
  return out
}

/** RFC 9591 section 4.4: ρ_i = H1(key ‖ H4(message) ‖ H5(commitment list) ‖ i). */
function bindingFactors(
  key: SigningKey,
  message: Uint8Array,
  sorted: readonly Participant[],
): bigint[] {
  const list = concatBytes(
    ...sorted.flatMap(({ member, nonce }) => [idBytes(member), nonce.hiding, nonce.binding]),
  )
  const prefix = concatBytes(
    key.tweak.point,
    sha256(concatBytes(utf8(`${FROST_SUITE}msg`), message)),
    sha256(concatBytes(utf8(`${FROST_SUITE}com`), list)),
  )
  const DST = utf8(`${FROST_SUITE}rho`)
  return sorted.map(({ member }) =>
    secp256k1_hasher.hashToScalar(concatBytes(prefix, idBytes(member)), { DST }),
  )
}

function idBytes(member: number): Uint8Array {
  return Fn.toBytes(BigInt(member + 1))
}

/** λ_i = Π x_j / (x_j - x_i) over the other participants. */
function lagrange(members: readonly number[], self: number): bigint {
  let numerator = 1n
  let denominator = 1n
  for (const other of members) {
    if (other === self) continue
    numerator = Fn.mul(numerator, BigInt(other + 1))
    denominator = Fn.mul(denominator, Fn.create(BigInt(other - self)))
  }
  return Fn.div(numerator, denominator)
}

/** RFC 9591 section 5.4: z·G = R_i + c·λ_i·Y_i'. */
export function verifyShare(context: SigningContext, member: number, share: Uint8Array): boolean {
  const part = context.parts.get(member)
  const verifyingShare = context.key.verifyingShares[member]
  const z = parseScalar(share)
  if (part === undefined || verifyingShare === undefined || z === undefined) return false
  const factor = Fn.mul(context.challenge, part.lambda)
  return Point.BASE.multiplyUnsafe(z).equals(part.nonce.add(verifyingShare.multiplyUnsafe(factor)))
}

/**
 * The BIP340 signature, 64 bytes, from one share of every participant; or the members whose shares
 * are missing or bad.
 */
export function aggregate(
  context: SigningContext,
  shares: ReadonlyMap<number, Uint8Array>,
): Result<Uint8Array, readonly number[]> {
  let z = 0n
  const culprits: number[] = []
  for (const member of context.parts.keys()) {
    const share = parseScalar(shares.get(member) ?? new Uint8Array())
    if (share === undefined) culprits.push(member)
    else z = Fn.add(z, share)
  }
  if (culprits.length > 0) return err(culprits)
  const signature = concatBytes(context.nonceX, Fn.toBytes(z))
  if (verifySchnorr(signature, context.message, context.key.outputKey)) return ok(signature)
  for (const [member, share] of shares) {
    if (!verifyShare(context, member, share)) culprits.push(member)
  }
  assert(culprits.length > 0, 'good shares add up to a bad signature')
  return err(culprits)
}
