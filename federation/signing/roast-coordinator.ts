/**
 * The coordinator's side of ROAST. It is trusted with nothing: it can waste time and no more. A session
 * starts as soon as a quorum of members has fresh nonces here; sessions never time out. Every share is
 * verified on receipt and before its sender is ready again, so a member that sends a bad one is named
 * and left out, and a silent one blocks one session only: with at most n - quorum faulty members, one
 * of n - quorum + 1 sessions consists of honest members alone.
 *
 * Contexts and shares of a session are on the workbench; here is who was asked and who has answered. When
 * the workbench forgets, the session is dropped, and its members come back with other nonces.
 *
 * A member whose nonces are gone (restart, lost message) is not at fault. It becomes ready again with
 * new nonces, after a pause that grows with each time, so that it cannot start sessions without end.
 */

import { bytesToHex, equalBytes } from '../../src/primitives/bytes.ts'
import type { Asking, ComputeEffect } from './computations.ts'
import { type Authorisation, coordinatorOrder, sessionHash, taskKey } from './roast-session.ts'
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
import { keyName, type WorkResult } from './work-jobs.ts'

/** Tasks that a coordinator keeps: more than there can be. */
const MAX_TASKS = 64
/** Open sessions of a task; ROAST needs n - quorum + 1, lost messages cost more. */
const MAX_OPEN_SESSIONS = 128
/** Times a member may lose its nonces before it has to pause. */
const FREE_RESTARTS = 3
const MAX_PAUSE_TICKS = 64
/** Handles remembered per member, so that a late duplicate of a HELLO opens no session. */
const MAX_USED_HANDLES = 16
/** Commitments remembered per member, to see one that comes again. */
const MAX_USED_COMMITMENTS = 2_000

export type SignerFault = 'bad-nonce' | 'repeated-nonce' | 'bad-share'

export type CoordinatorEffect =
  | ComputeEffect
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

/** Nonces of a member, and the sealed message that brought them. */
interface Ready {
  readonly offer: NonceOffer
  readonly sealed: Uint8Array
}

interface Session {
  readonly start: StartMessage
  readonly hash: Uint8Array
  /** Members whose share has come, good or not known yet. */
  readonly answered: Set<number>
  /** Asked, not answered, and not known to have lost its nonces. */
  readonly waiting: Set<number>
  /** False until the workbench has it; nobody is asked before. */
  isOpen: boolean
  sentAtMs: number
}

interface Task {
  readonly task: SigningTask
  readonly authorisation: Authorisation
  /** Members with fresh nonces, first come first. */
  readonly ready: Map<number, Ready>
  /** Members that pause, and until which tick. */
  readonly pausing: Map<number, Ready & { readonly untilTick: number }>
  readonly restarts: Map<number, number>
  readonly usedHandles: Map<number, bigint[]>
  /** By member: the handle under which each came. */
  readonly usedCommitments: Map<number, Map<string, bigint>>
  readonly malicious: Set<number>
  readonly sessions: Map<bigint, Session>
}

export class RoastCoordinator {
  readonly #config: RoastConfig
  readonly #deps: RoastDeps
  readonly #work: Asking<CoordinatorEffect>
  readonly #tasks = new Map<string, Task>()
  #nowMs = 0
  #tick = 0

  constructor(config: RoastConfig, deps: RoastDeps, work: Asking<CoordinatorEffect>) {
    this.#config = config
    this.#deps = deps
    this.#work = work
  }

  end(task: SigningTask): CoordinatorEffect[] {
    const state = this.#tasks.get(taskKey(task))
    this.#tasks.delete(taskKey(task))
    return [...(state?.sessions.values() ?? [])].map((session) => this.#close(session))
  }

  #close({ hash }: Session): CoordinatorEffect {
    return this.#work.tell({ kind: 'close-session', session: bytesToHex(hash) })
  }

