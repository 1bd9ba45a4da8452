/**
 * Who may connect. The peers that this node itself keeps up (the validators that its operator has
 * named) always may, unless they misbehaved a short while ago, whatever goes on at their address.
 * Everybody else is an observer until the layers above trust it: refused after misbehaviour, by peer
 * id and, when it happens again, by address group; bounded for each address group and, by eviction
 * (see `eviction.ts`), in all. Before the handshake only the address is known, afterwards the peer.
 */

import type { ConnectionGater } from '@libp2p/interface'
import type { Clock, PeerId } from '../runtime/runtime.ts'
import { type AddressGroup, addressGroupOf } from './address-group.ts'
import { AddressStanding } from './address-standing.ts'
import { Handshakes } from './handshakes.ts'
import { MAX_CONNECTIONS_PER_PEER } from './limits.ts'
import type { CounterName } from './network-counters.ts'

/** Refused peers remembered. Peer ids cost nothing to make, so the oldest give way. */
const MAX_REFUSED = 4_096

export interface PeerGateOptions {
  readonly observersPerAddress: number
  readonly refusalMs: number
  readonly addressRefusalMs: number
  /** The operator's choice; everybody when absent. */
  readonly allow?: ((peer: PeerId) => boolean) | undefined
}

export interface PeerGateDependencies {
  readonly clock: Clock
  readonly connectionCount: (peer: PeerId) => number
  /** Observers connected from an address group, by its name. */
  readonly observerCount: (group: string) => number
  /** Peers this node itself wants, and the address groups where it looks for them. */
  readonly isKept: (peer: PeerId) => boolean
  readonly isKeptGroup: (group: string) => boolean
  readonly count: (name: CounterName) => void
}

export class PeerGate {
  readonly #options: PeerGateOptions
  readonly #dependencies: PeerGateDependencies
  readonly #addresses: AddressStanding
  readonly #handshakes: Handshakes
  /** Peer to the monotonic time, ms, when its refusal ends; in order of refusal. */
  readonly #refused = new Map<PeerId, number>()

  constructor(options: PeerGateOptions, dependencies: PeerGateDependencies) {
    this.#options = options
    this.#dependencies = dependencies
    this.#addresses = new AddressStanding(options, dependencies.clock)
    this.#handshakes = new Handshakes(() => dependencies.count('handshakesDisplaced'))
  }

  /** Refuses a peer from now on; its address as well when that is given and has offended before. */
  refuse(peer: PeerId, group?: AddressGroup): void {
    this.#refused.delete(peer)
    this.#refused.set(peer, this.#dependencies.clock.monotonicMs() + this.#options.refusalMs)
    for (const oldest of this.#refused.keys()) {
      if (this.#refused.size <= MAX_REFUSED) break
      this.#refused.delete(oldest)
    }
    if (group !== undefined) this.#addresses.offended(group)
  }

  isRefused(peer: PeerId): boolean {
    const untilMs = this.#refused.get(peer)
    if (untilMs === undefined) return false
    if (this.#dependencies.clock.monotonicMs() < untilMs) return true
    this.#refused.delete(peer)
    return false
  }

  #isWelcome(peer: PeerId): boolean {
    return !this.isRefused(peer) && (this.#options.allow?.(peer) ?? true)
  }

  /** Why an address may not even begin a handshake. */
  #findAddressRefusal(group: AddressGroup): CounterName | undefined {
    // A validator behind it could not be told apart yet.
    if (this.#dependencies.isKeptGroup(group.name)) return undefined
    if (this.#addresses.isRefused(group)) return 'refusedAddress'
    return this.#addresses.mayConnect(group) ? undefined : 'refusedAddressRate'
  }

  /** Why a peer, whose id Noise has proved, may not come in. */
  #findRefusal(peer: PeerId, group: AddressGroup): CounterName | undefined {
    const { connectionCount, isKept, observerCount } = this.#dependencies
    if (this.isRefused(peer)) return 'refusedMisbehaved'
    if (!this.#isWelcome(peer)) return 'refusedUnwelcome'
    const connections = connectionCount(peer)
    if (connections >= MAX_CONNECTIONS_PER_PEER) return 'refusedDuplicate'
    if (connections > 0 || isKept(peer)) return undefined
    if (this.#addresses.isRefused(group)) return 'refusedAddress'
    const isFull = observerCount(group.name) >= this.#options.observersPerAddress
    return isFull && !group.isLocal ? 'refusedAddressFull' : undefined
  }

  #denies(refusal: CounterName | undefined): boolean {
    if (refusal !== undefined) this.#dependencies.count(refusal)
    return refusal !== undefined
  }

  /** The same rules as libp2p asks for them. */
  connectionGater(): ConnectionGater {
    return {
      denyDialPeer: (peer) => !this.#isWelcome(peer.toString()),
      denyOutboundEncryptedConnection: (peer) => !this.#isWelcome(peer.toString()),
      denyInboundConnection: (connection) => {
        const group = addressGroupOf(connection.remoteAddr)
        if (this.#denies(this.#findAddressRefusal(group))) return true
        this.#handshakes.begin(connection, group)
        return false
      },
      denyInboundEncryptedConnection: (peer, connection) =>
        this.#denies(this.#findRefusal(peer.toString(), addressGroupOf(connection.remoteAddr))),
      denyInboundUpgradedConnection: (_peer, connection) => {
        this.#handshakes.end(connection)
        return false
      },
    }
  }
}
