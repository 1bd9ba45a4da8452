/**
 * Gossip topics over gossipsub 1.2 (libp2p's mesh protocol), unsigned: what is published carries
 * its own signatures. Every message is `attempt (u8) ‖ payload`, and its id covers all its bytes:
 * gossipsub never delivers the same bytes twice within two minutes, not even those that were
 * ignored for having come early, so publishing again takes a new attempt byte.
 * Nothing here is retried: liveness never depends on gossip.
 */

import {
  type GossipSub,
  type GossipsubOpts,
  type Message,
  TopicValidatorResult,
} from '@libp2p/gossipsub'
import { createTopicScoreParams } from '@libp2p/gossipsub/score'
import { assert } from '../primitives/assert.ts'
import { concatBytes, utf8 } from '../primitives/bytes.ts'
import { sha256 } from '../primitives/sha256.ts'
import type { GossipVerdict, Logger, PeerId, Random, Topic } from '../runtime/runtime.ts'
import { MAX_GOSSIP_PAYLOAD_BYTES, MAX_GOSSIP_RPC_BYTES } from './limits.ts'
import { TOPICS } from './protocols.ts'

const MESSAGE_ID_BYTES = 20

/** Prefix of gossipsub's stream protocols, all versions. */
const GOSSIP_PROTOCOL_PREFIX = '/meshsub/'

/**
 * Score lost per rejected message, times the square of their number: the third within a few
 * seconds takes a peer below gossipsub's graylist threshold of -80, where it is no longer heard.
 */
const REJECTED_WEIGHT = -10

const RETAIN_SCORE_MS = 300_000

export type GossipHandler = (
  from: PeerId,
  payload: Uint8Array,
) => GossipVerdict | Promise<GossipVerdict>

export interface GossipDependencies {
  readonly random: Random
  readonly log: Logger
  /** May this peer say something more on this topic now? */
  readonly admit: (from: PeerId, topic: Topic) => boolean
  readonly judged: (from: PeerId, verdict: GossipVerdict) => void
}

/** SHA256(topic ‖ data), the first 20 bytes. No topic name is the beginning of another. */
function messageId(message: Message): Uint8Array {
  return sha256(concatBytes(utf8(message.topic), message.data)).subarray(0, MESSAGE_ID_BYTES)
}

/** gossipsub's settings for a network of four to a few dozen nodes. */
export function gossipOptions(topics: Readonly<Record<Topic, string>>): Partial<GossipsubOpts> {
  const names = TOPICS.map((topic) => topics[topic])
  // Score only what is surely wrong. The delivery-rate terms fit large public networks; here
  // they would thin the mesh of a small set of known nodes under load.
  const score = createTopicScoreParams({
    topicWeight: 1,
    timeInMeshWeight: 0,
    firstMessageDeliveriesWeight: 0,
    meshMessageDeliveriesWeight: 0,
    meshFailurePenaltyWeight: 0,
    invalidMessageDeliveriesWeight: REJECTED_WEIGHT,
    invalidMessageDeliveriesDecay: 0.97,
  })
  return {
    globalSignaturePolicy: 'StrictNoSign',
    msgIdFn: messageId,
    allowedTopics: names,
    emitSelf: false,
    doPX: false,
    fallbackToFloodsub: false,
    allowPublishToZeroTopicPeers: false,
    // Own messages go to every subscriber at once; the mesh forwards. Up to nine nodes it is full.
    floodPublish: true,
    D: 8,
    Dlo: 5,
    Dhi: 12,
    maxInboundDataLength: MAX_GOSSIP_RPC_BYTES,
    maxOutboundBufferSize: 2 * MAX_GOSSIP_RPC_BYTES,
    scoreParams: {
      // Strangers come and go; what they did is remembered elsewhere (`peer-gate.ts`).
      retainScore: RETAIN_SCORE_MS,
      // Many nodes of a federation may share one address: a test machine, a cluster, a NAT.
      IPColocationFactorWeight: 0,
      behaviourPenaltyWeight: -1,
      behaviourPenaltyThreshold: 10,
      behaviourPenaltyDecay: 0.9,
      topics: Object.fromEntries(names.map((name) => [name, score])),
    },
  }
}

