import type { Connection, Stream, StreamMuxer } from '@libp2p/interface'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { encodeFrames, FrameParser } from '../../src/p2p/frame.ts'
import { DEFAULT_LIMITS, MAX_FRAME_BYTES } from '../../src/p2p/limits.ts'
import type { Libp2pNetwork } from '../../src/p2p/network.ts'
import type { Network } from '../../src/runtime/runtime.ts'
import {
  addressOf,
  connect,
  Mailbox,
  meet,
  NAMES,
  stall,
  startBareNode,
  startNode,
  stopAll,
} from './nodes.ts'

afterEach(stopAll)

const MIB = 1024 * 1024

interface Listening {
  readonly network: Libp2pNetwork
  readonly frames: Mailbox<number>
  readonly connected: Mailbox<string>
  readonly gone: Mailbox<string>
}

async function aNode(
  seed: number,
  options: Parameters<typeof startNode>[2] = {},
): Promise<Listening> {
  const frames = new Mailbox<number>()
  const connected = new Mailbox<string>()
  const gone = new Mailbox<string>()
  const network = await startNode(
    seed,
    (node) => {
      for (const channel of ['consensus', 'bulk'] as const) {
        node.onFrame(channel, (_from, frame) => frames.put(frame.length))
      }
      node.onPeerConnected(connected.put)
      node.onPeerDisconnected(gone.put)
    },
    options,
  )
  return { network, frames, connected, gone }
}

async function speak(
  connection: Connection,
  protocol: string,
  ...frames: readonly Uint8Array[]
): Promise<void> {
  const stream = await connection.newStream(protocol)
  stream.send(encodeFrames(frames))
}

describe('a peer that has not proved who it is', () => {
  it('is read past: only short frames on the consensus channel are taken in', async () => {
    const { network, frames } = await aNode(1)
    const bare = await startBareNode()
    const connection = await bare.dial(network)
    const longest = new Uint8Array(MAX_FRAME_BYTES.bulk).fill(1)
    await speak(connection, NAMES.channels.bulk, longest, longest, Uint8Array.of(1))
    await speak(connection, NAMES.channels.federation, new Uint8Array(MIB))
    await speak(connection, NAMES.channels.consensus, new Uint8Array(513), new Uint8Array(512))
    expect(await frames.next()).toBe(512)
    await vi.waitFor(() => expect(network.statistics().framesOfStrangers).toBe(5))
    expect(frames.all).toEqual([512])
    // A validator's first frames may overtake its HELLO: no offence.
    expect(network.peers()).toHaveLength(1)
  })

  it('may send long frames once it is trusted, and not when it is no longer', async () => {
    const { network, frames } = await aNode(1)
    const bare = await startBareNode()
    const connection = await bare.dial(network)
    await vi.waitFor(() => expect(network.peers()).toHaveLength(1))
    network.setTrusted(bare.peerId, true)
    const stream = await connection.newStream(NAMES.channels.bulk)
    stream.send(encodeFrames([new Uint8Array(MIB)]))
    expect(await frames.next()).toBe(MIB)
    expect(network.statistics()).toMatchObject({ trustedPeers: 1, observers: 0 })
    network.setTrusted(bare.peerId, false)
    stream.send(encodeFrames([new Uint8Array(MIB)]))
    await vi.waitFor(() => expect(network.statistics().framesOfStrangers).toBe(1))
    expect(frames.all).toEqual([MIB])
  })

  it('is heard a few times only, whatever the number of its streams', async () => {
    const { network, frames } = await aNode(1)
    const bare = await startBareNode()
    const connection = await bare.dial(network)
    const hellos = Array.from({ length: 500 }, () => new Uint8Array(270))
    await speak(connection, NAMES.channels.consensus, ...hellos)
    await vi.waitFor(() =>
      expect(network.statistics().framesOverRate + frames.all.length).toBe(500),
    )
    expect(frames.all.length).toBeLessThan(60)
  })

  it('cannot pile up unfinished frames, even when it is trusted', async () => {
    const { network } = await aNode(1)
    const bare = await startBareNode()
    const connections = [
      await bare.dial(network),
      await bare.node.dial(bare.node.getConnections()[0]?.remoteAddr ?? [], { force: true }),
      await bare.node.dial(bare.node.getConnections()[0]?.remoteAddr ?? [], { force: true }),
    ]
    await vi.waitFor(() => expect(network.peers()).toHaveLength(1))
    network.setTrusted(bare.peerId, true)
    const unfinished = encodeFrames([new Uint8Array(MAX_FRAME_BYTES.bulk)]).subarray(0, 100)
    for (const connection of connections) {
      for (let i = 0; i < 2; i++) {
        const stream = await connection.newStream(NAMES.channels.bulk)
        stream.send(unfinished)
      }
    }
    // Four are sixteen MiB.
    await vi.waitFor(() => expect(network.statistics().framesOverRate).toBe(2))
  })
})

