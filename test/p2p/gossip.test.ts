import { afterEach, describe, expect, it, vi } from 'vitest'
import { MAX_GOSSIP_PAYLOAD_BYTES } from '../../src/p2p/limits.ts'
import type { GossipVerdict, Network } from '../../src/runtime/runtime.ts'
import { connect, Mailbox, startNode, stopAll } from './nodes.ts'

afterEach(stopAll)

interface Listener {
  readonly network: Network
  readonly heard: Mailbox<readonly [string, Uint8Array]>
}

async function aListener(seed: number, verdict: GossipVerdict = 'accept'): Promise<Listener> {
  const heard: Listener['heard'] = new Mailbox()
  const network = await startNode(seed, (node) =>
    node.onGossip('transactions', (from, payload) => {
      heard.put([from, payload])
      return verdict
    }),
  )
  return { network, heard }
}

/** Publishes until somebody is subscribed. */
async function publish(from: Network, payload: Uint8Array): Promise<void> {
  await vi.waitFor(async () => expect(await from.publish('transactions', payload)).toBe(true), {
    timeout: 10_000,
    interval: 20,
  })
}

describe('gossip', () => {
  it('reaches four nodes in a row, each through its neighbour', async () => {
    const nodes = await Promise.all([1, 2, 3, 4].map((seed) => aListener(seed)))
    const [a, b, c, d] = nodes as [Listener, Listener, Listener, Listener]
    await connect(a.network, b.network)
    await connect(b.network, c.network)
    await connect(c.network, d.network)
    const payload = new Uint8Array(5_000).fill(9)
    // Subscriptions travel on their own: publish, each time with a new attempt, until it arrives.
    await vi.waitFor(
      async () => {
        await a.network.publish('transactions', payload)
        expect(d.heard.all.length).toBeGreaterThan(0)
      },
      { timeout: 10_000, interval: 50 },
    )
    expect(await d.heard.next()).toEqual([c.network.peerId, payload])
    expect(await b.heard.next()).toEqual([a.network.peerId, payload])
    expect(a.heard.all).toEqual([])
  })

  it('delivers the same payload again when it is published again', async () => {
    const a = await aListener(1)
    const b = await aListener(2)
    await connect(a.network, b.network)
    const payload = Uint8Array.of(1, 2, 3)
    await publish(a.network, payload)
    expect(await b.heard.next()).toEqual([a.network.peerId, payload])
    await publish(a.network, payload)
    expect(await b.heard.next()).toEqual([a.network.peerId, payload])
    expect(b.heard.all).toHaveLength(2)
  })

  it('carries one MiB, and nothing above', async () => {
    const a = await aListener(1)
    const b = await aListener(2)
    await connect(a.network, b.network)
    const longest = new Uint8Array(MAX_GOSSIP_PAYLOAD_BYTES).fill(3)
    await publish(a.network, longest)
    expect((await b.heard.next())[1].length).toBe(longest.length)
    const tooLong = new Uint8Array(MAX_GOSSIP_PAYLOAD_BYTES + 1)
    expect(await a.network.publish('transactions', tooLong)).toBe(false)
  })

  it('tells that nobody listens', async () => {
    const a = await aListener(1)
    expect(await a.network.publish('transactions', Uint8Array.of(1))).toBe(false)
    expect(await a.network.publish('votes', Uint8Array.of(1))).toBe(false)
  })

  it.each<GossipVerdict>(['ignore', 'reject'])(
    'does not relay what a handler says to %s',
    async (verdict) => {
      const a = await aListener(1)
      const b = await aListener(2, verdict)
      const c = await aListener(3)
      await connect(a.network, b.network)
      await connect(b.network, c.network)
      await publish(a.network, Uint8Array.of(1))
      await b.heard.next()
      // What comes after it over the same link arrives; it does not.
      await vi.waitFor(
        async () => {
          await b.network.publish('transactions', Uint8Array.of(2))
          expect(c.heard.all.length).toBeGreaterThan(0)
        },
        { timeout: 10_000, interval: 20 },
      )
      expect(c.heard.all.every(([, payload]) => payload[0] === 2)).toBe(true)
    },
  )

  it('outlives a handler that throws', async () => {
    const calls = new Mailbox<number>()
    const a = await startNode(1)
    const b = await startNode(2, (network) =>
      network.onGossip('blocks', (_from, payload) => {
        calls.put(payload.length)
        throw new RangeError('a bug in a gossip handler')
      }),
    )
    await connect(a, b)
    for (const length of [1, 2]) {
      await vi.waitFor(
        async () => expect(await a.publish('blocks', new Uint8Array(length))).toBe(true),
        { timeout: 10_000, interval: 20 },
      )
      expect(await calls.next()).toBe(length)
    }
  })
})
