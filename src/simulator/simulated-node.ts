/**
 * One node on virtual time: the real core, the real codecs on every hop, and the second of the two
 * interpreters of the core's effects (the other is the node's driver). Honest, unless an adversary
 * sits between it and the network.
 */

import type { ConsensusBlock } from '../consensus/block.ts'
import type { ConsensusTimings } from '../consensus/config.ts'
import type { Effect, Event, TimerId } from '../consensus/events-and-effects.ts'
import { decodeMessage, encodeMessage, type Message } from '../consensus/messages.ts'
import { type Consensus, createConsensus } from '../consensus/step.ts'
import { signedHeight, verifyMessage } from '../consensus/verify-message.ts'
import type { WalRecord } from '../consensus/wal-record.ts'
import { ByteReader, DecodeError, encodeWith } from '../primitives/codec.ts'
import { ZERO_BLOCK_HASH } from '../primitives/hashes.ts'
import type { Adversary } from './adversaries/adversary.ts'
import { openCounterBlock } from './counter-block.ts'
import type { NodeObserver } from './node-observer.ts'
import { NodeSync } from './node-sync.ts'
import type { Packet } from './packet-network.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { SimulatedClock } from './simulated-clock.ts'
import { SimulatedDisk } from './simulated-disk.ts'
import { SimulatedLedger } from './simulated-ledger.ts'
import type { SimulatedSet, ValidatorSchedule } from './validator-schedule.ts'
import type { VirtualTime } from './virtual-time.ts'

export interface NodeWorld {
  readonly time: VirtualTime
  readonly random: SeededRandom
  readonly schedule: ValidatorSchedule
  readonly observer: NodeObserver
  readonly timings: ConsensusTimings
  readonly minBlockIntervalMs: number
  /** Tell the others of a new transaction at once, as the relay does. */
  readonly relays: boolean
  /** Chance that a fresh block cannot be judged yet. */
  readonly hesitation: number
  /** Where packets for a validator of the set of `height` go, from a place: twins share a name. */
  placesOf(from: number, validator: number, height: number): readonly number[]
  send(packet: Packet): void
}

