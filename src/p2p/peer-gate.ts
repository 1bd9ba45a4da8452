/**
 * Who may connect: the operator's choice, nobody who misbehaved a short while ago, and a bounded
 * number of peers and of connections for each.
 */

import type { ConnectionGater } from '@libp2p/interface'
import type { Clock, PeerId } from '../runtime/runtime.ts'
import { MAX_CONNECTIONS_PER_PEER } from './limits.ts'

/** Refused peers remembered. Peer ids cost nothing to make, so the oldest give way. */
const MAX_REFUSED = 4_096

export interface PeerGateOptions {
  readonly maxPeers: number
  readonly refusalMs: number
  /** The operator's choice; everybody when absent. */
  readonly allow?: ((peer: PeerId) => boolean) | undefined
}

export interface PeerGateDependencies {
  readonly clock: Clock
  readonly peerCount: () => number
  readonly connectionCount: (peer: PeerId) => number
  /** Peers this node itself wants: the limit on peers does not count for them. */
  readonly isKept: (peer: PeerId) => boolean
}

export class PeerGate {
  readonly #options: PeerGateOptions
  readonly #dependencies: PeerGateDependencies
  /** Peer to the monotonic time, ms, when its refusal ends; in order of refusal. */
  readonly #refused = new Map<PeerId, number>()

  constructor(options: PeerGateOptions, dependencies: PeerGateDependencies) {
    this.#options = options
    this.#dependencies = dependencies
  }

  /** Refuses a peer from now on, for the configured time. */
  refuse(peer: PeerId): void {
    this.#refused.delete(peer)
    this.#refused.set(peer, this.#dependencies.clock.monotonicMs() + this.#options.refusalMs)
    for (const oldest of this.#refused.keys()) {
      if (this.#refused.size <= MAX_REFUSED) break
      this.#refused.delete(oldest)
    }
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

  #admits(peer: PeerId): boolean {
    if (!this.#isWelcome(peer)) return false
    const connections = this.#dependencies.connectionCount(peer)
    if (connections > 0) return connections < MAX_CONNECTIONS_PER_PEER
    return (
      this.#dependencies.isKept(peer) || this.#dependencies.peerCount() < this.#options.maxPeers
    )
  }

  /** The same rules as libp2p asks for them. The peer id is known once Noise has proved it. */
  connectionGater(): ConnectionGater {
    return {
      denyDialPeer: (peer) => !this.#isWelcome(peer.toString()),
      denyOutboundEncryptedConnection: (peer) => !this.#isWelcome(peer.toString()),
      denyInboundEncryptedConnection: (peer) => !this.#admits(peer.toString()),
    }
  }
}
