/**
 * The network port over libp2p: direct channels, gossip topics and sync requests between nodes of
 * one chain. It moves bytes and bounds them; what they mean, and whose they are beyond the peer id
 * that Noise proves, is the business of the layers above.
 *
 * Upon a peer connecting: a bounded queue per channel waits for frames; a stream is opened with
 * the first. Upon malformed framing: the peer is disconnected and refused for a minute. Upon a
 * peer of another chain (identify tells): the same. Upon rejected gossip: it loses points, and with
 * the last of them its connection. Upon gossip streams missing on a live connection, which gossipsub
 * never repairs: the connection is closed and dialled again. Upon more observers than there are
 * places: the least useful is parted with, without blame.
 */

import type { Connection, PeerId as Libp2pPeerId } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
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
import { type AddressGroup, addressGroupOf } from './address-group.ts'
import { FrameChannels, type FrameHandler } from './frame-channels.ts'
import { type GossipHandler, GossipTopics, hasGossipStreams } from './gossip.ts'
import { privateKeyOfSeed } from './identity.ts'
import { createLibp2pNode, type Libp2pNode } from './libp2p-node.ts'
import { DEFAULT_LIMITS, type NetworkLimits } from './limits.ts'
import { type CounterName, type CounterValues, NetworkCounters } from './network-counters.ts'
import { NetworkError } from './network-error.ts'
import { PeerGate } from './peer-gate.ts'
import { type PeerLink, PeerLinks } from './peer-links.ts'
import { type ProtocolNames, protocolNames } from './protocols.ts'
import { Redialer } from './redialer.ts'
import { SyncProtocol } from './sync-protocol.ts'

/** Of the hundred points that a peer begins with (`peer-links.ts`): the sixth message is one too many. */
const REJECTED_GOSSIP_POINTS = 20

const COUNTER_OF_VERDICT: Readonly<Record<GossipVerdict, CounterName>> = {
  accept: 'gossipAccepted',
  ignore: 'gossipIgnored',
  reject: 'gossipRejected',
}

/** Looks at gossip without its streams before the connection is given up. */
const GOSSIP_MISSES_MAX = 3

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

/** The network, and what it can tell of itself. */
export interface Libp2pNetwork extends Network {
  statistics(): NetworkStatistics
}

export interface NetworkStatistics extends CounterValues {
  readonly trustedPeers: number
  readonly observers: number
}

/** Creates a network that is not yet started. Stopped, it cannot be started again. */
export async function createLibp2pNetwork(
  options: Libp2pNetworkOptions,
  runtime: Runtime,
): Promise<Libp2pNetwork> {
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const names = protocolNames(options.chainId)
  const counters = new NetworkCounters()
  const isKept = (peer: PeerId): boolean => redialer.keeps(peer)
  const { clock, timers, random, log } = runtime
  const redialer = new Redialer(limits, {
    clock,
    timers,
    random,
    log,
    isConnected: (peer) => links.find(peer) !== undefined,
    isRefused: (peer) => gate.isRefused(peer),
    dial: async (address, signal) => {
      await node.dial(multiaddr(address), { signal })
    },
  })
  const links = new PeerLinks(limits, { clock, counters, isKept })
  const gate = new PeerGate(
    { ...limits, allow: options.allow },
    {
      clock,
      connectionCount: (peer) => {
        const link = links.find(peer)
        return link === undefined ? 0 : node.getConnections(link.peer).length
      },
      observerCount: (group) => links.observerCount(group),
      isKept,
      isKeptGroup: (group) => redialer.keepsGroup(group),
      count: (name) => counters.count(name),
    },
  )
  const node: Libp2pNode = await createLibp2pNode({
    privateKey: await privateKeyOfSeed(options.privateKeySeed),
    listen: options.listen,
    names,
    gater: gate.connectionGater(),
    limits,
  })
  return new RunningNetwork({ node, names, limits, links, gate, redialer, counters }, runtime)
}

