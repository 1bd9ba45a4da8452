/**
 * The distributed generation of one epoch's key, as the member drives it: events in, effects out, no
 * clock and no I/O. Attempts are numbered; the protocol of one is described in `dkg-attempt.ts`.
 *
 *  - A member deals at most once per attempt, also across restarts: the attempt's number is durable
 *    before the deal leaves. One that restarts without the attempt's share begins the next attempt.
 *  - A member that sees a proved message of a later attempt joins it. At most one attempt begins per
 *    tick, and after the first few another one is joined only after a pause that grows with them, so
 *    that a member that begins again and again cannot make the others compute and write without end.
 *    All of them are needed, so it can keep the key from being made; it is told who begins, see `restarts`.
 *  - An attempt that failed is followed by the next after a pause that grows with the failures.
 *  - A member gives up an attempt for a later one at any time. Every share is kept until the chain has
 *    settled on a key, so whichever attempt is announced, each honest member has its share on disk: a
 *    key can be announced only with everybody's certificate and test share, given after that.
 *
 * What the driver does:
 *
 *  - step `start` once, `tick` about once a second, and `received` for every sealed frame whose
 *    envelope says protocol 'key-generation' and this epoch. A `broadcast` may carry another member's
 *    sealed message: trust the envelope, not the stream it came by.
 *  - effect `send`: over an encrypted direct stream to that member, and nowhere else: it may be secret.
 *  - effect `persist`: make it durable, then step `persisted` with the record's attempt and kind. Records
 *    of other attempts stay. If the write fails, stop.
 *  - effect `announce`: hand the announcement to the chain. Comes at most once per attempt.
 *  - effect `blame`: tell the operators; `evidence` is sealed messages that prove it, where it can be.
 *  - When the chain has an announcement for the epoch, drop this object and erase the shares of the
 *    epoch's other attempts. Until then it must go on running, also after `announce`: others may need it.
 *  - At a restart hand in what was made durable as `resume`.
 */

import type { KeyEpochAnnouncement } from '../../src/chain/peg/key-epoch-announcement.ts'
import { assert, unreachable } from '../../src/primitives/assert.ts'
import { DecodeError } from '../../src/primitives/codec.ts'
import type { Hash32, XOnlyKey } from '../../src/primitives/hashes.ts'
import type { AttemptEffect, DkgFault, DkgPhase } from './attempt-effects.ts'
import { Computations, type ComputeEffect } from './computations.ts'
import { DkgAttempt } from './dkg-attempt.ts'
import { type DkgMessage, decodeDkgMessage, encodeDkgMessage } from './dkg-messages.ts'
import { type FederationContext, type HostSigner, openMessage, sealMessage } from './envelope.ts'
import type { KeyShare } from './frost.ts'
import { createWorkPlace, type Offload, type WorkPlace } from './work-place.ts'

/** How far ahead of ours a message's attempt may be: keeps a liar from using up the numbers. */
const MAX_ATTEMPT_JUMP = 1000
const MAX_PAUSE_TICKS = 30
/** Others' attempts that are joined at once: honest members restart now and then. */
export const JOINS_AT_ONCE = 8
/** Some minutes: a few hundred attempts a day, each of which leaves a share on disk at the most. */
const MAX_JOIN_PAUSE_TICKS = 600

export interface DkgConfig {
  readonly chainId: Hash32
  readonly epoch: number
  /** Validator keys in the epoch's fixed order. */
  readonly members: readonly XOnlyKey[]
  /** This member's position. */
  readonly self: number
  /** 2 … n. */
  readonly threshold: number
  /** The highest attempt made durable, and every share of this epoch. */
  readonly resume?: { readonly attempt: number; readonly shares: readonly KeyShare[] }
}

export interface DkgDeps {
  readonly sign: HostSigner
  readonly random: (length: number) => Uint8Array
  /** Without, the arithmetic is done here and now. */
  readonly offload?: Offload<DkgEffect>
}

/** What has to be on disk. `attempt`: this member takes part in it; `share`: the encrypted share. */
export type DkgRecord =
  | { readonly kind: 'attempt'; readonly attempt: number }
  | { readonly kind: 'share'; readonly attempt: number; readonly share: KeyShare }

export type DkgEvent =
  | { readonly kind: 'start' }
  | { readonly kind: 'tick' }
  | { readonly kind: 'received'; readonly sealed: Uint8Array }
  | { readonly kind: 'persisted'; readonly attempt: number; readonly record: DkgRecord['kind'] }

