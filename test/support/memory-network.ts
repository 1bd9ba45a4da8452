/**
 * The network port in memory, for whole nodes in one process: every frame takes some virtual time,
 * lines can be cut, and what nodes do to each other (disconnecting, rejecting gossip) is recorded.
 */

import { RequestError } from '../../src/p2p/request-error.ts'
import type {
  Channel,
  GossipVerdict,
  Network,
  PeerId,
  PeerInfo,
  Topic,
} from '../../src/runtime/runtime.ts'
import type { VirtualWorldTime } from './virtual-runtime.ts'

const LATENCY_MS = 2

type GossipHandler = (from: PeerId, payload: Uint8Array) => GossipVerdict | Promise<GossipVerdict>

export interface Disconnection {
  readonly by: PeerId
  readonly peer: PeerId
  readonly reason: string
}

export interface Rejection {
  readonly by: PeerId
  readonly from: PeerId
  readonly topic: Topic
}

interface SentFrame {
  readonly from: PeerId
  readonly to: PeerId
  readonly channel: Channel
  readonly frame: Uint8Array
}

export class NetworkHub {
  readonly time: VirtualWorldTime
  readonly disconnections: Disconnection[] = []
  readonly rejections: Rejection[] = []
  /** What handlers threw: must stay empty. */
  readonly failures: unknown[] = []
  readonly sent: SentFrame[] = []
  /** Says of each direct frame whether it gets lost. */
  loses: (frame: SentFrame) => boolean = () => false
  readonly #online = new Map<PeerId, MemoryNetwork>()
  readonly #cut = new Set<string>()
  #published = 0

  constructor(time: VirtualWorldTime) {
    this.time = time
  }

  create(peerId: PeerId): MemoryNetwork {
    return new MemoryNetwork(this, peerId)
  }

  find(peerId: PeerId): MemoryNetwork | undefined {
    return this.#online.get(peerId)
  }

