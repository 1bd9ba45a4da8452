/**
 * Does the jobs of `work-jobs.ts` and keeps what is secret between them: shares, nonces, polynomials.
 * Nonces are in memory only, fresh from the operating system with the share hashed in (RFC 9591 section
 * 4.1), and taken out of the table before they are used: none ever signs twice. A random generator that
 * fails is the one way left to the same nonce, so this life's salt, a counter and the handle go in too.
 */

import { assert, unreachable } from '../../src/primitives/assert.ts'
import { bytesToHex } from '../../src/primitives/bytes.ts'
import { encodeWith } from '../../src/primitives/codec.ts'
import { taggedHash } from '../../src/primitives/sha256.ts'
import {
  aggregate,
  createSigningContext,
  type GroupKey,
  type KeyShare,
  type NonceCommitment,
  SecretNonce,
  type SigningContext,
  type SigningKey,
  signShare,
  tweakGroupKey,
  verifyNonceCommitment,
  verifyShare,
} from './frost.ts'
import { SecretDealing, verifyDealtShare } from './key-generation.ts'
import { participantsOf, type SigningInput } from './roast-session.ts'
import { keyName, type NonceOrder, type WorkJob, type WorkResult } from './work-jobs.ts'

type JobOf<Kind extends WorkJob['kind']> = Extract<WorkJob, { readonly kind: Kind }>

interface Session {
  readonly contexts: readonly SigningContext[]
  /** The good ones, by member. */
  readonly shares: Map<number, readonly Uint8Array[]>
}

const DONE: WorkResult = { kind: 'done' }
const LOST: WorkResult = { kind: 'lost' }

export class Workbench {
  readonly #random: (length: number) => Uint8Array
  readonly #salt: Uint8Array
  #noncesMade = 0n
  readonly #shares = new Map<string, KeyShare>()
  /** By key and handle. */
  readonly #nonces = new Map<string, readonly SecretNonce[]>()
  readonly #sessions = new Map<string, Session>()
  readonly #dealings = new Map<string, SecretDealing>()

  /** `random`: fresh bytes of the operating system. `salt`: whatever tells this life from others. */
  constructor(random: (length: number) => Uint8Array, salt: Uint8Array) {
    this.#random = random
    this.#salt = salt
  }

  addShare(share: KeyShare): void {
    this.#shares.set(keyName(share), share)
  }

  perform(job: WorkJob): WorkResult {
    switch (job.kind) {
      case 'make-nonces': {
        const nonces = this.#makeNonces(job.key, job.order)
        return nonces === undefined ? LOST : { kind: 'nonces', nonces }
      }
      case 'forget-nonces':
        this.#nonces.delete(nonceName(job.key, job.handle))
        return DONE
      case 'sign':
        return this.#sign(job)
      case 'open-session':
        return this.#openSession(job)
      case 'check-shares':
        return this.#checkShares(job)
      case 'close-session':
        this.#sessions.delete(job.session)
        return DONE
      case 'deal':
      case 'deal-shares':
      case 'take-shares':
      case 'forget-dealing':
        return this.#generateKey(job)
      default:
        return unreachable(job)
    }
  }

  // --- signing ------------------------------------------------------------------------------

