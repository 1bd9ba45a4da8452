/**
 * One attempt of the key generation. All n members must take part; whatever goes wrong ends the attempt
 * with the guilty named where it can be proved, and `dkg.ts` begins the next.
 *
 *     deal      broadcast a polynomial's commitments with proof           needs nothing
 *     echo      broadcast all n deals, as their dealers sealed them        needs n good deals
 *     share     send every member its value                                needs n echoes
 *     persist   the share goes to disk                                     needs n - 1 good shares
 *     certify   sign the result                                            needs the share on disk
 *     test      one signature by all n under the new key, with ROAST       needs n certificates
 *     announce                                                             needs the test signature
 *
 * The echo makes equivocation harmless: no share leaves before everybody is known to have the same deals.
 * It carries the proofs, so two deals of one member convict it wherever they meet, and nobody can be
 * suspected of what the network did. A certificate implies a durable share, and the test signature proves every one of them, so no
 * key is announced of which a member has nothing. Everything sent is kept and sent again at each tick
 * until the attempt ends.
 *
 * A member that restarts with its share on disk goes on at `certify` (it may be needed by others that
 * are past it). It cannot repeat the shares that it dealt, so when it meets a member that still waits
 * for one, it asks for a new attempt. So does one whose workbench has lost the polynomial.
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
import {
  type AttemptDeps,
  type AttemptEffect,
  type DkgFault,
  type DkgPhase,
  EVIDENCE_SHOWN,
} from './attempt-effects.ts'
import type { DkgMessage, DkgPayload } from './dkg-messages.ts'
import { KeyShare } from './frost.ts'
import {
  type Dealing,
  type KeyGenerationSize,
  verifyDealing,
  verifyDealtShare,
} from './key-generation.ts'
import { createKeyTest, KEY_TEST_TICK_MS } from './key-test.ts'
import type { RoastEffect, RoastMember } from './roast-member.ts'
import type { SigningTask } from './signing-messages.ts'
import type { WorkJob, WorkResult } from './work-jobs.ts'

/** Ticks that a resumed member waits for members that seem to want its lost deal. */
const RESUME_PATIENCE_TICKS = 3

interface Sealed<T> {
  readonly value: T
  readonly sealed: Uint8Array
}

