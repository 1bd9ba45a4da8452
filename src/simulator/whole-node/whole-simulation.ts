/**
 * A federation of whole production nodes with their members, over a simulated network, simulated disks
 * and a simulated Bitcoin, on virtual time. One seed decides everything: faults for a while, then the
 * world heals, and everything that should finish must finish. Same seed, same run.
 */

import type { Block } from '../../chain/block.ts'
import type { ChainParams } from '../../chain/params.ts'
import { CROWDED_TIMINGS, LAN_TIMINGS, WAN_TIMINGS } from '../../consensus/config.ts'
import type { Message } from '../../consensus/messages.ts'
import { faultTolerance } from '../../consensus/quorum.ts'
import { AssertionError, assert } from '../../primitives/assert.ts'
import type { XOnlyKey } from '../../primitives/hashes.ts'
import type { PeerId } from '../../runtime/runtime.ts'
import { LATENCY_PROFILES } from '../latency-profiles.ts'
import { createSeededRandom, type SeededRandom } from '../seeded-random.ts'
import { SimulatedClock } from '../simulated-clock.ts'
import { NODE_ADVERSARY_KINDS, type NodeAdversaryKind } from './adversaries/node-adversaries.ts'
import { ByzantineNodes } from './byzantine-nodes.ts'
import { CanonicalChain } from './canonical-chain.ts'
import { withCheapSignatures } from './cheap-signatures.ts'
import { WholeCheckers } from './checkers/whole-checkers.ts'
import { FreezeVoters } from './freeze-voters.ts'
import { Newcomer } from './newcomer.ts'
import { prepareKeyEpoch } from './prepared-key.ts'
import type { LogLevel } from './process-runtime.ts'
import { RunCompletion } from './run-completion.ts'
import { SimulatedL1 } from './simulated-l1.ts'
import { type Punishment, SimulatedNetwork } from './simulated-network.ts'
import { MINER, SimulatedUsers } from './simulated-users.ts'
import { ValidatorSets } from './validator-sets.ts'
import { WholeFaults } from './whole-faults.ts'
import { WholeNode, type WholeNodeObserver } from './whole-node.ts'
import type { WholeOptions, WholeResult } from './whole-options.ts'
import { validatorKeys, wholeParams } from './whole-params.ts'
import { WholeTrace } from './whole-trace.ts'
import { WorldTime } from './world-time.ts'

/** A promise was broken. The message says which, where, and in which run. */
export class BrokenPromiseError extends Error {
  override readonly name = 'BrokenPromiseError'
  readonly seed: number
  readonly violations: readonly string[]

  constructor({ seed, validators }: WholeOptions, violations: readonly string[]) {
    super(`seed ${seed}, ${validators} whole nodes: ${violations.slice(0, 3).join('; ')}`)
    this.seed = seed
    this.violations = violations
  }
}

const VIOLATIONS_MAX = 20
/** With real key generation the first address is there after this. */
const CEREMONY_SHARE = 0.1
/** Runs in which a validator joins. */
const CHANGE_SHARE = 0.1
/** Runs without a Byzantine validator. */
const HONEST_SHARE = 0.25
const PACE = { lan: 1, wan: 3, slow: 3 } as const
const TIMINGS = { lan: LAN_TIMINGS, wan: WAN_TIMINGS, slow: CROWDED_TIMINGS } as const

function castByzantine(
  { validators, byzantine, adversaries = NODE_ADVERSARY_KINDS }: WholeOptions,
  random: SeededRandom,
): ReadonlyMap<number, NodeAdversaryKind> {
  const most = faultTolerance(validators)
  const count = byzantine ?? (random.chance(HONEST_SHARE) ? 0 : 1 + random.below(most))
  const order = random.shuffle(Array.from({ length: validators }, (_, index) => index))
  return new Map(order.slice(0, count).map((index) => [index, random.pick(adversaries)]))
}

class WholeSimulation implements WholeNodeObserver {
  readonly time = new WorldTime()
  readonly random: SeededRandom
  readonly params: ChainParams
  readonly nodes: WholeNode[] = []
  readonly #options: WholeOptions
  readonly #network: SimulatedNetwork
  readonly #l1: SimulatedL1
  readonly #canonical: CanonicalChain
  readonly #users: SimulatedUsers
  readonly #voters: FreezeVoters
  readonly #faults: WholeFaults
  readonly #checkers: WholeCheckers
  readonly #completion: RunCompletion
  readonly #sets: ValidatorSets
  readonly #newcomer: Newcomer | undefined
  readonly #byzantine: ReadonlyMap<number, NodeAdversaryKind>
  readonly #liars: ByzantineNodes
  readonly #violations: string[] = []
  readonly #isCeremony: boolean
  readonly #keys: readonly XOnlyKey[]
  readonly #trace: WholeTrace

