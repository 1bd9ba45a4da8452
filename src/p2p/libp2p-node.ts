/**
 * The libp2p node as Causeway sets it up: TCP, Noise, yamux, identify, ping, gossipsub; no peer
 * discovery, no relays, no peer exchange. Peers come from configuration.
 */

import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { type GossipSub, gossipsub } from '@libp2p/gossipsub'
import { type Identify, identify } from '@libp2p/identify'
import type { ConnectionGater, PrivateKey } from '@libp2p/interface'
import { type Ping, ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { createLibp2p, type Libp2p } from 'libp2p'
import { gossipOptions } from './gossip.ts'
import {
  INBOUND_CONNECTIONS_PER_SECOND,
  MAX_CONNECTIONS,
  MAX_LIBP2P_HANDSHAKES,
  MAX_UNREAD_BYTES,
  type NetworkLimits,
} from './limits.ts'
import type { ProtocolNames } from './protocols.ts'

/** Streams of one connection in each direction: channels, gossip, sync, identify, pings. */
const MAX_STREAMS_PER_CONNECTION = 48

export type Libp2pNode = Libp2p<{ identify: Identify; ping: Ping; pubsub: GossipSub }>

export interface Libp2pNodeOptions {
  readonly privateKey: PrivateKey
  readonly listen: readonly string[]
  readonly names: ProtocolNames
  readonly gater: ConnectionGater
  readonly limits: NetworkLimits
}

/** Builds the node without starting it. */
export function createLibp2pNode(options: Libp2pNodeOptions): Promise<Libp2pNode> {
  const { limits } = options
  return createLibp2p({
    start: false,
    privateKey: options.privateKey,
    addresses: { listen: [...options.listen] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [
      yamux({
        maxInboundStreams: MAX_STREAMS_PER_CONNECTION,
        maxOutboundStreams: MAX_STREAMS_PER_CONNECTION,
        streamOptions: { maxReadBufferLength: MAX_UNREAD_BYTES },
      }),
    ],
    connectionGater: options.gater,
    connectionManager: {
      maxConnections: MAX_CONNECTIONS,
      inboundConnectionThreshold: INBOUND_CONNECTIONS_PER_SECOND,
      maxIncomingPendingConnections: MAX_LIBP2P_HANDSHAKES,
      inboundUpgradeTimeout: limits.handshakeTimeoutMs,
      dialTimeout: limits.dialTimeoutMs,
      addressDialTimeout: limits.dialTimeoutMs,
      // The redialler does this.
      reconnectRetries: 0,
    },
    // A connection whose ping fails is aborted; the redialler makes the next one.
    connectionMonitor: {
      pingInterval: limits.pingIntervalMs,
      pingTimeout: { minTimeout: limits.pingTimeoutMs },
    },
    services: {
      identify: identify(),
      ping: ping(),
      pubsub: gossipsub(gossipOptions(options.names.topics)),
    },
  })
}