export type DkgEffect =
  | { readonly kind: 'send'; readonly to: number; readonly sealed: Uint8Array }
  | { readonly kind: 'broadcast'; readonly sealed: Uint8Array }
  | { readonly kind: 'persist'; readonly record: DkgRecord }
  | {
      readonly kind: 'blame'
      readonly member: number
      readonly fault: DkgFault
      readonly evidence: readonly Uint8Array[]
    }
  | { readonly kind: 'announce'; readonly announcement: KeyEpochAnnouncement }

export interface DkgStatus {
  readonly attempt: number
  readonly phase: DkgPhase | 'starting'
  /** Members whose next message is missing. */
  readonly waitingFor: readonly number[]
  /**
   * Attempts that this member joined though its own had not failed, by the member that was the first heard
   * of them here. It may have joined another's itself: ask the one that its node names.
   */
  readonly restarts: ReadonlyMap<number, number>
}

export interface Dkg {
  step(event: DkgEvent): DkgEffect[]
  status(): DkgStatus
}

export function createDkg(config: DkgConfig, deps: DkgDeps): Dkg {
  return new DkgRun(config, deps)
}

/** Before the jobs are done. */
type Step = DkgEffect | ComputeEffect

class DkgRun implements Dkg {
  readonly #config: DkgConfig
  readonly #deps: DkgDeps
  readonly #context: FederationContext
  readonly #work = new Computations<AttemptEffect>()
  readonly #place: WorkPlace<DkgEffect, DkgEffect>
  #number = 0
  #attempt: DkgAttempt | undefined
  /** The attempt's number is on its way to the disk; until then it must not speak. */
  #starting = false
  #begunThisTick = false
  #failures = 0
  /** Ticks until the next attempt, after a failure. */
  #pauseTicks: number | undefined
  /** Ticks until another's attempt may be joined. */
  #joinPauseTicks = 0
  readonly #restarts = new Map<number, number>()
  /** The latest attempt heard of, and from whom first. */
  #latest: { readonly attempt: number; readonly member: number } | undefined