export class DkgAttempt {
  readonly #terms: KeyGenerationTerms
  readonly #deps: AttemptDeps
  readonly #size: KeyGenerationSize
  readonly #context: Uint8Array
  /** The polynomial's name on the workbench. */
  readonly #run: string
  #phase: DkgPhase = 'dealing'
  readonly #deals = new Map<number, Sealed<Dealing>>()
  /** Members whose deals, all n, are known to be ours. */
  readonly #echoes = new Set<number>()
  /** By dealer: verified once the deals are agreed. */
  readonly #shares = new Map<number, Sealed<Uint8Array>>()
  #isTaking = false
  readonly #certificates = new Map<number, Sealed<Uint8Array>>()
  /** What this member has said, in order; each tick says it again. */
  readonly #outbox: AttemptEffect[] = []
  #share: KeyShare | undefined
  #roast: RoastMember | undefined
  readonly #resumed: boolean
  /** Members heard in the phases that a resumed member cannot help with. */
  readonly #behind = new Set<number>()
  #ended = false
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
    this.#run = `${terms.epoch}/${terms.attempt}`
    this.#share = share
    this.#resumed = share !== undefined
    if (share !== undefined) deps.addShare(share)
  }

  get phase(): DkgPhase {
    return this.#phase
  }

  /** Members whose next word the attempt waits for. */
  waitingFor(): number[] {
    const heard: Record<DkgPhase, { has(member: number): boolean } | undefined> = {
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
    const job = { kind: 'deal', run: this.#run, member: this.#deps.self, size: this.#size } as const
    return [
      this.#ask(job, (result) => {
        if (result.kind !== 'dealing') return this.#loseDeal()
        const { dealing } = result
        const sealed = this.#seal({ kind: 'deal', dealing }, undefined)
        this.#deals.set(this.#deps.self, { value: dealing, sealed })
        return [this.#say({ kind: 'broadcast', sealed }), ...this.#advance()]
      }),
    ]
  }

  /** Answers that come after the attempt is over, or dead, lead nowhere. */
  #ask(job: WorkJob, then: (result: WorkResult) => AttemptEffect[]): AttemptEffect {
    return this.#deps.work.ask(job, (result) => (this.#ended || this.#dead ? [] : then(result)))
  }

  #loseDeal(): AttemptEffect[] {
    this.#dead = true
    return [{ kind: 'failed', reason: 'deal-lost' }]
  }

  /** Has the secret polynomial forgotten. */
  end(): AttemptEffect[] {
    this.#ended = true
    return [this.#deps.work.tell({ kind: 'forget-dealing', run: this.#run })]
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
    const isStuck = this.#phase === 'certifying' && this.#behind.size > 0
    this.#patience = isStuck ? this.#patience + 1 : 0
    return isStuck && this.#patience >= RESUME_PATIENCE_TICKS ? this.#loseDeal() : []
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
        return this.#echoed(from, payload.deals, sealed)
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
      return this.#convict(from, 'two-deals', [before.sealed, sealed])
    }
    if (!verifyDealing(dealing, from, this.#size.threshold)) {
      return this.#convict(from, 'bad-deal', [sealed])
    }
    this.#deals.set(from, { value: dealing, sealed })
    return this.#advance()
  }

  /** All deals as another member has them: one that we lack is welcome, another one than ours a proof. */
  #echoed(from: number, deals: readonly Uint8Array[], sealed: Uint8Array): AttemptEffect[] {
    if (this.#echoes.has(from)) return []
    const shown = deals.map((deal, dealer) => this.#shownDeal(deal, dealer))
    if (deals.length !== this.#size.memberCount || shown.includes(undefined)) {
      return this.#convict(from, 'bad-echo', [sealed])
    }
    const effects: AttemptEffect[] = []
    for (const [dealer, dealing] of shown.entries()) {
      // Our own deal comes from the workbench: nobody can know it before we do.
      if (dealing === undefined || this.#dead) break
      effects.push(...this.#dealt(dealer, dealing, present(deals[dealer], 'deal')))
    }
    if (this.#dead) return effects
    this.#echoes.add(from)
    return [...effects, ...this.#advance()]
  }

  /** Undefined when it is not what that dealer sealed for this attempt. */
  #shownDeal(sealed: Uint8Array, dealer: number): Dealing | undefined {
    const known = this.#deals.get(dealer)
    if (known !== undefined && equalBytes(known.sealed, sealed)) return known.value
    const opened = this.#deps.open(sealed)
    if (opened?.sender !== dealer) return undefined
    const { context, attempt, payload } = opened.message
    const isOurs = attempt === this.#terms.attempt && equalBytes(context, this.#context)
    return isOurs && payload.kind === 'deal' ? payload.dealing : undefined
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
    this.#certificates.set(from, { value: signature, sealed })
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
    this.#echoes.add(this.#deps.self)
    this.#phase = 'echoing'
    const deals = this.#members().map((member) => present(this.#deals.get(member), 'deal').sealed)
    return [this.#broadcast({ kind: 'echo', deals }), ...this.#advance()]
  }

  #dealShares(): AttemptEffect[] {
    if (this.#echoes.size < this.#size.memberCount) return []
    this.#phase = 'sharing'
    const job = { kind: 'deal-shares', run: this.#run, dealings: this.#dealings() } as const
    return [
      this.#ask(job, (result) => {
        if (result.kind !== 'dealt') return this.#loseDeal()
        return [...result.shares].map(([to, secret]) =>
          this.#say({ kind: 'send', to, sealed: this.#seal({ kind: 'share', secret }, to) }),
        )
      }),
      ...this.#advance(),
    ]
  }

  #takeShares(): AttemptEffect[] {
    if (this.#isTaking || this.#shares.size < this.#size.memberCount - 1) return []
    this.#isTaking = true
    const shares = new Map([...this.#shares].map(([dealer, { value }]) => [dealer, value]))
    const dealings = this.#dealings()
    const job = { kind: 'take-shares', run: this.#run, dealings, shares } as const
    return [this.#ask(job, (result) => this.#taken(result))]
  }

  #taken(result: WorkResult): AttemptEffect[] {
    if (result.kind === 'bad-dealers') {
      // Publishing a share harms nobody: the attempt is dead.
      return result.dealers.flatMap((dealer) => {
        const deal = present(this.#deals.get(dealer), 'deal')
        const share = present(this.#shares.get(dealer), 'dealt share')
        return this.#convict(dealer, 'bad-share', [deal.sealed, share.sealed])
      })
    }
    if (result.kind !== 'key') return this.#loseDeal()
    const { group, secret } = result
    const { epoch, attempt } = this.#terms
    const share = new KeyShare({ epoch, attempt, member: this.#deps.self, group, secret })
    this.#share = share
    this.#deps.addShare(share)
    this.#phase = 'persisting'
    return [{ kind: 'persist-share', share }]
  }

  #certify(): AttemptEffect[] {
    this.#phase = 'certifying'
    const signature = this.#deps.sign(this.#digest())
    const sealed = this.#seal({ kind: 'certify', signature }, undefined)
    this.#certificates.set(this.#deps.self, { value: signature, sealed })
    const effects = [this.#say({ kind: 'broadcast', sealed })]
    // Certificates that came before ours are checked now that we know what they are over.
    for (const [member, other] of this.#certificates) {
      if (this.#verifyCertificate(member, other.value)) continue
      return [...effects, ...this.#convict(member, 'bad-certificate', [other.sealed])]
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
          return this.#tested(this.#roastMember().journaled(effect.token))
        case 'signed':
          return this.#announce(effect.task, present(effect.signatures[0], 'test signature'))
        case 'compute': {
          const { token, job } = effect
          return [
            this.#ask(job, (result) => this.#tested(this.#roastMember().computed(token, result))),
          ]
        }
        case 'blame': {
          const { member, evidence, fault } = effect
          const isStart = fault === 'bad-start'
          return this.#convict(member, isStart ? 'bad-test-start' : 'bad-test-share', evidence)
        }
        case 'stalled':
          return []
        default:
          return unreachable(effect)
      }
    })
  }

  #roastMember(): RoastMember {
    return present(this.#roast, 'roast')
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
      memberSignatures: members.map(
        (_, member) => present(this.#certificates.get(member), 'certificate').value,
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

  /** Ends the attempt; what proves it is shown to everybody, so that all name the same member. */
  #convict(member: number, fault: DkgFault, evidence: readonly Uint8Array[]): AttemptEffect[] {
    const failed: readonly AttemptEffect[] = this.#dead ? [] : [{ kind: 'failed', reason: fault }]
    this.#dead = true
    const shown = EVIDENCE_SHOWN.has(fault) ? evidence.map((sealed) => this.#relay(sealed)) : []
    return [...shown, { kind: 'blame', member, fault, evidence }, ...failed]
  }

  #relay(sealed: Uint8Array): AttemptEffect {
    return this.#say({ kind: 'broadcast', sealed })
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

function encodeDealing({ commitments, proof }: Dealing): Uint8Array {
  return concatBytes(...commitments, proof)
}

function equalDealings(a: Dealing, b: Dealing): boolean {
  return equalBytes(encodeDealing(a), encodeDealing(b))
}
