/** A few simulated validators on a calm network, for stories told step by step; with all checkers. */

import { Checkers } from '../../src/simulator/checkers/checkers.ts'
import { fakeContext } from '../../src/simulator/fake-signatures.ts'
import { LATENCY_PROFILES } from '../../src/simulator/latency-profiles.ts'
import { type Packet, PacketNetwork } from '../../src/simulator/packet-network.ts'
import { createSeededRandom } from '../../src/simulator/seeded-random.ts'
import { SimulatedClock } from '../../src/simulator/simulated-clock.ts'
import { SimulatedNode } from '../../src/simulator/simulated-node.ts'
import { constantValidators } from '../../src/simulator/validator-schedule.ts'
import { VirtualTime } from '../../src/simulator/virtual-time.ts'

export class SimulatedWorld {
  readonly time = new VirtualTime()
  readonly random = createSeededRandom(1)
  readonly context: ReturnType<typeof fakeContext>
  readonly checkers: Checkers
  readonly network: PacketNetwork
  readonly nodes: readonly SimulatedNode[]
  /** Packets for which it says true are lost. */
  loses: (packet: Packet) => boolean = () => false
  /** How much later a packet arrives, ms. */
  delays: (packet: Packet) => number = () => 0

  constructor(validators: number, options: { readonly relays?: boolean } = {}) {
    this.context = fakeContext(validators)
    this.checkers = new Checkers({
      schedule: constantValidators(this.context),
      byzantine: new Set(),
      growths: 0,
      nowMs: () => this.time.nowMs,
    })
    this.network = new PacketNetwork(LATENCY_PROFILES.lan, this, (packet) => {
      if (this.loses(packet)) return
      this.time.after(this.delays(packet), () =>
        this.nodes[packet.to]?.receive(packet, this.node(packet.from)),
      )
    })
    this.nodes = Array.from({ length: validators }, (_, index) => {
      const clock = new SimulatedClock(this.time, { rate: 1, startMs: 0 })
      return new SimulatedNode(index, index, clock, {
        time: this.time,
        random: this.random,
        schedule: constantValidators(this.context),
        observer: this.checkers.observer,
        timings: LATENCY_PROFILES.lan.timings,
        minBlockIntervalMs: 0,
        relays: options.relays ?? false,
        hesitation: 0,
        placesOf: (_from, validator) => [validator],
        send: (packet) => this.network.send(packet),
      })
    })
  }

  node(index: number): SimulatedNode {
    const node = this.nodes[index]
    if (node === undefined) throw new TypeError(`no node ${index}`)
    return node
  }

  start(indexes: readonly number[] = [...this.nodes.keys()]): void {
    for (const index of indexes) this.node(index).start()
  }

  pass(ms: number): void {
    this.time.runUntil(this.time.nowMs + ms)
  }

  heights(indexes: readonly number[] = [...this.nodes.keys()]): number[] {
    return indexes.map((index) => this.node(index).disk.decided.length)
  }

  /** Everything that the checkers have found. */
  violations(): readonly string[] {
    this.checkers.finish()
    return this.checkers.violations
  }
}