  join(network: MemoryNetwork): void {
    this.#online.set(network.peerId, network)
    for (const other of this.#online.values()) this.connect(network.peerId, other.peerId)
  }

  leave(network: MemoryNetwork): void {
    if (this.#online.get(network.peerId) !== network) return
    this.#online.delete(network.peerId)
    for (const other of this.#online.values()) other.linkDown(network.peerId)
  }

  connect(a: PeerId, b: PeerId): void {
    const [first, second] = [this.#online.get(a), this.#online.get(b)]
    if (first === undefined || second === undefined || a === b) return
    if (this.#cut.has(lineOf(a, b)) || first.refuses(b) || second.refuses(a)) return
    first.linkUp(b)
    second.linkUp(a)
  }

  cut(a: PeerId, b: PeerId): void {
    this.#cut.add(lineOf(a, b))
    this.drop(a, b)
  }

  drop(a: PeerId, b: PeerId): void {
    this.#online.get(a)?.linkDown(b)
    this.#online.get(b)?.linkDown(a)
  }

  mend(a: PeerId, b: PeerId): void {
    this.#cut.delete(lineOf(a, b))
    this.connect(a, b)
  }

  /** A number of its own for each publication, as libp2p's attempt byte makes them differ. */
  nextPublication(): number {
    this.#published += 1
    return this.#published
  }

  run(handler: () => void): void {
    try {
      handler()
    } catch (error) {
      this.failures.push(error)
    }
  }
}

const lineOf = (a: PeerId, b: PeerId): string => [a, b].toSorted().join(' ')

export class MemoryNetwork implements Network {
  readonly peerId: PeerId
  readonly #hub: NetworkHub
  readonly #links = new Set<PeerId>()
  readonly #refused = new Set<PeerId>()
  readonly #frameHandlers = new Map<Channel, (from: PeerId, frame: Uint8Array) => void>()
  readonly #topicHandlers = new Map<Topic, GossipHandler>()
  readonly #connected: ((peer: PeerId) => void)[] = []
  readonly #disconnected: ((peer: PeerId) => void)[] = []
  readonly #seen = new Set<number>()
  #requestHandler: ((from: PeerId, question: Uint8Array) => Promise<Uint8Array>) | undefined
  #isOnline = false
  readonly #waiting = new Set<(error: Error) => void>()

  constructor(hub: NetworkHub, peerId: PeerId) {
    this.#hub = hub
    this.peerId = peerId
  }

  async start(): Promise<void> {
    this.#isOnline = true
    this.#hub.join(this)
  }

  async stop(): Promise<void> {
    this.#isOnline = false
    this.#hub.leave(this)
    this.#links.clear()
    for (const reject of this.#waiting) reject(new RequestError('stopped', 'stopping'))
  }

  addresses(): readonly string[] {
    return [`/memory/${this.peerId}`]
  }

  keepConnected(): void {
    // Everybody online is connected to everybody.
  }

  peers(): readonly PeerInfo[] {
    return [...this.#links].map((peerId) => ({ peerId, direction: 'outbound', address: peerId }))
  }

  refuses(peer: PeerId): boolean {
    return this.#refused.has(peer)
  }

  disconnect(peer: PeerId, reason: string): void {
    this.#hub.disconnections.push({ by: this.peerId, peer, reason })
    this.#refused.add(peer)
    this.#hub.drop(this.peerId, peer)
  }

  setTrusted(): void {
    // Nobody floods here.
  }

  linkUp(peer: PeerId): void {
    if (this.#links.has(peer)) return
    this.#links.add(peer)
    for (const handler of this.#connected) this.#hub.run(() => handler(peer))
  }

  linkDown(peer: PeerId): void {
    if (!this.#links.delete(peer)) return
    for (const handler of this.#disconnected) this.#hub.run(() => handler(peer))
  }

  #later(run: () => void): void {
    this.#hub.time.after(LATENCY_MS, run)
  }

  send(peer: PeerId, channel: Channel, frame: Uint8Array): boolean {
    if (!this.#isOnline || !this.#links.has(peer)) return false
    const sent = { from: this.peerId, to: peer, channel, frame: frame.slice() }
    this.#hub.sent.push(sent)
    if (this.#hub.loses(sent)) return true
    this.#later(() => this.#hub.find(peer)?.receiveFrame(this.peerId, channel, sent.frame))
    return true
  }

  receiveFrame(from: PeerId, channel: Channel, frame: Uint8Array): void {
    if (!this.#links.has(from)) return
    this.#hub.run(() => this.#frameHandlers.get(channel)?.(from, frame))
  }

  onFrame(channel: Channel, handler: (from: PeerId, frame: Uint8Array) => void): void {
    this.#frameHandlers.set(channel, handler)
  }

  async publish(topic: Topic, payload: Uint8Array): Promise<boolean> {
    if (!this.#isOnline) return false
    const id = this.#hub.nextPublication()
    this.#seen.add(id)
    return this.#forward(topic, payload.slice(), id, this.peerId) > 0
  }

  #forward(topic: Topic, payload: Uint8Array, id: number, from: PeerId): number {
    const others = [...this.#links].filter((peer) => peer !== from)
    for (const peer of others) {
      this.#later(() => this.#hub.find(peer)?.receiveGossip(this.peerId, topic, payload, id))
    }
    return others.length
  }

  receiveGossip(from: PeerId, topic: Topic, payload: Uint8Array, id: number): void {
    if (!this.#links.has(from) || this.#seen.has(id)) return
    this.#seen.add(id)
    const judged = (verdict: GossipVerdict | undefined): void => {
      if (verdict === 'reject') this.#hub.rejections.push({ by: this.peerId, from, topic })
      if (verdict === 'accept') this.#forward(topic, payload, id, from)
    }
    this.#hub.run(() => {
      const verdict = this.#topicHandlers.get(topic)?.(from, payload)
      // One that takes its time: the message is passed on after it.
      if (verdict instanceof Promise) {
        verdict.then(judged, (error: unknown) => this.#hub.failures.push(error))
      } else judged(verdict)
    })
  }

  onGossip(topic: Topic, handler: GossipHandler): void {
    this.#topicHandlers.set(topic, handler)
  }

  request(peer: PeerId, question: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    return new Promise<Uint8Array>((resolve, reject) => {
      if (!this.#links.has(peer)) {
        reject(new RequestError('not-connected', 'peer not connected'))
        return
      }
      const done = (finish: () => void): void => {
        cancel()
        this.#waiting.delete(reject)
        finish()
      }
      const fail = (error: Error): void => done(() => reject(error))
      const cancel = this.#hub.time.after(timeoutMs, () =>
        fail(new RequestError('timeout', 'no answer in time')),
      )
      this.#waiting.add(reject)
      const askOther = async (): Promise<void> => {
        const other = this.#hub.find(peer)
        if (other === undefined) return
        try {
          const answer = await other.answer(this.peerId, question)
          this.#later(() => done(() => resolve(answer.slice())))
        } catch (cause) {
          fail(new RequestError('refused', 'the peer declined', { cause }))
        }
      }
      this.#later(() => void askOther())
    })
  }

  async answer(from: PeerId, question: Uint8Array): Promise<Uint8Array> {
    if (this.#requestHandler === undefined) throw new RequestError('refused', 'no handler')
    return this.#requestHandler(from, question)
  }

  onRequest(handler: (from: PeerId, question: Uint8Array) => Promise<Uint8Array>): void {
    this.#requestHandler = handler
  }

  onPeerConnected(handler: (peer: PeerId) => void): void {
    this.#connected.push(handler)
  }

  onPeerDisconnected(handler: (peer: PeerId) => void): void {
    this.#disconnected.push(handler)
  }
}
