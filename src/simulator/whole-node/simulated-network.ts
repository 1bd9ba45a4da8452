/**
 * The network between simulated processes: who is connected to whom, and packets on those links. A link
 * comes up when both ends are there and nothing is cut between them; it breaks with either process,
 * after a while with a cut in either direction, and when one end will not have the other. Frames of a
 * broken link are lost.
 */

import type { Message } from '../../consensus/messages.ts'
import { DEFAULT_LIMITS } from '../../p2p/limits.ts'
import type { PeerId } from '../../runtime/runtime.ts'
import type { LatencyProfile } from '../latency-profiles.ts'
import { type Packet, PacketNetwork } from '../packet-network.ts'
import type { SeededRandom } from '../seeded-random.ts'
import type { NodeNetwork } from './node-network.ts'
import type { WorldTime } from './world-time.ts'

/** One connection; another one after it broke. */
export interface Link {
  readonly ends: readonly [NodeNetwork, NodeNetwork]
  isUp: boolean
  underWay: number
}

interface Parcel extends Packet {
  readonly link: Link
  readonly arrive: (at: NodeNetwork) => void
  readonly target: NodeNetwork
}

export interface Punishment {
  /** Place of the node that punishes. */
  readonly by: number
  readonly peer: PeerId
  readonly reason: string
}

/** What the network shows of what happens on it. */
export interface NetworkObserver {
  /** A message of agreement, or undefined, leaves a node for a peer. */
  released(place: number, to: PeerId, label: string, message: Message | undefined): void
  punished(punishment: Punishment): void
  handlerFailed(place: number, error: unknown): void
}

/** The hub looks after its links this often. */
const KEEP_MS = 200
/** A link with a cut in it is noticed at such a look with this chance. */
const NOTICED = 0.08
const REDIALLED = 0.5
/** Frames on one link, of both directions and all channels; what comes then is refused. */
const UNDER_WAY_MAX = 2 * DEFAULT_LIMITS.queue.consensus.frames

export class SimulatedNetwork {
  readonly time: WorldTime
  readonly packets: PacketNetwork<Parcel>
  readonly #random: SeededRandom
  readonly #observer: NetworkObserver
  readonly #online = new Map<number, NodeNetwork>()
  readonly #links: Link[] = []
  #published = 0
  /** The most packets on one link at a time. */
  mostUnderWay = 0

  constructor(
    world: {
      readonly time: WorldTime
      readonly random: SeededRandom
      readonly profile: LatencyProfile
    },
    observer: NetworkObserver,
  ) {
    this.time = world.time
    this.#random = world.random
    this.#observer = observer
    this.packets = new PacketNetwork<Parcel>(world.profile, world, (parcel) => {
      const { link, target } = parcel
      if (link.isUp && target.isOnline) parcel.arrive(target)
    })
    this.#keepLinks()
  }

  join(network: NodeNetwork): void {
    this.#online.set(network.place, network)
  }

  /** Its process has ended: the others are told by their own operating systems, in a moment. */
  leave(network: NodeNetwork): void {
    if (this.#online.get(network.place) === network) this.#online.delete(network.place)
    for (const link of this.#links.filter(({ ends }) => ends.includes(network))) {
      link.isUp = false
      this.time.after(this.#random.between(0, 200), () => this.close(link))
    }
  }

  close(link: Link): void {
    link.isUp = false
    const at = this.#links.indexOf(link)
    if (at === -1) return
    this.#links.splice(at, 1)
    const [a, b] = link.ends
    a.linkDown(b.peerId, link)
    b.linkDown(a.peerId, link)
  }

  post(
    from: NodeNetwork,
    link: Link,
    { label, bytes }: Pick<Packet, 'label' | 'bytes'>,
    arrive: (at: NodeNetwork) => void,
  ): boolean {
    if (!link.isUp || link.underWay >= UNDER_WAY_MAX) return false
    const target = link.ends[0] === from ? link.ends[1] : link.ends[0]
    const parcel = { from: from.place, to: target.place, label, bytes, link, arrive, target }
    const copies = this.packets.send(parcel)
    link.underWay += copies
    this.mostUnderWay = Math.max(this.mostUnderWay, link.underWay)
    // What is late by more than this is not on the way any more.
    if (copies > 0) {
      this.time.after(1_000, () => {
        link.underWay -= copies
      })
    }
    return true
  }

  nextPublication(): number {
    this.#published += 1
    return this.#published
  }

  released(place: number, to: PeerId, label: string, message: Message | undefined): void {
    this.#observer.released(place, to, label, message)
  }

  punished(punishment: Punishment): void {
    this.#observer.punished(punishment)
  }

  handlerFailed(place: number, error: unknown): void {
    this.#observer.handlerFailed(place, error)
  }

  #keepLinks(): void {
    this.time.after(KEEP_MS, () => this.#keepLinks())
    const nodes = [...this.#online.values()].toSorted((a, b) => a.place - b.place)
    for (const [i, a] of nodes.entries()) {
      for (const b of nodes.slice(i + 1)) this.#keep(a, b)
    }
  }

  #keep(a: NodeNetwork, b: NodeNetwork): void {
    const link = this.#links.find(({ ends }) => ends.includes(a) && ends.includes(b))
    const isCut = this.packets.isCut(a.place, b.place) || this.packets.isCut(b.place, a.place)
    if (link !== undefined) {
      if (isCut && this.#random.chance(NOTICED)) this.close(link)
      return
    }
    if (isCut || a.refuses(b.peerId) || b.refuses(a.peerId)) return
    // The link to an earlier life is not quite down yet.
    if (a.isLinked(b.peerId) || b.isLinked(a.peerId)) return
    if (!this.#random.chance(REDIALLED)) return
    const made: Link = { ends: [a, b], isUp: true, underWay: 0 }
    this.#links.push(made)
    a.linkUp(b.peerId, made)
    b.linkUp(a.peerId, made)
  }
}
