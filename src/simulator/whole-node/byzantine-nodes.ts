/**
 * The Byzantine validators of a run of whole nodes: their nodes are honest until the peg is open, since a
 * key that all members make needs all of them, and lie from then on, to the end.
 */

import type { ChainParams } from '../../chain/params.ts'
import { hexToBytes } from '../../primitives/bytes.ts'
import type { Network } from '../../runtime/runtime.ts'
import type { SeededRandom } from '../seeded-random.ts'
import { corruptionBy } from './adversaries/corrupt-node.ts'
import { createNodeAdversary, type NodeAdversaryKind } from './adversaries/node-adversaries.ts'
import type { NodeAdversary } from './adversaries/node-adversary.ts'
import type { CanonicalChain } from './canonical-chain.ts'
import type { SimulatedL1 } from './simulated-l1.ts'
import type { SimulatedUsers } from './simulated-users.ts'
import type { WholeNode } from './whole-node.ts'
import type { WorldTime } from './world-time.ts'

export interface ByzantineWorld {
  readonly time: WorldTime
  readonly random: SeededRandom
  readonly params: ChainParams
  readonly canonical: CanonicalChain
  readonly l1: SimulatedL1
  readonly users: SimulatedUsers
  readonly nodes: readonly WholeNode[]
  readonly kinds: ReadonlyMap<number, NodeAdversaryKind>
  /** A private branch of L1 has been made. */
  lied(): void
}

const SPEAK_MS = 250
/** Blocks of a private branch: enough for a proposer to take them for buried. */
const LIE_BLOCKS = [4, 12] as const
const FAKE_DEPOSIT_SATS = 50_000_000n

export class ByzantineNodes {
  readonly #world: ByzantineWorld
  readonly #adversaries = new Map<number, NodeAdversary>()
  readonly #networks = new Map<number, Network>()

  constructor(world: ByzantineWorld) {
    this.#world = world
    for (const [index, kind] of world.kinds) {
      const node = world.nodes[index]
      if (node !== undefined) this.#corrupt(node, kind)
    }
  }

  #corrupt(node: WholeNode, kind: NodeAdversaryKind): void {
    const { random, params, canonical } = this.#world
    const isActive = (): boolean =>
      canonical.blocks.some(({ l1Section }) => l1Section.keyEpochs.length > 0)
    const tools = {
      self: node.index,
      params,
      random,
      sign: (digest: Uint8Array) => node.sign(digest),
      place: () => (isActive() ? node.running?.node.place() : undefined),
      parentHash: () => node.running?.node.chain.state().tip.hash,
    }
    const adversary = createNodeAdversary(kind, tools, () =>
      canonical.blocks.flatMap(({ l1Section }) => l1Section.deposits),
    )
    this.#adversaries.set(node.index, adversary)
    node.corruption = corruptionBy(adversary, isActive, (network) =>
      this.#networks.set(node.index, network),
    )
  }

  /** They speak unasked, for ever. */
  speak(): void {
    const { time, random, nodes, canonical } = this.#world
    for (const [index, adversary] of this.#adversaries) {
      time.after(random.between(0.5, 1.5) * SPEAK_MS, () => {
        const network = this.#networks.get(index)
        const isUp = nodes[index]?.running !== undefined && canonical.height > 0
        if (network === undefined || !isUp) return
        const peers = network.peers().map(({ peerId }) => peerId)
        adversary.speak?.(network, peers)
      })
    }
    if (this.#adversaries.size > 0) time.after(SPEAK_MS, () => this.speak())
  }

  /** The L1 node of a member that is said to have a lying one follows a branch with a deposit in it. */
  lieAboutL1(): void {
    const { kinds, l1, random, users } = this.#world
    for (const [index, kind] of kinds) {
      const member = l1.members[index]
      if (kind !== 'lying-l1' || member === undefined) continue
      const script = [...users.depositScripts][0]
      const payment =
        script === undefined
          ? undefined
          : users.l1Payment([{ value: FAKE_DEPOSIT_SATS, script: hexToBytes(script) }])
      const blocks = LIE_BLOCKS[0] + random.below(LIE_BLOCKS[1] - LIE_BLOCKS[0])
      void l1.lie(member, payment === undefined ? [] : [payment], blocks)
      this.#world.lied()
    }
  }
}