  constructor(config: DkgConfig, deps: DkgDeps) {
    const { chainId, epoch, members, self, threshold } = config
    assert(members[self] !== undefined, 'not a member')
    assert(threshold >= 2 && threshold <= members.length, 'threshold out of range')
    this.#config = config
    this.#deps = deps
    this.#context = { chainId, epoch, members }
    this.#place = createWorkPlace<DkgEffect, DkgEffect>({
      random: deps.random,
      offload: deps.offload,
      answer: (token, result) => this.#outward(this.#work.answer(token, result)),
      outward: (effect) => effect,
    })
  }

  status(): DkgStatus {
    return {
      attempt: this.#number,
      phase: this.#starting ? 'starting' : (this.#attempt?.phase ?? 'starting'),
      waitingFor: this.#attempt?.waitingFor() ?? [],
      restarts: this.#restarts,
    }
  }

  step(event: DkgEvent): DkgEffect[] {
    return this.#place.settle(this.#step(event))
  }

  #step(event: DkgEvent): Step[] {
    switch (event.kind) {
      case 'start':
        return this.#start()
      case 'tick':
        return this.#tick()
      case 'received':
        return this.#receive(event.sealed)
      case 'persisted':
        return this.#persisted(event.attempt, event.record)
      default:
        return unreachable(event)
    }
  }

  #start(): Step[] {
    assert(this.#attempt === undefined, 'started twice')
    const { resume } = this.#config
    const share = resume?.shares.find(({ attempt }) => attempt === resume.attempt)
    if (resume === undefined || share === undefined) return this.#begin((resume?.attempt ?? 0) + 1)
    this.#number = resume.attempt
    this.#attempt = this.#createAttempt(share)
    return this.#outward(this.#attempt.begin())
  }

  #createAttempt(share: KeyShare | undefined): DkgAttempt {
    const { chainId, epoch, members, threshold, self } = this.#config
    const { sign, random } = this.#deps
    const work = this.#work
    const addShare = (added: KeyShare): void => this.#place.addShare(added)
    const open = (sealed: Uint8Array) => this.#openBroadcast(sealed)
    const terms = { chainId, epoch, attempt: this.#number, threshold, members }
    const seal = (message: DkgMessage, recipient: number | undefined): Uint8Array => {
      const body = encodeDkgMessage(message)
      const envelope = { protocol: 'key-generation', epoch, sender: self, recipient, body } as const
      return sealMessage(envelope, chainId, sign)
    }
    return new DkgAttempt(terms, { self, sign, random, work, addShare, open, seal }, share)
  }

  /** A message inside another one. */
  #openBroadcast(
    sealed: Uint8Array,
  ): { readonly sender: number; readonly message: DkgMessage } | undefined {
    const envelope = openMessage(sealed, this.#context)
    if (envelope?.protocol !== 'key-generation' || envelope.recipient !== undefined)
      return undefined
    const message = decodeBody(envelope.body)
    return message === undefined ? undefined : { sender: envelope.sender, message }
  }

  #begin(attempt: number): Step[] {
    const ended = this.#outward(this.#attempt?.end() ?? [])
    this.#number = attempt
    this.#attempt = this.#createAttempt(undefined)
    this.#starting = true
    this.#begunThisTick = true
    this.#pauseTicks = undefined
    return [...ended, { kind: 'persist', record: { kind: 'attempt', attempt } }]
  }

  #persisted(attempt: number, record: DkgRecord['kind']): Step[] {
    if (attempt !== this.#number || this.#attempt === undefined) return []
    if (record === 'share') return this.#outward(this.#attempt.persisted())
    if (!this.#starting) return []
    this.#starting = false
    return this.#outward(this.#attempt.begin())
  }

  #tick(): Step[] {
    this.#begunThisTick = false
    this.#joinPauseTicks = Math.max(0, this.#joinPauseTicks - 1)
    if (this.#starting || this.#attempt === undefined) return []
    if (this.#pauseTicks !== undefined && --this.#pauseTicks <= 0) {
      return this.#begin(this.#number + 1)
    }
    return this.#outward(this.#attempt.tick())
  }

  #receive(sealed: Uint8Array): Step[] {
    const envelope = openMessage(sealed, this.#context)
    if (envelope?.protocol !== 'key-generation') return []
    const { sender, recipient } = envelope
    if (sender === this.#config.self) return []
    const message = decodeBody(envelope.body)
    if (message === undefined) {
      return [{ kind: 'blame', member: sender, fault: 'malformed', evidence: [sealed] }]
    }
    // A direct message shown by somebody else is evidence; only a share can be.
    const foreign = recipient !== undefined && recipient !== this.#config.self
    if (foreign && message.payload.kind !== 'share') return []
    const joined = this.#joinLater(message.attempt, sender)
    if (message.attempt !== this.#number || this.#attempt === undefined) return joined
    const effects = this.#attempt.receive(sender, recipient, message, sealed)
    return [...joined, ...this.#outward(effects)]
  }

  #joinLater(attempt: number, sender: number): Step[] {
    const ahead = attempt - this.#number
    if (ahead <= 0 || ahead > MAX_ATTEMPT_JUMP) return []
    if (attempt > (this.#latest?.attempt ?? 0)) this.#latest = { attempt, member: sender }
    if (this.#begunThisTick || this.#joinPauseTicks > 0) return []
    // After a failure everybody begins again.
    if (this.#pauseTicks === undefined) this.#countRestart(this.#latest?.member ?? sender)
    return this.#begin(attempt)
  }

  #countRestart(member: number): void {
    this.#restarts.set(member, (this.#restarts.get(member) ?? 0) + 1)
    const count = countRestarts(this.#restarts)
    this.#joinPauseTicks = Math.min(Math.max(0, count - JOINS_AT_ONCE), MAX_JOIN_PAUSE_TICKS)
  }

  #outward(effects: readonly AttemptEffect[]): Step[] {
    return effects.flatMap((effect): Step[] => {
      switch (effect.kind) {
        case 'failed':
          this.#failures++
          this.#pauseTicks ??= Math.min(this.#failures, MAX_PAUSE_TICKS)
          return []
        case 'persist-share': {
          const { share } = effect
          const record = { kind: 'share', attempt: share.attempt, share } as const
          return [{ kind: 'persist', record }]
        }
        case 'compute':
        case 'send':
        case 'broadcast':
        case 'blame':
        case 'announce':
          return [effect]
        default:
          return unreachable(effect)
      }
    })
  }
}

export function countRestarts(restarts: DkgStatus['restarts']): number {
  return [...restarts.values()].reduce((sum, count) => sum + count, 0)
}

function decodeBody(body: Uint8Array): DkgMessage | undefined {
  try {
    return decodeDkgMessage(body)
  } catch (cause) {
    if (cause instanceof DecodeError) return undefined
    throw cause
  }
}