  /** Sends unanswered STARTs again and lets members that paused come back. */
  tick(nowMs: number): CoordinatorEffect[] {
    this.#nowMs = nowMs
    this.#tick++
    const effects: CoordinatorEffect[] = []
    for (const state of this.#tasks.values()) {
      for (const [member, { untilTick, offer, sealed }] of state.pausing) {
        if (untilTick > this.#tick) continue
        state.pausing.delete(member)
        state.ready.set(member, { offer, sealed })
      }
      for (const session of state.sessions.values()) {
        if (!session.isOpen || nowMs - session.sentAtMs < this.#config.timing.resendMs) continue
        effects.push(...this.#ask(session))
      }
      effects.push(...this.#startSessions(state))
    }
    return effects
  }

  #ask(session: Session): CoordinatorEffect[] {
    session.sentAtMs = this.#nowMs
    return [...session.waiting].map((to) => ({ kind: 'send', to, message: session.start }))
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
    const { next, shares } = message
    const session = state.sessions.get(message.session)
    const asked = session?.start.participants.some(({ member }) => member === from) ?? false
    // A session that we no longer know (we restarted), or other inputs than ours: nobody's fault.
    if (session?.isOpen !== true || !asked || !equalBytes(message.sessionHash, session.hash)) {
      return this.#offered(state, from, next, sealed)
    }
    if (session.answered.has(from)) return []
    session.answered.add(from)
    session.waiting.delete(from)
    const name = bytesToHex(session.hash)
    const job = { kind: 'check-shares', session: name, member: from, shares } as const
    return [
      this.#work.ask(job, (result) =>
        this.#checked(state, session, from, { next, sealed }, result),
      ),
    ]
  }

  /** The workbench's word on a member's shares. */
  #checked(
    state: Task,
    session: Session,
    from: number,
    { next, sealed }: { readonly next: NonceOffer | undefined; readonly sealed: Uint8Array },
    result: WorkResult,
  ): CoordinatorEffect[] {
    if (!this.#isCurrent(state) || state.malicious.has(from)) return []
    if (result.kind === 'signatures') {
      const { signatures } = result
      return [...this.end(state.task), { kind: 'signed', task: state.task, signatures }]
    }
    if (result.kind === 'checked' && !result.isGood) {
      const evidence = [encodeSigningMessage(session.start), sealed]
      return this.#convict(state, from, 'bad-share', evidence)
    }
    // Forgotten by the workbench: nobody can finish it.
    if (result.kind !== 'checked') state.sessions.delete(session.start.session)
    return this.#offered(state, from, next, sealed)
  }

  #isCurrent(state: Task): boolean {
    return this.#tasks.get(taskKey(state.task)) === state
  }

  /** The task's state, made on first sight when it is ours to coordinate and our state knows it. */
  #findTask(task: SigningTask): Task | undefined {
    const known = this.#tasks.get(taskKey(task))
    if (known !== undefined) return known
    const { context, quorum, self } = this.#config
    const rank = coordinatorOrder(task, context.members).indexOf(self)
    if (rank > context.members.length - quorum) return undefined
    const authorisation = this.#deps.authorise(task)
    if (authorisation === undefined) return undefined
    if (this.#tasks.size >= MAX_TASKS) return undefined
    const state: Task = {
      task: { batchId: task.batchId, version: task.version },
      authorisation,
      ready: new Map(),
      pausing: new Map(),
      restarts: new Map(),
      usedHandles: new Map(),
      usedCommitments: new Map(),
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
    offer: NonceOffer | undefined,
    sealed: Uint8Array,
  ): CoordinatorEffect[] {
    if (offer === undefined || state.malicious.has(member)) return []
    if (isKnownHandle(state, member, offer.handle)) return []
    // Whether they are points the workbench says when they are used.
    if (offer.nonces.length !== state.authorisation.inputs.length) {
      return this.#convict(state, member, 'bad-nonce', [sealed])
    }
    if (isRepeated(state, member, offer)) {
      return this.#convict(state, member, 'repeated-nonce', [sealed])
    }

    // Whoever offers new nonces while we wait for its share has lost the old ones.
    let lost = false
    for (const session of state.sessions.values()) lost = session.waiting.delete(member) || lost
    const restarts = (state.restarts.get(member) ?? 0) + (lost ? 1 : 0)
    state.restarts.set(member, restarts)
    if (lost && restarts > FREE_RESTARTS) {
      const pause = Math.min(2 ** (restarts - FREE_RESTARTS), MAX_PAUSE_TICKS)
      state.pausing.set(member, { untilTick: this.#tick + pause, offer, sealed })
      return []
    }
    const pausing = state.pausing.get(member)
    if (pausing !== undefined) state.pausing.set(member, { ...pausing, offer, sealed })
    else state.ready.set(member, { offer, sealed })
    return this.#startSessions(state)
  }

  #startSessions(state: Task): CoordinatorEffect[] {
    const effects: CoordinatorEffect[] = []
    while (state.ready.size >= this.#config.quorum) {
      const chosen = [...state.ready].slice(0, this.#config.quorum)
      for (const [member, { offer }] of chosen) {
        state.ready.delete(member)
        noteUsed(state, member, offer)
      }
      effects.push(...this.#openSession(state, new Map(chosen)))
    }
    return effects
  }

  #openSession(state: Task, chosen: ReadonlyMap<number, Ready>): CoordinatorEffect[] {
    const effects: CoordinatorEffect[] = []
    const session = this.#createSession(state, chosen)
    const oldest = state.sessions.values().next()
    if (state.sessions.size >= MAX_OPEN_SESSIONS && oldest.done !== true) {
      state.sessions.delete(oldest.value.start.session)
      effects.push(this.#close(oldest.value))
    }
    state.sessions.set(session.start.session, session)
    const { inputs } = state.authorisation
    const { participants } = session.start
    const name = bytesToHex(session.hash)
    const key = keyName(this.#config.share)
    const job = { kind: 'open-session', key, session: name, inputs, participants } as const
    effects.push(this.#work.ask(job, (result) => this.#opened(state, session, chosen, result)))
    return effects
  }

  #createSession(state: Task, chosen: ReadonlyMap<number, Ready>): Session {
    const start: StartMessage = {
      kind: 'start',
      ...state.task,
      session: new DataView(this.#deps.random(8).slice().buffer).getBigUint64(0),
      participants: [...chosen]
        .map(([member, { offer }]) => ({ member, offer }))
        .toSorted((a, b) => a.member - b.member),
    }
    const { context, self } = this.#config
    return {
      start,
      hash: sessionHash(context, self, start, state.authorisation),
      answered: new Set(),
      waiting: new Set(chosen.keys()),
      isOpen: false,
      sentAtMs: this.#nowMs,
    }
  }

  #opened(
    state: Task,
    session: Session,
    chosen: ReadonlyMap<number, Ready>,
    result: WorkResult,
  ): CoordinatorEffect[] {
    const name = session.start.session
    if (!this.#isCurrent(state) || state.sessions.get(name) !== session) return []
    if (result.kind === 'opened' && result.culprits.length === 0) {
      session.isOpen = true
      return this.#ask(session)
    }
    state.sessions.delete(name)
    const culprits = result.kind === 'opened' ? result.culprits : []
    const effects = culprits.flatMap((member) =>
      this.#convict(state, member, 'bad-nonce', [chosen.get(member)?.sealed ?? new Uint8Array()]),
    )
    // Nobody has seen the START, so the others' nonces are as good as before; unless there are newer.
    for (const [member, ready] of chosen) {
      const isFree = !state.ready.has(member) && !state.pausing.has(member)
      const isAsked = session.waiting.has(member)
      if (isFree && isAsked && !state.malicious.has(member)) state.ready.set(member, ready)
    }
    // Without culprits the workbench is at fault: not again before the next tick.
    return culprits.length > 0 ? [...effects, ...this.#startSessions(state)] : effects
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
    state.ready.get(member)?.offer.handle === handle ||
    state.pausing.get(member)?.offer.handle === handle ||
    (state.usedHandles.get(member)?.includes(handle) ?? false)
  )
}

/**
 * An honest member's commitments never come under a second handle: whoever signs under one twice gives its
 * share away. Under the same handle they are an old message that somebody has repeated.
 */
function isRepeated(state: Task, member: number, { handle, nonces }: NonceOffer): boolean {
  const names = nonces.map(({ hiding }) => bytesToHex(hiding))
  const used = state.usedCommitments.get(member)
  const isElsewhere = (name: string): boolean => (used?.get(name) ?? handle) !== handle
  return new Set(names).size < names.length || names.some(isElsewhere)
}

function noteUsed(state: Task, member: number, { handle, nonces }: NonceOffer): void {
  const handles = [...(state.usedHandles.get(member) ?? []), handle]
  state.usedHandles.set(member, handles.slice(-MAX_USED_HANDLES))
  const used = state.usedCommitments.get(member) ?? new Map<string, bigint>()
  if (used.size + nonces.length > MAX_USED_COMMITMENTS) used.clear()
  for (const { hiding } of nonces) used.set(bytesToHex(hiding), handle)
  state.usedCommitments.set(member, used)
}
