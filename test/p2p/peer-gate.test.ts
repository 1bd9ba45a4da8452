import type { PeerId as Libp2pPeerId, MultiaddrConnection } from '@libp2p/interface'
import { describe, expect, it } from 'vitest'
import { PeerGate } from '../../src/p2p/peer-gate.ts'
import type { PeerId } from '../../src/runtime/runtime.ts'

function aGate(options: { readonly allow?: (peer: PeerId) => boolean } = {}) {
  const world = { nowMs: 0, peers: 0, connections: 0, kept: 'kept' }
  const gate = new PeerGate(
    { maxPeers: 2, refusalMs: 60_000, ...options },
    {
      clock: { nowMs: () => world.nowMs, monotonicMs: () => world.nowMs },
      peerCount: () => world.peers,
      connectionCount: () => world.connections,
      isKept: (peer) => peer === world.kept,
    },
  )
  const connection = {} as MultiaddrConnection
  const gater = gate.connectionGater()
  const denied = (peer: PeerId) =>
    gater.denyInboundEncryptedConnection?.(peer as unknown as Libp2pPeerId, connection)
  return { gate, world, denied }
}

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
  })

  it('keeps room for the peers this node wants itself', () => {
    const { world, denied } = aGate()
    world.peers = 2
    expect(denied('stranger')).toBe(true)
    expect(denied('kept')).toBe(false)
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
