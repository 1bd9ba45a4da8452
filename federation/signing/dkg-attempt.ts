/**
 * One attempt of the key generation. All n members must take part; whatever goes wrong ends the attempt
 * with the guilty named where it can be proved, and `dkg.ts` begins the next.
 *
 *     deal      broadcast a polynomial's commitments with proof           needs nothing
 *     echo      broadcast the hash of all n deals                          needs n good deals
 *     share     send every member its value                                needs n equal echoes
 *     persist   the share goes to disk                                     needs n - 1 good shares
 *     certify   sign the result                                            needs the share on disk
 *     test      one signature by all n under the new key, with ROAST       needs n certificates
 *     announce                                                             needs the test signature
 *
 * The echo makes equivocation harmless: no share leaves before everybody is known to have the same
 * deals. A certificate implies a durable share, and the test signature proves every one of them, so no
 * key is announced of which a member has nothing. Everything sent is kept and sent again at each tick
 * until the attempt ends.
 *
 * A member that restarts with its share on disk goes on at `certify` (it may be needed by others that
 * are past it). It cannot repeat the shares that it dealt, so when it meets a member that still waits
 * for one, it asks for a new attempt.
 */

import {
  type KeyEpochAnnouncement,
  type KeyGenerationTerms,
  keyCertificateDigest,
  keyGenerationContext,
  verifyKeyEpochAnnouncement,
} from '../../src/chain/peg/key-epoch-announcement.ts'
import { assert, present, unreachable } from '../../src/primitives/assert.ts'
import { concatBytes, equalBytes } from '../../src/primitives/bytes.ts'
import { hash32FromBytes, hashToBytes } from '../../src/primitives/hashes.ts'
import { verifySchnorr } from '../../src/primitives/secp256k1.ts'
import { taggedHash } from '../../src/primitives/sha256.ts'
import type { DkgMessage, DkgPayload } from './dkg-messages.ts'
import type { HostSigner } from './envelope.ts'
import { KeyShare } from './frost.ts'
import {
  type Dealing,
  type KeyGenerationSize,
  SecretDealing,
  verifyDealing,
  verifyDealtShare,
} from './key-generation.ts'
import { createKeyTest, KEY_TEST_TICK_MS } from './key-test.ts'
import type { RoastEffect, RoastMember } from './roast-member.ts'
import type { SigningTask } from './signing-messages.ts'

/** Ticks with unequal echoes before the attempt is given up. */
const ECHO_PATIENCE_TICKS = 5
/** Ticks that a resumed member waits for members that seem to want its lost deal. */
const RESUME_PATIENCE_TICKS = 3

export type DkgFault =
  | 'malformed'
  | 'bad-deal'
  | 'two-deals'
  | 'bad-share'
  | 'unequal-echo'
  | 'bad-certificate'
  | 'bad-test-share'

export type DkgPhase =
  | 'dealing'
  | 'echoing'
  | 'sharing'
  | 'persisting'
  | 'certifying'
  | 'testing'
  | 'done'

export type AttemptEffect =
  | { readonly kind: 'send'; readonly to: number; readonly sealed: Uint8Array }
  | { readonly kind: 'broadcast'; readonly sealed: Uint8Array }
  | { readonly kind: 'persist-share'; readonly share: KeyShare }
  | {
      readonly kind: 'blame'
      readonly member: number
      readonly fault: DkgFault
      readonly evidence: readonly Uint8Array[]
    }
  | { readonly kind: 'failed'; readonly reason: DkgFault | 'deal-lost' }
  | { readonly kind: 'announce'; readonly announcement: KeyEpochAnnouncement }

export interface AttemptDeps {
  readonly self: number
  readonly sign: HostSigner
  readonly random: (length: number) => Uint8Array
  /** Seals a message of this attempt; undefined recipient: everybody. */
  readonly seal: (message: DkgMessage, recipient: number | undefined) => Uint8Array
}

interface Sealed<T> {
  readonly value: T
  readonly sealed: Uint8Array
}

export class DkgAttempt {
  readonly #terms: KeyGenerationTerms
  readonly #deps: AttemptDeps
  readonly #size: KeyGenerationSize
  readonly #context: Uint8Array
  #phase: DkgPhase = 'dealing'
  #dealer: SecretDealing | undefined
  readonly #deals = new Map<number, Sealed<Dealing>>()
  readonly #echoes = new Map<number, Uint8Array>()
  /** By dealer: verified once the deals are agreed. */
  readonly #shares = new Map<number, Sealed<Uint8Array>>()
  readonly #certificates = new Map<number, Uint8Array>()
  /** What this member has said, in order; each tick says it again. */
  readonly #outbox: AttemptEffect[] = []
  #share: KeyShare | undefined
  #roast: RoastMember | undefined
  readonly #resumed: boolean
  /** Members heard in the phases that a resumed member cannot help with. */
  readonly #behind = new Set<number>()
  #relayed = false
  /** Nothing received counts any more; what was said is still repeated, for the others. */
  #dead = false
  #patience = 0
  #ticks = 0

