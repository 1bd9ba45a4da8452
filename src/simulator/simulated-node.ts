/**
 * One node on virtual time: the real core, the real codecs on every hop, and the second of the two
 * interpreters of the core's effects (the other is the node's driver). Honest, unless an adversary
 * sits between it and the network.
 */

import type { ConsensusTimings } from '../consensus/config.ts'
import type { Effect, Event, TimerId } from '../consensus/events-and-effects.ts'
import { decodeMessage, encodeMessage, type Message } from '../consensus/messages.ts'
import { type Consensus, createConsensus } from '../consensus/step.ts'
import { verifyMessage } from '../consensus/verify-message.ts'
import type { VoteContext } from '../consensus/votes.ts'
import { ByteReader, DecodeError, encodeWith } from '../primitives/codec.ts'
import { ZERO_BLOCK_HASH } from '../primitives/hashes.ts'
import type { Adversary } from './adversaries/adversary.ts'
import { openCounterBlock } from './counter-block.ts'
import type { FakeSigners } from './fake-signatures.ts'
import type { NodeObserver } from './node-observer.ts'
import { NodeSync } from './node-sync.ts'
import type { Packet } from './packet-network.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { SimulatedClock } from './simulated-clock.ts'
import { SimulatedDisk } from './simulated-disk.ts'
import { SimulatedLedger } from './simulated-ledger.ts'
import type { VirtualTime } from './virtual-time.ts'

export interface NodeWorld {
  readonly time: VirtualTime
  readonly random: SeededRandom
  readonly context: VoteContext & FakeSigners
  readonly observer: NodeObserver
  readonly timings: ConsensusTimings
  readonly minBlockIntervalMs: number
  /** Tell the others of a new transaction at once, as the relay does. */
  readonly relays: boolean
  /** Chance that a fresh block cannot be judged yet. */
  readonly hesitation: number
  /** Where a validator's packets from a place go: twins share a name. */
  placesOf(from: number, validator: number): readonly number[]
  send(packet: Packet): void
}

/** Transactions in one message. */
const SHARED_TRANSACTIONS = 100

export class SimulatedNode {
  /** Which validator it is. */
  readonly index: number
  /** Where it is: another one than its index for a twin. */
  readonly place: number
  readonly disk: SimulatedDisk
  readonly clock: SimulatedClock
  adversary: Adversary | undefined
  /** Undefined while it does not run. */
  core: Consensus | undefined
  ledger = new SimulatedLedger([])
  readonly sync: NodeSync
  readonly #timers = new Map<TimerId, number>()
  #timerSequence = 0
  #incarnation = 0
  readonly #world: NodeWorld

  constructor(place: number, index: number, clock: SimulatedClock, world: NodeWorld) {
    this.place = place
    this.index = index
    this.clock = clock
    this.#world = world
    this.disk = new SimulatedDisk(world)
    this.disk.onError = (error) => this.#end(`the disk fails: ${error}`)
    this.sync = new NodeSync(this, {
      context: world.context,
      send: (to, label, bytes) => this.#put(to, label, bytes),
    })
  }

  /** First undecided height and the hash before it, as the disk has them. */
  start(): void {
    const last = this.disk.decided.at(-1)?.block
    this.ledger = new SimulatedLedger(this.disk.decided.map(({ block }) => block))
    const { context, minBlockIntervalMs, timings, observer } = this.#world
    this.core = createConsensus(
      {
        chainId: context.chainId,
        validatorSet: { epoch: context.epoch, keys: context.validators },
        self: this.index,
        height: this.ledger.height + 1,
        parentHash: last?.hash ?? ZERO_BLOCK_HASH,
        voteFromHeight: 0,
        minBlockIntervalMs,
        timings,
      },
      { sign: (statement) => context.sign(this.index, statement), openBlock: openCounterBlock },
    )
    observer.started?.(this)
    this.step({ kind: 'start', records: this.disk.open() })
  }

  /** kill -9 and a power failure at once: everything but the synced part of the disk is gone. */
  crash(): void {
    this.#end('killed')
  }

