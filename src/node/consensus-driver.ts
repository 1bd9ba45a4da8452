/**
 * Runs the agreement core in the world: events in, effects out, in the order that output commit
 * demands (see `events-and-effects.ts` for what a driver owes). The core decides; this file only
 * moves messages, records, timers and blocks.
 *
 * Events are handled one after the other: what an effect gives rise to waits until the effects of
 * its own step are all performed. Hard validity is answered within the same turn, so a decided block
 * is part of the chain when `decided` returns. Whatever goes wrong inside halts the node: it signs
 * and sends nothing more.
 */

import type { Block } from '../chain/block.ts'
import { pendingMemberSet } from '../chain/member-sets.ts'
import { validatorSetAt } from '../chain/validators.ts'
import type { ConsensusBlock } from '../consensus/block.ts'
import { type Certificate, encodeCertificate } from '../consensus/certificate.ts'
import { type ConsensusTimings, LAN_TIMINGS } from '../consensus/config.ts'
import type { Effect, Event, TimerId, Verdict } from '../consensus/events-and-effects.ts'
import { type Evidence, inOrder } from '../consensus/evidence.ts'
import type { VoteContext } from '../consensus/votes.ts'
import { encodeWalRecord, type WalRecord } from '../consensus/wal-record.ts'
import { present } from '../primitives/assert.ts'
import type { CancelTimer } from '../runtime/runtime.ts'
import { reasonOf, StorageError } from '../storage/storage-error.ts'
import { ConsensusInbox, FORWARDED_HEIGHTS } from './consensus-inbox.ts'
import { ConsensusOutbox } from './consensus-outbox.ts'
import type { DriverHooks, DriverParts } from './driver-parts.ts'
import { createEpochCore, type EpochCore } from './epoch-core.ts'
import { FreshJudgements } from './fresh-judgements.ts'
import { decodeJournalRecord } from './journal-record.ts'
import { OpenedBlocks } from './opened-blocks.ts'
import { createOutputQueue, type OutputQueue } from './output-commit.ts'
import { ViewAllowance } from './view-allowance.ts'

/** Between two pushes of the oldest transactions to all validators while the chain stalls. */
const SHARE_EVERY_MS = 2_000

/** `unbound`: the body is not the one that the certificate names. `halted`: this node takes none. */
export type DecidedOutcome = 'applied' | 'unbound' | 'halted'

export interface ConsensusDriver {
  start(): void
  stop(): Promise<void>
  /** Something may have become work. */
  refreshWork(): void
  /** Something that a pending judgement waits for may have changed. */
  reconsider(): void
  /** The next block, from the sync protocol; its certificate has been verified. */
  decided(bytes: Uint8Array, certificate: Certificate): DecidedOutcome
  /** Resolves when all blocks applied so far are durable, or will never be. */
  flushed(): Promise<void>
  /** The validators of the next height. */
  readonly context: VoteContext
  haltReason(): string | undefined
  /** Where agreement stands: for people. */
  place(): { readonly height: number; readonly view: number }
}

/** @throws JournalContentError */
export function createConsensusDriver(parts: DriverParts, hooks: DriverHooks): ConsensusDriver {
  return new Driver(parts, hooks)
}

class Driver implements ConsensusDriver {
  readonly #parts: DriverParts
  readonly #hooks: DriverHooks
  readonly #timings: ConsensusTimings
  /** Of an earlier life. */
  readonly #journaled: readonly WalRecord[]
  readonly #output: OutputQueue
  #epoch: EpochCore
  readonly #inbox: ConsensusInbox
  readonly #outbox: ConsensusOutbox
  readonly #judgements: FreshJudgements
  readonly #timers = new Map<TimerId, CancelTimer>()
  readonly #blocks = new OpenedBlocks()
  readonly #allowance = new ViewAllowance()
  /** The last decided blocks. */
  #recent: readonly ConsensusBlock[] = []
  readonly #builds = new Set<Promise<void>>()
  readonly #events: Event[] = []
  #isStepping = false
  /** What the core was told about work since the last commit. */
  #toldWork = false
  #cancelWork: CancelTimer | undefined
  #cancelBuild: CancelTimer | undefined
  #sharedAtMs = Number.NEGATIVE_INFINITY
  #halted: string | undefined
  #stopped = false