describe('too many', () => {
  it('silent connections keep nobody out', async () => {
    const { network, connected } = await aNode(1)
    await stall(network, 90)
    await vi.waitFor(() =>
      expect(network.statistics().handshakesDisplaced).toBeGreaterThanOrEqual(26),
    )
    const friend = await startNode(2)
    friend.keepConnected(addressOf(network))
    expect(await connected.next()).toBe(friend.peerId)
  })

  it('handshakes that take too long are given up', async () => {
    const { network } = await aNode(1, { limits: { handshakeTimeoutMs: 50 } })
    const sockets = await stall(network, 3)
    await Promise.all(
      sockets.map(
        (socket) =>
          new Promise((resolve) => {
            socket.resume()
            socket.once('close', resolve)
          }),
      ),
    )
  })

  it('observers part with the least useful; validators always get in', async () => {
    const { network, connected } = await aNode(1, { limits: { maxObservers: 2 } })
    const trusted = await startBareNode()
    await trusted.dial(network)
    expect(await connected.next()).toBe(trusted.peerId)
    network.setTrusted(trusted.peerId, true)
    const wanted = await startNode(2)
    await meet(network, wanted)
    const observers = []
    for (let i = 0; i < 5; i++) {
      const bare = await startBareNode()
      await bare.dial(network)
      await vi.waitFor(() => expect(connected.all).toContain(bare.peerId))
      observers.push(bare.peerId)
    }
    await vi.waitFor(() => expect(network.statistics().observersEvicted).toBe(3))
    await vi.waitFor(() => expect(network.statistics().observers).toBe(2))
    const present = network.peers().map(({ peerId }) => peerId)
    // The oldest is safe, the newest has its chance.
    expect(new Set(present)).toEqual(
      new Set([trusted.peerId, wanted.peerId, observers[0], observers[4]]),
    )
  })

  it('half-open streams of one peer leave the others alone', async () => {
    const { network, frames } = await aNode(1)
    const bare = await startBareNode()
    const connection = await bare.dial(network)
    const { muxer } = connection as unknown as { readonly muxer: StreamMuxer }
    // Opened and never negotiated.
    for (let i = 0; i < 60; i++) {
      const stream = await muxer.createStream()
      stream.send(Uint8Array.of(19))
    }
    const friend = await startNode(2)
    await connect(friend, network)
    friend.send(network.peerId, 'bulk', new Uint8Array(MIB))
    expect(await frames.next()).toBe(MIB)
  })

  it('invalid gossip messages cost the connection', async () => {
    const gone = new Mailbox<string>()
    const { a, b } = await gossiping((network) => network.onPeerDisconnected(gone.put))
    for (let i = 0; i < 6; i++) await publish(a, Uint8Array.of(9, i))
    expect(await gone.next()).toBe(a.peerId)
    expect(b.statistics()).toMatchObject({ gossipRejected: 6, peersDisconnected: 1 })
  })

  it('gossip messages are ignored unread, without blame', async () => {
    const { a, b } = await gossiping()
    for (let i = 0; i < 260; i++) await publish(a, Uint8Array.of(1, i & 0xff, i >> 8))
    await vi.waitFor(() => expect(b.statistics().gossipOverRate).toBeGreaterThan(0))
    expect(b.statistics()).toMatchObject({ gossipRejected: 0, peersDisconnected: 0 })
  })
})

/** `b` takes what begins with 1 and rejects the rest. */
async function gossiping(
  prepare: (network: Network) => void = () => {},
): Promise<{ a: Libp2pNetwork; b: Libp2pNetwork }> {
  const a = await startNode(1)
  const b = await startNode(2, (network) => {
    network.onGossip('federation', (_from, payload) => (payload[0] === 1 ? 'accept' : 'reject'))
    prepare(network)
  })
  await meet(a, b)
  return { a, b }
}

async function publish(from: Network, payload: Uint8Array): Promise<void> {
  await vi.waitFor(async () => expect(await from.publish('federation', payload)).toBe(true), {
    timeout: 10_000,
    interval: 20,
  })
}

