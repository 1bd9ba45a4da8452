import type { Stream } from '@libp2p/interface'
import { afterEach, describe, expect, it } from 'vitest'
import { AddressError } from '../../src/p2p/address.ts'
import { peerIdOfSeed } from '../../src/p2p/identity.ts'
import { DEFAULT_LIMITS, MAX_FRAME_BYTES } from '../../src/p2p/limits.ts'
import { toHash32 } from '../../src/primitives/hashes.ts'
import type { Network } from '../../src/runtime/runtime.ts'
import {
  addressOf,
  connect,
  Mailbox,
  NAMES,
  seedOf,
  startBareNode,
  startNode,
  startProxy,
  stopAll,
} from './nodes.ts'

afterEach(stopAll)

const MIB = 1024 * 1024

function aFrame(length: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * seed) % 251)
}

async function twoNodes(): Promise<{ a: Network; b: Network; atA: Frames; atB: Frames }> {
  const atA: Frames = new Mailbox()
  const atB: Frames = new Mailbox()
  const a = await startNode(1, (network) => collect(network, atA))
  const b = await startNode(2, (network) => collect(network, atB))
  await connect(a, b)
  return { a, b, atA, atB }
}

type Frames = Mailbox<readonly [string, string, Uint8Array]>

function collect(network: Network, into: Frames): void {
  network.onFrame('consensus', (from, frame) => into.put(['consensus', from, frame]))
  network.onFrame('bulk', (from, frame) => into.put(['bulk', from, frame]))
}

describe('identity', () => {
  it('is the peer id of the seed, on the wire too', async () => {
    const { a, b } = await twoNodes()
    expect(a.peerId).toBe(await peerIdOfSeed(seedOf(1)))
    expect(addressOf(a)).toMatch(new RegExp(`^/ip4/127.0.0.1/tcp/\\d+/p2p/${a.peerId}$`))
    expect(a.peers()).toEqual([{ peerId: b.peerId, direction: 'outbound', address: addressOf(b) }])
    expect(b.peers()).toMatchObject([{ peerId: a.peerId, direction: 'inbound' }])
  })
})

describe('channels', () => {
  it('carry frames both ways, in order', async () => {
    const { a, b, atA, atB } = await twoNodes()
    for (let i = 1; i <= 300; i++) {
      expect(a.send(b.peerId, 'consensus', aFrame(i))).toBe(true)
      expect(b.send(a.peerId, 'consensus', aFrame(i, 3))).toBe(true)
    }
    for (let i = 1; i <= 300; i++) {
      expect(await atB.next()).toEqual(['consensus', a.peerId, aFrame(i)])
      expect(await atA.next()).toEqual(['consensus', b.peerId, aFrame(i, 3)])
    }
  })

  it('carry frames up to their cap, and none above', async () => {
    const { a, b, atB } = await twoNodes()
    const longest = aFrame(MAX_FRAME_BYTES.bulk)
    for (const frame of [aFrame(MIB), longest, aFrame(MIB, 7)]) {
      expect(a.send(b.peerId, 'bulk', frame)).toBe(true)
    }
    expect(a.send(b.peerId, 'bulk', new Uint8Array(MAX_FRAME_BYTES.bulk + 1))).toBe(false)
    expect(a.send(b.peerId, 'bulk', new Uint8Array(0))).toBe(false)
    expect((await atB.next())[2]).toEqual(aFrame(MIB))
    expect((await atB.next())[2]).toEqual(longest)
    expect((await atB.next())[2]).toEqual(aFrame(MIB, 7))
  })

  it('do not take frames for a peer that is not there', async () => {
    const a = await startNode(1)
    expect(a.send(await peerIdOfSeed(seedOf(9)), 'consensus', aFrame(1))).toBe(false)
  })

  it('outlive a handler that throws', async () => {
    const atB = new Mailbox<number>()
    const a = await startNode(1)
    const b = await startNode(2, (network) => {
      network.onPeerConnected(() => {
        throw new RangeError('a bug in a connection handler')
      })
      network.onFrame('consensus', (_from, frame) => {
        atB.put(frame.length)
        throw new RangeError('a bug in a frame handler')
      })
    })
    await connect(a, b)
    a.send(b.peerId, 'consensus', aFrame(5))
    expect(await atB.next()).toBe(5)
    a.send(b.peerId, 'consensus', aFrame(6))
    expect(await atB.next()).toBe(6)
  })

  it('hold a bounded queue for a peer that does not read, then try a new stream', async () => {
    const streams = new Mailbox<Stream>()
    const bare = await startBareNode((node) =>
      node.handle(NAMES.channels.bulk, (stream) => {
        stream.pause()
        streams.put(stream)
      }),
    )
    const connected = new Mailbox<string>()
    const queue = { ...DEFAULT_LIMITS.queue, bulk: { frames: 10, bytes: 4 * MIB } }
    const a = await startNode(1, (network) => network.onPeerConnected(connected.put), {
      limits: { queue, drainTimeoutMs: 100 },
    })
    a.keepConnected(bare.address)
    await connected.next()

    let accepted = 0
    const fill = (): void => {
      while (a.send(bare.peerId, 'bulk', aFrame(MIB))) accepted += 1
    }
    fill()
    expect(accepted).toBe(4)
    const deaf = await streams.next()
    fill()
    // Four wait, one is inside the stream: libp2p buffers no more than that.
    expect(accepted).toBeLessThanOrEqual(6)

    const second = await streams.next()
    expect(second).not.toBe(deaf)
    const received = new Mailbox<true>()
    let bytes = 0
    second.addEventListener('message', ({ data }) => {
      bytes += data.byteLength
      if (bytes >= MIB) received.put(true)
    })
    second.resume()
    await received.next()
  })
})

