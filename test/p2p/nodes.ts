/** Real nodes on loopback ports that the system chooses, and ways to wait for what they do. */

import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p } from 'libp2p'
import {
  createLibp2pNetwork,
  type Libp2pNetwork,
  type Libp2pNetworkOptions,
} from '../../src/p2p/network.ts'
import { protocolNames } from '../../src/p2p/protocols.ts'
import { toHash32 } from '../../src/primitives/hashes.ts'
import type { Network, PeerId } from '../../src/runtime/runtime.ts'
import { createSystemRuntime } from '../../src/runtime/system-runtime.ts'

export const CHAIN_ID = toHash32('ab'.repeat(32))
export const NAMES = protocolNames(CHAIN_ID)
export const ANY_PORT = '/ip4/127.0.0.1/tcp/0'

const running: { stop(): Promise<void> }[] = []

/** For `afterEach`. */
export async function stopAll(): Promise<void> {
  await Promise.all(running.splice(0).map((node) => node.stop()))
}

export function seedOf(fill: number): Uint8Array {
  return new Uint8Array(32).fill(fill)
}

/** Starts a node; `prepare` sets its handlers. */
export async function startNode(
  seed: number,
  prepare: (network: Network) => void = () => {},
  options: Partial<Libp2pNetworkOptions> = {},
): Promise<Libp2pNetwork> {
  const network = await createLibp2pNetwork(
    { chainId: CHAIN_ID, privateKeySeed: seedOf(seed), listen: [ANY_PORT], ...options },
    createSystemRuntime({ logLevel: 'silent' }),
  )
  prepare(network)
  running.push(network)
  await network.start()
  return network
}

export function addressOf(network: Network): string {
  const [address] = network.addresses()
  if (address === undefined) throw new RangeError('the node does not listen')
  return address
}

/** What comes in, to be taken one at a time. */
export class Mailbox<T> {
  readonly all: T[] = []
  readonly #waiting: ((value: T) => void)[] = []
  #taken = 0

  readonly put = (value: T): void => {
    this.all.push(value)
    const waiting = this.#waiting.shift()
    if (waiting === undefined) return
    this.#taken += 1
    waiting(value)
  }

  next(): Promise<T> {
    const value = this.all[this.#taken]
    if (value !== undefined) {
      this.#taken += 1
      return Promise.resolve(value)
    }
    return new Promise((resolve) => this.#waiting.push(resolve))
  }
}

/** Connects and waits until both sides know. */
export async function meet(from: Network, to: Network): Promise<void> {
  const both = [knows(from, to.peerId), knows(to, from.peerId)]
  from.keepConnected(addressOf(to))
  await Promise.all(both)
}

/** The same, and both trust each other, as validators do after their HELLOs. */
export async function connect(from: Network, to: Network): Promise<void> {
  await meet(from, to)
  from.setTrusted(to.peerId, true)
  to.setTrusted(from.peerId, true)
}

function knows(network: Network, peer: PeerId): Promise<void> {
  return new Promise((resolve) => {
    network.onPeerConnected((connected) => {
      if (connected === peer) resolve()
    })
  })
}

/** A wire to a node that can be cut without either end being told. */
export async function startProxy(target: Network) {
  const port = portOf(target)
  const sockets: Socket[] = []
  const server = createServer((near) => {
    const far = createConnection({ host: '127.0.0.1', port })
    for (const socket of [near, far]) socket.on('error', () => socket.destroy())
    near.pipe(far)
    far.pipe(near)
    sockets.push(near, far)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address() as AddressInfo
  running.push({
    async stop() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  })
  return {
    address: `/ip4/127.0.0.1/tcp/${address.port}/p2p/${target.peerId}`,
    /** From now on the wires there are carry nothing; new ones do. */
    cut(): void {
      for (const socket of sockets) socket.unpipe().pause()
    },
  }
}

/** Opens TCP connections to a node and never says a word on them. */
export async function stall(target: Network, count: number): Promise<readonly Socket[]> {
  const port = portOf(target)
  const sockets = Array.from({ length: count }, () => createConnection({ host: '127.0.0.1', port }))
  running.push({
    async stop() {
      for (const socket of sockets) socket.destroy()
    },
  })
  await Promise.all(
    sockets.map((socket) => {
      socket.on('error', () => socket.destroy())
      return new Promise((resolve) => socket.once('connect', resolve))
    }),
  )
  return sockets
}

function portOf(network: Network): number {
  return Number(/\/tcp\/(\d+)\//.exec(addressOf(network))?.[1])
}

/** A bare libp2p node, to say what our own code never would. It follows the sync protocol id only. */
export async function startBareNode(prepare: (node: Libp2p) => Promise<void> = async () => {}) {
  const node = await createLibp2p({
    start: false,
    addresses: { listen: [ANY_PORT] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), ping: ping() },
  })
  await prepare(node)
  if (!node.getProtocols().includes(NAMES.sync)) await node.handle(NAMES.sync, () => {})
  running.push({ stop: async () => node.stop() })
  await node.start()
  return {
    node,
    peerId: node.peerId.toString(),
    address: String(node.getMultiaddrs()[0]),
    dial: (network: Network) => node.dial(multiaddr(addressOf(network))),
  }
}
