import { describe, expect, it } from 'vitest'
import { LATENCY_PROFILES } from '../../src/simulator/latency-profiles.ts'
import { CALM, type Packet, PacketNetwork } from '../../src/simulator/packet-network.ts'
import { createSeededRandom } from '../../src/simulator/seeded-random.ts'
import { SimulatedClock } from '../../src/simulator/simulated-clock.ts'
import { VirtualTime } from '../../src/simulator/virtual-time.ts'

function aNetwork(profile: 'lan' | 'wan' = 'lan') {
  const time = new VirtualTime()
  const arrived: (Packet & { atMs: number })[] = []
  const world = { time, random: createSeededRandom(4) }
  const network = new PacketNetwork(LATENCY_PROFILES[profile], world, (packet) => {
    arrived.push({ ...packet, atMs: time.nowMs })
  })
  const send = (from: number, to: number, label = 'status'): void => {
    network.send({ from, to, label, bytes: new Uint8Array() })
  }
  return { time, network, arrived, send }
}

describe('the packet network', () => {
  it('cuts one way, or both between groups, until it is mended', () => {
    const { time, network, arrived, send } = aNetwork()
    network.cut(0, 1)
    network.partition([2], [3])
    for (const [from, to] of [
      [0, 1],
      [1, 0],
      [2, 3],
      [3, 2],
    ] as const)
      send(from, to)
    time.runUntil(100)
    expect(arrived.map(({ from }) => from)).toEqual([1])
    network.mend()
    send(0, 1)
    time.runUntil(200)
    expect(arrived).toHaveLength(2)
  })

  it('loses one kind of message more often than the others', () => {
    const { time, network, arrived, send } = aNetwork()
    network.faults = { ...CALM, selective: { label: 'vote/', loss: 0.85 } }
    for (let i = 0; i < 1_000; i++) {
      send(0, 1, 'vote/finalize')
      send(0, 1, 'propose')
    }
    time.runUntil(1_000)
    const votes = arrived.filter(({ label }) => label !== 'propose').length
    expect(arrived.length - votes).toBe(1_000)
    expect(Math.abs(votes - 150)).toBeLessThan(40)
  })

  it('doubles packets and lets them overtake each other', () => {
    const { time, network, arrived, send } = aNetwork()
    network.faults = { ...CALM, duplication: 1, straggling: 0.5 }
    for (let i = 0; i < 50; i++) send(i, 50)
    time.runUntil(1_000)
    expect(arrived).toHaveLength(100)
    const order = arrived.map(({ from }) => from)
    expect(order).not.toEqual(order.toSorted((a, b) => a - b))
  })

  it('takes as long between two places as their regions are apart', () => {
    const { time, arrived, send } = aNetwork('wan')
    // Virginia and Sydney, 99 ms; Virginia and Virginia, 1 ms.
    send(0, 7)
    send(0, 8)
    time.runUntil(1_000)
    expect(arrived.map(({ to }) => to)).toEqual([8, 7])
    expect(arrived[1]?.atMs).toBeGreaterThanOrEqual(99)
    expect(arrived[1]?.atMs).toBeLessThan(109)
  })
})

describe('a simulated clock', () => {
  it('runs at its own rate, leaps ahead, and tells the time of day wrongly', () => {
    const time = new VirtualTime()
    const clock = new SimulatedClock(time, { rate: 1.25, startMs: 500 })
    const wallMs = clock.wallMs
    time.runUntil(1_000)
    expect(clock.monotonicMs).toBe(1_750)
    expect(clock.trueDelayMs(1_250)).toBe(1_000)
    clock.setWallError(-7_000)
    expect(clock.wallMs - wallMs).toBe(1_250 - 7_000)
    clock.leap(10_000)
    expect(clock.monotonicMs).toBe(11_750)
    expect(clock.wallMs - wallMs).toBe(1_250 + 3_000)
  })
})
