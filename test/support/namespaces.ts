/**
 * Validators in Linux network namespaces of their own, all on one bridge. A cut is a blackhole route:
 * packets vanish, connections hang and are found out by timeouts, as in life. Needs root, iproute2 and
 * a kernel that permits it. Delay and loss would need the netem scheduler, which many kernels lack;
 * those are the socket proxy's.
 */

import { execFileSync } from 'node:child_process'
import { createSeededRandom } from '../../src/simulator/seeded-random.ts'
import { type FaultyNetwork, severed } from './faulty-network.ts'
import { Lane, type SocketProxy, startSocketProxy } from './socket-proxy.ts'

/** Kernel names of interfaces have at most 15 characters. */
const PREFIX = `cw${(process.pid % 100_000).toString(36)}`
const BRIDGE = `${PREFIX}br`
/** A block for documentation and tests (RFC 2544), so that no real network is hidden. */
const SUBNET = `198.18.${process.pid % 250}`
const GATEWAY = `${SUBNET}.1`

const ip = (...args: readonly string[]): void => {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}
const nameOf = (index: number): string => `${PREFIX}n${index}`
const addressOf = (index: number): string => `${SUBNET}.${index + 2}`

/** Whether this process may make namespaces, found out by making one. */
export function canMakeNamespaces(): boolean {
  const probe = `${PREFIX}probe`
  try {
    ip('netns', 'add', probe)
    try {
      ip('-n', probe, 'route', 'add', 'blackhole', '198.18.255.255/32')
      ip('link', 'add', `${PREFIX}pr`, 'type', 'bridge')
      ip('link', 'del', `${PREFIX}pr`)
    } finally {
      ip('netns', 'del', probe)
    }
    return true
  } catch {
    return false
  }
}

export function createNamespaces(count: number): FaultyNetwork {
  const indices = Array.from({ length: count }, (_, index) => index)
  const blackholes = new Map<string, readonly [from: number, to: number]>()
  const proxies: SocketProxy[] = []
  ip('link', 'add', BRIDGE, 'type', 'bridge')
  ip('addr', 'add', `${GATEWAY}/24`, 'dev', BRIDGE)
  ip('link', 'set', BRIDGE, 'up')
  for (const index of indices) addNamespace(index)

  function cutOff(from: number, to: number): void {
    if (blackholes.has(`${from}>${to}`)) return
    ip('-n', nameOf(from), 'route', 'add', 'blackhole', `${addressOf(to)}/32`)
    blackholes.set(`${from}>${to}`, [from, to])
  }

  function uncut(): void {
    for (const [from, to] of blackholes.values()) {
      ip('-n', nameOf(from), 'route', 'del', 'blackhole', `${addressOf(to)}/32`)
    }
    blackholes.clear()
  }

  return {
    kind: 'namespaces',
    bindHost: addressOf,
    dialAddress: async (_from, to, port) => ({ host: addressOf(to), port }),
    async l1Address(port) {
      const lane = new Lane(createSeededRandom(0))
      const proxy = await startSocketProxy({ host: '127.0.0.1', port }, lane, lane, GATEWAY)
      proxies.push(proxy)
      return proxy
    },
    launcher: (index) => ['ip', 'netns', 'exec', nameOf(index)],
    async cut(from, to) {
      cutOff(from, to)
    },
    async partition(...groups) {
      uncut()
      for (const [from, to] of severed(groups)) cutOff(from, to)
    },
    async heal() {
      uncut()
    },
    async close() {
      await Promise.all(proxies.map((proxy) => proxy.close()))
      for (const index of indices) ip('netns', 'del', nameOf(index))
      ip('link', 'del', BRIDGE)
    },
  }
}

function addNamespace(index: number): void {
  const name = nameOf(index)
  const outer = `${PREFIX}v${index}`
  ip('netns', 'add', name)
  ip('link', 'add', outer, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name)
  ip('link', 'set', outer, 'master', BRIDGE, 'up')
  ip('-n', name, 'addr', 'add', `${addressOf(index)}/24`, 'dev', 'eth0')
  ip('-n', name, 'link', 'set', 'eth0', 'up')
  ip('-n', name, 'link', 'set', 'lo', 'up')
}
