/**
 * A simulated federation agreeing on counter blocks. One seed decides everything: faults for a
 * while, then the world heals (or a quorum of it does) and everything that should finish must finish,
 * then quiet, in which nothing may happen. Same seed, same run.
 */

import { isWellFormedStatement, voteDigest } from '../consensus/votes.ts'
import { assert } from '../primitives/assert.ts'
import type { AdversaryTools } from './adversaries/adversary.ts'
import { type AdversaryKind, createAdversary } from './adversaries/create-adversary.ts'
import { Checkers } from './checkers/checkers.ts'
import { fakeContext } from './fake-signatures.ts'
import { FaultSchedule } from './fault-schedule.ts'
import { LATENCY_PROFILES, type LatencyProfile } from './latency-profiles.ts'
import { type NodeObserver, ObserverGroup } from './node-observer.ts'
import { PacketNetwork } from './packet-network.ts'
import { createSeededRandom, type SeededRandom } from './seeded-random.ts'
import { SimulatedClock } from './simulated-clock.ts'
import { SimulatedNode } from './simulated-node.ts'
import { ALL_FAULTS, type SimulationOptions, type SimulationResult } from './simulation-options.ts'
import { castRoles, type Roles } from './simulation-roles.ts'
import { SimulationTrace } from './simulation-trace.ts'
import {
  CHANGING_PLACES,
  changingIndexOf,
  changingValidators,
  constantValidators,
  type SimulatedSet,
  type ValidatorSchedule,
} from './validator-schedule.ts'
import { VirtualTime } from './virtual-time.ts'

/** A promise was broken. The message says which, where, and in which run. */
export class InvariantViolation extends Error {
  override readonly name = 'InvariantViolation'
  readonly seed: number
  readonly violations: readonly string[]

  constructor(options: SimulationOptions, violations: readonly string[]) {
    super(
      `seed ${options.seed}, ${options.validators} validators: ${violations.slice(0, 3).join('; ')}`,
    )
    this.seed = options.seed
    this.violations = violations
  }
}

const MIN_BLOCK_INTERVAL_MS = 50
/** After healing, everything must be final within this, and calm soon after. */
const HEAL_MS = { lan: 30_000, wan: 120_000, slow: 120_000 } as const
const SETTLE_MS = { lan: 5_000, wan: 20_000, slow: 20_000 } as const
const QUIET_MS = 3_000
/** Between two looks at whether everything is final. */
const LOOK_MS = 250
/** How often an adversary speaks unasked. */
const SPEAK_MS = 150
/** Chance that a fresh block cannot be judged yet. */
const HESITATION = 0.05

/** Somewhere in the faulty phase. */
function drawLastHeights(random: SeededRandom): readonly [number, number] {
  const first = 2 + random.below(4)
  return [first, first + 1 + random.below(5)]
}

class ConsensusSimulation {
  readonly time = new VirtualTime()
  readonly random: SeededRandom
  readonly context: SimulatedSet
  readonly schedule: ValidatorSchedule
  readonly profile: LatencyProfile
  readonly network: PacketNetwork
  readonly nodes: SimulatedNode[] = []
  readonly #checkers: Checkers
  readonly #faults: FaultSchedule
  readonly #roles: Roles
  readonly #started = new Set<SimulatedNode>()
  readonly #options: SimulationOptions
  readonly #trace: SimulationTrace | undefined

  constructor(options: SimulationOptions, write?: (line: string) => void) {
    this.#options = options
    const { validators, faults = ALL_FAULTS } = options
    this.profile = LATENCY_PROFILES[options.profile ?? 'lan']
    this.random = createSeededRandom(options.seed)
    const { random } = this
    this.context = fakeContext(validators)
    this.schedule =
      options.changes === true
        ? changingValidators(drawLastHeights(random))
        : constantValidators(this.context)
    this.#roles = castRoles(options, random)
    const { byzantine, twins } = this.#roles
    const nowMs = (): number => this.time.nowMs
    this.#trace = write === undefined ? undefined : new SimulationTrace(nowMs, write)
    const honest = { schedule: this.schedule, byzantine: new Set(byzantine.keys()), nowMs }
    this.#checkers = new Checkers({ ...honest, growths: this.profile.growths })
    this.network = new PacketNetwork(this.profile, this, (packet) => {
      const from = this.nodes[packet.from]
      if (from !== undefined) this.nodes[packet.to]?.receive(packet, from)
    })
    this.#faults = new FaultSchedule(
      {
        time: this.time,
        random,
        network: this.network,
        profile: this.profile,
        running: () => [...this.#started],
        places: this.#places,
      },
      faults,
    )
    if (options.changes === true) {
      for (let place = 0; place < CHANGING_PLACES; place++) {
        this.#addNode(place, changingIndexOf(place))
      }
      return
    }
    for (let index = 0; index < validators; index++) this.#addNode(index, index)
    for (const [index, place] of twins) this.#addNode(place, index)
    for (const [index, kind] of byzantine) this.#corrupt(index, kind)
  }

