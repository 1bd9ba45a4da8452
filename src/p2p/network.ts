/**
 * The network port over libp2p: direct channels, gossip topics and sync requests between nodes of
 * one chain. It moves bytes and bounds them; what they mean, and whose they are beyond the peer id
 * that Noise proves, is the business of the layers above.
 *
 * Upon a peer connecting: a bounded queue per channel waits for frames; a stream is opened with
 * the first. Upon malformed framing: the peer is disconnected and refused for a minute. Upon a
 * peer of another chain (identify tells): the same. Upon gossip streams missing on a live
 * connection, which gossipsub never repairs: the connection is closed and dialled again.
 */

import type { Connection, PeerId as Libp2pPeerId, Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { assert } from '../primitives/assert.ts'
import type { Hash32 } from '../primitives/hashes.ts'
import type {
  CancelTimer,
  Channel,
  GossipVerdict,
  Network,
  PeerId,
  PeerInfo,
  Runtime,
  Topic,
} from '../runtime/runtime.ts'
import { peerIdOfAddress } from './address.ts'
import { GossipTopics, hasGossipStreams } from './gossip.ts'
import { privateKeyOfSeed } from './identity.ts'
import { closeWriting, receiveFrames } from './inbound-stream.ts'
import { createLibp2pNode, type Libp2pNode } from './libp2p-node.ts'
import {
  DEFAULT_LIMITS,
  MAX_CHANNEL_STREAMS,
  MAX_FRAME_BYTES,
  type NetworkLimits,
} from './limits.ts'
import { OutboundChannel } from './outbound-channel.ts'
import { PeerGate } from './peer-gate.ts'
import { CHANNELS, type ProtocolNames, protocolNames } from './protocols.ts'
import { Redialer } from './redialer.ts'
import { SyncProtocol } from './sync-protocol.ts'

/** Looks at gossip without its streams before the connection is given up. */
const GOSSIP_MISSES_MAX = 3

export class NetworkError extends Error {
  override readonly name = 'NetworkError'
}

export interface Libp2pNetworkOptions {
  readonly chainId: Hash32
  /** Ed25519, 32 bytes. Two nodes must never run with the same one. */
  readonly privateKeySeed: Uint8Array
  /** Multiaddrs to listen on, such as `/ip4/0.0.0.0/tcp/9100`; none for a node that only dials. */
  readonly listen: readonly string[]
  /** Which peers may connect; all when absent. */
  readonly allow?: (peer: PeerId) => boolean
  readonly limits?: Partial<NetworkLimits>
}

interface Link {
  readonly peer: Libp2pPeerId
  readonly channels: Readonly<Record<Channel, OutboundChannel>>
  gossipMisses: number
}

type FrameHandler = (from: PeerId, frame: Uint8Array) => void

/** Creates a network that is not yet started. Stopped, it cannot be started again. */
export async function createLibp2pNetwork(
  options: Libp2pNetworkOptions,
  runtime: Runtime,
): Promise<Network> {
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const names = protocolNames(options.chainId)
  const links = new Map<PeerId, Link>()
  const { clock, timers, random, log } = runtime
  const redialer = new Redialer(limits, {
    clock,
    timers,
    random,
    log,
    isConnected: (peer) => links.has(peer),
    isRefused: (peer) => gate.isRefused(peer),
    dial: async (address, signal) => {
      await node.dial(multiaddr(address), { signal })
    },
  })
  const gate = new PeerGate(
    { ...limits, allow: options.allow },
    {
      clock,
      peerCount: () => links.size,
      connectionCount: (peer) => {
        const link = links.get(peer)
        return link === undefined ? 0 : node.getConnections(link.peer).length
      },
      isKept: (peer) => redialer.keeps(peer),
    },
  )
  const node: Libp2pNode = await createLibp2pNode({
    privateKey: await privateKeyOfSeed(options.privateKeySeed),
    listen: options.listen,
    names,
    gater: gate.connectionGater(),
    limits,
  })
  return new Libp2pNetwork({ node, names, limits, links, gate, redialer }, runtime)
}

interface Parts {
  readonly node: Libp2pNode
  readonly names: ProtocolNames
  readonly limits: NetworkLimits
  readonly links: Map<PeerId, Link>
  readonly gate: PeerGate
  readonly redialer: Redialer
}

class Libp2pNetwork implements Network {
  readonly peerId: PeerId
  readonly #parts: Parts
  readonly #runtime: Runtime
  readonly #gossip: GossipTopics
  readonly #sync: SyncProtocol
  readonly #frameHandlers = new Map<Channel, FrameHandler>()
  readonly #connectedHandlers: ((peer: PeerId) => void)[] = []
  readonly #disconnectedHandlers: ((peer: PeerId) => void)[] = []
  #cancelGossipCheck: CancelTimer | undefined
  #isStopped = false

  constructor(parts: Parts, runtime: Runtime) {
    this.#parts = parts
    this.#runtime = runtime
    this.peerId = parts.node.peerId.toString()
    this.#gossip = new GossipTopics(
      { pubsub: parts.node.services.pubsub, names: parts.names.topics },
      runtime,
    )
    this.#sync = new SyncProtocol(parts.limits, {
      timers: runtime.timers,
      log: runtime.log,
      open: (peer, signal) => this.#connectionTo(peer)?.newStream(parts.names.sync, { signal }),
      punish: (peer, reason) => this.disconnect(peer, reason),
    })
  }

  /** @throws NetworkError when it cannot listen. */
  async start(): Promise<void> {
    const { node, names, limits, redialer } = this.#parts
    node.addEventListener('peer:connect', ({ detail }) => this.#peerConnected(detail))
    node.addEventListener('peer:disconnect', ({ detail }) => {
      this.#peerDisconnected(detail.toString())
    })
    node.addEventListener('peer:identify', ({ detail }) => {
      if (detail.protocols.includes(names.sync)) return
      this.disconnect(detail.peerId.toString(), 'a node of another chain')
    })
    // Handlers first: a peer that connects at once must find them.
    for (const channel of CHANNELS) {
      await node.handle(
        names.channels[channel],
        (stream, connection) => this.#receive(channel, stream, connection),
        { maxInboundStreams: MAX_CHANNEL_STREAMS, maxOutboundStreams: MAX_CHANNEL_STREAMS },
      )
    }
    // Twice the number that is served, so that the surplus is declined and not cut off.
    const maxStreams = limits.requestsPerPeer * 2
    await node.handle(
      names.sync,
      (stream, connection) => this.#sync.serve(connection.remotePeer.toString(), stream),
      { maxInboundStreams: maxStreams, maxOutboundStreams: maxStreams },
    )
    try {
      await node.start()
    } catch (cause) {
      throw new NetworkError('the network did not start', { cause })
    }
    this.#gossip.subscribe()
    redialer.start()
    this.#scheduleGossipCheck()
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return
    this.#isStopped = true
    this.#cancelGossipCheck?.()
    this.#parts.redialer.stop()
    this.#sync.stop()
    for (const link of this.#parts.links.values()) closeChannels(link)
    await this.#parts.node.stop()
  }

  addresses(): readonly string[] {
    return this.#parts.node.getMultiaddrs().map(String)
  }

  /** @throws AddressError when it is not a multiaddr with `/p2p/…`. */
  keepConnected(address: string): void {
    const peer = peerIdOfAddress(address)
    // One list of addresses may serve all nodes: this node's own is skipped.
    if (peer !== this.peerId) this.#parts.redialer.keep(peer, address)
  }

  peers(): readonly PeerInfo[] {
    const infos: PeerInfo[] = []
    for (const peerId of this.#parts.links.keys()) {
      const connection = this.#connectionTo(peerId)
      if (connection === undefined) continue
      const { direction, remoteAddr } = connection
      infos.push({ peerId, direction, address: remoteAddr.toString() })
    }
    return infos
  }

  disconnect(peer: PeerId, reason: string): void {
    this.#runtime.log.info({ peer, reason }, 'peer disconnected and refused')
    this.#parts.gate.refuse(peer)
    this.#abortConnections(peer, reason)
  }

  send(peer: PeerId, channel: Channel, frame: Uint8Array): boolean {
    return this.#parts.links.get(peer)?.channels[channel].send(frame) ?? false
  }

  onFrame(channel: Channel, handler: FrameHandler): void {
    assert(!this.#frameHandlers.has(channel), 'a channel has one handler')
    this.#frameHandlers.set(channel, handler)
  }

  publish(topic: Topic, payload: Uint8Array): Promise<boolean> {
    return this.#gossip.publish(topic, payload)
  }

  onGossip(topic: Topic, handler: (from: PeerId, payload: Uint8Array) => GossipVerdict): void {
    this.#gossip.setHandler(topic, handler)
  }

  request(peer: PeerId, question: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    return this.#sync.ask(peer, question, timeoutMs)
  }

  onRequest(handler: (from: PeerId, question: Uint8Array) => Promise<Uint8Array>): void {
    this.#sync.setHandler(handler)
  }

  onPeerConnected(handler: (peer: PeerId) => void): void {
    this.#connectedHandlers.push(handler)
  }

  onPeerDisconnected(handler: (peer: PeerId) => void): void {
    this.#disconnectedHandlers.push(handler)
  }

  /** The newest connection: after a peer's crash the older ones may be dead without knowing. */
  #connectionTo(peer: PeerId): Connection | undefined {
    const link = this.#parts.links.get(peer)
    if (link === undefined) return undefined
    let newest: Connection | undefined
    for (const connection of this.#parts.node.getConnections(link.peer)) {
      if (connection.status !== 'open') continue
      if (newest === undefined || connection.timeline.open >= newest.timeline.open) {
        newest = connection
      }
    }
    return newest
  }

  #abortConnections(peer: PeerId, reason: string): void {
    const link = this.#parts.links.get(peer)
    if (link === undefined) return
    // libp2p replaces its list when a connection closes; this one stays as it is.
    const connections = this.#parts.node.getConnections(link.peer)
    for (const connection of connections) connection.abort(new NetworkError(reason))
  }

  #peerConnected(peer: Libp2pPeerId): void {
    const id = peer.toString()
    if (this.#isStopped || this.#parts.links.has(id)) return
    const channels = {
      consensus: this.#createChannel(id, 'consensus'),
      bulk: this.#createChannel(id, 'bulk'),
      federation: this.#createChannel(id, 'federation'),
    }
    this.#parts.links.set(id, { peer, channels, gossipMisses: 0 })
    this.#parts.redialer.peerConnected(id)
    for (const handler of this.#connectedHandlers) this.#guard('connected', () => handler(id))
  }

  #peerDisconnected(id: PeerId): void {
    const link = this.#parts.links.get(id)
    if (link === undefined) return
    this.#parts.links.delete(id)
    closeChannels(link)
    this.#parts.redialer.peerDisconnected(id)
    if (this.#isStopped) return
    for (const handler of this.#disconnectedHandlers) {
      this.#guard('disconnected', () => handler(id))
    }
  }

  #createChannel(peer: PeerId, channel: Channel): OutboundChannel {
    const { limits, names } = this.#parts
    return new OutboundChannel(
      {
        maxFrameBytes: MAX_FRAME_BYTES[channel],
        queue: limits.queue[channel],
        drainTimeoutMs: limits.drainTimeoutMs,
        openTimeoutMs: limits.openTimeoutMs,
      },
      {
        timers: this.#runtime.timers,
        random: this.#runtime.random,
        log: this.#runtime.log.child({ peer, channel }),
        open: (signal) => {
          const connection = this.#connectionTo(peer)
          if (connection === undefined) return Promise.reject(new NetworkError('not connected'))
          return connection.newStream(names.channels[channel], { signal })
        },
      },
    )
  }

  #receive(channel: Channel, stream: Stream, connection: Connection): void {
    const peer = connection.remotePeer.toString()
    receiveFrames(stream, {
      maxFrameBytes: MAX_FRAME_BYTES[channel],
      onFrame: (frame) => {
        // The rest of a chunk from a peer that has just been sent away.
        if (this.#isStopped || this.#parts.gate.isRefused(peer)) return
        this.#guard(channel, () => this.#frameHandlers.get(channel)?.(peer, frame))
      },
      onMalformed: (error) => this.disconnect(peer, `malformed ${channel} frame: ${error.message}`),
    })
    closeWriting(stream)
  }

  #scheduleGossipCheck(): void {
    this.#cancelGossipCheck = this.#runtime.timers.after(this.#parts.limits.gossipCheckMs, () => {
      for (const [id, link] of this.#parts.links) this.#checkGossip(id, link)
      this.#scheduleGossipCheck()
    })
  }

  #checkGossip(id: PeerId, link: Link): void {
    const connections = this.#parts.node.getConnections(link.peer)
    if (hasGossipStreams(connections.flatMap((connection) => connection.streams))) {
      link.gossipMisses = 0
      return
    }
    link.gossipMisses += 1
    if (link.gossipMisses < GOSSIP_MISSES_MAX) return
    this.#runtime.log.info({ peer: id }, 'gossip streams missing, connection closed')
    this.#abortConnections(id, 'gossip streams missing')
  }

  /** Runs a handler of the layers above; its failure is logged and goes no further. */
  #guard(handler: string, run: () => void): void {
    try {
      run()
    } catch (cause) {
      const error = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)
      this.#runtime.log.error({ handler, error }, 'network handler failed')
    }
  }
}

function closeChannels(link: Link): void {
  for (const channel of CHANNELS) link.channels[channel].close()
}