  constructor(options: WholeOptions, write?: (line: string) => void) {
    this.#options = options
    const { seed, validators, profile = 'lan' } = options
    this.random = createSeededRandom(seed)
    this.#trace = new WholeTrace(() => this.time.nowMs, write)
    this.params = wholeParams(validators, seed, this.random)
    this.#canonical = new CanonicalChain(this.params)
    const { time, random, params } = this
    this.#byzantine = castByzantine(options, random)
    const latency = LATENCY_PROFILES[profile]
    const isChange = options.change ?? random.chance(CHANGE_SHARE)
    this.#keys = validatorKeys(validators + (isChange ? 1 : 0))
    this.#l1 = new SimulatedL1(this, this.#keys.length, MINER.script)
    this.#network = new SimulatedNetwork({ time, random, profile: latency }, this)
    this.#isCeremony = options.ceremony ?? random.chance(CEREMONY_SHARE)
    const note = (text: string): void => this.#trace.note(text)
    const nodes = (): readonly WholeNode[] =>
      this.nodes.filter(
        ({ index, running }) => running !== undefined && !this.#byzantine.has(index),
      )
    const l1 = this.#l1
    const canonical = this.#canonical
    this.#users = new SimulatedUsers({ time, random, params, l1, canonical, nodes, note })
    this.#voters = new FreezeVoters({ time, random, params, nodes, note })
    this.#sets = new ValidatorSets(params, nodes)
    const key = this.#keys[validators]
    const joining = { time, random, params, canonical, nodes, note }
    this.#newcomer = key === undefined ? undefined : new Newcomer(joining, key)
    this.#addNodes()
    this.#faults = new WholeFaults({
      time,
      random,
      network: this.#network,
      nodes: this.nodes,
      l1,
      l1Depth: params.peg.l1Depth,
      pace: PACE[profile],
      losesChain: (node) => this.#checkers.losesChain(node),
      lie: () => this.#liars.lieAboutL1(),
      note,
    })
    this.#liars = new ByzantineNodes({
      time,
      random,
      params,
      canonical,
      l1,
      users: this.#users,
      nodes: this.nodes,
      kinds: this.#byzantine,
      lied: () => this.#faults.happened('L1 lies'),
    })
    const { depositScripts, asked } = this.#users
    const byzantine = new Set(this.#byzantine.keys())
    const fail = (message: string): void => this.#fail(message)
    const sets = this.#sets
    const watch = { params, byzantine, sets, canonical, l1, depositScripts, fail }
    this.#checkers = new WholeCheckers(watch, asked)
    this.#completion = new RunCompletion({
      time,
      watch,
      users: this.#users,
      voters: this.#voters,
      newcomer: this.#newcomer,
      checkers: this.#checkers,
      growths: latency.growths,
      working: () => this.nodes.filter(({ index }) => !this.#byzantine.has(index)),
    })
  }

  #addNodes(): void {
    const { time, random, params } = this
    const { profile = 'lan' } = this.#options
    const prepared = this.#isCeremony ? undefined : prepareKeyEpoch(params)
    const lookMs = random.chance(0.3) ? random.between(0.01, 3) : 0
    for (const index of this.#keys.keys()) {
      const clock = new SimulatedClock(time, {
        rate: random.between(0.97, 1.03),
        startMs: random.between(0, 1_000_000),
      })
      const l1 = this.#l1.members[index]
      assert(l1 !== undefined, 'an L1 node for each member')
      const node = new WholeNode(index, clock, l1, {
        time,
        random,
        params,
        keys: this.#keys,
        timings: TIMINGS[profile],
        network: this.#network,
        observer: this,
        announcement: prepared?.announcement,
        lookMs,
      })
      const share = prepared?.shares[index]
      if (share !== undefined) node.keys.put(0, share)
      this.nodes.push(node)
    }
  }

  // --- what is seen -------------------------------------------------------------------------

  started(node: WholeNode): void {
    this.#trace.note(`${node.name} starts at height ${node.height}`)
    this.#checkers.started(node)
  }

  ended(node: WholeNode, why: string): void {
    this.#trace.note(`${node.name} ends: ${why}`)
    this.#checkers.steadyNodes.ended(node, why)
    this.#faults.ended(node)
  }

  committed(node: WholeNode, block: Block): void {
    if (this.#checkers.committed(node, block)) this.#trace.block(block)
    this.#trace.committed(node, block)
  }

  halted(node: WholeNode, reason: string): void {
    this.#trace.note(`${node.name} HALTS: ${reason}`)
    this.#checkers.steadyNodes.halted(node, reason)
  }

  threadDied(node: WholeNode): void {
    this.#faults.happened('signing thread dies', node.name)
  }

  logged(node: WholeNode, level: LogLevel, message: string, data: object): void {
    this.#trace.log(node, level, message, data)
    this.#checkers.steadyNodes.logged(node, level, message, data)
  }

  released(place: number, to: PeerId, label: string, message: Message | undefined): void {
    this.#trace.released(place, to, label, message)
    const node = this.nodes[place]
    if (message !== undefined && node !== undefined) this.#checkers.released(node, message)
  }

  punished(punishment: Punishment): void {
    this.#trace.note(`n${punishment.by} punishes ${punishment.peer}: ${punishment.reason}`)
    this.#checkers.steadyNodes.punished(punishment)
  }

  handlerFailed(place: number, error: unknown): void {
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error)
    this.#fail(`a handler of n${place} throws: ${reason}`)
  }

  #fail(message: string): void {
    const line = `${(this.time.nowMs / 1_000).toFixed(3)} s: ${message}`
    this.#trace.note(`BROKEN: ${message}`)
    if (this.#violations.length < VIOLATIONS_MAX) this.#violations.push(line)
  }

  // --- the run ------------------------------------------------------------------------------

  async run(): Promise<WholeResult> {
    const { faultyMs, deposits, payments, burns, faults = true } = this.#options
    await this.#l1.start()
    this.#l1.truth.onTip((tip) => {
      this.#trace.note(`L1 at ${tip.height}, ${tip.block.transactions.length - 1} transactions`)
      this.#checkers.l1Changed()
    })
    this.#faults.mine()
    this.#liars.speak()
    for (const node of this.nodes) node.start()
    this.#users.schedule({ untilMs: faultyMs, deposits, payments, burns })
    // Votes of a set that changes would be counted in two ways.
    if (this.#newcomer !== undefined) this.#newcomer.schedule(faultyMs)
    else if (faults) this.#voters.schedule(faultyMs)
    // Half of the runs begin in peace, so that more happens in them.
    const fromMs = this.random.chance(0.5) ? 0 : 0.3 * faultyMs
    if (faults) this.#faults.schedule(fromMs, faultyMs)
    await this.#during(faultyMs)
    this.#trace.note('--- heals ---')
    await this.#faults.heal()
    await this.#completion.wait(() => this.#violations.length > 0)
    this.#checkers.finish(this.nodes)
    this.#checkers.steadyNodes.measureNetwork(this.#network)
    if (this.#violations.length > 0) throw new BrokenPromiseError(this.#options, this.#violations)
    return {
      height: this.#canonical.height,
      l1Height: this.#l1.truth.tip().height,
      deposits: this.#canonical.claims.size,
      payments: this.#users.payments,
      releases: this.#canonical.burns.size,
      faults: this.#faults.counts,
      freezes: this.#checkers.limits.freezes,
      upkeeps: this.#checkers.limits.upkeeps,
      replacements: this.#checkers.limits.replacements,
      votes: this.#checkers.voteRules.said.size,
      packets: this.#network.packets.packets,
      adversaries: [...this.#byzantine.values()],
      isCeremony: this.#isCeremony,
      isChanged: this.#sets.at(this.#canonical.height + 1).epoch > 0,
      recoveryMs: this.#completion.recoveryMs,
      recoveryViews: this.#completion.views,
      virtualMs: this.time.nowMs,
    }
  }

  /** A broken promise ends the run: what follows would be about something else. */
  async #during(ms: number): Promise<void> {
    await this.time.runWhile(() => this.#violations.length === 0, this.time.nowMs + ms)
  }
}

/**
 * One run. `write`: gets the trace, line by line. @throws BrokenPromiseError, naming the seed;
 * AssertionError where a node's own checks find the mistake first.
 */
export function simulateWholeNodes(
  options: WholeOptions,
  write?: (line: string) => void,
): Promise<WholeResult> {
  return withCheapSignatures(() => new WholeSimulation(options, write).run())
}

/** What the run broke. @throws what is no broken promise but a mistake of the simulator. */
export function describeBrokenPromise(cause: unknown): string {
  if (cause instanceof BrokenPromiseError) return cause.violations.join('; ')
  if (cause instanceof AssertionError) return `${cause.name}: ${cause.message}`
  throw cause
}