  /** With `share`, this member's own of this very attempt, it resumes at `certify`. */
  constructor(terms: KeyGenerationTerms, deps: AttemptDeps, share: KeyShare | undefined) {
    assert(share === undefined || share.attempt === terms.attempt, 'share of another attempt')
    this.#terms = terms
    this.#deps = deps
    this.#size = { threshold: terms.threshold, memberCount: terms.members.length }
    this.#context = keyGenerationContext(terms)
    this.#share = share
    this.#resumed = share !== undefined
  }

  get phase(): DkgPhase {
    return this.#phase
  }

  /** Members whose next word the attempt waits for. */
  waitingFor(): number[] {
    const heard: Record<DkgPhase, ReadonlyMap<number, unknown> | undefined> = {
      dealing: this.#deals,
      echoing: this.#echoes,
      sharing: this.#shares,
      persisting: undefined,
      certifying: this.#certificates,
      testing: undefined,
      done: undefined,
    }
    const map = heard[this.#phase]
    if (map === undefined) return []
    return this.#members().filter((member) => member !== this.#deps.self && !map.has(member))
  }

  /** The first word: a deal, or the certificate of a resumed member. */
  begin(): AttemptEffect[] {
    if (this.#share !== undefined) return this.#certify()
    this.#dealer = new SecretDealing(this.#deps.self, this.#size, this.#deps.random)
    const { dealing } = this.#dealer
    const sealed = this.#seal({ kind: 'deal', dealing }, undefined)
    this.#deals.set(this.#deps.self, { value: dealing, sealed })
    return [this.#say({ kind: 'broadcast', sealed }), ...this.#advance()]
  }

  /** Forgets the secret polynomial. */
  end(): void {
    this.#dealer?.wipe()
    this.#dealer = undefined
  }

  tick(): AttemptEffect[] {
    this.#ticks++
    const effects = [...this.#outbox]
    if (this.#roast !== undefined) {
      effects.push(...this.#tested(this.#roast.tick(this.#ticks * KEY_TEST_TICK_MS)))
    }
    return [...effects, ...this.#losePatience()]
  }

  #losePatience(): AttemptEffect[] {
    if (this.#dead) return []
    const liars = this.#phase === 'echoing' ? this.#unequalEchoes() : []
    const stuck = this.#phase === 'certifying' && this.#behind.size > 0
    this.#patience = liars.length > 0 || stuck ? this.#patience + 1 : 0
    if (liars.length > 0 && this.#patience >= ECHO_PATIENCE_TICKS) {
      const blames = liars.map(
        (member) => ({ kind: 'blame', member, fault: 'unequal-echo', evidence: [] }) as const,
      )
      this.#dead = true
      return [...blames, { kind: 'failed', reason: 'unequal-echo' }]
    }
    if (stuck && this.#patience >= RESUME_PATIENCE_TICKS) {
      this.#dead = true
      return [{ kind: 'failed', reason: 'deal-lost' }]
    }
    return []
  }

  /** The share given in effect `persist-share` is durable. */
  persisted(): AttemptEffect[] {
    return this.#phase === 'persisting' && !this.#dead ? this.#certify() : []
  }

  /** A message of this attempt, sealed by member `from` for `recipient`. */
  receive(
    from: number,
    recipient: number | undefined,
    message: DkgMessage,
    sealed: Uint8Array,
  ): AttemptEffect[] {
    // Other member list or threshold: not this attempt, whatever its number.
    if (!equalBytes(message.context, this.#context) || this.#dead) return []
    const { payload } = message
    if (this.#resumed && (payload.kind === 'deal' || payload.kind === 'echo')) {
      if (!this.#certificates.has(from)) this.#behind.add(from)
      return []
    }
    switch (payload.kind) {
      case 'deal':
        return this.#dealt(from, payload.dealing, sealed)
      case 'echo':
        if (!this.#echoes.has(from)) this.#echoes.set(from, payload.hash)
        return this.#advance()
      case 'share':
        return this.#shared(from, recipient, payload.secret, sealed)
      case 'certify':
        return this.#certified(from, payload.signature, sealed)
      case 'test': {
        if (this.#roast === undefined) return []
        return this.#tested(this.#roast.receive(from, payload.message, sealed))
      }
      default:
        return unreachable(payload)
    }
  }

  #dealt(from: number, dealing: Dealing, sealed: Uint8Array): AttemptEffect[] {
    const before = this.#deals.get(from)
    if (before !== undefined) {
      if (equalDealings(before.value, dealing)) return []
      // Two deals of one member, each under its signature, prove themselves to everybody.
      const evidence = [before.sealed, sealed]
      return [...evidence.map(relay), ...this.#convict(from, 'two-deals', evidence)]
    }
    if (!verifyDealing(dealing, from, this.#size.threshold)) {
      return this.#convict(from, 'bad-deal', [sealed])
    }
    this.#deals.set(from, { value: dealing, sealed })
    return this.#advance()
  }

  #shared(
    from: number,
    recipient: number | undefined,
    secret: Uint8Array,
    sealed: Uint8Array,
  ): AttemptEffect[] {
    if (recipient === this.#deps.self) {
      if (!this.#shares.has(from)) this.#shares.set(from, { value: secret, sealed })
      return this.#advance()
    }
    // Another member shows a share it complains of. A good one is shown for nothing.
    const deal = this.#deals.get(from)
    if (recipient === undefined || recipient >= this.#size.memberCount) return []
    if (deal === undefined || this.#phase === 'dealing' || this.#phase === 'echoing') return []
    if (verifyDealtShare(deal.value, recipient, secret, this.#size)) return []
    return this.#convict(from, 'bad-share', [deal.sealed, sealed])
  }

  #certified(from: number, signature: Uint8Array, sealed: Uint8Array): AttemptEffect[] {
    this.#behind.delete(from)
    if (this.#certificates.has(from)) return []
    if (this.#share !== undefined && !this.#verifyCertificate(from, signature)) {
      return this.#convict(from, 'bad-certificate', [sealed])
    }
    this.#certificates.set(from, signature)
    return this.#advance()
  }

  /** Takes every step that what has been received allows. */
  #advance(): AttemptEffect[] {
    switch (this.#phase) {
      case 'dealing':
        return this.#deals.size === this.#size.memberCount ? this.#echo() : []
      case 'echoing':
        return this.#dealShares()
      case 'sharing':
        return this.#takeShares()
      case 'certifying':
        return this.#certificates.size === this.#size.memberCount ? this.#test() : []
      case 'persisting':
      case 'testing':
      case 'done':
        return []
      default:
        return unreachable(this.#phase)
    }
  }

  #echo(): AttemptEffect[] {
    const hash = taggedHash(
      'causeway/dkg/echo',
      this.#context,
      ...this.#dealings().map(encodeDealing),
    )
    this.#echoes.set(this.#deps.self, hash)
    this.#phase = 'echoing'
    return [this.#broadcast({ kind: 'echo', hash }), ...this.#advance()]
  }

  #unequalEchoes(): number[] {
    const own = present(this.#echoes.get(this.#deps.self), 'own echo')
    return [...this.#echoes].filter(([, hash]) => !equalBytes(hash, own)).map(([member]) => member)
  }

  #dealShares(): AttemptEffect[] {
    if (this.#unequalEchoes().length > 0) {
      if (this.#relayed) return []
      // Somebody dealt two ways, or lies about what it has: show everybody what we have.
      this.#relayed = true
      return [...this.#deals.values()].map(({ sealed }) => relay(sealed))
    }
    if (this.#echoes.size < this.#size.memberCount) return []
    this.#phase = 'sharing'
    const shares = present(this.#dealer, 'dealer').sharesFor(this.#dealings())
    const sends = [...shares].map(([to, secret]) =>
      this.#say({ kind: 'send', to, sealed: this.#seal({ kind: 'share', secret }, to) }),
    )
    return [...sends, ...this.#advance()]
  }

  #takeShares(): AttemptEffect[] {
    if (this.#shares.size < this.#size.memberCount - 1) return []
    for (const [dealer, { value, sealed }] of this.#shares) {
      const deal = present(this.#deals.get(dealer), 'deal')
      if (verifyDealtShare(deal.value, this.#deps.self, value, this.#size)) continue
      // Publishing the share harms nobody: the attempt is dead.
      return [relay(sealed), ...this.#convict(dealer, 'bad-share', [deal.sealed, sealed])]
    }
    const shares = new Map([...this.#shares].map(([dealer, { value }]) => [dealer, value]))
    const { group, secret } = present(this.#dealer, 'dealer').finish(this.#dealings(), shares)
    const { epoch, attempt } = this.#terms
    this.#share = new KeyShare({ epoch, attempt, member: this.#deps.self, group, secret })
    this.#phase = 'persisting'
    return [{ kind: 'persist-share', share: this.#share }]
  }

  #certify(): AttemptEffect[] {
    this.#phase = 'certifying'
    const signature = this.#deps.sign(this.#digest())
    this.#certificates.set(this.#deps.self, signature)
    const effects = [this.#broadcast({ kind: 'certify', signature })]
    // Certificates that came before ours are checked now that we know what they are over.
    for (const [member, other] of this.#certificates) {
      if (this.#verifyCertificate(member, other)) continue
      return [...effects, ...this.#convict(member, 'bad-certificate', [])]
    }
    return [...effects, ...this.#advance()]
  }

  #digest(): Uint8Array {
    return keyCertificateDigest(this.#terms, present(this.#share, 'share').group.commitments)
  }

  #verifyCertificate(member: number, signature: Uint8Array): boolean {
    const key = present(this.#terms.members[member], 'member')
    return verifySchnorr(signature, this.#digest(), hashToBytes(key))
  }

  #test(): AttemptEffect[] {
    this.#phase = 'testing'
    const share = present(this.#share, 'share')
    const task: SigningTask = { batchId: hash32FromBytes(this.#digest()), version: 0 }
    this.#roast = createKeyTest(task, this.#terms, share, this.#deps.random)
    return this.#tested(this.#roast.begin(task, this.#ticks * KEY_TEST_TICK_MS))
  }

  /** What ROAST wants done for the key's first signature. */
  #tested(effects: readonly RoastEffect[]): AttemptEffect[] {
    return effects.flatMap((effect): AttemptEffect[] => {
      switch (effect.kind) {
        case 'send': {
          const sealed = this.#seal({ kind: 'test', message: effect.message }, effect.to)
          return [{ kind: 'send', to: effect.to, sealed }]
        }
        case 'broadcast': // comes with `signed`, which says it
          return []
        case 'journal':
          // Nothing to guard: the only message this key can sign here is its test.
          return this.#tested(present(this.#roast, 'roast').journaled(effect.token))
        case 'signed':
          return this.#announce(effect.task, present(effect.signatures[0], 'test signature'))
        case 'blame': {
          const { member, evidence } = effect
          return this.#convict(member, 'bad-test-share', evidence)
        }
        case 'bad-start':
        case 'stalled':
          return []
        default:
          return unreachable(effect)
      }
    })
  }

  #announce(task: SigningTask, testSignature: Uint8Array): AttemptEffect[] {
    this.#phase = 'done'
    const { epoch, attempt, threshold, members, chainId } = this.#terms
    const { commitments } = present(this.#share, 'share').group
    const announcement: KeyEpochAnnouncement = {
      epoch,
      attempt,
      threshold,
      groupKey: present(commitments[0], 'group key'),
      commitments,
      memberSignatures: members.map((_, member) =>
        present(this.#certificates.get(member), 'certificate'),
      ),
      testSignature,
    }
    assert(
      verifyKeyEpochAnnouncement(announcement, { chainId, epoch, members }),
      'the announcement is good',
    )
    // Said at every tick from now on: a member that restarts finds the test over.
    const message = { kind: 'signed', ...task, signatures: [testSignature] } as const
    return [this.#broadcast({ kind: 'test', message }), { kind: 'announce', announcement }]
  }

  #convict(member: number, fault: DkgFault, evidence: readonly Uint8Array[]): AttemptEffect[] {
    this.#dead = true
    return [
      { kind: 'blame', member, fault, evidence },
      { kind: 'failed', reason: fault },
    ]
  }

  #members(): number[] {
    return [...this.#terms.members.keys()]
  }

  #dealings(): Dealing[] {
    return this.#members().map((member) => present(this.#deals.get(member), 'deal').value)
  }

  #seal(payload: DkgPayload, recipient: number | undefined): Uint8Array {
    const { attempt } = this.#terms
    return this.#deps.seal({ attempt, context: this.#context, payload }, recipient)
  }

  #broadcast(payload: DkgPayload): AttemptEffect {
    return this.#say({ kind: 'broadcast', sealed: this.#seal(payload, undefined) })
  }

  #say(effect: AttemptEffect): AttemptEffect {
    this.#outbox.push(effect)
    return effect
  }
}

function relay(sealed: Uint8Array): AttemptEffect {
  return { kind: 'broadcast', sealed }
}

function encodeDealing({ commitments, proof }: Dealing): Uint8Array {
  return concatBytes(...commitments, proof)
}

function equalDealings(a: Dealing, b: Dealing): boolean {
  return equalBytes(encodeDealing(a), encodeDealing(b))
}