/** Transactions in one message. */
const SHARED_TRANSACTIONS = 100
/** Where validators change, nodes ask around for blocks this often. */
const FOLLOW_MS = 250

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
  ledger: SimulatedLedger
  /** The validators of the height that the core decides. */
  #set: SimulatedSet
  /** Records of an earlier life. */
  #records: readonly WalRecord[] = []
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
    this.#set = world.schedule.at(1)
    this.disk = new SimulatedDisk(world)
    this.ledger = this.#newLedger()
    this.disk.onError = (error) => this.#end(`the disk fails: ${error}`)
    this.sync = new NodeSync(this, {
      schedule: world.schedule,
      send: (to, label, bytes) => world.send({ from: this.place, to, label, bytes }),
    })
  }

  #newLedger(): SimulatedLedger {
    return new SimulatedLedger(
      this.disk.decided.map(({ block }) => block),
      (height) => this.#world.schedule.isLast(height),
    )
  }

  /** First undecided height and the hash before it, as the disk has them. */
  start(): void {
    this.ledger = this.#newLedger()
    this.#records = this.disk.open()
    this.#openEpoch(this.disk.decided.at(-1)?.block)
    this.#world.observer.started?.(this)
    this.#begin()
    if (this.#world.schedule.changes) this.#followLater()
  }

  /** A core for the height after `last`; its validators are those of the schedule. */
  #openEpoch(last: ConsensusBlock | undefined): void {
    const { schedule, minBlockIntervalMs, timings } = this.#world
    const height = (last?.height ?? 0) + 1
    this.#set = schedule.at(height)
    const { chainId, epoch, validators, sign } = this.#set
    this.#timers.clear()
    this.core = createConsensus(
      {
        chainId,
        validatorSet: { epoch, keys: validators },
        self: this.#isValidatorAt(height) ? this.index : undefined,
        height,
        parentHash: last?.hash ?? ZERO_BLOCK_HASH,
        voteFromHeight: 0,
        minBlockIntervalMs,
        timings,
      },
      { sign: (statement) => sign(this.index, statement), openBlock: openCounterBlock },
    )
  }

  #begin(): void {
    const height = this.core?.snapshot().height ?? 0
    const records = this.#records.filter((record) => record.height >= height)
    this.step({ kind: 'start', records })
  }

  #isValidatorAt(height: number): boolean {
    const { schedule } = this.#world
    return !schedule.changes || schedule.placeOf(this.index, height) === this.place
  }

  /**
   * Everybody asks around now and then: who is not a validator, or has missed that it is none any more,
   * hears nothing else. Such a node also hands on what it was given.
   */
  #followLater(): void {
    this.#later(FOLLOW_MS, () => {
      const [peer] = this.#world.random.shuffle(this.#placesOfOthers())
      if (peer !== undefined) this.sync.request(peer)
      if (this.ledger.mempool.size > 0) this.#shareTransactions()
      this.#followLater()
    })
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
    this.#transmit(transactionsMessage([transaction]), this.#others(), this.#height)
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

  /** `sender`: the node behind the packet. */
  receive(packet: Packet, sender: SimulatedNode): void {
    const { core } = this
    if (core === undefined) return
    if (packet.label === 'sync-request') {
      return this.sync.answer(packet.from, packet.bytes, this.adversary)
    }
    if (packet.label === 'sync-answer') return this.sync.take(packet.bytes)
    const message = findMessage(packet.bytes)
    if (message === undefined) return
    this.adversary?.overhear?.(message)
    const { height } = core.snapshot()
    // Of later heights only the present validators are known.
    const judged = Math.min(signedHeight(message) ?? height, height)
    if (!core.wants(message)) return
    if (!verifyMessage(message, this.#world.schedule.at(judged), core)) return
    if (message.kind === 'transactions') {
      for (const bytes of message.transactions) {
        if (bytes.length === 4) this.#admit(new ByteReader(bytes).u32())
      }
    }
    const from = sender.#isValidatorAt(height) ? sender.index : undefined
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
        return this.#transmitDurably(effect.message, [effect.to])
      case 'broadcast':
        return this.#transmitDurably(effect.message, this.#others())
      case 'timer':
        return this.#startTimer(effect)
      case 'validate':
        return this.ledger.whenAt(effect.block.height, () => this.#validate(effect))
      case 'build':
        return this.ledger.whenAt(effect.height, () => this.#build(effect))
      case 'commit':
        return this.#commit(effect)
      case 'evidence':
        return observer.evidence?.(this, effect)
      case 'share-transactions':
        return this.#shareTransactions()
      case 'catch-up':
        return this.#catchUp(effect.peer)
      case 'halt':
        return observer.halted?.(this, effect.reason)
    }
  }

  /** Who that is does not depend on when it is sent. */
  #transmitDurably(message: Message, peers: readonly number[]): void {
    const height = this.#height
    this.disk.whenDurable(() => this.#transmit(message, peers, height))
  }

  #commit(effect: Extract<Effect, { kind: 'commit' }>): void {
    this.disk.commit(effect, () => this.#apply(effect))
    if (effect.block.endsEpoch) this.#handOver(effect.block)
  }

  #catchUp(peer: number): void {
    for (const place of this.#world.placesOf(this.place, peer, this.#height)) {
      this.sync.request(place)
    }
  }

  get #height(): number {
    return this.core?.snapshot().height ?? 1
  }

  /** The validators of the next height are others: what the core before them knew is history. */
  #handOver(last: ConsensusBlock): void {
    this.#openEpoch(last)
    this.#begin()
  }

  /** Indexes of the validators of the present set but for this node. */
  #others(): number[] {
    const isValidator = this.#isValidatorAt(this.#height)
    return [...this.#set.validators.keys()].filter((index) => !isValidator || index !== this.index)
  }

  #placesOfOthers(): number[] {
    const height = this.#height
    return this.#others().flatMap((index) => this.#world.placesOf(this.place, index, height))
  }

  /** To validators of the set of `height`. */
  #transmit(message: Message, peers: readonly number[], height: number): void {
    this.#world.observer.released?.(this, message)
    const { adversary } = this
    const honest = adversary?.distort === undefined ? encodeMessage(message) : undefined
    for (const to of peers) {
      if (honest !== undefined) this.#put(to, labelOf(message), honest, height)
      else for (const lie of adversary?.distort?.(message, to) ?? []) this.say(to, lie)
    }
  }

  /** Puts a message on the wire, whatever the core thinks of it. */
  say(to: number, message: Message): void {
    this.#put(to, labelOf(message), encodeMessage(message), this.#height)
  }

  #put(to: number, label: string, bytes: Uint8Array, height: number): void {
    for (const place of this.#world.placesOf(this.place, to, height)) {
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
    this.#transmit(transactionsMessage(oldest), this.#others(), this.#height)
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
