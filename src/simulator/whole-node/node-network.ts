/**
 * The network port of one life of a process, over simulated packets. Direct streams, gossip, questions
 * and answers all travel as packets that may be late, lost, doubled or overtaken. Verdicts on gossip may
 * take their time; what is accepted is passed on after that.
 */

import { DEFAULT_LIMITS, MAX_FRAME_BYTES, MAX_GOSSIP_PAYLOAD_BYTES } from '../../p2p/limits.ts'
import { RequestError } from '../../p2p/request-error.ts'
import { assert } from '../../primitives/assert.ts'
import type {
  Channel,
  GossipVerdict,
  Network,
  PeerId,
  PeerInfo,
  Topic,
} from '../../runtime/runtime.ts'
import { labelFrame, labelGossip } from './message-labels.ts'
import { never, type ProcessLife } from './process-life.ts'
import type { Link, SimulatedNetwork } from './simulated-network.ts'

type GossipHandler = (from: PeerId, payload: Uint8Array) => GossipVerdict | Promise<GossipVerdict>

export interface Gossip {
  readonly topic: Topic
  readonly payload: Uint8Array
  /** Its own for every publication. */
  readonly id: number
}

export class NodeNetwork implements Network {
  readonly place: number
  readonly peerId: PeerId
  readonly #hub: SimulatedNetwork
  readonly #life: ProcessLife
  readonly #links = new Map<PeerId, Link>()
  readonly #refusedUntilMs = new Map<PeerId, number>()
  readonly #frames = new Map<Channel, (from: PeerId, frame: Uint8Array) => void>()
  readonly #topics = new Map<Topic, GossipHandler>()
  readonly #connected: ((peer: PeerId) => void)[] = []
  readonly #disconnected: ((peer: PeerId) => void)[] = []
  readonly #seen = new Set<number>()
  readonly #asked = new Map<PeerId, number>()
  readonly #waiting = new Set<(error: Error) => void>()
  #answerer: ((from: PeerId, question: Uint8Array) => Promise<Uint8Array>) | undefined
  #isOnline = false

  constructor(place: number, peerId: PeerId, life: ProcessLife, hub: SimulatedNetwork) {
    this.place = place
    this.peerId = peerId
    this.#hub = hub
    this.#life = life
  }

  get isOnline(): boolean {
    return this.#isOnline && this.#life.isAlive
  }

  async start(): Promise<void> {
    this.#isOnline = true
    this.#hub.join(this)
  }

