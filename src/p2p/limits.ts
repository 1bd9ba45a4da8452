/**
 * Every bound of the network layer. The wire sizes are fixed, because all nodes must agree on
 * them; the rest an operator, or a test, may set.
 *
 * What strangers can make a node hold: for each of `maxObservers` connections' worth of peers one
 * gossip RPC and the streams that wait for their handlers, besides queues that this node itself fills;
 * no frames. A validator adds 16 MiB of unfinished frames.
 */

import type { Channel } from '../runtime/runtime.ts'
import type { Rate } from './token-bucket.ts'

/** Longest frame of each channel, bytes. A longer one is a protocol violation. */
export const MAX_FRAME_BYTES: Readonly<Record<Channel, number>> = {
  consensus: 64 * 1024,
  // A whole proposal.
  bulk: 4 * 1024 * 1024,
  // The nonces of a hundred members for a hundred inputs.
  federation: 2 * 1024 * 1024,
}

/** Longest sync question and answer, bytes. */
export const MAX_QUESTION_BYTES = 64 * 1024
export const MAX_ANSWER_BYTES = 8 * 1024 * 1024

/** Longest gossip payload, bytes: one MiB with the attempt byte. */
export const MAX_GOSSIP_PAYLOAD_BYTES = 1024 * 1024 - 1

/**
 * Longest gossipsub RPC, bytes. The sender's encoder refuses to go above 4 MiB, and a receiver
 * with a lower cap silently stops listening to the sender: so it is 4 MiB on every node.
 */
export const MAX_GOSSIP_RPC_BYTES = 4 * 1024 * 1024

export interface QueueLimit {
  readonly frames: number
  readonly bytes: number
}

export interface NetworkLimits {
  /**
   * Peers connected at once besides those of `keepConnected` and those the layers above trust, which
   * always have their place. Above it the least useful is parted with.
   */
  readonly maxObservers: number
  /** Of these, from one address group (IPv4 /24, IPv6 /64; not loopback and private ranges). */
  readonly observersPerAddress: number
  /** Frames waiting for one peer on one channel. Above it the newest frame is refused. */
  readonly queue: Readonly<Record<Channel, QueueLimit>>
  /** A stream whose peer takes no byte for this long is aborted and opened again. */
  readonly drainTimeoutMs: number
  /** Opening a stream, its protocol negotiation included. */
  readonly openTimeoutMs: number
  /** One dial, with the encryption handshake. */
  readonly dialTimeoutMs: number
  /** A connection that comes in must be encrypted and multiplexed within this. */
  readonly handshakeTimeoutMs: number
  /** How long a peer that misbehaved is refused; and an address where that happens repeatedly. */
  readonly refusalMs: number
  readonly addressRefusalMs: number
  /** Sync requests under way with one peer, in each direction; of an observer, those it has asked. */
  readonly requestsPerPeer: number
  readonly requestsPerObserver: number
  /** Sync requests being answered for all peers together; and how many of them for observers. */
  readonly requestsServed: number
  readonly requestsServedToObservers: number
  /** Answers to one observer: a token for each, and one for each 64 KiB. More has to wait. */
  readonly answers: Rate
  /** Answering one request, from its first byte to the last of the answer. */
  readonly serveTimeoutMs: number
  /** How often each connection is pinged, and how long the answer may take before it is closed. */
  readonly pingIntervalMs: number
  readonly pingTimeoutMs: number
  /** How often each peer's gossip streams are looked at; a third miss closes the connection. */
  readonly gossipCheckMs: number
}

export const DEFAULT_LIMITS: NetworkLimits = {
  maxObservers: 64,
  observersPerAddress: 8,
  queue: {
    consensus: { frames: 512, bytes: 2 * 1024 * 1024 },
    bulk: { frames: 64, bytes: 16 * 1024 * 1024 },
    federation: { frames: 256, bytes: 8 * 1024 * 1024 },
  },
  drainTimeoutMs: 5_000,
  openTimeoutMs: 10_000,
  dialTimeoutMs: 10_000,
  handshakeTimeoutMs: 10_000,
  refusalMs: 60_000,
  addressRefusalMs: 600_000,
  requestsPerPeer: 8,
  requestsPerObserver: 2,
  requestsServed: 32,
  requestsServedToObservers: 24,
  // 25 MB/s and 400 small questions a second: faster than blocks can be validated.
  answers: { burst: 800, perSecond: 400 },
  serveTimeoutMs: 30_000,
  pingIntervalMs: 5_000,
  // Longer than any pause of a busy event loop: a stalled node must not cut all its own links.
  pingTimeoutMs: 8_000,
  gossipCheckMs: 5_000,
}

/** Connections one peer may hold at a time: two nodes that dial each other at once make two. */
export const MAX_CONNECTIONS_PER_PEER = 4

/** Inbound streams of one channel on one connection: the live one and one still being torn down. */
export const MAX_CHANNEL_STREAMS = 2

/** Connections at once, of all peers: above what the gate lets in, so that it is the gate that decides. */
export const MAX_CONNECTIONS = 2_048

/**
 * Handshakes of inbound connections under way: in all, from one address group, and from a loopback or
 * private one. libp2p's own bound must lie above, since it turns away the newest and not the oldest.
 */
export const MAX_HANDSHAKES = 128
export const HANDSHAKES_PER_GROUP = 8
export const HANDSHAKES_PER_LOCAL_GROUP = 64
export const MAX_LIBP2P_HANDSHAKES = 256

/**
 * libp2p's default, 5 connections a second per address, drops dials when a whole network runs on one
 * machine or behind one NAT.
 */
export const INBOUND_CONNECTIONS_PER_SECOND = 100

/** What a stream may hold before its handler reads it, bytes: longer than that takes to be called. */
export const MAX_UNREAD_BYTES = 1024 * 1024
