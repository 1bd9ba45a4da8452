/**
 * The signer's side of ROAST. Its rules, by their numbers in the code:
 *
 *  S1 sign only what this member's own state authorises; no message and no tweak comes from the wire
 *  S2 one open handle per task and coordinator; few coordinators, a time to live
 *  S3 a START must name the handle, repeat our nonces, and list enough distinct members of the epoch
 *  S4 give the handle up first, ask the state again, journal durably, only then compute; ask the state
 *     once more before the share leaves
 *  S5 a handle that is gone is never answered with a share again, only with GONE and new nonces
 *  S6 a share carries the next nonces
 *  S7 no session is answered twice: it would name a handle that S4 has given up
 *  S8 a coordinator that has had more shares than honest ones need waits longer and longer for the next
 *
 * The nonces themselves are on the workbench, which deletes them before it computes the share; here are
 * their commitments and handles. A restart of either forgets them, which costs a session and nothing
 * else. The rank of a coordinator is a delay: rank r is offered nonces `rankDelayMs`·r after the task
 * began, and at most n - quorum + 1 coordinators ever, one more than can be faulty.
 */

import { assert } from '../../src/primitives/assert.ts'
import { equalBytes } from '../../src/primitives/bytes.ts'
import type { Asking, ComputeEffect } from './computations.ts'
import type { FederationContext } from './envelope.ts'
import type { KeyShare } from './frost.ts'
import {
  type Authorisation,
  type Authorise,
  coordinatorOrder,
  equalAuthorisations,
  sessionHash,
  taskKey,
} from './roast-session.ts'
import {
  MAX_SESSION_INPUTS,
  type NonceOffer,
  type SigningMessage,
  type SigningTask,
  type StartMessage,
} from './signing-messages.ts'
import { keyName, type NonceOrder, type WorkResult } from './work-jobs.ts'

/**
 * Tasks that hold nonces at one time. More than batches can be open: one that others refuse to sign must
 * not keep the rest waiting.
 */
const MAX_OPEN_TASKS = 64
/** Shares for one task and coordinator beyond what ROAST needs: what a lossy network costs. */
const FREE_SHARES = 8
const MAX_PAUSE_MS = 60_000

export interface RoastTiming {
  readonly rankDelayMs: number
  /** Unanswered HELLO and START messages are sent again this often. */
  readonly resendMs: number
  readonly nonceTtlMs: number
}

export const DEFAULT_ROAST_TIMING: RoastTiming = {
  rankDelayMs: 15_000,
  resendMs: 3_000,
  nonceTtlMs: 120_000,
}

export interface RoastConfig {
  readonly context: FederationContext
  readonly self: number
  readonly share: KeyShare
  /** Signers of a session: the key's threshold, or more (all, to test a new key). */
  readonly quorum: number
  readonly timing: RoastTiming
}

export interface RoastDeps {
  readonly random: (length: number) => Uint8Array
  readonly authorise: Authorise
}

/** What must be durable before a share leaves. */
export interface SigningRecord extends SigningTask {
  readonly coordinator: number
  readonly session: bigint
  readonly sessionHash: Uint8Array
}

/** What a coordinator did with our nonces. */
export type CoordinatorFault = 'bad-start'

export type SignerEffect =
  | ComputeEffect
  | { readonly kind: 'send'; readonly to: number; readonly message: SigningMessage }
  | { readonly kind: 'journal'; readonly token: number; readonly record: SigningRecord }
  | {
      readonly kind: 'blame'
      readonly member: number
      readonly fault: CoordinatorFault
      readonly task: SigningTask
      readonly evidence: readonly Uint8Array[]
    }

interface OpenOffer {
  readonly handle: bigint
  /** Undefined while the nonces are being made. */
  offer: NonceOffer | undefined
  readonly madeAtMs: number
  sentAtMs: number
}

interface Task {
  readonly task: SigningTask
  readonly sinceMs: number
  /** In order of rank. */
  readonly coordinators: readonly number[]
  /** By coordinator. */
  readonly open: Map<number, OpenOffer>
  /** Coordinators whose START is being answered. */
  readonly busy: Set<number>
  readonly served: Map<number, { readonly shares: number; readonly notBeforeMs: number }>
}

interface PendingShare {
  readonly state: Task
  readonly coordinator: number
  readonly start: StartMessage
  readonly sealed: Uint8Array
  readonly authorisation: Authorisation
  readonly handle: bigint
  readonly hash: Uint8Array
}

export class RoastSigner {
  readonly #config: RoastConfig
  readonly #deps: RoastDeps
  readonly #work: Asking<SignerEffect>
  readonly #key: string
  readonly #tasks = new Map<string, Task>()
  /** Shares that wait for their journal record, by token. */
  readonly #pending = new Map<number, PendingShare>()
  #token = 0
  #nowMs = 0

  constructor(config: RoastConfig, deps: RoastDeps, work: Asking<SignerEffect>) {
    this.#config = config
    this.#deps = deps
    this.#work = work
    this.#key = keyName(config.share)
  }

