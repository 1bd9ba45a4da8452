/**
 * The network between simulated nodes: each packet may be late, lost, doubled or overtaken. Links
 * can be cut one way or both, and packets of one kind can be lost far more often than others: that
 * finds faults which uniform loss does not.
 */

import type { LatencyProfile } from './latency-profiles.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { VirtualTime } from './virtual-time.ts'

export interface Packet {
  /** Places, not validators: a validator's key may be in two places. */
  readonly from: number
  readonly to: number
  /** Message kind, for selective loss: "propose", "vote/finalize", "sync-answer" … */
  readonly label: string
  readonly bytes: Uint8Array
}

/** What comes on top of the profile's delays. Probabilities per packet; milliseconds. */
export interface NetworkFaults {
  /** Up to this much later. */
  readonly extraMs: number
  readonly loss: number
  readonly duplication: number
  /** Chance of a delay ten times as long, which reorders. */
  readonly straggling: number
  /** Packets whose label starts with this are lost that often. */
  readonly selective?: { readonly label: string; readonly loss: number }
}

export const CALM: NetworkFaults = { extraMs: 0, loss: 0, duplication: 0, straggling: 0 }

export class PacketNetwork<P extends Packet = Packet> {
  faults: NetworkFaults = CALM
  packets = 0
  readonly #cuts = new Set<string>()
  readonly #profile: LatencyProfile
  readonly #time: VirtualTime
  readonly #random: SeededRandom
  readonly #deliver: (packet: P) => void

  constructor(
    profile: LatencyProfile,
    world: { readonly time: VirtualTime; readonly random: SeededRandom },
    deliver: (packet: P) => void,
  ) {
    this.#profile = profile
    this.#time = world.time
    this.#random = world.random
    this.#deliver = deliver
  }

  /** Cuts one direction. */
  cut(from: number, to: number): void {
    this.#cuts.add(`${from}>${to}`)
  }

  /** Two groups that cannot reach each other. */
  partition(left: readonly number[], right: readonly number[]): void {
    for (const a of left) {
      for (const b of right) {
        this.cut(a, b)
        this.cut(b, a)
      }
    }
  }

  mend(): void {
    this.#cuts.clear()
  }

  isCut(from: number, to: number): boolean {
    return this.#cuts.has(`${from}>${to}`)
  }

  /** Says how many copies are on their way. */
  send(packet: P): number {
    const { faults } = this
    const random = this.#random
    this.packets++
    const selective = faults.selective
    const isSelected = selective !== undefined && packet.label.startsWith(selective.label)
    if (random.chance(isSelected ? selective.loss : faults.loss)) return 0
    const copies = random.chance(faults.duplication) ? 2 : 1
    for (let i = 0; i < copies; i++) {
      const usualMs =
        this.#profile.delayMs(packet.from, packet.to, random) + random.between(0, faults.extraMs)
      const delayMs = usualMs * (random.chance(faults.straggling) ? 10 : 1)
      this.#time.after(delayMs, () => {
        if (!this.isCut(packet.from, packet.to)) this.#deliver(packet)
      })
    }
    return copies
  }
}