  #makeNonces(key: string, { handle, count }: NonceOrder): readonly NonceCommitment[] | undefined {
    const share = this.#shares.get(key)
    const name = nonceName(key, handle)
    if (share === undefined || this.#nonces.has(name)) return undefined
    const nonces = Array.from(
      { length: count },
      () => new SecretNonce(share, (length) => this.#hedged(length, handle)),
    )
    this.#nonces.set(name, nonces)
    return nonces.map(({ commitment }) => commitment)
  }

  #hedged(length: number, handle: bigint): Uint8Array {
    assert(length === 32, 'a nonce is made of 32 bytes')
    const place = encodeWith((writer) => writer.u64(handle).u64(this.#noncesMade++))
    return taggedHash('causeway/nonce', this.#random(32), this.#salt, place)
  }

  #sign({ key, handle, inputs, participants, next }: JobOf<'sign'>): WorkResult {
    const share = this.#shares.get(key)
    const name = nonceName(key, handle)
    const nonces = this.#nonces.get(name)
    // Gone before anything is computed: whatever happens now, they are never used again.
    this.#nonces.delete(name)
    if (share === undefined || nonces?.length !== inputs.length) return LOST
    const shares: Uint8Array[] = []
    for (const [i, { sighash, tweak }] of inputs.entries()) {
      const nonce = nonces[i]
      const list = participantsOf(participants, i)
      if (nonce === undefined || list === undefined) return { kind: 'unusable' }
      const signed = signShare(share, tweak, nonce, sighash, list)
      if (signed === undefined) return { kind: 'unusable' }
      shares.push(signed)
    }
    return {
      kind: 'shares',
      shares,
      next: next === undefined ? undefined : this.#makeNonces(key, next),
    }
  }

  #openSession({ key, session, inputs, participants }: JobOf<'open-session'>): WorkResult {
    const share = this.#shares.get(key)
    if (share === undefined) return LOST
    const culprits = participants
      .filter(({ offer }) => !offer.nonces.every(verifyNonceCommitment))
      .map(({ member }) => member)
    if (culprits.length > 0) return { kind: 'opened', culprits }
    const keys = signingKeys(inputs, share.group)
    const contexts: SigningContext[] = []
    for (const [i, { sighash }] of inputs.entries()) {
      const signingKey = keys[i]
      const list = participantsOf(participants, i)
      if (signingKey === undefined || list === undefined) return { kind: 'unusable' }
      const context = createSigningContext(signingKey, sighash, list)
      if (context === undefined) return { kind: 'unusable' }
      contexts.push(context)
    }
    this.#sessions.set(session, { contexts, shares: new Map() })
    return { kind: 'opened', culprits: [] }
  }

  #checkShares({ session: name, member, shares }: JobOf<'check-shares'>): WorkResult {
    const session = this.#sessions.get(name)
    if (session === undefined) return LOST
    const { contexts } = session
    const isGood =
      shares.length === contexts.length &&
      contexts.every((context, i) => verifyShare(context, member, shares[i] ?? new Uint8Array()))
    if (!isGood) return { kind: 'checked', isGood }
    session.shares.set(member, shares)
    if (contexts.some(({ parts }) => session.shares.size < parts.size)) {
      return { kind: 'checked', isGood }
    }
    this.#sessions.delete(name)
    return {
      kind: 'signatures',
      signatures: contexts.map((context, i) => sum(context, session, i)),
    }
  }

  // --- key generation -----------------------------------------------------------------------

  #generateKey(
    job: JobOf<'deal'> | JobOf<'deal-shares'> | JobOf<'take-shares'> | JobOf<'forget-dealing'>,
  ): WorkResult {
    if (job.kind === 'deal') {
      const dealt = new SecretDealing(job.member, job.size, this.#random)
      this.#dealings.set(job.run, dealt)
      return { kind: 'dealing', dealing: dealt.dealing }
    }
    const dealer = this.#dealings.get(job.run)
    if (dealer === undefined) return LOST
    switch (job.kind) {
      case 'deal-shares':
        return { kind: 'dealt', shares: dealer.sharesFor(job.dealings) }
      case 'take-shares':
        this.#dealings.delete(job.run)
        return takeShares(dealer, job)
      case 'forget-dealing':
        dealer.wipe()
        this.#dealings.delete(job.run)
        return DONE
      default:
        return unreachable(job)
    }
  }

  toJSON(): string {
    return 'Workbench'
  }
}

function takeShares(dealer: SecretDealing, { dealings, shares }: JobOf<'take-shares'>): WorkResult {
  const { member, size } = dealer
  const bad = [...shares].filter(([from, secret]) => {
    const dealing = dealings[from]
    return dealing === undefined || !verifyDealtShare(dealing, member, secret, size)
  })
  if (bad.length > 0) return { kind: 'bad-dealers', dealers: bad.map(([from]) => from) }
  const { group, secret } = dealer.finish(dealings, shares)
  return { kind: 'key', group, secret }
}

function nonceName(key: string, handle: bigint): string {
  return `${key}/${handle}`
}

/** One key per distinct tweak: inputs paid to one address share it. */
function signingKeys(inputs: readonly SigningInput[], group: GroupKey): SigningKey[] {
  const known = new Map<string, SigningKey>()
  return inputs.map(({ tweak }) => {
    const name = bytesToHex(tweak.point)
    const key = known.get(name) ?? tweakGroupKey(group, tweak)
    known.set(name, key)
    return key
  })
}

function sum(context: SigningContext, session: Session, input: number): Uint8Array {
  const shares = new Map(
    [...session.shares].map(([member, all]) => [member, all[input] ?? new Uint8Array()] as const),
  )
  const result = aggregate(context, shares)
  assert(result.ok, 'verified shares make a signature')
  return result.value
}