  /** Begins to offer nonces for a task; a task already known changes nothing. */
  begin(task: SigningTask, nowMs: number): SignerEffect[] {
    this.#nowMs = nowMs
    if (this.#tasks.has(taskKey(task))) return []
    const { context, quorum } = this.#config
    const order = coordinatorOrder(task, context.members)
    const coordinators = order.slice(0, context.members.length - quorum + 1)
    this.#tasks.set(taskKey(task), {
      task,
      sinceMs: nowMs,
      coordinators,
      open: new Map(),
      busy: new Set(),
      served: new Map(),
    })
    return this.tick(nowMs)
  }

  /** Forgets a task that is signed or no longer wanted, with its nonces. */
  end(task: SigningTask): SignerEffect[] {
    const state = this.#tasks.get(taskKey(task))
    if (state === undefined) return []
    this.#tasks.delete(taskKey(task))
    const handles = [...state.open.values()].map(({ handle }) => handle)
    for (const [token, pending] of this.#pending) {
      if (pending.state !== state) continue
      this.#pending.delete(token)
      handles.push(pending.handle)
    }
    return handles.map((handle) => this.#forget(handle))
  }

  tick(nowMs: number): SignerEffect[] {
    this.#nowMs = nowMs
    return [...this.#tasks.values()]
      .slice(0, MAX_OPEN_TASKS)
      .flatMap((state) =>
        state.coordinators.flatMap((coordinator, rank) =>
          nowMs - state.sinceMs >= rank * this.#config.timing.rankDelayMs
            ? this.#offerTo(state, coordinator)
            : [],
        ),
      )
  }

  #offerTo(state: Task, coordinator: number): SignerEffect[] {
    const { resendMs, nonceTtlMs } = this.#config.timing
    if (state.busy.has(coordinator)) return []
    const before = state.open.get(coordinator)
    if (before === undefined) {
      return this.#makeOffer(state, coordinator, (offer) => this.#hello(state, coordinator, offer))
    }
    if (before.offer === undefined) return []
    if (this.#nowMs - before.madeAtMs >= nonceTtlMs) {
      state.open.delete(coordinator) // S2
      return [this.#forget(before.handle), ...this.#offerTo(state, coordinator)]
    }
    if (this.#nowMs - before.sentAtMs < resendMs) return []
    before.sentAtMs = this.#nowMs
    return this.#hello(state, coordinator, before.offer)
  }

  #hello(state: Task, coordinator: number, offer: NonceOffer): SignerEffect[] {
    return [{ kind: 'send', to: coordinator, message: { kind: 'hello', ...state.task, offer } }]
  }

  #forget(handle: bigint): SignerEffect {
    return this.#work.tell({ kind: 'forget-nonces', key: this.#key, handle })
  }

  /** New nonces for a coordinator that has none; nothing without authorisation, or when it must wait. */
  #makeOffer(
    state: Task,
    coordinator: number,
    then: (offer: NonceOffer) => SignerEffect[],
  ): SignerEffect[] {
    if (this.#nowMs < (state.served.get(coordinator)?.notBeforeMs ?? 0)) return [] // S8
    const authorisation = this.#deps.authorise(state.task) // S1
    if (authorisation === undefined) return []
    const order = this.#orderFor(authorisation)
    const open = this.#open(state, coordinator, order.handle)
    return [
      this.#work.ask({ kind: 'make-nonces', key: this.#key, order }, (result) => {
        if (!this.#isStillOpen(state, coordinator, open)) return [this.#forget(order.handle)]
        if (result.kind !== 'nonces') {
          state.open.delete(coordinator)
          return []
        }
        open.offer = { handle: order.handle, nonces: result.nonces }
        return then(open.offer)
      }),
    ]
  }

  #orderFor({ inputs }: Authorisation): NonceOrder {
    const { length: count } = inputs
    assert(count >= 1 && count <= MAX_SESSION_INPUTS, 'a session signs 1 to 100 inputs')
    const handle = new DataView(this.#deps.random(8).slice().buffer).getBigUint64(0)
    return { handle, count }
  }

  #open(state: Task, coordinator: number, handle: bigint): OpenOffer {
    const now = this.#nowMs
    const open: OpenOffer = { handle, offer: undefined, madeAtMs: now, sentAtMs: now }
    state.open.set(coordinator, open)
    return open
  }

  #isStillOpen(state: Task, coordinator: number, open: OpenOffer): boolean {
    return this.#isCurrent(state) && state.open.get(coordinator) === open
  }

  #isCurrent(state: Task): boolean {
    return this.#tasks.get(taskKey(state.task)) === state
  }

  /** A START that `coordinator` sealed. */
  start(coordinator: number, start: StartMessage, sealed: Uint8Array): SignerEffect[] {
    const state = this.#tasks.get(taskKey(start))
    if (state === undefined || !state.coordinators.includes(coordinator)) return []
    const named = start.participants.find(({ member }) => member === this.#config.self)
    // Not for us: somebody passes on what was said to others.
    if (named === undefined || state.busy.has(coordinator)) return []
    const open = state.open.get(coordinator)
    if (open?.offer === undefined || open.handle !== named.offer.handle) {
      return this.#gone(state, coordinator, start, named.offer.handle) // S5, S7
    }
    if (!this.#isWellFormed(start, open.offer, named.offer)) {
      return [this.#blame(coordinator, state.task, sealed)]
    }
    state.open.delete(coordinator) // S4
    const authorisation = this.#deps.authorise(state.task) // S1
    if (authorisation?.inputs.length !== open.offer.nonces.length) {
      return [this.#forget(open.handle)]
    }
    state.busy.add(coordinator)
    const hash = sessionHash(this.#config.context, coordinator, start, authorisation)
    const token = this.#token++
    const { handle } = open
    this.#pending.set(token, { state, coordinator, start, sealed, authorisation, handle, hash })
    const { session } = start
    const record = { ...state.task, coordinator, session, sessionHash: hash }
    return [{ kind: 'journal', token, record }]
  }

  #blame(member: number, task: SigningTask, sealed: Uint8Array): SignerEffect {
    return { kind: 'blame', member, fault: 'bad-start', task, evidence: [sealed] }
  }

  #gone(
    state: Task,
    coordinator: number,
    { session }: StartMessage,
    handle: bigint,
  ): SignerEffect[] {
    const send = (next: NonceOffer): SignerEffect[] => {
      const message = { kind: 'gone', ...state.task, session, handle, next } as const
      return [{ kind: 'send', to: coordinator, message }]
    }
    const open = state.open.get(coordinator)
    if (open === undefined) return this.#makeOffer(state, coordinator, send)
    // Being made: the HELLO that follows says as much.
    return open.offer === undefined ? [] : send(open.offer)
  }

  /** S3. The codec has seen to it that members ascend. */
  #isWellFormed(start: StartMessage, ours: NonceOffer, named: NonceOffer): boolean {
    const { context, quorum } = this.#config
    const { participants } = start
    if (participants.length < quorum) return false
    if (participants.some(({ member }) => member >= context.members.length)) return false
    const count = ours.nonces.length
    if (participants.some(({ offer }) => offer.nonces.length !== count)) return false
    return ours.nonces.every(({ hiding, binding }, i) => {
      const nonce = named.nonces[i]
      return (
        nonce !== undefined &&
        equalBytes(nonce.hiding, hiding) &&
        equalBytes(nonce.binding, binding)
      )
    })
  }

  /** The record of that token is durable: has the share computed and sends it. */
  journaled(token: number): SignerEffect[] {
    const pending = this.#pending.get(token)
    this.#pending.delete(token)
    if (pending === undefined) return []
    const { state, coordinator, start, handle } = pending
    // S4: the state may have moved since the START arrived.
    if (!this.#isStillWanted(pending)) {
      state.busy.delete(coordinator)
      return [this.#forget(handle)]
    }
    const { authorisation } = pending
    const { inputs } = authorisation
    const next = this.#nextOrder(state, coordinator, authorisation)
    const { participants } = start
    const job = { kind: 'sign', key: this.#key, handle, inputs, participants, next } as const
    return [this.#work.ask(job, (result) => this.#computed(pending, next, result))]
  }

  #isStillWanted({ state, authorisation }: PendingShare): boolean {
    const now = this.#deps.authorise(state.task)
    return now !== undefined && equalAuthorisations(now, authorisation)
  }

  /** S6, unless S8 forbids. */
  #nextOrder(
    state: Task,
    coordinator: number,
    authorisation: Authorisation,
  ): NonceOrder | undefined {
    const { context, quorum, timing } = this.#config
    const shares = (state.served.get(coordinator)?.shares ?? 0) + 1
    const excess = shares - (context.members.length - quorum + 1) - FREE_SHARES
    const pauseMs = excess < 0 ? 0 : Math.min(timing.resendMs * 2 ** excess, MAX_PAUSE_MS)
    state.served.set(coordinator, { shares, notBeforeMs: this.#nowMs + pauseMs })
    return pauseMs === 0 ? this.#orderFor(authorisation) : undefined
  }

  #computed(
    pending: PendingShare,
    order: NonceOrder | undefined,
    result: WorkResult,
  ): SignerEffect[] {
    const { state, coordinator, start, sealed, hash } = pending
    state.busy.delete(coordinator)
    if (result.kind === 'unusable') return [this.#blame(coordinator, state.task, sealed)]
    if (result.kind !== 'shares') return []
    // S4, once more: computing took its time.
    if (!this.#isCurrent(state) || !this.#isStillWanted(pending)) {
      return order === undefined ? [] : [this.#forget(order.handle)]
    }
    let next: NonceOffer | undefined
    if (order !== undefined && result.next !== undefined) {
      next = { handle: order.handle, nonces: result.next }
      this.#open(state, coordinator, order.handle).offer = next
    }
    const { session } = start
    const { shares } = result
    const message = {
      kind: 'share',
      ...state.task,
      session,
      sessionHash: hash,
      shares,
      next,
    } as const
    return [{ kind: 'send', to: coordinator, message }]
  }
}
