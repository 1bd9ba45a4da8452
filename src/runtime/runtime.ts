/**
 * The outside world as interfaces. Everything that acts receives these ports; production hands in
 * the operating system's (`system-runtime.ts`), the simulator a virtual one. The pure folders
 * never see them.
 */

/** Wall-clock time, milliseconds since the Unix epoch; and a monotonic one for durations. */
export interface Clock {
  nowMs(): number
  monotonicMs(): number
}

/** Cancels a timer; calling it late or twice does nothing. */
export type CancelTimer = () => void

export interface Timers {
  after(delayMs: number, run: () => void): CancelTimer
}

/** Cryptographically secure randomness. */
export interface Random {
  bytes(length: number): Uint8Array
}

/** Structured log: object first, then a short constant message. Never keys, nonces, shares. */
export interface Logger {
  debug(data: object, message: string): void
  info(data: object, message: string): void
  warn(data: object, message: string): void
  error(data: object, message: string): void
  child(bindings: object): Logger
}

export interface Runtime {
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly log: Logger
}

// --- key-value store ------------------------------------------------------------------------

export type Write =
  | { readonly kind: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly kind: 'delete'; readonly key: Uint8Array }

/** Ordered byte keys. A batch is atomic: after a crash all of it is there or none. */
export interface KeyValueStore {
  get(key: Uint8Array): Uint8Array | undefined
  /** Ascending, `from` inclusive, `to` exclusive; descending with `reverse`. */
  range(
    from: Uint8Array,
    to: Uint8Array,
    options?: { readonly limit?: number; readonly reverse?: boolean },
  ): AsyncIterable<readonly [Uint8Array, Uint8Array]>
  /** With `sync` it resolves only when the batch survives a power failure. */
  write(batch: readonly Write[], options: { readonly sync: boolean }): Promise<void>
  close(): Promise<void>
}

/** An append-only log of byte records, for what must be durable before anything is published. */
export interface AppendLog {
  /** Resolves when the records are on stable storage (fdatasync). Rejects for ever after an I/O error. */
  append(records: readonly Uint8Array[]): Promise<void>
  /** Atomically replaces the whole log. */
  rewrite(records: readonly Uint8Array[]): Promise<void>
  /** The records found at opening, in order. */
  readonly recovered: readonly Uint8Array[]
  close(): Promise<void>
}

// --- network --------------------------------------------------------------------------------

/** A libp2p peer id in its usual text form. */
export type PeerId = string

/** Long-lived direct streams, one per peer and channel. */
export type Channel = 'consensus' | 'bulk' | 'federation'

/** Gossip topics. */
export type Topic =
  | 'transactions'
  | 'proposals'
  | 'blocks'
  | 'votes'
  | 'federation'
  | 'freeze'
  | 'members'

/** What a topic's validator says of a message: relay it, drop it, or drop it and punish the sender. */
export type GossipVerdict = 'accept' | 'ignore' | 'reject'

export interface PeerInfo {
  readonly peerId: PeerId
  readonly direction: 'inbound' | 'outbound'
  readonly address: string
}

/**
 * Message passing between nodes: lossy, unordered between channels, duplicating. Handlers must be
 * set before `start`. A handler that throws never harms the process; the frame is dropped and logged.
 */
export interface Network {
  readonly peerId: PeerId
  start(): Promise<void>
  stop(): Promise<void>
  /** Listening addresses as multiaddr text, including the peer id. */
  addresses(): readonly string[]
  /** Keeps a connection to this multiaddr (with `/p2p/…`) for ever, redialling as needed. */
  keepConnected(address: string): void
  peers(): readonly PeerInfo[]
  /** Closes the connections to a peer that misbehaves, and refuses it for a while. */
  disconnect(peer: PeerId, reason: string): void

  /**
   * Of a peer that has proved who it is: until then only short frames of it are taken in, and when
   * there are too many peers its connection may be closed. Ends with its connection.
   */
  setTrusted(peer: PeerId, isTrusted: boolean): void

  /**
   * Queues a frame for a peer; false when it is not connected or its bounded queue is full. An earlier
   * frame with the same `replaces` that still waits is dropped.
   */
  send(peer: PeerId, channel: Channel, frame: Uint8Array, replaces?: string): boolean
  onFrame(channel: Channel, handler: (from: PeerId, frame: Uint8Array) => void): void

  /** Publishes on a topic; false when nobody received it. */
  publish(topic: Topic, payload: Uint8Array): Promise<boolean>
  /** A verdict may take its time; the message is passed on after it. */
  onGossip(
    topic: Topic,
    handler: (from: PeerId, payload: Uint8Array) => GossipVerdict | Promise<GossipVerdict>,
  ): void

  /** One question, one answer (block sync). Rejects with RequestError on timeout or refusal. */
  request(peer: PeerId, question: Uint8Array, timeoutMs: number): Promise<Uint8Array>
  onRequest(handler: (from: PeerId, question: Uint8Array) => Promise<Uint8Array>): void

  onPeerConnected(handler: (peer: PeerId) => void): void
  onPeerDisconnected(handler: (peer: PeerId) => void): void
}
