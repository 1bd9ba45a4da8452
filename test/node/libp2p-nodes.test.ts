/** Whole nodes on real connections and real time: validators, observers, and strangers who shout. */

import { multiaddr } from '@multiformats/multiaddr'
import type { Libp2p } from 'libp2p'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { encodeMessage } from '../../src/consensus/messages.ts'
import { type Node, openNode } from '../../src/node/node.ts'
import { encodeFrames } from '../../src/p2p/frame.ts'
import { createLibp2pNetwork, type Libp2pNetwork } from '../../src/p2p/network.ts'
import { protocolNames } from '../../src/p2p/protocols.ts'
import { createSystemRuntime } from '../../src/runtime/system-runtime.ts'
import { MemoryDisk, openMemoryStore } from '../../src/storage/memory-store.ts'
import { ANY_PORT, addressOf, seedOf, startBareNode, stopAll } from '../p2p/nodes.ts'
import { aUser, testParams } from '../support/chain-world.ts'
import { MemoryJournal } from '../support/memory-journal.ts'
import { fundingPeg, validatorIdentity } from '../support/node-world.ts'

const params = { ...testParams(), minBlockIntervalMs: 20, heartbeatMs: 20 }
const names = protocolNames(params.chainId)

interface Started {
  readonly node: Node
  readonly network: Libp2pNetwork
}

const started: Started[] = []

afterEach(async () => {
  await Promise.all(started.splice(0).map(({ node }) => node.stop()))
  await stopAll()
})

/** A validator when its index is one; else an observer. */
async function start(index: number, peers: readonly Started[]): Promise<Started> {
  const runtime = createSystemRuntime({ logLevel: 'silent' })
  const isValidator = index < params.validators.length
  const network = await createLibp2pNetwork(
    { chainId: params.chainId, privateKeySeed: seedOf(index + 1), listen: [ANY_PORT] },
    runtime,
  )
  for (const peer of peers) network.keepConnected(addressOf(peer.network))
  const node = await openNode({
    params,
    runtime,
    store: openMemoryStore(new MemoryDisk()),
    journal: new MemoryJournal(async () => undefined).open(),
    network,
    identity: isValidator ? validatorIdentity(index) : undefined,
    payoutScript: aUser(`payee ${index}`).script,
    createPegSide: async () => fundingPeg(params),
  })
  await node.start()
  const one = { node, network }
  started.push(one)
  return one
}

async function startValidators(): Promise<readonly Started[]> {
  const validators: Started[] = []
  for (const index of params.validators.keys()) validators.push(await start(index, validators))
  return validators
}

/** Else it would be taken for a node of another chain. */
const speakSync = (node: Libp2p): Promise<void> => node.handle(names.sync, () => {})

const heightOf = ({ node }: Started): number => node.chain.database.tip()?.height ?? 0

function untilHeight(height: number, nodes: readonly Started[]): Promise<void> {
  return vi.waitFor(() => expect(Math.min(...nodes.map(heightOf))).toBeGreaterThanOrEqual(height), {
    timeout: 30_000,
    interval: 10,
  })
}

describe('nodes over libp2p', () => {
  it('trust each other by their HELLOs, and observers follow', async () => {
    const validators = await startValidators()
    await untilHeight(8, validators)
    const observer = await start(10, validators.slice(0, 1))
    const second = await start(11, [observer])
    await untilHeight(20, [...validators, observer, second])
    for (const { network } of validators) {
      expect(network.statistics()).toMatchObject({
        trustedPeers: 3,
        framesOverRate: 0,
        gossipRejected: 0,
        gossipOverRate: 0,
        peersDisconnected: 0,
        requestsDeclined: 0,
      })
    }
    expect(observer.network.statistics().trustedPeers).toBe(1)
    expect(second.node.isSynced()).toBe(true)
    const hashes = [...validators, observer, second].map(({ node }) =>
      node.chain.database.blockHashAt(20),
    )
    expect(new Set(hashes).size).toBe(1)
  })

  it('go on while strangers shout at all of them', async () => {
    const validators = await startValidators()
    await untilHeight(3, validators)
    const strangers = await Promise.all([1, 2, 3].map(() => startBareNode(speakSync)))
    const large = encodeFrames([new Uint8Array(4_000_000)])
    const height = Math.max(...validators.map(heightOf))
    const status = encodeMessage({ kind: 'status', height: 9_999_999, view: 3 })
    const short = encodeFrames(Array.from({ length: 2_000 }, () => status))
    for (const { node } of strangers) {
      for (const validator of validators) {
        const connection = await node.dial(multiaddr(addressOf(validator.network)))
        for (const [protocol, bytes] of [
          [names.channels.bulk, large],
          [names.channels.federation, large.subarray(0, 1_000_000)],
          [names.channels.consensus, short],
        ] as const) {
          const stream = await connection.newStream(protocol).catch(() => undefined)
          stream?.send(bytes)
        }
      }
    }
    await untilHeight(height + 8, validators)
    for (const { network, node } of validators) {
      expect(node.haltReason()).toBeUndefined()
      expect(network.statistics().trustedPeers).toBe(3)
    }
  })
})
