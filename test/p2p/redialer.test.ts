import { describe, expect, it } from 'vitest'
import { Redialer } from '../../src/p2p/redialer.ts'
import type { Logger } from '../../src/runtime/runtime.ts'

const SILENT: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => SILENT,
}

const ADDRESS = '/ip4/203.0.113.7/tcp/9735'

/** A virtual world in which no dial ever works. */
function aWorld() {
  const timers: { readonly delayMs: number; run: () => void }[] = []
  const world = { nowMs: 0, connected: false, refused: false, dials: 0, timers }
  const redialer = new Redialer(
    { dialTimeoutMs: 10_000 },
    {
      isConnected: () => world.connected,
      isRefused: () => world.refused,
      dial: () => {
        world.dials += 1
        return Promise.reject(new RangeError('nobody there'))
      },
      clock: { nowMs: () => world.nowMs, monotonicMs: () => world.nowMs },
      timers: {
        after(delayMs, run) {
          const timer = { delayMs, run }
          timers.push(timer)
          return () => {
            const at = timers.indexOf(timer)
            if (at >= 0) timers.splice(at, 1)
          }
        },
      },
      random: { bytes: (length) => new Uint8Array(length).fill(255) },
      log: SILENT,
    },
  )
  return { redialer, world }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

async function nextDelay(world: ReturnType<typeof aWorld>['world']): Promise<number> {
  await settled()
  expect(world.timers).toHaveLength(1)
  const [timer] = world.timers.splice(0)
  timer?.run()
  return timer?.delayMs ?? -1
}

describe('the redialler', () => {
  it('dials for ever, with pauses that grow from 0.2 s to 5 s', async () => {
    const { redialer, world } = aWorld()
    redialer.keep('peer', ADDRESS)
    expect(world.dials).toBe(0)
    redialer.start()
    const delays: number[] = []
    for (let i = 0; i < 8; i++) delays.push(await nextDelay(world))
    expect(delays).toEqual([200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000])
    expect(world.dials).toBe(9)
  })

  it('starts over after a connection that lasted, not after one that broke at once', async () => {
    const { redialer, world } = aWorld()
    redialer.keep('peer', ADDRESS)
    redialer.start()
    const connectFor = (ms: number): void => {
      redialer.peerConnected('peer', '203.0.113.0/24')
      world.nowMs += ms
      redialer.peerDisconnected('peer')
    }
    expect(await nextDelay(world)).toBe(200)
    // The dial after the second pause finds the peer connected, and it stays for 10 ms.
    await settled()
    world.connected = true
    expect(await nextDelay(world)).toBe(400)
    world.connected = false
    connectFor(10)
    expect(await nextDelay(world)).toBe(800)
    await settled()
    world.connected = true
    expect(await nextDelay(world)).toBe(1_600)
    world.connected = false
    connectFor(5_000)
    expect(await nextDelay(world)).toBe(200)
  })

  it('leaves a connected peer alone, and a refused one until its time is over', async () => {
    const { redialer, world } = aWorld()
    world.refused = true
    redialer.start()
    redialer.keep('peer', ADDRESS)
    await nextDelay(world)
    expect(world.dials).toBe(0)
    await settled()
    world.refused = false
    await nextDelay(world)
    expect(world.dials).toBe(1)
    await settled()
    world.connected = true
    await nextDelay(world)
    await settled()
    expect(world.dials).toBe(1)
    expect(world.timers).toHaveLength(0)
  })

  it('leaves no timer behind when it stops', async () => {
    const { redialer, world } = aWorld()
    redialer.keep('peer', ADDRESS)
    redialer.start()
    await settled()
    expect(world.timers).toHaveLength(1)
    redialer.stop()
    expect(world.timers).toHaveLength(0)
    redialer.peerDisconnected('peer')
    expect(world.timers).toHaveLength(0)
  })
})
