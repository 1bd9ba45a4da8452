/**
 * Trouble: another kind of it every second or so, until the world heals. What may happen at all, the
 * options say; what happens when, the seed.
 */

import { LATENCY_PROFILES, type LatencyProfile } from './latency-profiles.ts'
import { CALM, type PacketNetwork } from './packet-network.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { SimulatedNode } from './simulated-node.ts'
import type { FaultKinds } from './simulation-options.ts'
import type { VirtualTime } from './virtual-time.ts'

const SELECTIVE_LABELS = [
  'propose',
  'vote/notarize',
  'vote/nullify',
  'vote/finalize',
  'enter',
  'status',
  'block',
  'decided',
] as const
const SELECTIVE_LOSS = 0.85
const USUAL_SYNC_MS = [0.5, 4] as const
/** Clocks are set right to within this. */
const WALL_ERROR_MS = 1_000
const HOUR_MS = 3_600_000

export interface FaultyWorld {
  readonly time: VirtualTime
  readonly random: SeededRandom
  readonly network: PacketNetwork
  readonly profile: LatencyProfile
  /** Every node that has been started. */
  running(): readonly SimulatedNode[]
  readonly places: number
}

export class FaultSchedule {
  crashes = 0
  diskErrors = 0
  #healed = false
  readonly #world: FaultyWorld
  readonly #kinds: FaultKinds

  constructor(world: FaultyWorld, kinds: FaultKinds) {
    this.#world = world
    this.#kinds = kinds
  }

  /** Plans the trouble of the faulty phase. */
  schedule(faultyMs: number): void {
    const { time, random } = this.#world
    // Longer delays need longer troubles to hurt as much.
    const pace = this.#world.profile === LATENCY_PROFILES.lan ? 1 : 4
    for (let atMs = 0; atMs < faultyMs; atMs += pace * random.between(400, 1_500)) {
      time.after(atMs, () => this.#trouble(pace))
    }
  }

  #trouble(pace: number): void {
    if (this.#healed) return
    const { random } = this.#world
    if (this.#kinds.network) this.#troubleNetwork(pace)
    if (this.#kinds.crashes && random.chance(0.35)) this.#crashSome()
    if (this.#kinds.disks) this.#troubleDisks()
    if (this.#kinds.clocks && random.chance(0.3)) this.#troubleClocks()
  }

  #troubleNetwork(pace: number): void {
    const { network, random, places } = this.#world
    network.mend()
    const faults = {
      extraMs: pace * random.between(0, 50),
      loss: random.chance(0.5) ? random.between(0, 0.3) : 0,
      duplication: random.between(0, 0.1),
      straggling: random.between(0, 0.1),
    }
    const label = random.pick(SELECTIVE_LABELS)
    network.faults = random.chance(0.4)
      ? { ...faults, selective: { label, loss: SELECTIVE_LOSS } }
      : faults
    if (random.chance(0.25)) this.#divide()
    if (random.chance(0.2)) network.cut(random.below(places), random.below(places))
    if (random.chance(0.3)) this.#reconnect()
  }

  #divide(): void {
    const { network, random, places } = this.#world
    const shuffled = random.shuffle(Array.from({ length: places }, (_, place) => place))
    const size = 1 + random.below(shuffled.length - 1)
    const [left, right] = [shuffled.slice(0, size), shuffled.slice(size)]
    if (random.chance(0.7)) return network.partition(left, right)
    // One-way: the left is heard and hears nothing.
    for (const from of right) for (const to of left) network.cut(from, to)
  }

  /** A node's links have come back. */
  #reconnect(): void {
    const { random } = this.#world
    const running = this.#world.running()
    const node = random.pick(running)
    for (const peer of running) if (peer.index !== node.index) node.connect(peer.index)
  }

  #crashSome(): void {
    const { random, time } = this.#world
    const running = this.#world.running()
    const victims = random.chance(0.3) ? running : [random.pick(running)]
    for (const node of victims) {
      time.after(random.between(0, 50), () => {
        if (this.#healed || node.core === undefined) return
        node.crash()
        this.crashes++
        this.#startLater(node, random.between(1, 800))
      })
    }
  }

  #troubleDisks(): void {
    const { random } = this.#world
    const node = random.pick(this.#world.running())
    node.disk.syncMs = random.chance(0.2) ? [10, 60] : USUAL_SYNC_MS
    if (node.core === undefined || !random.chance(0.1)) return
    node.disk.error = random.pick(['ENOSPC', 'EIO'] as const)
    this.diskErrors++
    this.#startLater(node, random.between(300, 3_000))
  }

  /** Somebody has repaired it meanwhile. */
  #startLater(node: SimulatedNode, afterMs: number): void {
    this.#world.time.after(afterMs, () => {
      if (this.#healed) return
      node.disk.error = undefined
      if (node.core === undefined) node.start()
    })
  }

  /** One clock at a time is far wrong: q of them could take the chain with them. */
  #troubleClocks(): void {
    const { random } = this.#world
    const nodes = this.#world.running()
    for (const node of nodes) node.clock.setWallError(this.#smallError())
    const node = random.pick(nodes)
    if (random.chance(0.5)) node.clock.setWallError(random.between(-HOUR_MS, HOUR_MS))
    else node.clock.leap(random.between(0, 20_000))
  }

  #smallError(): number {
    return this.#world.random.between(-WALL_ERROR_MS, WALL_ERROR_MS)
  }

  /** The world is well again: every node that was started runs, on good disks and clocks. */
  heal(): void {
    this.#healed = true
    const { network } = this.#world
    network.mend()
    network.faults = CALM
    for (const node of this.#world.running()) {
      node.disk.error = undefined
      node.disk.syncMs = USUAL_SYNC_MS
      if (this.#kinds.clocks) node.clock.setWallError(this.#smallError())
      if (node.core === undefined) node.start()
    }
  }

  /** For ever: dead, cut off, deaf or mute. */
  breakForGood(node: SimulatedNode): void {
    const { network, random, places } = this.#world
    const others = Array.from({ length: places }, (_, place) => place).filter(
      (place) => place !== node.place,
    )
    switch (random.below(4)) {
      case 0:
        if (node.core !== undefined) node.crash()
        break
      case 1:
        network.partition([node.place], others)
        break
      case 2:
        for (const other of others) network.cut(node.place, other)
        break
      default:
        for (const other of others) network.cut(other, node.place)
    }
  }
}