  constructor(parts: DriverParts, hooks: DriverHooks) {
    this.#parts = parts
    this.#hooks = hooks
    const { chain, journal, runtime } = parts
    this.#timings = parts.timings ?? LAN_TIMINGS
    const { tip } = chain.state()
    const recovered = journal.recovered.map((bytes) => ({
      bytes,
      record: decodeJournalRecord(bytes),
    }))
    this.#journaled = recovered.map(({ record }) => record)
    this.#output = createOutputQueue(
      journal,
      recovered.map(({ bytes, record }) => ({ height: record.height, bytes })),
      (error) => this.#fail('nothing more can be stored', error),
    )
    this.#output.decided(tip.height)
    this.#epoch = this.#createEpoch()
    this.#judgements = new FreshJudgements({
      timers: runtime.timers,
      tipHeight: () => chain.state().tip.height,
      judge: (block) => this.#judge(block),
      answered: (hash, verdict) => this.#step({ kind: 'block-ready', hash, fresh: true, verdict }),
      failed: (error) => this.#fail('judging a proposal failed', error),
    })
    this.#inbox = this.#createInbox()
    this.#outbox = new ConsensusOutbox(parts.network, parts.links)
  }

  get context(): VoteContext {
    return this.#epoch.context
  }

  #createEpoch(): EpochCore {
    const { chain, identity } = this.#parts
    const openBlock = (bytes: Uint8Array) => this.#blocks.open(bytes)
    return createEpochCore({ chain, identity, timings: this.#timings, openBlock }, this.#journaled)
  }

  /** The validators of a height: a decided one, or else the next. */
  #contextAt(height: number): VoteContext {
    const { tip, view } = this.#parts.chain.state()
    if (height > tip.height) return this.context
    const { epoch, keys } = validatorSetAt(view, height)
    return { chainId: this.context.chainId, epoch, validators: keys }
  }

  #createInbox(): ConsensusInbox {
    const hooks = this.#hooks
    const { chain, links, network, runtime } = this.#parts
    return new ConsensusInbox(
      {
        network,
        links,
        epoch: () => this.#epoch,
        contextAt: (height) => this.#contextAt(height),
        mayChangeValidators: () => pendingMemberSet(chain.state().view) !== undefined,
        monotonicMs: () => runtime.clock.monotonicMs(),
        tipHeight: () => chain.state().tip.height,
        recentAt: (height) => this.#recent.find((block) => block.height === height),
        wantsEvidence: (evidence) => this.#parts.evidence.wants(evidence),
        open: (bytes) => this.#blocks.open(bytes),
        forwardPauseMs: this.#timings.retransmitMs / 2,
      },
      {
        message: (from, message) => this.#step({ kind: 'message', from, message }),
        decided: (block, certificate) => this.#step({ kind: 'decided', block, certificate }),
        transactions: (transactions) => hooks.receiveTransactions(transactions),
        heardDecided: (height) => hooks.heardDecided(height),
        heardAhead: (height, peer) => hooks.heardAhead(height, peer),
        heardUnknown: (peer) => hooks.behind(peer),
        alarm: (reason) => this.#halt(reason),
      },
    )
  }

  start(): void {
    const { links } = this.#parts
    this.#inbox.start()
    links.onLinked((peer) => this.#step({ kind: 'connected', peer }))
    links.onTwin((peer, isOlder) => {
      // The one that came later must not have signed anything: it goes.
      if (isOlder) this.#halt(`node ${peer} runs with the same validator key`)
      else this.#parts.runtime.log.error({ peer }, 'another node runs with this validator key')
    })
    this.#step({ kind: 'start', records: this.#epoch.records })
    this.refreshWork()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#cancelTimers()
    await this.#judgements.stop()
    await Promise.all(this.#builds)
    await this.#output.flushed()
  }

  haltReason(): string | undefined {
    return this.#halted
  }

  place(): { readonly height: number; readonly view: number } {
    return this.#epoch.core.snapshot()
  }

  flushed(): Promise<void> {
    return this.#output.flushed()
  }

  reconsider(): void {
    this.#judgements.reconsider()
  }

  // --- events -------------------------------------------------------------------------------

  get #isDead(): boolean {
    return this.#stopped || this.#halted !== undefined
  }

  #step(event: Event): void {
    if (this.#isDead) return
    this.#events.push(event)
    if (this.#isStepping) return
    this.#isStepping = true
    try {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
        const effects = this.#epoch.core.step(this.#parts.runtime.clock.monotonicMs(), next)
        for (const effect of effects) this.#perform(effect)
      }
    } catch (error) {
      this.#fail('agreement failed', error)
    } finally {
      this.#isStepping = false
    }
  }

  decided(bytes: Uint8Array, certificate: Certificate): DecidedOutcome {
    const block = this.#blocks.open(bytes)
    if (block === undefined || block.hash !== certificate.blockHash) return 'unbound'
    this.#step({ kind: 'decided', block, certificate })
    return this.#parts.chain.state().tip.height >= certificate.height ? 'applied' : 'halted'
  }

  refreshWork(): void {
    if (this.#isDead) return
    const { producer, runtime } = this.#parts
    const isPresent = producer.hasWork()
    if (isPresent !== this.#toldWork) {
      this.#toldWork = isPresent
      this.#step({ kind: 'work', present: isPresent })
    }
    this.#cancelWork?.()
    this.#cancelWork = undefined
    const dueInMs = isPresent ? undefined : producer.workDueInMs()
    if (dueInMs === undefined) return
    this.#cancelWork = runtime.timers.after(dueInMs, () => this.refreshWork())
  }

  // --- effects ------------------------------------------------------------------------------

  #perform(effect: Effect): void {
    switch (effect.kind) {
      case 'persist':
        this.#output.persist({
          height: effect.record.height,
          bytes: encodeWalRecord(effect.record),
        })
        return
      case 'send': {
        // Who that is must not depend on when it is sent.
        const to = this.context.validators[effect.to]
        if (to !== undefined) this.#output.act(() => this.#outbox.send(to, effect.message))
        return
      }
      case 'broadcast': {
        const { validators } = this.context
        this.#output.act(() => this.#outbox.broadcast(effect.message, validators))
        return
      }
      case 'timer':
        this.#arm(effect)
        return
      case 'validate':
        this.#validate(effect.block, effect.fresh)
        return
      case 'build':
        this.#build(effect)
        return
      case 'commit':
        this.#commit(effect)
        return
      case 'evidence':
        this.#output.act(() => this.#convict(effect))
        return
      case 'share-transactions':
        this.#output.act(() => this.#shareTransactions())
        return
      case 'catch-up': {
        const peer = this.#parts.links.peerOf(effect.peer)
        if (peer !== undefined) this.#hooks.behind(peer)
        return
      }
      case 'halt':
        this.#halt(effect.reason)
        return
    }
  }

  /** The core asks at every stalled tick; sending the same again so soon would be what stalls it. */
  #shareTransactions(): void {
    const nowMs = this.#parts.runtime.clock.monotonicMs()
    if (nowMs - this.#sharedAtMs < SHARE_EVERY_MS) return
    this.#sharedAtMs = nowMs
    const transactions = this.#hooks.shareTransactions()
    const { validators } = this.context
    if (transactions.length > 0) {
      this.#outbox.broadcast({ kind: 'transactions', transactions }, validators)
    }
    for (const evidence of this.#parts.evidence.select()) {
      this.#outbox.broadcast({ kind: 'evidence', ...evidence }, validators)
    }
  }

  #convict({ first, second }: Evidence): void {
    const evidence = inOrder({ first, second })
    if (this.#isDead || !this.#parts.evidence.add(evidence)) return
    this.#outbox.broadcast({ kind: 'evidence', ...evidence }, this.context.validators)
    this.#hooks.convicted(evidence)
    this.refreshWork()
  }

  #arm(effect: Extract<Effect, { kind: 'timer' }>): void {
    this.#timers.get(effect.timer)?.()
    const { timer, height, view } = effect
    const afterMs = effect.afterMs + this.#allowance.msOf(timer)
    const cancel = this.#parts.runtime.timers.after(afterMs, () =>
      this.#step({ kind: 'timer', timer, height, view }),
    )
    this.#timers.set(timer, cancel)
  }

  #validate(block: ConsensusBlock, fresh: boolean): void {
    const opened = this.#blocks.contentOf(block)
    if (fresh) {
      this.#judgements.ask(block, opened)
      return
    }
    const verdict = this.#parts.producer.check(opened)
    this.#step({ kind: 'block-ready', hash: block.hash, fresh: false, verdict })
  }

  /** What is not known at once is no work of this processor, so only the synchronous part counts. */
  #judge(block: Block): Promise<Verdict> {
    const { clock } = this.#parts.runtime
    const startedMs = clock.monotonicMs()
    const judging = this.#parts.producer.judge(block)
    this.#allowance.checked(clock.monotonicMs() - startedMs)
    return judging
  }

  #build(place: Extract<Effect, { kind: 'build' }>): void {
    this.#cancelBuild?.()
    this.#cancelBuild = undefined
    const building = this.#buildFor(place)
      .catch((error: unknown) => this.#fail('building a block failed', error))
      .finally(() => this.#builds.delete(building))
    this.#builds.add(building)
  }

  async #buildFor(place: Extract<Effect, { kind: 'build' }>): Promise<void> {
    const { height, view, parentHash } = place
    const { chain, producer, runtime } = this.#parts
    const proposer = present(this.#epoch.self, 'index of a proposer')
    // The core has lost interest when the height has moved on.
    const isMoot = (): boolean => this.#isDead || chain.state().tip.hash !== parentHash
    if (isMoot()) return
    const built = await producer.build({ view, proposer })
    if (isMoot()) return
    if (built.kind === 'too-early') {
      this.#cancelBuild = runtime.timers.after(built.waitMs, () => this.#build(place))
      return
    }
    const block = built.kind === 'built' ? this.#blocks.adopt(built.block) : undefined
    this.#step({ kind: 'built', height, view, ...(block === undefined ? {} : { block }) })
  }

  #commit(effect: Extract<Effect, { kind: 'commit' }>): void {
    const { chain, producer } = this.#parts
    if (this.#epoch.guard?.isForeign(effect.certificate) === true) {
      this.#halt(
        `block ${effect.height} has this validator's signature, and its journal has not: ` +
          'its key runs elsewhere as well, or its disk is an old copy',
      )
      return
    }
    const block = this.#blocks.contentOf(effect.block)
    const { bytes } = effect.block
    const { clock } = this.#parts.runtime
    const appliedMs = clock.monotonicMs()
    const durable = chain.apply(block, encodeCertificate(effect.certificate), bytes)
    // Its failure is reported where it is awaited, below.
    durable.catch(() => undefined)
    this.#recent = [...this.#recent, effect.block].slice(-FORWARDED_HEIGHTS)
    this.#epoch.guard?.decided(effect.height)
    this.#inbox.tipMoved()
    this.#judgements.tipMoved()
    this.#outbox.decided()
    producer.applied(block)
    this.#hooks.applied(block)
    this.#output.act(async () => {
      await durable
      this.#allowance.stored(clock.monotonicMs() - appliedMs)
      this.#output.decided(effect.height)
      this.#hooks.committed(block, effect.certificate, bytes)
    })
    if (effect.block.endsEpoch) this.#openEpoch()
    // The core forgets about work with every commit.
    this.#toldWork = false
    this.refreshWork()
  }

  /** Other validators agree on the next height: whatever waits was said by or to those before. */
  #openEpoch(): void {
    this.#events.length = 0
    for (const cancel of this.#timers.values()) cancel()
    this.#timers.clear()
    this.#epoch = this.#createEpoch()
    const { context, self, records } = this.#epoch
    this.#parts.runtime.log.info(
      { epoch: context.epoch, validators: context.validators.length, validator: self },
      'other validators agree from here on',
    )
    this.#step({ kind: 'start', records })
  }

  // --- the end ------------------------------------------------------------------------------

  #fail(what: string, error: unknown): void {
    // Closed under its feet.
    if (this.#stopped) return
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
    this.#parts.runtime.log.error({ error: detail }, what)
    this.#halt(`${what}: ${reasonOf(error)}`, error instanceof StorageError)
  }

  #halt(reason: string, isStorage = false): void {
    if (this.#halted !== undefined) return
    this.#halted = reason
    this.#events.length = 0
    this.#cancelTimers()
    this.#parts.runtime.log.error({ reason }, 'halted: this node signs nothing more')
    this.#hooks.halted(reason, isStorage)
  }

  #cancelTimers(): void {
    for (const cancel of this.#timers.values()) cancel()
    this.#cancelBuild?.()
    this.#cancelWork?.()
  }
}
