/**
 * The coordinator's side of ROAST. It is trusted with nothing: it can waste time and no more. A session
 * starts as soon as a quorum of members has fresh nonces here; sessions never time out. Every share is
 * verified on receipt and before its sender is ready again, so a member that sends a bad one is named
 * and left out, and a silent one blocks one session only: with at most n - quorum faulty members, one
 * of n - quorum + 1 sessions consists of honest members alone.
 *
 * A member whose nonces are gone (restart, lost message) is not at fault. It becomes ready again with
 * new nonces, after a pause that grows with each time, so that it cannot start sessions without end.
 */

import { assert, present } from '../../src/primitives/assert.ts'
import { bytesToHex, equalBytes } from '../../src/primitives/bytes.ts'
import {
  aggregate,
  createSigningContext,
  type SigningContext,
  type SigningKey,
  tweakGroupKey,
  verifyNonceCommitment,
  verifyShare,
} from './frost.ts'
import {
  type Authorisation,
  coordinatorOrder,
  participantsOf,
  sessionHash,
  taskKey,
} from './roast-session.ts'
import type { RoastConfig, RoastDeps } from './roast-signer.ts'
import {
  encodeSigningMessage,
  type GoneMessage,
  type HelloMessage,
  type NonceOffer,
  type ShareMessage,
  type SigningMessage,
  type SigningTask,
  type StartMessage,
} from './signing-messages.ts'

/** Tasks that a coordinator keeps; the oldest is dropped for a new one. */
const MAX_TASKS = 16
/** Open sessions of a task; ROAST needs n - quorum + 1, lost messages cost more. */
const MAX_OPEN_SESSIONS = 128
/** Times a member may lose its nonces before it has to pause. */
const FREE_RESTARTS = 3
const MAX_PAUSE_TICKS = 64
/** Handles remembered per member, so that a late duplicate of a HELLO opens no session. */
const MAX_USED_HANDLES = 16

export type SignerFault = 'bad-nonce' | 'bad-share'

export type CoordinatorEffect =
  | { readonly kind: 'send'; readonly to: number; readonly message: SigningMessage }
  | {
      readonly kind: 'signed'
      readonly task: SigningTask
      readonly signatures: readonly Uint8Array[]
    }
  | {
      readonly kind: 'blame'
      readonly member: number
      readonly fault: SignerFault
      readonly task: SigningTask
      /** The START's encoding where there is one, then the sealed message at fault. */
      readonly evidence: readonly Uint8Array[]
    }
  | {
      /** Too few members are left that have not been caught: nobody can sign this. */
      readonly kind: 'stalled'
      readonly task: SigningTask
      readonly malicious: readonly number[]
    }

interface Session {
  readonly start: StartMessage
  readonly hash: Uint8Array
  readonly contexts: readonly SigningContext[]
  readonly shares: Map<number, readonly Uint8Array[]>
  /** Asked, not answered, and not known to have lost its nonces. */
  readonly waiting: Set<number>
  sentAtMs: number
}

interface Task {
  readonly task: SigningTask
  readonly authorisation: Authorisation
  readonly keys: readonly SigningKey[]
  /** Members with fresh nonces, first come first. */
  readonly ready: Map<number, NonceOffer>
  /** Members that pause, and until which tick. */
  readonly pausing: Map<number, { readonly untilTick: number; readonly offer: NonceOffer }>
  readonly restarts: Map<number, number>
  readonly usedHandles: Map<number, bigint[]>
  readonly malicious: Set<number>
  readonly sessions: Map<bigint, Session>
}

export class RoastCoordinator {
  readonly #config: RoastConfig
  readonly #deps: RoastDeps
  readonly #tasks = new Map<string, Task>()
  #nowMs = 0
  #tick = 0

  constructor(config: RoastConfig, deps: RoastDeps) {
    this.#config = config
    this.#deps = deps
  }

  end(task: SigningTask): void {
    this.#tasks.delete(taskKey(task))
  }

