/**
 * How fast agreement is between regions of the world, with nothing broken but crashed leaders: block
 * intervals, and the time from a transaction's acceptance at some node to its finality there. Network
 * and disk delays are simulated, computing costs nothing: a lower bound for real machines.
 */

import type { Effect } from '../consensus/events-and-effects.ts'
import { faultTolerance } from '../consensus/quorum.ts'
import { openCounterBlock } from './counter-block.ts'
import { fakeContext } from './fake-signatures.ts'
import { LATENCY_PROFILES, type ProfileName } from './latency-profiles.ts'
import type { NodeObserver } from './node-observer.ts'
import { PacketNetwork } from './packet-network.ts'
import { createSeededRandom } from './seeded-random.ts'
import { SimulatedClock } from './simulated-clock.ts'
import { SimulatedNode } from './simulated-node.ts'
import { constantValidators } from './validator-schedule.ts'
import { VirtualTime } from './virtual-time.ts'

export interface LatencyStudyOptions {
  readonly validators: number
  /** Crashed validators, at random in the set; at most f. */
  readonly crashed: number
  readonly profile: ProfileName
  readonly blocks: number
  readonly minBlockIntervalMs: number
  readonly seed: number
}

/** Milliseconds of virtual time. */
export interface Percentiles {
  readonly p50: number
  readonly p99: number
}

export interface LatencyFigures {
  readonly validators: number
  readonly crashed: number
  readonly blocks: number
  /** Between commits, at one node. */
  readonly intervalMs: Percentiles
  /** From acceptance to finality, at the node that accepted. */
  readonly acceptedToFinalMs: Percentiles
  /** Views beyond the first that the blocks took. */
  readonly lostViews: number
}

/** Between two transactions. */
const TRANSACTION_EVERY_MS = 20
/** Blocks not measured: the nodes find out first who is dead. */
const WARM_UP_BLOCKS = 5
const VIRTUAL_MS_PER_BLOCK_MAX = 20_000

class CommitLog implements NodeObserver {
  readonly #submittedMs = new Map<number, { node: number; atMs: number }>()
  readonly intervalsMs: number[] = []
  readonly delaysMs: number[] = []
  lostViews = 0
  height = 0
  #lastMs = 0
  readonly #witness: number
  readonly #time: VirtualTime

  constructor(time: VirtualTime, witness: number) {
    this.#time = time
    this.#witness = witness
  }

  submitted(transaction: number, node: number): void {
    this.#submittedMs.set(transaction, { node, atMs: this.#time.nowMs })
  }

  committed(node: SimulatedNode, effect: Extract<Effect, { kind: 'commit' }>): void {
    const { nowMs } = this.#time
    const isMeasured = effect.height > WARM_UP_BLOCKS
    for (const transaction of openCounterBlock(effect.block.bytes)?.transactions ?? []) {
      const submitted = this.#submittedMs.get(transaction)
      if (submitted?.node !== node.index) continue
      if (isMeasured) this.delaysMs.push(nowMs - submitted.atMs)
      this.#submittedMs.delete(transaction)
    }
    if (node.index !== this.#witness) return
    if (isMeasured) {
      this.intervalsMs.push(nowMs - this.#lastMs)
      this.lostViews += effect.certificate.view
    }
    this.#lastMs = nowMs
    this.height = effect.height
  }
}

function percentiles(values: readonly number[]): Percentiles {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number): number =>
    Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0)
  return { p50: at(0.5), p99: at(0.99) }
}

/** @throws RangeError for more crashed validators than are tolerated, or when the chain stands still. */
export function studyLatency(options: LatencyStudyOptions): LatencyFigures {
  const { validators, crashed, blocks, minBlockIntervalMs, seed } = options
  if (crashed > faultTolerance(validators)) throw new RangeError('more crashed than tolerated')
  const time = new VirtualTime()
  const random = createSeededRandom(seed)
  const schedule = constantValidators(fakeContext(validators))
  const profile = LATENCY_PROFILES[options.profile]
  const alive = random.shuffle(Array.from({ length: validators }, (_, i) => i)).slice(crashed)
  const log = new CommitLog(time, alive[0] ?? 0)
  const nodes: SimulatedNode[] = []
  const network = new PacketNetwork(profile, { time, random }, (packet) => {
    const sender = nodes[packet.from]
    if (sender !== undefined) nodes[packet.to]?.receive(packet, sender)
  })
  for (let index = 0; index < validators; index++) {
    const clock = new SimulatedClock(time, { rate: 1, startMs: 0 })
    const node = new SimulatedNode(index, index, clock, {
      time,
      random,
      schedule,
      observer: log,
      timings: profile.timings,
      minBlockIntervalMs,
      relays: true,
      hesitation: 0,
      placesOf: (_from, validator) => [validator],
      send: (packet) => network.send(packet),
    })
    nodes.push(node)
  }
  for (const index of alive) nodes[index]?.start()

  let transaction = 0
  const untilMs = blocks * VIRTUAL_MS_PER_BLOCK_MAX
  while (log.height < WARM_UP_BLOCKS + blocks) {
    if (time.nowMs > untilMs) throw new RangeError(`the chain stands still at ${log.height}`)
    const index = random.pick(alive)
    log.submitted(transaction, index)
    nodes[index]?.submit(transaction)
    transaction++
    time.runUntil(time.nowMs + TRANSACTION_EVERY_MS)
  }
  return {
    validators,
    crashed,
    blocks,
    intervalMs: percentiles(log.intervalsMs),
    acceptedToFinalMs: percentiles(log.delaysMs),
    lostViews: log.lostViews,
  }
}