interface Parts {
  readonly node: Libp2pNode
  readonly names: ProtocolNames
  readonly limits: NetworkLimits
  readonly links: PeerLinks
  readonly gate: PeerGate
  readonly redialer: Redialer
  readonly counters: NetworkCounters
}

class RunningNetwork implements Libp2pNetwork {
  readonly peerId: PeerId
  readonly #parts: Parts
  readonly #runtime: Runtime
  readonly #gossip: GossipTopics
  readonly #sync: SyncProtocol
  readonly #channels: FrameChannels
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
      {
        random: runtime.random,
        log: runtime.log,
        admit: (from, topic) => this.#admitGossip(from, topic),
        judged: (from, verdict) => this.#gossipJudged(from, verdict),
      },
    )
    this.#channels = new FrameChannels({
      names: parts.names,
      limits: parts.limits,
      links: parts.links,
      counters: parts.counters,
      runtime,
      connectionTo: (peer) => this.#connectionTo(peer),
      isWelcome: (peer) => !this.#isStopped && !parts.gate.isRefused(peer),
      punish: (peer, reason) => this.disconnect(peer, reason),
      guard: (handler, run) => this.#guard(handler, run),
    })
    this.#sync = new SyncProtocol(parts.limits, {
      clock: runtime.clock,
      timers: runtime.timers,
      log: runtime.log,
      counters: parts.counters,
      isTrusted: (peer) => parts.links.find(peer)?.inbound.isTrusted ?? false,
      answersOf: (peer) => parts.links.find(peer)?.answers,
      open: (peer, signal) => this.#connectionTo(peer)?.newStream(parts.names.sync, { signal }),
      punish: (peer, reason) => this.disconnect(peer, reason),
    })
  }

  /** @throws NetworkError when it cannot listen. */
  async start(): Promise<void> {
    const { node, names, limits, redialer } = this.#parts
    node.addEventListener('peer:connect', ({ detail }) => this.#peerConnected(detail))
    node.addEventListener('peer:disconnect', ({ detail }) => {
      this.#peerDisconnected(detail)
    })
    node.addEventListener('peer:identify', ({ detail }) => {
      if (detail.protocols.includes(names.sync)) return
      // A mistake and no attack: its address is not to blame.
      this.#sendAway(detail.peerId.toString(), 'a node of another chain', undefined)
    })
    // Handlers first: a peer that connects at once must find them.
    await this.#channels.serve(node)
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
    this.#parts.links.closeAll()
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
    for (const { id } of this.#parts.links.all()) {
      const connection = this.#connectionTo(id)
      if (connection === undefined) continue
      const { direction, remoteAddr } = connection
      infos.push({ peerId: id, direction, address: remoteAddr.toString() })
    }
    return infos
  }

  statistics(): NetworkStatistics {
    const { links, counters } = this.#parts
    const all = links.all()
    return {
      ...counters.values(),
      trustedPeers: all.filter(({ inbound }) => inbound.isTrusted).length,
      observers: all.filter((link) => links.isObserver(link)).length,
    }
  }

  setTrusted(peer: PeerId, isTrusted: boolean): void {
    this.#parts.links.find(peer)?.inbound.trust(isTrusted)
  }

  disconnect(peer: PeerId, reason: string): void {
    const { links } = this.#parts
    const link = links.find(peer)
    const isStranger = link !== undefined && links.isObserver(link)
    this.#sendAway(peer, reason, isStranger ? link.group : undefined)
  }

  /** With an address group, its other peers suffer as well when it happens again. */
  #sendAway(peer: PeerId, reason: string, group: AddressGroup | undefined): void {
    this.#runtime.log.info({ peer, reason }, 'peer disconnected and refused')
    this.#parts.counters.count('peersDisconnected')
    this.#parts.gate.refuse(peer, group)
    this.#abortConnections(peer, reason)
  }

  send(peer: PeerId, channel: Channel, frame: Uint8Array, replaces?: string): boolean {
    return this.#channels.send(peer, channel, frame, replaces)
  }

  onFrame(channel: Channel, handler: FrameHandler): void {
    this.#channels.onFrame(channel, handler)
  }

  publish(topic: Topic, payload: Uint8Array): Promise<boolean> {
    return this.#gossip.publish(topic, payload)
  }

  onGossip(topic: Topic, handler: GossipHandler): void {
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
    const link = this.#parts.links.find(peer)
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
    const link = this.#parts.links.find(peer)
    if (link === undefined) return
    // libp2p replaces its list when a connection closes; this one stays as it is.
    const connections = this.#parts.node.getConnections(link.peer)
    for (const connection of connections) connection.abort(new NetworkError(reason))
  }

  #peerConnected(peer: Libp2pPeerId): void {
    const { links, node, redialer } = this.#parts
    const id = peer.toString()
    const [connection] = node.getConnections(peer)
    if (this.#isStopped || connection === undefined || links.find(id) !== undefined) return
    const channels = this.#channels.queuesFor(id)
    const link = links.add({ peer, group: addressGroupOf(connection.remoteAddr), channels })
    redialer.peerConnected(id, link.group.name)
    this.#makeRoom(link)
    for (const handler of this.#connectedHandlers) this.#guard('connected', () => handler(id))
  }

  #makeRoom(newcomer: PeerLink): void {
    const excess = this.#parts.links.findExcess(newcomer)
    if (excess === undefined) return
    this.#runtime.log.info({ peer: excess.id }, 'too many observers, one is parted with')
    this.#parts.counters.count('observersEvicted')
    this.#abortConnections(excess.id, 'too many observers')
  }

  #peerDisconnected(peer: Libp2pPeerId): void {
    const { links, node, redialer } = this.#parts
    const id = peer.toString()
    if (links.remove(id) === undefined) return
    redialer.peerDisconnected(id)
    if (this.#isStopped) return
    // Whoever comes under ever new ids must not fill libp2p's memory.
    if (!redialer.keeps(id)) node.peerStore.delete(peer).catch(() => undefined)
    for (const handler of this.#disconnectedHandlers) {
      this.#guard('disconnected', () => handler(id))
    }
  }

  #admitGossip(from: PeerId, topic: Topic): boolean {
    const { links, counters } = this.#parts
    const isAdmitted =
      links.find(from)?.gossip[topic].take(this.#runtime.clock.monotonicMs()) ?? false
    if (!isAdmitted) counters.count('gossipOverRate')
    return isAdmitted
  }

  #gossipJudged(from: PeerId, verdict: GossipVerdict): void {
    const { links, counters } = this.#parts
    counters.count(COUNTER_OF_VERDICT[verdict])
    const link = links.find(from)
    if (link === undefined || verdict === 'ignore') return
    if (verdict === 'accept') link.useful += 1
    else if (!link.points.take(this.#runtime.clock.monotonicMs(), REJECTED_GOSSIP_POINTS)) {
      this.disconnect(from, 'too much invalid gossip')
    }
  }

  #scheduleGossipCheck(): void {
    this.#cancelGossipCheck = this.#runtime.timers.after(this.#parts.limits.gossipCheckMs, () => {
      for (const link of this.#parts.links.all()) this.#checkGossip(link)
      this.#scheduleGossipCheck()
    })
  }

  #checkGossip(link: PeerLink): void {
    const connections = this.#parts.node.getConnections(link.peer)
    if (hasGossipStreams(connections.flatMap((connection) => connection.streams))) {
      link.gossipMisses = 0
      return
    }
    link.gossipMisses += 1
    if (link.gossipMisses < GOSSIP_MISSES_MAX) return
    this.#runtime.log.info({ peer: link.id }, 'gossip streams missing, connection closed')
    this.#parts.counters.count('gossipRepairs')
    this.#abortConnections(link.id, 'gossip streams missing')
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
