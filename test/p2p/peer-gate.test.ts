import type { PeerId as Libp2pPeerId, MultiaddrConnection } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, it } from 'vitest'
import type { AddressGroup } from '../../src/p2p/address-group.ts'
import { PeerGate } from '../../src/p2p/peer-gate.ts'
import type { PeerId } from '../../src/runtime/runtime.ts'

class FakeConnection {
  readonly remoteAddr
  isAborted = false
  readonly #onClose: (() => void)[] = []

  constructor(ip: string) {
    this.remoteAddr = multiaddr(`/${ip.includes(':') ? 'ip6' : 'ip4'}/${ip}/tcp/4001`)
  }

  addEventListener(_type: string, listener: () => void): void {
    this.#onClose.push(listener)
  }

  abort(): void {
    this.isAborted = true
    for (const listener of this.#onClose) listener()
  }
}

const asConnection = (connection: FakeConnection) => connection as unknown as MultiaddrConnection

function aGate(options: { readonly allow?: (peer: PeerId) => boolean } = {}) {
  const world = {
    nowMs: 0,
    observers: 0,
    connections: 0,
    kept: 'kept',
    keptGroup: '198.51.100.0/24',
    counted: [] as string[],
  }
  const gate = new PeerGate(
    { observersPerAddress: 2, refusalMs: 60_000, addressRefusalMs: 600_000, ...options },
    {
      clock: { nowMs: () => world.nowMs, monotonicMs: () => world.nowMs },
      connectionCount: () => world.connections,
      observerCount: () => world.observers,
      isKept: (peer) => peer === world.kept,
      isKeptGroup: (group) => group === world.keptGroup,
      count: (name) => world.counted.push(name),
    },
  )
  const gater = gate.connectionGater()
  return {
    gate,
    world,
    /** After the handshake. */
    denied: (peer: PeerId, ip = '203.0.113.5'): boolean =>
      gater.denyInboundEncryptedConnection?.(
        peer as unknown as Libp2pPeerId,
        asConnection(new FakeConnection(ip)),
      ) === true,
    /** Before the handshake. */
    turnedAway: (connection: FakeConnection): boolean =>
      gater.denyInboundConnection?.(asConnection(connection)) === true,
    finished: (connection: FakeConnection): boolean =>
      gater.denyInboundUpgradedConnection?.(
        'peer' as unknown as Libp2pPeerId,
        asConnection(connection),
      ) === false,
  }
}

const groupOf = (name: string): AddressGroup => ({ name, isLocal: false })

describe('the gate for peers', () => {
  it('refuses a peer for a minute after it misbehaved', () => {
    const { gate, world, denied } = aGate()
    gate.refuse('mallory')
    expect(denied('mallory')).toBe(true)
    expect(denied('alice')).toBe(false)
    world.nowMs = 59_999
    expect(gate.isRefused('mallory')).toBe(true)
    world.nowMs = 60_000
    expect(gate.isRefused('mallory')).toBe(false)
    expect(denied('mallory')).toBe(false)
    expect(world.counted).toEqual(['refusedMisbehaved'])
  })

  it('bounds the observers of an address, but not the peers this node wants', () => {
    const { world, denied } = aGate()
    world.observers = 2
    expect(denied('stranger')).toBe(true)
    expect(denied('kept')).toBe(false)
    expect(denied('neighbour', '192.168.1.4')).toBe(false)
  })

  it('bounds the connections of one peer', () => {
    const { world, denied } = aGate()
    world.connections = 3
    expect(denied('kept')).toBe(false)
    world.connections = 4
    expect(denied('kept')).toBe(true)
  })

  it('asks the operator', () => {
    const { denied } = aGate({ allow: (peer) => peer === 'alice' })
    expect(denied('alice')).toBe(false)
    expect(denied('bob')).toBe(true)
  })

  it('remembers a bounded number of refused peers, the latest', () => {
    const { gate } = aGate()
    for (let i = 0; i < 5_000; i++) gate.refuse(`peer${i}`)
    expect(gate.isRefused('peer0')).toBe(false)
    expect(gate.isRefused('peer4999')).toBe(true)
  })
})

describe('the gate for addresses', () => {
  it('refuses one whose peers misbehave again and again under new names', () => {
    const { gate, world, denied, turnedAway } = aGate()
    for (let i = 0; i < 4; i++) gate.refuse(`mallory${i}`, groupOf('203.0.113.0/24'))
    expect(turnedAway(new FakeConnection('203.0.113.99'))).toBe(true)
    expect(denied('mallory5', '203.0.113.99')).toBe(true)
    expect(denied('alice', '203.0.114.1')).toBe(false)
    // A validator may live there.
    expect(denied('kept', '203.0.113.99')).toBe(false)
    world.nowMs = 600_000
    expect(turnedAway(new FakeConnection('203.0.113.99'))).toBe(false)
  })

  it('does not turn away before the handshake where a wanted peer may come from', () => {
    const { gate, turnedAway } = aGate()
    for (let i = 0; i < 4; i++) gate.refuse(`mallory${i}`, groupOf('198.51.100.0/24'))
    for (let i = 0; i < 50; i++) {
      expect(turnedAway(new FakeConnection('198.51.100.7'))).toBe(false)
    }
  })

  it('never refuses a loopback or private one', () => {
    const { gate, turnedAway } = aGate()
    for (let i = 0; i < 50; i++) gate.refuse(`peer${i}`, { name: '127.0.0.0/24', isLocal: true })
    expect(turnedAway(new FakeConnection('127.0.0.1'))).toBe(false)
  })

  it('turns away one that connects too often, an IPv6 network as a whole', () => {
    const { world, turnedAway } = aGate()
    const knock = (i: number): boolean => turnedAway(new FakeConnection(`2001:db8:1:2:${i + 1}::9`))
    const answers = Array.from({ length: 30 }, (_, i) => knock(i))
    expect(answers.filter((isDenied) => isDenied)).toHaveLength(10)
    expect(turnedAway(new FakeConnection('2001:db8:1:3::9'))).toBe(false)
    world.nowMs = 1_000
    expect(knock(31)).toBe(false)
    expect(new Set(world.counted)).toEqual(new Set(['refusedAddressRate', 'handshakesDisplaced']))
  })

  it('gives up the oldest handshake of an address for the newest', () => {
    const { turnedAway, finished } = aGate()
    const first = new FakeConnection('203.0.113.1')
    const second = new FakeConnection('203.0.113.2')
    turnedAway(first)
    turnedAway(second)
    expect(finished(first)).toBe(true)
    const others = Array.from({ length: 8 }, (_, i) => new FakeConnection(`203.0.113.${i + 10}`))
    for (const connection of others) turnedAway(connection)
    expect(first.isAborted).toBe(false)
    expect(second.isAborted).toBe(true)
    expect(others.some(({ isAborted }) => isAborted)).toBe(false)
  })

  it('bounds the handshakes of all addresses together', () => {
    const { turnedAway } = aGate()
    const all = Array.from({ length: 200 }, (_, i) => new FakeConnection(`9.9.${i}.1`))
    for (const connection of all) expect(turnedAway(connection)).toBe(false)
    expect(all.filter(({ isAborted }) => isAborted)).toEqual(all.slice(0, 72))
  })
})
