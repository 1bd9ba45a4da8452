/**
 * One validator on virtual time: the real core, the real codecs on every hop, and the second of the
 * two interpreters of its effects (the other is the node's driver).
 */

import type { ConsensusBlock } from '../consensus/block.ts'
import { verifyCertificate } from '../consensus/certificate.ts'
import { LAN_TIMINGS } from '../consensus/config.ts'
import type { Effect, Event, TimerId } from '../consensus/events-and-effects.ts'
import { decodeMessage, encodeMessage, type Message } from '../consensus/messages.ts'
import { type Consensus, createConsensus } from '../consensus/step.ts'
import {
  decodeDecidedAnswer,
  decodeDecidedRequest,
  encodeDecidedAnswer,
  encodeDecidedRequest,
  MAX_DECIDED_COUNT,
} from '../consensus/sync-messages.ts'
import { verifyMessage } from '../consensus/verify-message.ts'
import { ByteReader, encodeWith } from '../primitives/codec.ts'
import { ZERO_BLOCK_HASH } from '../primitives/hashes.ts'
import { makeCounterBlock, openCounterBlock } from './counter-block.ts'
import type { fakeContext } from './fake-signatures.ts'
import type { Packet } from './packet-network.ts'
import type { SeededRandom } from './seeded-random.ts'
import { SimulatedDisk } from './simulated-disk.ts'
import type { VirtualTime } from './virtual-time.ts'

/** What a node shows to the checkers, as it happens. */
export interface NodeObserver {
  /** A message leaves the node. */
  released(node: SimulatedNode, message: Message): void
  committed(node: SimulatedNode, effect: Extract<Effect, { kind: 'commit' }>): void
  evidence(node: SimulatedNode, effect: Extract<Effect, { kind: 'evidence' }>): void
  halted(node: SimulatedNode, reason: string): void
}

/** Turns what a node would send to one peer into what it sends instead. */
export type Misbehaviour = (message: Message, to: number) => readonly Message[]

export interface NodeWorld {
  readonly time: VirtualTime
  readonly random: SeededRandom
  readonly context: ReturnType<typeof fakeContext>
  readonly observer: NodeObserver
  readonly minBlockIntervalMs: number
  readonly send: (packet: Packet) => void
}

/** Transactions in one block. */
const BLOCK_TRANSACTIONS = 50
const SHARED_TRANSACTIONS = 100

export class SimulatedNode {
  readonly disk: SimulatedDisk
  readonly index: number
  misbehaviour: Misbehaviour | undefined
  /** Undefined while crashed. */
  core: Consensus | undefined
  /** Transactions waiting; lost in a crash. */
  mempool = new Set<number>()
  #included = new Set<number>()
  #appliedHeight = 0
  /** Questions about a state that earlier commits are not yet in. */
  #waiting: (() => void)[] = []
  #syncQueue: { block: ConsensusBlock; certificate: Parameters<typeof verifyCertificate>[0] }[] = []
  readonly #timers = new Map<TimerId, number>()
  #timerSequence = 0
  #incarnation = 0
  readonly #world: NodeWorld

  constructor(index: number, world: NodeWorld) {
    this.index = index
    this.#world = world
    this.disk = new SimulatedDisk(world)
  }

