/**
 * The signer's side of ROAST. Its rules, by their numbers in the code:
 *
 *  S1 sign only what this member's own state authorises; no message and no tweak comes from the wire
 *  S2 one open handle per task and coordinator; few tasks, few coordinators, a time to live
 *  S3 a START must name the handle, repeat our nonces, and list enough distinct members of the epoch
 *  S4 take the nonces away first, ask the state again, journal durably, only then compute and send
 *  S5 a handle that is gone is never answered with a share again, only with GONE and new nonces
 *  S6 a share carries the next nonces
 *  S7 no session is answered twice: it would name a handle that S4 has taken away
 *
 * Nonces live in this object's memory only; a restart forgets them, which costs a session and nothing
 * else. The rank of a coordinator is a delay: rank r is offered nonces `rankDelayMs`·r after the task
 * began, and at most n - quorum + 1 coordinators ever, one more than can be faulty.
 */

import { assert } from '../../src/primitives/assert.ts'
import { equalBytes } from '../../src/primitives/bytes.ts'
import type { FederationContext } from './envelope.ts'
import { type KeyShare, SecretNonce, signShare } from './frost.ts'
import {
  type Authorisation,
  type Authorise,
  coordinatorOrder,
  equalAuthorisations,
  participantsOf,
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

/** Tasks that hold nonces at one time; later ones wait for earlier ones. */
const MAX_OPEN_TASKS = 4

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

export type SignerEffect =
  | { readonly kind: 'send'; readonly to: number; readonly message: SigningMessage }
  | { readonly kind: 'journal'; readonly token: number; readonly record: SigningRecord }
  | { readonly kind: 'bad-start'; readonly member: number; readonly task: SigningTask }

interface OpenOffer {
  readonly offer: NonceOffer
  readonly nonces: readonly SecretNonce[]
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
}

interface PendingShare {
  readonly state: Task
  readonly coordinator: number
  readonly start: StartMessage
  readonly authorisation: Authorisation
  readonly nonces: readonly SecretNonce[]
  readonly hash: Uint8Array
}

export class RoastSigner {
  readonly #config: RoastConfig
  readonly #deps: RoastDeps
  readonly #tasks = new Map<string, Task>()
  /** Shares that wait for their journal record, by token. */
  readonly #pending = new Map<number, PendingShare>()
  #token = 0
  #nowMs = 0

  constructor(config: RoastConfig, deps: RoastDeps) {
    this.#config = config
    this.#deps = deps
  }

  /** Begins to offer nonces for a task; a task already known changes nothing. */
  begin(task: SigningTask, nowMs: number): SignerEffect[] {
    this.#nowMs = nowMs
    if (this.#tasks.has(taskKey(task))) return []
    const { context, quorum } = this.#config
    const order = coordinatorOrder(task, context.members)
    const coordinators = order.slice(0, context.members.length - quorum + 1)
    this.#tasks.set(taskKey(task), { task, sinceMs: nowMs, coordinators, open: new Map() })
    return this.tick(nowMs)
  }

  /** Forgets a task that is signed or no longer wanted, with its nonces. */
  end(task: SigningTask): void {
    const state = this.#tasks.get(taskKey(task))
    if (state === undefined) return
    this.#tasks.delete(taskKey(task))
    for (const [token, pending] of this.#pending) {
      if (pending.state === state) this.#pending.delete(token)
    }
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
    for (const pending of this.#pending.values()) {
      if (pending.state === state && pending.coordinator === coordinator) return []
    }
    const before = state.open.get(coordinator)
    if (before !== undefined && this.#nowMs - before.madeAtMs >= nonceTtlMs) {
      state.open.delete(coordinator) // S2
    } else if (before !== undefined && this.#nowMs - before.sentAtMs < resendMs) {
      return []
    }
    const open = this.#openOffer(state, coordinator)
    if (open === undefined) return []
    open.sentAtMs = this.#nowMs
    const message: SigningMessage = { kind: 'hello', ...state.task, offer: open.offer }
    return [{ kind: 'send', to: coordinator, message }]
  }

  /** The open offer to a coordinator, made now if there is none; undefined without authorisation. */
  #openOffer(state: Task, coordinator: number): OpenOffer | undefined {
    const before = state.open.get(coordinator)
    if (before !== undefined) return before
    const authorisation = this.#deps.authorise(state.task) // S1
    if (authorisation === undefined) return undefined
    const count = authorisation.inputs.length
    assert(count >= 1 && count <= MAX_SESSION_INPUTS, 'a session signs 1 to 100 inputs')
    const nonces = Array.from(
      { length: count },
      () => new SecretNonce(this.#config.share, this.#deps.random),
    )
    const handle = new DataView(this.#deps.random(8).slice().buffer).getBigUint64(0)
    const offer = { handle, nonces: nonces.map(({ commitment }) => commitment) }
    const open = { offer, nonces, madeAtMs: this.#nowMs, sentAtMs: this.#nowMs }
    state.open.set(coordinator, open)
    return open
  }

  /** A START from `coordinator`, whose identity the envelope has proved. */
  start(coordinator: number, start: StartMessage): SignerEffect[] {
    const state = this.#tasks.get(taskKey(start))
    if (state === undefined || !state.coordinators.includes(coordinator)) return []
    const named = start.participants.find(({ member }) => member === this.#config.self)
    if (named === undefined) return [{ kind: 'bad-start', member: coordinator, task: state.task }]
    const open = state.open.get(coordinator)
    if (open === undefined || open.offer.handle !== named.offer.handle) {
      return this.#gone(state, coordinator, start, named.offer.handle) // S5, S7
    }
    if (!this.#isWellFormed(start, open.offer, named.offer)) {
      return [{ kind: 'bad-start', member: coordinator, task: state.task }]
    }
    state.open.delete(coordinator) // S4
    const authorisation = this.#deps.authorise(state.task) // S1
    if (authorisation?.inputs.length !== open.nonces.length) return []
    const hash = sessionHash(this.#config.context, coordinator, start, authorisation)
    const token = this.#token++
    const { nonces } = open
    this.#pending.set(token, { state, coordinator, start, authorisation, nonces, hash })
    const { session } = start
    const record = { ...state.task, coordinator, session, sessionHash: hash }
    return [{ kind: 'journal', token, record }]
  }

  #gone(
    state: Task,
    coordinator: number,
    { session }: StartMessage,
    handle: bigint,
  ): SignerEffect[] {
    const pending = [...this.#pending.values()]
    // The share is on its way to the journal: this START is a duplicate.
    if (pending.some((share) => share.state === state && share.coordinator === coordinator)) {
      return []
    }
    const next = this.#openOffer(state, coordinator)
    if (next === undefined) return []
    const message = { kind: 'gone', ...state.task, session, handle, next: next.offer } as const
    return [{ kind: 'send', to: coordinator, message }]
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

  /** The record of that token is durable: computes the share and sends it. */
  journaled(token: number): SignerEffect[] {
    const pending = this.#pending.get(token)
    this.#pending.delete(token)
    if (pending === undefined) return []
    const { state, coordinator, start, authorisation, hash } = pending
    // S4: the state may have moved since the START arrived.
    const now = this.#deps.authorise(state.task)
    if (now === undefined || !equalAuthorisations(now, authorisation)) return []
    const shares: Uint8Array[] = []
    for (const [i, { sighash, tweak }] of now.inputs.entries()) {
      const nonce = pending.nonces[i]
      const participants = participantsOf(start, i)
      assert(nonce !== undefined && participants !== undefined, 'a nonce for every input')
      const share = signShare(this.#config.share, tweak, nonce, sighash, participants)
      if (share === undefined) {
        return [{ kind: 'bad-start', member: coordinator, task: state.task }]
      }
      shares.push(share)
    }
    const next = this.#openOffer(state, coordinator) // S6
    if (next === undefined) return []
    const { session } = start
    const message: SigningMessage = {
      kind: 'share',
      ...state.task,
      session,
      sessionHash: hash,
      shares,
      next: next.offer,
    }
    return [{ kind: 'send', to: coordinator, message }]
  }
}