  #end(why: string): void {
    this.core = undefined
    this.#incarnation++
    this.sync.reset()
    this.#timers.clear()
    this.disk.crash()
    this.#world.observer.stopped?.(this, why)
  }

  submit(transaction: number): void {
    if (!this.#admit(transaction) || !this.#world.relays) return
    this.#transmit(transactionsMessage([transaction]), this.#others())
  }

  /** Is it new here? */
  #admit(transaction: number): boolean {
    const { mempool } = this.ledger
    if (this.core === undefined || mempool.has(transaction)) return false
    if (this.ledger.isFinal(transaction)) return false
    mempool.add(transaction)
    this.step({ kind: 'work', present: true })
    return true
  }

  receive(packet: Packet, from: number): void {
    const { core } = this
    if (core === undefined) return
    if (packet.label === 'sync-request') return this.sync.answer(from, packet.bytes, this.adversary)
    if (packet.label === 'sync-answer') return this.sync.take(packet.bytes)
    const message = findMessage(packet.bytes)
    if (message === undefined) return
    this.adversary?.overhear?.(message)
    if (!core.wants(message) || !verifyMessage(message, this.#world.context, core)) return
    if (message.kind === 'transactions') {
      for (const bytes of message.transactions) {
        if (bytes.length === 4) this.#admit(new ByteReader(bytes).u32())
      }
    }
    this.step({ kind: 'message', from, message })
  }

  /** The link to a validator is up again. */
  connect(peer: number): void {
    if (this.core !== undefined) this.step({ kind: 'connected', peer })
  }

  step(event: Event): void {
    if (this.core === undefined) return
    const effects = this.core.step(this.clock.monotonicMs, event)
    this.#world.observer.stepped?.(this, event, effects)
    for (const effect of effects) this.#perform(effect)
  }

  /** Runs later by the own clock, unless the node has ended meanwhile. */
  #later(delayMs: number, run: () => void): void {
    const incarnation = this.#incarnation
    this.#world.time.after(this.clock.trueDelayMs(delayMs), () => {
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
        return this.ledger.whenAt(effect.block.height, () => this.#validate(effect))
      case 'build':
        return this.ledger.whenAt(effect.height, () => this.#build(effect))
      case 'commit':
        return this.disk.commit(effect, () => this.#apply(effect))
      case 'evidence':
        return observer.evidence?.(this, effect)
      case 'share-transactions':
        return this.#shareTransactions()
      case 'catch-up':
        return this.sync.request(effect.peer)
      case 'halt':
        return observer.halted?.(this, effect.reason)
    }
  }

  #others(): number[] {
    return [...this.#world.context.validators.keys()].filter((index) => index !== this.index)
  }

  #transmit(message: Message, peers: readonly number[]): void {
    this.#world.observer.released?.(this, message)
    const { adversary } = this
    const honest = adversary?.distort === undefined ? encodeMessage(message) : undefined
    for (const to of peers) {
      if (honest !== undefined) this.#put(to, labelOf(message), honest)
      else for (const lie of adversary?.distort?.(message, to) ?? []) this.say(to, lie)
    }
  }

  /** Puts a message on the wire, whatever the core thinks of it. */
  say(to: number, message: Message): void {
    this.#put(to, labelOf(message), encodeMessage(message))
  }

  #put(to: number, label: string, bytes: Uint8Array): void {
    for (const place of this.#world.placesOf(this.place, to)) {
      this.#world.send({ from: this.place, to: place, label, bytes })
    }
  }

  #startTimer(effect: Extract<Effect, { kind: 'timer' }>): void {
    const { timer, height, view } = effect
    this.#timerSequence++
    const sequence = this.#timerSequence
    this.#timers.set(timer, sequence)
    this.#later(effect.afterMs, () => {
      if (this.#timers.get(timer) === sequence) this.step({ kind: 'timer', timer, height, view })
    })
  }

  #validate(effect: Extract<Effect, { kind: 'validate' }>): void {
    const { block, fresh } = effect
    const verdict = this.ledger.judge(block, fresh, this.clock.wallMs)
    const { random, hesitation } = this.#world
    const answer = { kind: 'block-ready' as const, hash: block.hash, fresh }
    // Soft validity may be unknown for a while: an own L1 node that lags behind the others'.
    if (fresh && verdict === 'valid' && random.chance(hesitation)) {
      this.#later(random.between(0, 2), () => this.step({ ...answer, verdict: 'pending' }))
      this.#later(random.between(20, 200), () => this.step({ ...answer, verdict }))
      return
    }
    this.#later(random.between(0.1, 3), () => this.step({ ...answer, verdict }))
  }

  #build(effect: Extract<Effect, { kind: 'build' }>): void {
    const { height, view, parentHash } = effect
    this.#later(this.#world.random.between(0.1, 3), () => {
      if (height !== this.ledger.height + 1) return
      const place = { height, view, proposer: this.index, parentHash }
      const block = this.ledger.build(place, this.clock.wallMs)
      this.step({ kind: 'built', height, view, block })
    })
  }

  /** The commit is durable: the state moves on, and with it whatever waited for it. */
  #apply(effect: Extract<Effect, { kind: 'commit' }>): void {
    this.#world.observer.committed?.(this, effect)
    this.ledger.apply(effect.block)
    if (this.ledger.mempool.size > 0) this.step({ kind: 'work', present: true })
    this.sync.feed()
  }

  #shareTransactions(): void {
    const oldest = [...this.ledger.mempool].slice(0, SHARED_TRANSACTIONS)
    this.#transmit(transactionsMessage(oldest), this.#others())
  }
}

function transactionsMessage(numbers: readonly number[]): Message {
  const transactions = numbers.map((number) => encodeWith((writer) => writer.u32(number)))
  return { kind: 'transactions', transactions }
}

function labelOf(message: Message): string {
  return message.kind === 'vote' ? `vote/${message.vote.type}` : message.kind
}

function findMessage(bytes: Uint8Array): Message | undefined {
  try {
    return decodeMessage(bytes)
  } catch (cause) {
    if (cause instanceof DecodeError) return undefined
    throw cause
  }
}