  get #validatorCount(): number {
    return this.#world.context.validators.length
  }

  /** First undecided height and the hash before it, as the disk has them. */
  start(): void {
    const { decided } = this.disk
    const last = decided.at(-1)?.block
    this.#appliedHeight = last?.height ?? 0
    this.#included = new Set(
      decided.flatMap(({ block }) => openCounterBlock(block.bytes)?.transactions ?? []),
    )
    const { context, minBlockIntervalMs } = this.#world
    this.core = createConsensus(
      {
        chainId: context.chainId,
        validatorSet: { epoch: context.epoch, keys: context.validators },
        self: this.index,
        height: this.#appliedHeight + 1,
        parentHash: last?.hash ?? ZERO_BLOCK_HASH,
        voteFromHeight: 0,
        minBlockIntervalMs,
        timings: LAN_TIMINGS,
      },
      { sign: (statement) => context.sign(this.index, statement), openBlock: openCounterBlock },
    )
    this.#step({ kind: 'start', records: this.disk.records() })
  }

  /** Loses everything but the synced part of the disk. */
  crash(): void {
    this.core = undefined
    this.#incarnation++
    this.mempool.clear()
    this.#waiting = []
    this.#syncQueue = []
    this.#timers.clear()
    this.disk.crash()
  }

  submit(transaction: number): void {
    if (this.core === undefined || this.mempool.has(transaction)) return
    if (this.#included.has(transaction)) return
    this.mempool.add(transaction)
    this.#step({ kind: 'work', present: true })
  }

  receive(packet: Packet): void {
    const { core } = this
    if (core === undefined) return
    if (packet.label === 'sync-request') return this.#answerSync(packet)
    if (packet.label === 'sync-answer') return this.#takeSync(packet)
    const message = decodeMessage(packet.bytes)
    if (!core.wants(message) || !verifyMessage(message, this.#world.context, core)) return
    if (message.kind === 'transactions') {
      for (const bytes of message.transactions) this.submit(new ByteReader(bytes).u32())
    }
    this.#step({ kind: 'message', from: packet.from, message })
  }

  #step(event: Event): void {
    const effects = this.core?.step(this.#world.time.nowMs, event) ?? []
    for (const effect of effects) this.#perform(effect)
  }

  /** Runs later, unless the node has crashed meanwhile. */
  #later(delayMs: number, run: () => void): void {
    const incarnation = this.#incarnation
    this.#world.time.after(delayMs, () => {
      if (incarnation === this.#incarnation) run()
    })
  }

  #perform(effect: Effect): void {
    const { observer } = this.#world
    switch (effect.kind) {
      case 'persist':
        return this.disk.append(effect.record)
      case 'send':
        return this.disk.whenDurable(() => this.#transmit(effect.message, [effect.to]))
      case 'broadcast':
        return this.disk.whenDurable(() => this.#transmit(effect.message, this.#others()))
      case 'timer':
        return this.#startTimer(effect)
      case 'validate':
        return this.#whenApplied(effect.block.height, () => this.#validate(effect))
      case 'build':
        return this.#whenApplied(effect.height, () => this.#build(effect))
      case 'commit':
        return this.disk.commit(effect, () => this.#apply(effect))
      case 'evidence':
        return observer.evidence(this, effect)
      case 'share-transactions':
        return this.#shareTransactions()
      case 'catch-up':
        return this.#requestSync(effect.peer)
      case 'halt':
        return observer.halted(this, effect.reason)
    }
  }

  #others(): number[] {
    return Array.from({ length: this.#validatorCount }, (_, i) => i).filter((i) => i !== this.index)
  }

  #transmit(message: Message, peers: readonly number[]): void {
    this.#world.observer.released(this, message)
    for (const to of peers) {
      for (const sent of this.misbehaviour?.(message, to) ?? [message]) {
        const label = sent.kind === 'vote' ? `vote/${sent.vote.type}` : sent.kind
        this.#world.send({ from: this.index, to, label, bytes: encodeMessage(sent) })
      }
    }
  }

  #startTimer(effect: Extract<Effect, { kind: 'timer' }>): void {
    const { timer, height, view } = effect
    this.#timerSequence++
    const sequence = this.#timerSequence
    this.#timers.set(timer, sequence)
    this.#later(effect.afterMs, () => {
      if (this.#timers.get(timer) === sequence) this.#step({ kind: 'timer', timer, height, view })
    })
  }

  /** A block is judged, and built, on the state of the height before. */
  #whenApplied(height: number, run: () => void): void {
    if (height <= this.#appliedHeight + 1) return run()
    this.#waiting.push(run)
  }

  #validate(effect: Extract<Effect, { kind: 'validate' }>): void {
    const { block, fresh } = effect
    const transactions = openCounterBlock(block.bytes)?.transactions ?? []
    const isDuplicate = transactions.some((transaction) => this.#included.has(transaction))
    const isRepeated = new Set(transactions).size !== transactions.length
    const verdict = isDuplicate || isRepeated ? 'invalid' : 'valid'
    const { random } = this.#world
    const answer = { kind: 'block-ready' as const, hash: block.hash, fresh }
    // Soft validity may be unknown for a while: an own L1 node that lags behind the others'.
    if (fresh && verdict === 'valid' && random.chance(0.05)) {
      this.#later(random.between(0, 2), () => this.#step({ ...answer, verdict: 'pending' }))
      this.#later(random.between(20, 200), () => this.#step({ ...answer, verdict }))
      return
    }
    this.#later(random.between(0.1, 3), () => this.#step({ ...answer, verdict }))
  }

  #build(effect: Extract<Effect, { kind: 'build' }>): void {
    const { height, view, parentHash } = effect
    this.#later(this.#world.random.between(0.1, 3), () => {
      if (height !== this.#appliedHeight + 1) return
      const chosen = [...this.mempool].slice(0, BLOCK_TRANSACTIONS)
      const block = makeCounterBlock({ height, view, proposer: this.index, parentHash }, chosen)
      this.#step({ kind: 'built', height, view, block })
    })
  }

  /** The commit is durable: the state moves on, and with it whatever waited for it. */
  #apply(effect: Extract<Effect, { kind: 'commit' }>): void {
    this.#world.observer.committed(this, effect)
    this.#appliedHeight = effect.height
    for (const transaction of openCounterBlock(effect.block.bytes)?.transactions ?? []) {
      this.#included.add(transaction)
      this.mempool.delete(transaction)
    }
    const waiting = this.#waiting
    this.#waiting = []
    for (const run of waiting) run()
    if (this.mempool.size > 0) this.#step({ kind: 'work', present: true })
    this.#feedSync()
  }

  #shareTransactions(): void {
    const transactions = [...this.mempool]
      .slice(0, SHARED_TRANSACTIONS)
      .map((transaction) => encodeWith((writer) => writer.u32(transaction)))
    this.#transmit({ kind: 'transactions', transactions }, this.#others())
  }

  #requestSync(peer: number): void {
    const bytes = encodeDecidedRequest({
      fromHeight: this.#appliedHeight + 1,
      count: MAX_DECIDED_COUNT,
    })
    this.#world.send({ from: this.index, to: peer, label: 'sync-request', bytes })
  }

  #answerSync(packet: Packet): void {
    const { fromHeight, count } = decodeDecidedRequest(packet.bytes)
    const found = this.disk.decided.slice(fromHeight - 1, fromHeight - 1 + count)
    const bytes = encodeDecidedAnswer(
      found.map(({ block, certificate }) => ({ block: block.bytes, certificate })),
    )
    this.#world.send({ from: this.index, to: packet.from, label: 'sync-answer', bytes })
  }

  #takeSync(packet: Packet): void {
    for (const { block: bytes, certificate } of decodeDecidedAnswer(packet.bytes)) {
      const block = openCounterBlock(bytes)
      if (block === undefined || !verifyCertificate(certificate, this.#world.context)) return
      this.#syncQueue.push({ block, certificate })
    }
    this.#feedSync()
  }

  #feedSync(): void {
    const height = this.core?.snapshot().height ?? 0
    this.#syncQueue = this.#syncQueue.filter(({ block }) => block.height >= height)
    const next = this.#syncQueue.find(({ block }) => block.height === height)
    if (next !== undefined) this.#step({ kind: 'decided', ...next })
  }
}
