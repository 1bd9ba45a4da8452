/** Validators on 127.0.0.1 with a socket proxy on every link: faults without any privilege. */

import { createSeededRandom } from '../../src/simulator/seeded-random.ts'
import { DIRECT_NETWORK, type FaultyNetwork, severed } from './faulty-network.ts'
import {
  Lane,
  type LaneConditions,
  PERFECT,
  type SocketProxy,
  startSocketProxy,
} from './socket-proxy.ts'

export interface ProxiedNetwork extends FaultyNetwork {
  /** Every lane from now on. */
  slow(conditions: Partial<LaneConditions>): void
  /** Resets all connections of now; new ones may be made at once. */
  breakConnections(): void
}

export function createProxiedNetwork(seed: number): ProxiedNetwork {
  const random = createSeededRandom(seed)
  const lanes = new Map<string, Lane>()
  const proxies: SocketProxy[] = []

  function laneOf(from: number, to: number): Lane {
    const key = `${from}>${to}`
    const lane = lanes.get(key) ?? new Lane(random)
    lanes.set(key, lane)
    return lane
  }

  function uncut(): void {
    for (const lane of lanes.values()) lane.cut(false)
  }

  return {
    ...DIRECT_NETWORK,
    kind: 'proxies',
    async dialAddress(from, to, port) {
      const target = { host: '127.0.0.1', port }
      const proxy = await startSocketProxy(target, laneOf(from, to), laneOf(to, from))
      proxies.push(proxy)
      return proxy
    },
    async cut(from, to) {
      laneOf(from, to).cut(true)
    },
    async partition(...groups) {
      uncut()
      for (const [from, to] of severed(groups)) laneOf(from, to).cut(true)
    },
    async heal() {
      uncut()
      for (const lane of lanes.values()) lane.set(PERFECT)
    },
    slow(conditions) {
      for (const lane of lanes.values()) lane.set({ ...PERFECT, ...conditions })
    },
    breakConnections() {
      for (const proxy of proxies) proxy.breakConnections()
    },
    async close() {
      await Promise.all(proxies.map((proxy) => proxy.close()))
    },
  }
}
