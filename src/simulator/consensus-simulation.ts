/**
 * A simulated federation agreeing on counter blocks. One seed decides everything: faults for a
 * while, then the network heals and everything that should finish must finish, then quiet, in which
 * nothing may happen. Same seed, same run.
 */

import type { ConsensusBlock } from '../consensus/block.ts'
import { faultTolerance } from '../consensus/quorum.ts'
import { type AdversaryKind, createMisbehaviour } from './adversaries.ts'
import { Checkers, InvariantViolation } from './checkers.ts'
import { fakeContext } from './fake-signatures.ts'
import { type NetworkFaults, PacketNetwork } from './packet-network.ts'
import { createSeededRandom, type SeededRandom } from './seeded-random.ts'
import { SimulatedNode } from './simulated-node.ts'
import { VirtualTime } from './virtual-time.ts'

export interface SimulationOptions {
  readonly seed: number
  readonly validators: number
  /** Length of the faulty phase, virtual milliseconds. */
  readonly faultyMs: number
  readonly transactions: number
  /** How many Byzantine validators; at most f unless agreement is meant to break. */
  readonly byzantine?: number
  readonly crashes?: boolean
  /** Default true: trouble on the network during the faulty phase. */
  readonly networkFaults?: boolean
}

export interface SimulationResult {
  readonly height: number
  readonly evidence: number
  readonly crashes: number
  readonly tips: readonly (ConsensusBlock | undefined)[]
  readonly votes: number
}

/** After healing, everything must be final within this. */
const HEAL_MS = 30_000
const QUIET_MS = 3_000
const MIN_BLOCK_INTERVAL_MS = 50
const CALM: NetworkFaults = { latencyMs: [1, 10], loss: 0, duplication: 0, straggling: 0 }
const ADVERSARIES: readonly AdversaryKind[] = [
  'silent',
  'equivocator',
  'splitter',
  'withholder',
  'usurper',
]
const SELECTIVE_LABELS = [
  'propose',
  'vote/notarize',
  'vote/nullify',
  'vote/finalize',
  'enter',
  'status',
  'block',
] as const

class ConsensusSimulation {
  readonly time = new VirtualTime()
  readonly random: SeededRandom
  readonly context: ReturnType<typeof fakeContext>
  readonly checkers: Checkers
  readonly network: PacketNetwork
  readonly nodes: readonly SimulatedNode[]
  readonly silent = new Set<number>()
  crashes = 0
  readonly #options: SimulationOptions

  constructor(options: SimulationOptions) {
    this.#options = options
    const { validators } = options
    this.random = createSeededRandom(options.seed)
    this.context = fakeContext(validators)
    const indexes = this.random.shuffle(Array.from({ length: validators }, (_, i) => i))
    const byzantine = new Set(indexes.slice(0, options.byzantine ?? faultTolerance(validators)))
    this.checkers = new Checkers(this.context, byzantine)
    this.network = new PacketNetwork(CALM, this, (packet) => this.nodes[packet.to]?.receive(packet))
    this.nodes = Array.from(
      { length: validators },
      (_, index) =>
        new SimulatedNode(index, {
          time: this.time,
          random: this.random,
          context: this.context,
          observer: this.checkers,
          minBlockIntervalMs: MIN_BLOCK_INTERVAL_MS,
          send: (packet) => this.network.send(packet),
        }),
    )
    for (const index of byzantine) this.#corrupt(index)
  }

