/**
 * Direct channels: frames from peer to peer, each channel in streams of its own. Outbound a bounded queue
 * per peer and channel waits for frames, and its stream is opened with the first. Inbound every frame
 * counts against the peer's allowance while it is received; malformed framing is reported as a misdeed.
 * What frames mean is the business of the layers above.
 */

import type { Connection, Stream } from '@libp2p/interface'
import { assert } from '../primitives/assert.ts'
import type { Channel, PeerId, Runtime } from '../runtime/runtime.ts'
import { closeWriting, receiveFrames } from './inbound-stream.ts'
import type { Libp2pNode } from './libp2p-node.ts'
import { MAX_CHANNEL_STREAMS, MAX_FRAME_BYTES, type NetworkLimits } from './limits.ts'
import type { NetworkCounters } from './network-counters.ts'
import { NetworkError } from './network-error.ts'
import { OutboundChannel } from './outbound-channel.ts'
import type { PeerLinks } from './peer-links.ts'
import { CHANNELS, type ProtocolNames } from './protocols.ts'

export type FrameHandler = (from: PeerId, frame: Uint8Array) => void

export interface FrameChannelsDependencies {
  readonly names: ProtocolNames
  readonly limits: NetworkLimits
  readonly links: PeerLinks
  readonly counters: NetworkCounters
  readonly runtime: Runtime
  readonly connectionTo: (peer: PeerId) => Connection | undefined
  /** False: nothing more is taken from the peer. */
  readonly isWelcome: (peer: PeerId) => boolean
  readonly punish: (peer: PeerId, reason: string) => void
  /** Runs a handler of the layers above, whose failure goes no further. */
  readonly guard: (handler: string, run: () => void) => void
}

export class FrameChannels {
  readonly #dependencies: FrameChannelsDependencies
  readonly #handlers = new Map<Channel, FrameHandler>()

  constructor(dependencies: FrameChannelsDependencies) {
    this.#dependencies = dependencies
  }

  /** Takes streams from now on. */
  async serve(node: Libp2pNode): Promise<void> {
    for (const channel of CHANNELS) {
      await node.handle(
        this.#dependencies.names.channels[channel],
        (stream, connection) => this.#receive(channel, stream, connection),
        { maxInboundStreams: MAX_CHANNEL_STREAMS, maxOutboundStreams: MAX_CHANNEL_STREAMS },
      )
    }
  }

  /** The queues of a peer that has connected. */
  queuesFor(peer: PeerId): Readonly<Record<Channel, OutboundChannel>> {
    return {
      consensus: this.#createQueue(peer, 'consensus'),
      bulk: this.#createQueue(peer, 'bulk'),
      federation: this.#createQueue(peer, 'federation'),
    }
  }

  onFrame(channel: Channel, handler: FrameHandler): void {
    assert(!this.#handlers.has(channel), 'a channel has one handler')
    this.#handlers.set(channel, handler)
  }

  /** False when there is no such peer, or no room in its queue. */
  send(peer: PeerId, channel: Channel, frame: Uint8Array, replaces?: string): boolean {
    const { links, counters } = this.#dependencies
    const isQueued = links.find(peer)?.channels[channel].send(frame, replaces) ?? false
    counters.count(isQueued ? 'framesSent' : 'framesNotQueued')
    if (isQueued) counters.count('bytesSent', frame.length)
    return isQueued
  }

  #createQueue(peer: PeerId, channel: Channel): OutboundChannel {
    const { limits, names, runtime, connectionTo } = this.#dependencies
    return new OutboundChannel(
      {
        maxFrameBytes: MAX_FRAME_BYTES[channel],
        queue: limits.queue[channel],
        drainTimeoutMs: limits.drainTimeoutMs,
        openTimeoutMs: limits.openTimeoutMs,
      },
      {
        timers: runtime.timers,
        random: runtime.random,
        log: runtime.log.child({ peer, channel }),
        open: (signal) => {
          const connection = connectionTo(peer)
          if (connection === undefined) return Promise.reject(new NetworkError('not connected'))
          return connection.newStream(names.channels[channel], { signal })
        },
      },
    )
  }

  #receive(channel: Channel, stream: Stream, connection: Connection): void {
    const peer = connection.remotePeer.toString()
    const { links, counters, isWelcome, punish, guard } = this.#dependencies
    const inbound = links.find(peer)?.inbound
    if (inbound === undefined) {
      stream.abort(new NetworkError('not connected'))
      return
    }
    receiveFrames(stream, {
      maxFrameBytes: MAX_FRAME_BYTES[channel],
      admit: (bytes) => inbound.admit(channel, bytes),
      release: (bytes) => inbound.release(bytes),
      onFrame: (frame) => {
        // The rest of a chunk from a peer that has just been sent away.
        if (!isWelcome(peer)) return
        counters.count('framesReceived')
        counters.count('bytesReceived', frame.length)
        guard(channel, () => this.#handlers.get(channel)?.(peer, frame))
      },
      onMalformed: (error) => punish(peer, `malformed ${channel} frame: ${error.message}`),
    })
    closeWriting(stream)
  }
}
