/**
 * The connected peers, with what is kept of each for as long as it is connected: its queues, what it
 * may send, how it has behaved. Small misdeeds cost points, which come back with time; a peer without
 * points is disconnected by whoever took the last one.
 */

import type { PeerId as Libp2pPeerId } from '@libp2p/interface'
import type { Channel, Clock, PeerId, Topic } from '../runtime/runtime.ts'
import type { AddressGroup } from './address-group.ts'
import { chooseEviction } from './eviction.ts'
import { InboundAllowance } from './inbound-allowance.ts'
import type { NetworkLimits } from './limits.ts'
import type { NetworkCounters } from './network-counters.ts'
import type { OutboundChannel } from './outbound-channel.ts'
import { CHANNELS } from './protocols.ts'
import { type Rate, TokenBucket } from './token-bucket.ts'

/** Points of a peer; a minute of good behaviour brings 60 back. */
const POINTS: Rate = { burst: 100, perSecond: 1 }

/** Gossip of one peer on one topic; above it messages are ignored before any work. */
const GOSSIP_RATES: Readonly<Record<Topic, Rate>> = {
  // A busy node sends a batch every 5 ms, and one neighbour may forward those of several.
  transactions: { burst: 4_000, perSecond: 1_000 },
  proposals: { burst: 200, perSecond: 50 },
  blocks: { burst: 200, perSecond: 50 },
  // Those of a hundred validators, forwarded by one neighbour.
  votes: { burst: 4_000, perSecond: 1_000 },
  federation: { burst: 200, perSecond: 20 },
  // One of each validator now and then.
  freeze: { burst: 200, perSecond: 10 },
  // A person decides about each.
  members: { burst: 20, perSecond: 1 },
}

export interface PeerLink {
  readonly id: PeerId
  readonly peer: Libp2pPeerId
  readonly group: AddressGroup
  /** Monotonic, ms. */
  readonly connectedAtMs: number
  readonly channels: Readonly<Record<Channel, OutboundChannel>>
  readonly inbound: InboundAllowance
  readonly points: TokenBucket
  readonly gossip: Readonly<Record<Topic, TokenBucket>>
  /** Answers to its requests; observers of one address group share one. */
  readonly answers: TokenBucket
  useful: number
  gossipMisses: number
}

export interface NewPeer {
  readonly peer: Libp2pPeerId
  readonly group: AddressGroup
  readonly channels: Readonly<Record<Channel, OutboundChannel>>
}

export interface PeerLinksDependencies {
  readonly clock: Clock
  readonly counters: NetworkCounters
  readonly isKept: (peer: PeerId) => boolean
}

export class PeerLinks {
  readonly #limits: NetworkLimits
  readonly #dependencies: PeerLinksDependencies
  readonly #links = new Map<PeerId, PeerLink>()

  constructor(limits: NetworkLimits, dependencies: PeerLinksDependencies) {
    this.#limits = limits
    this.#dependencies = dependencies
  }

  find(id: PeerId): PeerLink | undefined {
    return this.#links.get(id)
  }

  all(): readonly PeerLink[] {
    return [...this.#links.values()]
  }

  add({ peer, group, channels }: NewPeer): PeerLink {
    const { clock, counters } = this.#dependencies
    const nowMs = clock.monotonicMs()
    const bucket = (rate: Rate): TokenBucket => new TokenBucket(rate, nowMs)
    const sibling = group.isLocal ? undefined : this.#observers(group.name)[0]
    const link: PeerLink = {
      id: peer.toString(),
      peer,
      group,
      connectedAtMs: nowMs,
      channels,
      inbound: new InboundAllowance(clock, counters),
      points: bucket(POINTS),
      gossip: {
        transactions: bucket(GOSSIP_RATES.transactions),
        proposals: bucket(GOSSIP_RATES.proposals),
        blocks: bucket(GOSSIP_RATES.blocks),
        votes: bucket(GOSSIP_RATES.votes),
        federation: bucket(GOSSIP_RATES.federation),
        freeze: bucket(GOSSIP_RATES.freeze),
        members: bucket(GOSSIP_RATES.members),
      },
      answers: sibling?.answers ?? bucket(this.#limits.answers),
      useful: 0,
      gossipMisses: 0,
    }
    this.#links.set(link.id, link)
    return link
  }

  /** Forgets a peer, with everything that waits for it. */
  remove(id: PeerId): PeerLink | undefined {
    const link = this.#links.get(id)
    if (link === undefined) return undefined
    this.#links.delete(id)
    closeChannels(link)
    return link
  }

  /** Nothing is sent any more. */
  closeAll(): void {
    for (const link of this.#links.values()) closeChannels(link)
  }

  isObserver({ id, inbound }: PeerLink): boolean {
    return !inbound.isTrusted && !this.#dependencies.isKept(id)
  }

  observerCount(group: string): number {
    return this.#observers(group).length
  }

  /** Whom to part with now that `newcomer` has come; undefined while there is room. */
  findExcess(newcomer: PeerLink): PeerLink | undefined {
    const observers = this.all().filter((link) => this.isObserver(link))
    if (observers.length <= this.#limits.maxObservers) return undefined
    const others = observers.filter((link) => link !== newcomer)
    const id = chooseEviction(others.map((link) => ({ ...link, group: link.group.name })))
    return id === undefined ? newcomer : this.#links.get(id)
  }

  #observers(group: string): readonly PeerLink[] {
    return this.all().filter((link) => link.group.name === group && this.isObserver(link))
  }
}

function closeChannels(link: PeerLink): void {
  for (const channel of CHANNELS) link.channels[channel].close()
}