describe('a peer that breaks the protocol', () => {
  it.each([
    ['announces a frame above the cap', Uint8Array.of(1, 0, 1, 0)],
    ['sends an empty frame', Uint8Array.of(0, 0, 0, 0)],
    ['sends garbage', new Uint8Array(500).fill(0xfe)],
  ])('is sent away and refused when it %s', async (_what, bytes) => {
    const gone = new Mailbox<string>()
    const { a, b, atB } = await twoNodes()
    b.onPeerDisconnected(gone.put)
    const bare = await startBareNode()
    const connection = await bare.dial(b)
    const stream = await connection.newStream(NAMES.channels.consensus)
    stream.send(bytes)
    expect(await gone.next()).toBe(bare.peerId)
    // The handshake has to tell who it is; then the door is shut.
    const again = await bare.dial(b).catch(() => undefined)
    if (again !== undefined && again.status === 'open') {
      await new Promise((resolve) => again.addEventListener('close', resolve))
    }
    // The others notice nothing.
    a.send(b.peerId, 'consensus', aFrame(3))
    expect((await atB.next())[2]).toEqual(aFrame(3))
    expect(b.peers().map((peer) => peer.peerId)).toEqual([a.peerId])
  })

  it('is sent away when it is of another chain', async () => {
    const gone = new Mailbox<string>()
    const b = await startNode(2, (network) => network.onPeerDisconnected(gone.put))
    const stranger = await startNode(3, undefined, { chainId: toHash32('cd'.repeat(32)) })
    stranger.keepConnected(addressOf(b))
    expect(await gone.next()).toBe(stranger.peerId)
    expect(b.peers()).toEqual([])
  })

  it('is refused after the layers above have disconnected it, and let in again later', async () => {
    const connected = new Mailbox<string>()
    const gone = new Mailbox<string>()
    const a = await startNode(1)
    const b = await startNode(
      2,
      (network) => {
        network.onPeerConnected(connected.put)
        network.onPeerDisconnected(gone.put)
      },
      { limits: { refusalMs: 300 } },
    )
    a.keepConnected(addressOf(b))
    expect(await connected.next()).toBe(a.peerId)
    b.disconnect(a.peerId, 'a test')
    expect(await gone.next()).toBe(a.peerId)
    expect(await connected.next()).toBe(a.peerId)
  })
})

describe('connections', () => {
  it('come back after the other side restarts with its key and port', async () => {
    const connected = new Mailbox<string>()
    const gone = new Mailbox<string>()
    const a = await startNode(1, (network) => {
      network.onPeerConnected(connected.put)
      network.onPeerDisconnected(gone.put)
    })
    const first = await startNode(2)
    const address = addressOf(first)
    a.keepConnected(address)
    expect(await connected.next()).toBe(first.peerId)
    await first.stop()
    expect(await gone.next()).toBe(first.peerId)

    const atB: Frames = new Mailbox()
    const listen = [address.replace(/\/p2p\/.*$/, '')]
    const second = await startNode(2, (network) => collect(network, atB), { listen })
    expect(await connected.next()).toBe(second.peerId)
    a.send(second.peerId, 'consensus', aFrame(4))
    expect((await atB.next())[2]).toEqual(aFrame(4))
  })

  it('are made anew when the wire goes dead without a word', async () => {
    const connected = new Mailbox<string>()
    const gone = new Mailbox<string>()
    const atB: Frames = new Mailbox()
    const b = await startNode(2, (network) => collect(network, atB))
    const a = await startNode(
      1,
      (network) => {
        network.onPeerConnected(connected.put)
        network.onPeerDisconnected(gone.put)
      },
      { limits: { pingIntervalMs: 100, pingTimeoutMs: 200 } },
    )
    const proxy = await startProxy(b)
    a.keepConnected(proxy.address)
    await connected.next()
    proxy.cut()
    expect(await gone.next()).toBe(b.peerId)
    expect(await connected.next()).toBe(b.peerId)
    a.send(b.peerId, 'consensus', aFrame(6))
    expect((await atB.next())[2]).toEqual(aFrame(6))
  })

  it('are made by both sides at once without harm', async () => {
    const { a, b, atA, atB } = await twoNodes()
    b.keepConnected(addressOf(a))
    a.keepConnected(addressOf(a))
    a.send(b.peerId, 'consensus', aFrame(8))
    b.send(a.peerId, 'consensus', aFrame(9))
    expect((await atB.next())[2]).toEqual(aFrame(8))
    expect((await atA.next())[2]).toEqual(aFrame(9))
  })

  it('need an address that names the peer', async () => {
    const a = await startNode(1)
    expect(() => a.keepConnected('/ip4/127.0.0.1/tcp/1')).toThrow(AddressError)
    expect(() => a.keepConnected('example.org:9100')).toThrow(AddressError)
  })

  it('are closed when gossip cannot be repaired', async () => {
    const gone = new Mailbox<string>()
    const a = await startNode(1, (network) => network.onPeerDisconnected(gone.put), {
      limits: { gossipCheckMs: 20 },
    })
    // It speaks no gossipsub at all.
    const bare = await startBareNode()
    await bare.dial(a)
    expect(await gone.next()).toBe(bare.peerId)
  })
})