describe('requests', () => {
  it('of observers leave answers free for validators', async () => {
    const asked = new Mailbox<string>()
    const server = await startNode(
      1,
      (network) =>
        network.onRequest((from) => {
          asked.put(from)
          return from === trustedId ? Promise.resolve(Uint8Array.of(7)) : new Promise(() => {})
        }),
      { limits: { requestsServed: 4, requestsServedToObservers: 3 } },
    )
    let trustedId = ''
    const observers = await Promise.all([2, 3].map((seed) => startNode(seed)))
    for (const observer of observers) await meet(observer, server)
    const validator = await startNode(4)
    trustedId = validator.peerId
    await connect(validator, server)
    const pending: Promise<unknown>[] = []
    for (const observer of observers) {
      for (let i = 0; i < 6; i++) {
        const request = observer.request(server.peerId, Uint8Array.of(i), 60_000)
        pending.push(request.catch(() => undefined))
      }
    }
    for (let i = 0; i < 3; i++) expect(await asked.next()).not.toBe(trustedId)
    await vi.waitFor(() => expect(server.statistics().requestsDeclined).toBe(9))
    expect(await validator.request(server.peerId, Uint8Array.of(1), 10_000)).toEqual(
      Uint8Array.of(7),
    )
    await Promise.all([...observers.map((observer) => observer.stop()), ...pending])
  })

  it('are answered at the rate of the asker, and none is lost', async () => {
    const server = await startNode(
      1,
      (network) => network.onRequest(async (_from, question) => question),
      { limits: { answers: { burst: 2, perSecond: 50 } } },
    )
    const a = await startNode(2)
    await meet(a, server)
    for (let i = 0; i < 10; i++) {
      expect(await a.request(server.peerId, Uint8Array.of(i), 10_000)).toEqual(Uint8Array.of(i))
    }
    expect(server.statistics().requestsServed).toBe(10)
    expect(server.statistics().requestsDelayed).toBeGreaterThan(0)
  })
})

describe('a peer that does not read', () => {
  it('gets the newest of what replaces each other, and keeps nothing else out meanwhile', async () => {
    const streams = new Mailbox<Stream>()
    const bare = await startBareNode((node) =>
      node.handle(NAMES.channels.consensus, (stream) => {
        stream.pause()
        streams.put(stream)
      }),
    )
    const { network, connected } = await aNode(1, {
      limits: {
        queue: { ...DEFAULT_LIMITS.queue, consensus: { frames: 10, bytes: MIB } },
        drainTimeoutMs: 60_000,
      },
    })
    network.keepConnected(bare.address)
    await connected.next()
    const long = new Uint8Array(60_000)
    const send = (bytes: Uint8Array, replaces?: string): boolean =>
      network.send(bare.peerId, 'consensus', bytes, replaces)
    // More than the stream takes at once, so that the queue stands still.
    for (let i = 0; i < 8; i++) send(long)
    const stream = await streams.next()
    await vi.waitFor(() => expect(bare.node.getConnections()).toHaveLength(1))
    for (let i = 0; i < 1_000; i++) {
      expect(send(Uint8Array.of(i & 0xff, i >> 8), 'status')).toBe(true)
    }
    expect(send(Uint8Array.of(1))).toBe(true)
    const parser = new FrameParser(MAX_FRAME_BYTES.consensus)
    const short: Uint8Array[] = []
    stream.addEventListener('message', ({ data }) => {
      const whole = parser.push(data.subarray())
      short.push(...whole.filter(({ length }) => length < 3))
    })
    stream.resume()
    await vi.waitFor(() => expect(short).toHaveLength(2))
    expect(short).toEqual([Uint8Array.of(999 & 0xff, 999 >> 8), Uint8Array.of(1)])
  })
})

describe('an address book that was wrong', () => {
  it('is no reason to give up: the peer is found when it appears there', async () => {
    const other = await startNode(3)
    const listen = [addressOf(other).replace(/\/p2p\/.*$/, '')]
    const { network, connected } = await aNode(1, { limits: { dialTimeoutMs: 1_000 } })
    const probe = await startNode(2)
    const wrong = addressOf(other).replace(other.peerId, probe.peerId)
    await probe.stop()
    network.keepConnected(wrong)
    // Somebody else lives there: the handshake tells.
    await vi.waitFor(() => expect(network.peers()).toEqual([]))
    await other.stop()
    const right = await startNode(2, undefined, { listen })
    expect(await connected.next()).toBe(right.peerId)
  })
})
