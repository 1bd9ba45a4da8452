/** Members signing over a network that loses, repeats and reorders, in virtual time. */

import type { KeyShare } from '../../../federation/signing/frost.ts'
import type { Authorisation } from '../../../federation/signing/roast-session.ts'
import type { SigningTask } from '../../../federation/signing/signing-messages.ts'
import {
  createSigningSessions,
  type SigningEffect,
  type SigningEvent,
  type SigningSessions,
} from '../../../federation/signing/signing-sessions.ts'
import type { SigningWork } from '../../../federation/signing/work-jobs.ts'
import type { Offload } from '../../../federation/signing/work-place.ts'
import { DecodeError } from '../../../src/primitives/codec.ts'
import type { Frame, MemberAdversary } from '../../support/member-adversaries/member-adversary.ts'
import type { Faults, Tamper } from './dkg-network.ts'
import { CHAIN_ID, hostSigner, memberKeys, pick, seededRandom } from './test-federation.ts'

const TICK_MS = 1000
const TIMING = { rankDelayMs: 15_000, resendMs: 3000, nonceTtlMs: 120_000 }

export class SigningNetwork {
  readonly members: ReturnType<typeof memberKeys>
  readonly signed = new Map<number, (readonly Uint8Array[])[]>()
  readonly blames: { by: number; member: number; fault: string }[] = []
  readonly stalled: number[] = []
  readonly journal: { by: number; record: Uint8Array }[] = []
  /** Every frame ever sent. */
  readonly sent: { from: number; to: number; sealed: Uint8Array }[] = []
  /** Members that do as they like. */
  readonly adversaries = new Map<number, MemberAdversary>()
  /** Members whose arithmetic is done elsewhere. */
  readonly works = new Map<number, SigningWork>()
  failure: unknown
  /** Every frame that reached a member. */
  readonly heard: Frame[] = []
  tamper: Tamper = (_from, _to, sealed) => sealed
  /** What each member's own state says. */
  authorise: (member: number, task: SigningTask) => Authorisation | undefined = () => undefined
  timing = TIMING
  holdJournal = false
  readonly held: { member: number; token: number }[] = []
  nowMs = 0
  readonly #running = new Map<number, SigningSessions>()
  readonly #random: (length: number) => Uint8Array
  readonly #shares: readonly KeyShare[]
  readonly #seed: string
  readonly #faults: Faults
  readonly #pool: Frame[] = []
  #lives = 0

  constructor(shares: readonly KeyShare[], seed: string, faults: Faults) {
    this.members = memberKeys(shares.length)
    this.#shares = shares
    this.#seed = seed
    this.#random = seededRandom(`network ${seed}`)
    this.#faults = faults
  }

  start(member: number): void {
    const sessions = createSigningSessions(
      {
        chainId: CHAIN_ID,
        members: this.members,
        share: this.#shares[member]!,
        timing: this.timing,
      },
      {
        sign: hostSigner(member),
        random: seededRandom(`${this.#seed} member ${member} life ${this.#lives++}`),
        authorise: (task) => this.authorise(member, task),
        ...this.#offload(member),
      },
    )
    this.#running.set(member, sessions)
  }

  #offload(member: number): { offload?: Offload<SigningEffect> } {
    const work = this.works.get(member)
    if (work === undefined) return {}
    const later = (effects: SigningEffect[]): void => {
      for (const effect of effects) this.#act(member, effect)
    }
    const failed = (error: unknown): void => {
      this.failure = error
    }
    return { offload: { work, later, failed } }
  }

  crash(member: number): void {
    this.#running.delete(member)
  }

  step(member: number, event: SigningEvent): void {
    const sessions = this.#running.get(member)
    if (sessions === undefined) return
    for (const effect of sessions.step(event)) this.#act(member, effect)
  }

  begin(task: SigningTask, members: Iterable<number> = this.members.keys()): void {
    for (const member of members) this.step(member, { kind: 'task', task, nowMs: this.nowMs })
  }

  deliver(): void {
    while (this.#pool.length > 0) {
      const at = pick(this.#random, this.#pool.length)
      const [frame] = this.#pool.splice(at, 1)
      this.heard.push(frame!)
      this.#enter(this.#hear(frame!))
      this.step(frame!.to, { kind: 'received', sealed: frame!.sealed })
    }
  }

  tick(): void {
    this.nowMs += TICK_MS
    for (const member of this.#running.keys()) {
      this.step(member, { kind: 'tick', nowMs: this.nowMs })
    }
    for (const adversary of this.adversaries.values()) this.#enter(adversary.tick?.() ?? [])
  }

  /** Whatever an adversary cannot read is of no use to it. */
  #hear({ to, sealed }: Frame): readonly Frame[] {
    try {
      return this.adversaries.get(to)?.hear?.(sealed) ?? []
    } catch (error) {
      if (error instanceof DecodeError) return []
      throw error
    }
  }

  #enter(frames: readonly Frame[]): void {
    this.#pool.push(...frames)
  }

  /** Delivers and ticks until these members have signatures; the ticks it took. */
  run(members: readonly number[], maxTicks: number): number {
    for (let ticks = 0; ticks <= maxTicks; ticks++) {
      this.deliver()
      if (members.every((member) => this.signed.has(member))) return ticks
      this.tick()
    }
    return Number.POSITIVE_INFINITY
  }

  inject(to: number, sealed: Uint8Array): void {
    this.#pool.push({ to, sealed })
  }

  #act(member: number, effect: SigningEffect): void {
    switch (effect.kind) {
      case 'send':
        this.#post(member, effect.to, effect.sealed)
        return
      case 'broadcast':
        for (const to of this.members.keys()) {
          if (to !== member) this.#post(member, to, effect.sealed)
        }
        return
      case 'journal':
        this.journal.push({ by: member, record: effect.record })
        if (this.holdJournal) this.held.push({ member, token: effect.token })
        else this.step(member, { kind: 'journaled', token: effect.token })
        return
      case 'signed':
        this.signed.set(member, [...(this.signed.get(member) ?? []), effect.signatures])
        return
      case 'blame':
        this.blames.push({ by: member, member: effect.member, fault: effect.fault })
        return
      case 'stalled':
        this.stalled.push(member)
    }
  }

  #post(from: number, to: number, original: Uint8Array): void {
    const adversary = this.adversaries.get(from)
    if (adversary !== undefined) {
      this.#enter(adversary.send({ to, sealed: original }))
      return
    }
    const sealed = this.tamper(from, to, original)
    if (sealed === undefined) return
    this.sent.push({ from, to, sealed })
    if (pick(this.#random, 100) < this.#faults.loss) return
    this.#pool.push({ to, sealed })
    if (pick(this.#random, 100) < this.#faults.duplication) this.#pool.push({ to, sealed })
  }
}