  #corrupt(index: number): void {
    const kind = this.random.pick(ADVERSARIES)
    const node = this.nodes[index]
    if (kind === 'silent') this.silent.add(index)
    else if (node !== undefined) {
      node.misbehaviour = createMisbehaviour(kind, index, this.context, this.random)
    }
  }

  get #running(): SimulatedNode[] {
    return this.nodes.filter((node) => !this.silent.has(node.index))
  }

  get #honest(): SimulatedNode[] {
    return this.nodes.filter(
      (node) => node.misbehaviour === undefined && !this.silent.has(node.index),
    )
  }

  run(): SimulationResult {
    for (const node of this.#running) node.start()
    this.#scheduleTransactions()
    this.#scheduleFaults()
    this.time.runUntil(this.#options.faultyMs)
    this.#heal()
    this.time.runUntil(this.#options.faultyMs + HEAL_MS)
    this.#checkFinished()
    this.#checkQuiet()
    this.checkers.checkFormability()
    this.#report()
    return {
      height: this.checkers.height,
      evidence: this.checkers.evidenceCount,
      crashes: this.crashes,
      tips: this.nodes.map((node) => node.disk.decided.at(-1)?.block),
      votes: this.checkers.votesReleased,
    }
  }

  #scheduleTransactions(): void {
    for (let i = 0; i < this.#options.transactions; i++) {
      this.time.after(this.random.between(0, this.#options.faultyMs), () =>
        this.random.pick(this.#honest).submit(i),
      )
    }
  }

  /** A new kind of trouble every second or so. */
  #scheduleFaults(): void {
    if (this.#options.networkFaults === false) return
    for (let atMs = 0; atMs < this.#options.faultyMs; atMs += this.random.between(400, 1_500)) {
      this.time.after(atMs, () => this.#trouble())
    }
  }

  #trouble(): void {
    const { random } = this
    this.network.mend()
    const faults = {
      latencyMs: [1, random.between(2, 60)] as const,
      loss: random.chance(0.5) ? random.between(0, 0.3) : 0,
      duplication: random.between(0, 0.1),
      straggling: random.between(0, 0.1),
    }
    const label = random.pick(SELECTIVE_LABELS)
    this.network.faults = random.chance(0.4)
      ? { ...faults, selective: { label, loss: 0.85 } }
      : faults
    if (random.chance(0.25)) this.#divide()
    if (random.chance(0.2)) {
      this.network.cut(random.below(this.nodes.length), random.below(this.nodes.length))
    }
    if (this.#options.crashes !== false && random.chance(0.35)) this.#crashSome()
  }

  #divide(): void {
    const shuffled = this.random.shuffle(this.nodes.map((node) => node.index))
    const size = 1 + this.random.below(shuffled.length - 1)
    this.network.partition(shuffled.slice(0, size), shuffled.slice(size))
  }

  #crashSome(): void {
    const { random } = this
    const victims = random.chance(0.3) ? this.#running : [random.pick(this.#running)]
    for (const node of victims) {
      this.time.after(random.between(0, 50), () => {
        if (node.core === undefined) return
        node.crash()
        this.crashes++
        this.time.after(random.between(1, 800), () => node.start())
      })
    }
  }

  #heal(): void {
    this.network.mend()
    this.network.faults = CALM
  }

  #checkFinished(): void {
    const heights = this.#honest.map((node) => node.disk.decided.length)
    if (Math.max(...heights) - Math.min(...heights) > 1) {
      this.checkers.violations.push(`not level after healing: heights ${heights.join(' ')}`)
    }
    for (const node of this.#honest) {
      if (node.mempool.size > 0) {
        this.checkers.violations.push(
          `node ${node.index} still holds ${node.mempool.size} transactions at ${heights.join(' ')}`,
        )
      }
    }
  }

  /** Idle: no blocks and no votes, however often they say hello. */
  #checkQuiet(): void {
    const { height, votesReleased } = this.checkers
    this.time.runUntil(this.time.nowMs + QUIET_MS)
    if (this.checkers.height !== height) this.checkers.violations.push('an idle chain made blocks')
    if (this.checkers.votesReleased !== votesReleased) {
      this.checkers.violations.push('an idle chain voted')
    }
  }

  #report(): void {
    const { violations } = this.checkers
    if (violations.length === 0) return
    const { seed, validators } = this.#options
    throw new InvariantViolation(
      `seed ${seed}, ${validators} validators: ${violations.slice(0, 5).join('; ')}`,
    )
  }
}

/** @throws InvariantViolation, naming the seed. */
export function simulateConsensus(options: SimulationOptions): SimulationResult {
  return new ConsensusSimulation(options).run()
}