/** True when both directions of gossip with a peer are up, given all streams to it. */
export function hasGossipStreams(
  streams: readonly {
    readonly protocol: string
    readonly direction: 'inbound' | 'outbound'
    readonly status: string
  }[],
): boolean {
  const live = streams.filter(
    (stream) => stream.status === 'open' && stream.protocol.startsWith(GOSSIP_PROTOCOL_PREFIX),
  )
  return (
    live.some((stream) => stream.direction === 'inbound') &&
    live.some((stream) => stream.direction === 'outbound')
  )
}

export class GossipTopics {
  readonly #pubsub: GossipSub
  readonly #names: Readonly<Record<Topic, string>>
  readonly #dependencies: GossipDependencies
  readonly #handlers = new Map<Topic, GossipHandler>()
  #attempt: number

  constructor(
    options: { readonly pubsub: GossipSub; readonly names: Readonly<Record<Topic, string>> },
    dependencies: GossipDependencies,
  ) {
    this.#pubsub = options.pubsub
    this.#names = options.names
    this.#dependencies = dependencies
    // Not from 0: after a restart the first messages may repeat those of before.
    this.#attempt = dependencies.random.bytes(1)[0] ?? 0
  }

  setHandler(topic: Topic, handler: GossipHandler): void {
    assert(!this.#handlers.has(topic), 'a topic has one handler')
    this.#handlers.set(topic, handler)
  }

  /** Subscribes to the topics that have a handler. The node must be running. */
  subscribe(): void {
    for (const topic of TOPICS) {
      this.#pubsub.topicValidators.set(this.#names[topic], (peer, message) =>
        this.#validate(topic, peer.toString(), message.data),
      )
      if (this.#handlers.has(topic)) this.#pubsub.subscribe(this.#names[topic])
    }
  }

  /** Publishes once; false when nobody took it. Never rejects. */
  async publish(topic: Topic, payload: Uint8Array): Promise<boolean> {
    if (payload.length > MAX_GOSSIP_PAYLOAD_BYTES) {
      // A large proposal: its receivers have it by direct stream, the others pull it.
      this.#dependencies.log.debug(
        { topic, bytes: payload.length },
        'too long for gossip, not published',
      )
      return false
    }
    this.#attempt = (this.#attempt + 1) & 0xff
    const data = concatBytes(Uint8Array.of(this.#attempt), payload)
    try {
      const { recipients } = await this.#pubsub.publish(this.#names[topic], data)
      return recipients.length > 0
    } catch (cause) {
      // Mostly "nobody subscribed".
      this.#dependencies.log.debug({ topic, error: String(cause) }, 'not published')
      return false
    }
  }

  /** What was too fast is ignored unread, and does not count against the peer. */
  async #validate(topic: Topic, from: PeerId, data: Uint8Array): Promise<TopicValidatorResult> {
    const { admit, judged } = this.#dependencies
    if (!admit(from, topic)) return TopicValidatorResult.Ignore
    const verdict = await this.#judge(topic, from, data)
    judged(from, verdict)
    return RESULT_OF_VERDICT[verdict]
  }

  async #judge(topic: Topic, from: PeerId, data: Uint8Array): Promise<GossipVerdict> {
    if (data.length === 0 || data.length - 1 > MAX_GOSSIP_PAYLOAD_BYTES) return 'reject'
    const handler = this.#handlers.get(topic)
    if (handler === undefined) return 'ignore'
    try {
      // A copy: a handler that keeps a small payload must not keep the whole RPC alive.
      return await handler(from, new Uint8Array(data.subarray(1)))
    } catch (cause) {
      this.#dependencies.log.error({ topic, from, error: describe(cause) }, 'gossip handler failed')
      return 'ignore'
    }
  }
}

const RESULT_OF_VERDICT: Readonly<Record<GossipVerdict, TopicValidatorResult>> = {
  accept: TopicValidatorResult.Accept,
  ignore: TopicValidatorResult.Ignore,
  reject: TopicValidatorResult.Reject,
}

function describe(cause: unknown): string {
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)
}