  /** Sends unanswered STARTs again and lets members that paused come back. */
  tick(nowMs: number): CoordinatorEffect[] {
    this.#nowMs = nowMs
    this.#tick++
    const effects: CoordinatorEffect[] = []
    for (const state of this.#tasks.values()) {
      for (const [member, { untilTick, offer }] of state.pausing) {
        if (untilTick > this.#tick) continue
        state.pausing.delete(member)
        state.ready.set(member, offer)
      }
      for (const session of state.sessions.values()) {
        if (nowMs - session.sentAtMs < this.#config.timing.resendMs) continue
        session.sentAtMs = nowMs
        for (const to of session.waiting) effects.push({ kind: 'send', to, message: session.start })
      }
      effects.push(...this.#startSessions(state))
    }
    return effects
  }

  hello(from: number, message: HelloMessage, sealed: Uint8Array): CoordinatorEffect[] {
    const state = this.#findTask(message)
    if (state === undefined) return []
    return this.#offered(state, from, message.offer, sealed)
  }

  gone(from: number, message: GoneMessage, sealed: Uint8Array): CoordinatorEffect[] {
    const state = this.#findTask(message)
    if (state === undefined) return []
    return this.#offered(state, from, message.next, sealed)
  }

  share(from: number, message: ShareMessage, sealed: Uint8Array): CoordinatorEffect[] {
    const state = this.#findTask(message)
    if (state === undefined || state.malicious.has(from)) return []
    const session = state.sessions.get(message.session)
    const asked = session?.start.participants.some(({ member }) => member === from) ?? false
    // A session that we no longer know (we restarted), or other inputs than ours: nobody's fault.
    if (session === undefined || !asked || !equalBytes(message.sessionHash, session.hash)) {
      return this.#offered(state, from, message.next, sealed)
    }
    if (session.shares.has(from)) return []
    const { shares } = message
    const good =
      shares.length === session.contexts.length &&
      session.contexts.every((context, i) =>
        verifyShare(context, from, shares[i] ?? new Uint8Array()),
      )
    if (!good) {
      const evidence = [encodeSigningMessage(session.start), sealed]
      return this.#convict(state, from, 'bad-share', evidence)
    }
    session.shares.set(from, shares)
    session.waiting.delete(from)
    if (session.shares.size === session.start.participants.length) return this.#finish(session)
    return this.#offered(state, from, message.next, sealed)
  }

  /** The task's state, made on first sight when it is ours to coordinate and our state knows it. */
  #findTask(task: SigningTask): Task | undefined {
    const known = this.#tasks.get(taskKey(task))
    if (known !== undefined) return known
    const { context, quorum, self, share } = this.#config
    const rank = coordinatorOrder(task, context.members).indexOf(self)
    if (rank > context.members.length - quorum) return undefined
    const authorisation = this.#deps.authorise(task)
    if (authorisation === undefined) return undefined
    const oldest = this.#tasks.keys().next()
    if (this.#tasks.size >= MAX_TASKS && oldest.done !== true) this.#tasks.delete(oldest.value)
    const state: Task = {
      task: { batchId: task.batchId, version: task.version },
      authorisation,
      keys: signingKeys(authorisation, share.group),
      ready: new Map(),
      pausing: new Map(),
      restarts: new Map(),
      usedHandles: new Map(),
      malicious: new Set(),
      sessions: new Map(),
    }
    this.#tasks.set(taskKey(task), state)
    return state
  }

  /** New nonces of a member, whichever message brought them. */
  #offered(
    state: Task,
    member: number,
    offer: NonceOffer,
    sealed: Uint8Array,
  ): CoordinatorEffect[] {
    if (state.malicious.has(member) || isKnownHandle(state, member, offer.handle)) return []
    const usable =
      offer.nonces.length === state.authorisation.inputs.length &&
      offer.nonces.every(verifyNonceCommitment)
    if (!usable) return this.#convict(state, member, 'bad-nonce', [sealed])

    // Whoever offers new nonces while we wait for its share has lost the old ones.
    let lost = false
    for (const session of state.sessions.values()) lost = session.waiting.delete(member) || lost
    const restarts = (state.restarts.get(member) ?? 0) + (lost ? 1 : 0)
    state.restarts.set(member, restarts)
    if (lost && restarts > FREE_RESTARTS) {
      const pause = Math.min(2 ** (restarts - FREE_RESTARTS), MAX_PAUSE_TICKS)
      state.pausing.set(member, { untilTick: this.#tick + pause, offer })
      return []
    }
    const pausing = state.pausing.get(member)
    if (pausing !== undefined) state.pausing.set(member, { ...pausing, offer })
    else state.ready.set(member, offer)
    return this.#startSessions(state)
  }

  #startSessions(state: Task): CoordinatorEffect[] {
    const effects: CoordinatorEffect[] = []
    while (state.ready.size >= this.#config.quorum) {
      const chosen = [...state.ready].slice(0, this.#config.quorum)
      for (const [member, { handle }] of chosen) {
        state.ready.delete(member)
        const used = [...(state.usedHandles.get(member) ?? []), handle]
        state.usedHandles.set(member, used.slice(-MAX_USED_HANDLES))
      }
      const session = this.#createSession(state, chosen)
      const oldest = state.sessions.keys().next()
      if (state.sessions.size >= MAX_OPEN_SESSIONS && oldest.done !== true) {
        state.sessions.delete(oldest.value)
      }
      state.sessions.set(session.start.session, session)
      for (const to of session.waiting) effects.push({ kind: 'send', to, message: session.start })
    }
    return effects
  }

  #createSession(state: Task, chosen: readonly (readonly [number, NonceOffer])[]): Session {
    const start: StartMessage = {
      kind: 'start',
      ...state.task,
      session: new DataView(this.#deps.random(8).slice().buffer).getBigUint64(0),
      participants: chosen
        .map(([member, offer]) => ({ member, offer }))
        .toSorted((a, b) => a.member - b.member),
    }
    const contexts = state.authorisation.inputs.map(({ sighash }, i) => {
      const key = present(state.keys[i], 'signing key')
      const participants = present(participantsOf(start, i), 'participants')
      return present(createSigningContext(key, sighash, participants), 'signing context')
    })
    const { context, self } = this.#config
    return {
      start,
      hash: sessionHash(context, self, start, state.authorisation),
      contexts,
      shares: new Map(),
      waiting: new Set(chosen.map(([member]) => member)),
      sentAtMs: this.#nowMs,
    }
  }

  #finish(session: Session): CoordinatorEffect[] {
    const signatures = session.contexts.map((context, i) => {
      const shares = new Map(
        [...session.shares].map(([member, all]) => [member, all[i] ?? new Uint8Array()] as const),
      )
      const result = aggregate(context, shares)
      assert(result.ok, 'verified shares make a signature')
      return result.value
    })
    const { batchId, version } = session.start
    this.#tasks.delete(taskKey(session.start))
    return [{ kind: 'signed', task: { batchId, version }, signatures }]
  }

  #convict(
    state: Task,
    member: number,
    fault: SignerFault,
    evidence: readonly Uint8Array[],
  ): CoordinatorEffect[] {
    state.malicious.add(member)
    state.ready.delete(member)
    state.pausing.delete(member)
    const { task } = state
    const effects: CoordinatorEffect[] = [{ kind: 'blame', member, fault, task, evidence }]
    const left = this.#config.context.members.length - state.malicious.size
    if (left < this.#config.quorum) {
      effects.push({ kind: 'stalled', task, malicious: [...state.malicious] })
    }
    return effects
  }
}

function isKnownHandle(state: Task, member: number, handle: bigint): boolean {
  return (
    state.ready.get(member)?.handle === handle ||
    state.pausing.get(member)?.offer.handle === handle ||
    (state.usedHandles.get(member)?.includes(handle) ?? false)
  )
}

/** One key per distinct tweak: inputs paid to one address share it. */
function signingKeys(
  authorisation: Authorisation,
  group: Parameters<typeof tweakGroupKey>[0],
): SigningKey[] {
  const known = new Map<string, SigningKey>()
  return authorisation.inputs.map(({ tweak }) => {
    const name = bytesToHex(tweak.point)
    const key = known.get(name) ?? tweakGroupKey(group, tweak)
    known.set(name, key)
    return key
  })
}