  get #places(): number {
    const { validators, changes } = this.#options
    return changes === true ? CHANGING_PLACES : validators + this.#roles.twins.size
  }

  #addNode(place: number, index: number): void {
    const { time, random, schedule } = this
    const isSkewed = (this.#options.faults ?? ALL_FAULTS).clocks
    const clock = new SimulatedClock(time, {
      rate: isSkewed ? random.between(0.97, 1.03) : 1,
      startMs: isSkewed ? random.between(0, 1_000_000) : 0,
    })
    const calm = this.#options.faults?.network === false
    const node = new SimulatedNode(place, index, clock, {
      time,
      random,
      schedule,
      observer: this.#observer(),
      timings: this.profile.timings,
      minBlockIntervalMs: MIN_BLOCK_INTERVAL_MS,
      relays: this.#options.changes === true || this.#options.seed % 2 === 0,
      hesitation: calm ? 0 : HESITATION,
      placesOf: (from, validator, height) => this.#placesOf(from, validator, height),
      send: (packet) => this.network.send(packet),
    })
    this.nodes.push(node)
  }

  #observer(): NodeObserver {
    const trace = this.#trace
    const { observer } = this.#checkers
    return trace === undefined ? observer : new ObserverGroup([trace, observer])
  }

  /** Of twins, a peer sees one, or the other, or both: always the same. */
  #placesOf(from: number, validator: number, height: number): readonly number[] {
    if (this.schedule.changes) {
      const place = this.schedule.placeOf(validator, height)
      return place === undefined ? [] : [place]
    }
    const twin = this.#roles.twins.get(validator)
    if (twin === undefined) return [validator]
    const seen = (from + this.#options.seed) % 3
    if (seen === 2) return [validator, twin]
    return [seen === 0 ? validator : twin]
  }

  #corrupt(index: number, kind: AdversaryKind): void {
    const { context, random } = this
    const tools: AdversaryTools = {
      self: index,
      validators: this.#options.validators,
      random,
      vote: (statement) => {
        assert(isWellFormedStatement(statement), 'an adversary signs nonsense')
        return { ...statement, signer: index, signature: context.sign(index, statement) }
      },
      voteOfEpoch: (epoch, statement) => {
        const digest = voteDigest({ ...context, epoch }, statement)
        return { ...statement, signer: index, signature: context.signDigest(index, digest) }
      },
      place: () => this.nodes[index]?.core?.snapshot(),
    }
    for (const node of this.nodes) {
      if (node.index !== index) continue
      node.adversary = createAdversary(kind, tools)
      if (node.adversary.speak !== undefined) this.#letSpeak(node)
    }
  }

  #letSpeak(node: SimulatedNode): void {
    this.time.after(this.random.between(0.5, 1.5) * SPEAK_MS, () => {
      if (node.core !== undefined) {
        for (const { to, message } of node.adversary?.speak?.() ?? []) node.say(to, message)
      }
      this.#letSpeak(node)
    })
  }

  #start(node: SimulatedNode): void {
    if (this.#started.has(node)) return
    this.#started.add(node)
    node.start()
  }

  /** The honest nodes that must work in the end. */
  get #working(): SimulatedNode[] {
    return this.nodes.filter(
      (node) => !this.#roles.byzantine.has(node.index) && !this.#roles.lost.has(node.index),
    )
  }

  run(): SimulationResult {
    const { faultyMs, profile = 'lan' } = this.#options
    for (const node of this.nodes) {
      const presence = node.adversary?.presence
      if (presence === 'late') {
        this.time.after(this.random.between(0.4, 1) * faultyMs, () => this.#start(node))
      } else if (presence !== 'never') this.#start(node)
    }
    this.#scheduleTransactions()
    this.#faults.schedule(faultyMs)
    this.time.runUntil(faultyMs)

    this.#trace?.note(`--- heals (${this.#roles.mode}) ---`)
    this.#faults.heal()
    for (const node of this.nodes) {
      if (this.#roles.lost.has(node.index)) this.#faults.breakForGood(node)
    }
    const { recovery, validBlocks, voteRules } = this.#checkers
    recovery.heal(this.#working)
    const recoveryMs = this.#waitUntilFinal(HEAL_MS[profile])
    this.time.runUntil(this.time.nowMs + SETTLE_MS[profile])
    // An adversary may just have brought back a transaction that crashes had lost.
    this.#waitUntilFinal(HEAL_MS[profile])
    this.#trace?.note('--- quiet ---')
    recovery.checkLevel()
    this.time.runUntil(this.time.nowMs + QUIET_MS)
    this.#checkers.finish()
    const { violations } = this.#checkers
    if (violations.length > 0) throw new InvariantViolation(this.#options, violations)
    return {
      height: validBlocks.height,
      emptyBlocks: validBlocks.empty,
      evidence: voteRules.accusations,
      crashes: this.#faults.crashes,
      diskErrors: this.#faults.diskErrors,
      votes: voteRules.said.size,
      packets: this.network.packets,
      adversaries: [...this.#roles.byzantine.values()],
      mode: this.#roles.mode,
      recoveryMs,
      recoveryViews: recovery.views,
      virtualMs: this.time.nowMs,
      tips: this.nodes.map((node) => node.disk.decided.at(-1)?.block),
    }
  }

  #waitUntilFinal(mostMs: number): number {
    const fromMs = this.time.nowMs
    const isFinal = (): boolean => {
      const heights = this.#working.map((node) => node.disk.decided.length)
      const isLevel = Math.max(...heights) === Math.min(...heights)
      return isLevel && this.#working.every((node) => node.ledger.mempool.size === 0)
    }
    do this.time.runUntil(this.time.nowMs + LOOK_MS)
    while (!isFinal() && this.time.nowMs < fromMs + mostMs)
    return this.time.nowMs - fromMs
  }

  #scheduleTransactions(): void {
    const honest = this.nodes.filter((node) => !this.#roles.byzantine.has(node.index))
    for (let i = 0; i < this.#options.transactions; i++) {
      this.time.after(this.random.between(0, this.#options.faultyMs), () => {
        if (honest.length > 0) this.random.pick(honest).submit(i)
      })
    }
  }
}

/**
 * One run. `write`: gets the trace, line by line. @throws InvariantViolation, naming the seed;
 * AssertionError where a node's own checks find the mistake first.
 */
export function simulateConsensus(
  options: SimulationOptions,
  write?: (line: string) => void,
): SimulationResult {
  return new ConsensusSimulation(options, write).run()
}