  async stop(): Promise<void> {
    this.#isOnline = false
    this.#hub.leave(this)
    for (const reject of this.#waiting) reject(new RequestError('stopped', 'stopping'))
  }

  addresses(): readonly string[] {
    return [`/memory/${this.peerId}`]
  }

  keepConnected(): void {
    // The hub keeps everybody connected who can be.
  }

  setTrusted(): void {
    // Nobody here is a stranger for long.
  }

  peers(): readonly PeerInfo[] {
    return [...this.#links.keys()].map((peerId) => ({
      peerId,
      direction: 'outbound',
      address: peerId,
    }))
  }

  refuses(peer: PeerId): boolean {
    return (this.#refusedUntilMs.get(peer) ?? 0) > this.#hub.time.nowMs
  }

  disconnect(peer: PeerId, reason: string): void {
    if (!this.#life.isAlive) return
    this.#refusedUntilMs.set(peer, this.#hub.time.nowMs + DEFAULT_LIMITS.refusalMs)
    this.#hub.punished({ by: this.place, peer, reason })
    const link = this.#links.get(peer)
    if (link !== undefined) this.#hub.close(link)
  }

  // --- links --------------------------------------------------------------------------------

  linkUp(peer: PeerId, link: Link): void {
    this.#links.set(peer, link)
    for (const handler of this.#connected) this.#run(() => handler(peer))
  }

  isLinked(peer: PeerId): boolean {
    return this.#links.has(peer)
  }

  linkDown(peer: PeerId, link: Link): void {
    if (this.#links.get(peer) !== link) return
    this.#links.delete(peer)
    for (const handler of this.#disconnected) this.#run(() => handler(peer))
  }

  onPeerConnected(handler: (peer: PeerId) => void): void {
    this.#connected.push(handler)
  }

  onPeerDisconnected(handler: (peer: PeerId) => void): void {
    this.#disconnected.push(handler)
  }

  /** A handler that throws never harms the process, says the port; here it ends the run. */
  #run(handler: () => void): void {
    if (!this.isOnline) return
    try {
      handler()
    } catch (error) {
      this.#hub.handlerFailed(this.place, error)
    }
  }

  // --- direct streams -----------------------------------------------------------------------

  send(peer: PeerId, channel: Channel, frame: Uint8Array): boolean {
    if (!this.#life.enter() || !this.isOnline) return false
    const link = this.#links.get(peer)
    assert(frame.length <= MAX_FRAME_BYTES[channel], 'a frame within its limit')
    if (link === undefined) return false
    const bytes = frame.slice()
    const { label, message } = labelFrame(channel, bytes)
    this.#hub.released(this.place, peer, label, message)
    return this.#hub.post(this, link, { label, bytes }, (other) => {
      other.receiveFrame(this.peerId, channel, bytes)
    })
  }

  onFrame(channel: Channel, handler: (from: PeerId, frame: Uint8Array) => void): void {
    this.#frames.set(channel, handler)
  }

  receiveFrame(from: PeerId, channel: Channel, frame: Uint8Array): void {
    this.#run(() => this.#frames.get(channel)?.(from, frame.slice()))
  }

  // --- gossip -------------------------------------------------------------------------------

  async publish(topic: Topic, payload: Uint8Array): Promise<boolean> {
    if (!this.#life.enter()) return never()
    if (!this.isOnline) return false
    assert(payload.length <= MAX_GOSSIP_PAYLOAD_BYTES, 'a payload within its limit')
    const gossip = { topic, payload: payload.slice(), id: this.#hub.nextPublication() }
    this.#seen.add(gossip.id)
    return this.#forward(gossip, undefined) > 0
  }

  #forward(gossip: Gossip, except: PeerId | undefined): number {
    if (!this.isOnline) return 0
    const { label, message } = labelGossip(gossip.topic, gossip.payload)
    let count = 0
    for (const [peer, link] of this.#links) {
      if (peer === except) continue
      count += 1
      this.#hub.released(this.place, peer, label, message)
      this.#hub.post(this, link, { label, bytes: gossip.payload }, (other) => {
        other.receiveGossip(this.peerId, gossip)
      })
    }
    return count
  }

  onGossip(topic: Topic, handler: GossipHandler): void {
    this.#topics.set(topic, handler)
  }

  receiveGossip(from: PeerId, gossip: Gossip): void {
    if (this.#seen.has(gossip.id)) return
    this.#seen.add(gossip.id)
    this.#run(() => {
      const verdict = this.#topics.get(gossip.topic)?.(from, gossip.payload.slice()) ?? 'ignore'
      if (typeof verdict === 'string') this.#judged(verdict, from, gossip)
      else {
        verdict.then(
          (late) => this.#judged(late, from, gossip),
          (error: unknown) => this.#hub.handlerFailed(this.place, error),
        )
      }
    })
  }

  #judged(verdict: GossipVerdict, from: PeerId, gossip: Gossip): void {
    if (!this.isOnline) return
    if (verdict === 'accept') this.#forward(gossip, from)
    if (verdict !== 'reject') return
    this.#hub.punished({ by: this.place, peer: from, reason: `gossip on ${gossip.topic}` })
  }

  // --- questions ----------------------------------------------------------------------------

  request(peer: PeerId, question: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    if (!this.#life.enter()) return never()
    const link = this.#links.get(peer)
    const underWay = this.#asked.get(peer) ?? 0
    if (link === undefined) return fails('not-connected')
    if (underWay >= DEFAULT_LIMITS.requestsPerPeer) return fails('busy')
    this.#asked.set(peer, underWay + 1)
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
    this.#waiting.add(reject)
    let isOpen = true
    const settle = (finish: () => void): void => {
      if (!isOpen) return
      isOpen = false
      this.#waiting.delete(reject)
      this.#asked.set(peer, (this.#asked.get(peer) ?? 1) - 1)
      if (this.isOnline) finish()
    }
    this.#hub.time.after(timeoutMs, () =>
      settle(() => reject(new RequestError('timeout', 'no answer in time'))),
    )
    this.#hub.post(this, link, { label: 'sync-request', bytes: question }, (other) => {
      void other.answer(this, link, question, (answer) =>
        settle(() => {
          if (answer !== undefined) resolve(answer)
          else reject(new RequestError('refused', 'the peer declined'))
        }),
      )
    })
    return promise
  }

  async answer(
    asker: NodeNetwork,
    link: Link,
    question: Uint8Array,
    reply: (answer: Uint8Array | undefined) => void,
  ): Promise<void> {
    if (!this.isOnline || this.#answerer === undefined) return
    const answer = await this.#answerer(asker.peerId, question.slice()).catch(() => undefined)
    const bytes = answer?.slice() ?? new Uint8Array()
    this.#hub.post(this, link, { label: 'sync-answer', bytes }, () => {
      reply(answer === undefined ? undefined : bytes)
    })
  }

  onRequest(handler: (from: PeerId, question: Uint8Array) => Promise<Uint8Array>): void {
    this.#answerer = handler
  }
}

function fails(failure: 'not-connected' | 'busy'): Promise<never> {
  return Promise.reject(new RequestError(failure, `not asked: ${failure}`))
}
