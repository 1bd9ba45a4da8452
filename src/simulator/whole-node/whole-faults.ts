/**
 * Trouble for whole nodes: another kind of it every second or so, until the world heals. Networks,
 * crashes at any moment and inside any call, disks, clocks, and Bitcoin: nodes of L1 that are down or
 * late, and reorganisations that the peg allows for.
 */

import { CALM } from '../packet-network.ts'
import type { SeededRandom } from '../seeded-random.ts'
import type { SimulatedL1 } from './simulated-l1.ts'
import type { SimulatedNetwork } from './simulated-network.ts'
import { USUAL_SYNC_MS } from './storage-device.ts'
import type { WholeNode } from './whole-node.ts'
import type { WorldTime } from './world-time.ts'

const SELECTIVE_LABELS = [
  'propose',
  'vote/notarize',
  'vote/nullify',
  'vote/finalize',
  'enter',
  'status',
  'block',
  'decided',
  'hello',
  'federation',
  'gossip',
  'gossip/transactions',
  'gossip/freeze',
  'sync-answer',
] as const
const SELECTIVE_LOSS = 0.85
/** Clocks are set right to within this. */
const WALL_ERROR_MS = 1_000
const HOUR_MS = 3_600_000
const L1_BLOCK_MS = [400, 3_000] as const

export const FAULT_KINDS = [
  'packet loss',
  'loss of one kind',
  'partition',
  'one-way partition',
  'crash',
  'crash in a call',
  'everybody crashes',
  'disk error',
  'slow disk',
  'chain lost',
  'member store lost',
  'signing thread dies',
  'clock wrong',
  'machine suspended',
  'L1 down',
  'L1 late',
  'L1 lies',
  'L1 reorganised',
  'L1 fee storm',
] as const

export type FaultKind = (typeof FAULT_KINDS)[number]
export type FaultCounts = Readonly<Record<FaultKind, number>>

export interface WholeFaultyWorld {
  readonly time: WorldTime
  readonly random: SeededRandom
  readonly network: SimulatedNetwork
  readonly nodes: readonly WholeNode[]
  readonly l1: SimulatedL1
  readonly l1Depth: number
  /** Milliseconds between troubles, times this. */
  readonly pace: number
  /** This honest node's database is about to vanish. */
  losesChain(node: WholeNode): void
  /** A Byzantine member's L1 follows a branch of its own. */
  lie(): void
  note(text: string): void
}

export class WholeFaults {
  readonly counts: Record<FaultKind, number> = {
    'packet loss': 0,
    'loss of one kind': 0,
    partition: 0,
    'one-way partition': 0,
    crash: 0,
    'crash in a call': 0,
    'everybody crashes': 0,
    'disk error': 0,
    'slow disk': 0,
    'chain lost': 0,
    'member store lost': 0,
    'signing thread dies': 0,
    'clock wrong': 0,
    'machine suspended': 0,
    'L1 down': 0,
    'L1 late': 0,
    'L1 lies': 0,
    'L1 reorganised': 0,
    'L1 fee storm': 0,
  }
  #isHealed = false
  readonly #world: WholeFaultyWorld

  constructor(world: WholeFaultyWorld) {
    this.#world = world
  }

  /** Blocks of L1 come for ever. */
  mine(): void {
    const { time, random, l1 } = this.#world
    time.after(random.between(...L1_BLOCK_MS), () => {
      void l1.mine(1)
      this.mine()
    })
  }

  /** Plans the trouble of the faulty phase. */
  schedule(fromMs: number, untilMs: number): void {
    const { time, random, pace } = this.#world
    for (let atMs = fromMs; atMs < untilMs; atMs += pace * random.between(500, 2_500)) {
      time.after(atMs, () => this.#trouble())
    }
  }

  /** Counts a fault, and tells of it. */
  happened(kind: FaultKind, detail = ''): void {
    this.counts[kind] += 1
    this.#world.note(`FAULT ${kind} ${detail}`)
  }

  #trouble(): void {
    if (this.#isHealed) return
    const { random } = this.#world
    this.#troubleNetwork()
    if (random.chance(0.35)) this.#crashSome()
    if (random.chance(0.25)) this.#troubleDisk()
    if (random.chance(0.2)) this.#troubleClocks()
    if (random.chance(0.35)) this.#troubleL1()
  }

  #troubleNetwork(): void {
    const { network, random, pace } = this.#world
    const { packets } = network
    packets.mend()
    const isLossy = random.chance(0.5)
    const faults = {
      extraMs: pace * random.between(0, 60),
      loss: isLossy ? random.between(0, 0.25) : 0,
      duplication: random.between(0, 0.1),
      straggling: random.between(0, 0.1),
    }
    if (isLossy) this.happened('packet loss', faults.loss.toFixed(2))
    packets.faults = faults
    if (random.chance(0.3)) {
      const label = random.pick(SELECTIVE_LABELS)
      packets.faults = { ...faults, selective: { label, loss: SELECTIVE_LOSS } }
      this.happened('loss of one kind', label)
    }
    if (random.chance(0.25)) this.#divide()
  }

  #divide(): void {
    const { network, random, nodes } = this.#world
    const shuffled = random.shuffle(nodes.map(({ index }) => index))
    const size = 1 + random.below(shuffled.length - 1)
    const [left, right] = [shuffled.slice(0, size), shuffled.slice(size)]
    if (random.chance(0.7)) {
      network.packets.partition(left, right)
      this.happened('partition', `${left.join(' ')} | ${right.join(' ')}`)
      return
    }
    for (const from of right) for (const to of left) network.packets.cut(from, to)
    this.happened('one-way partition', `${left.join(' ')} hears not ${right.join(' ')}`)
  }

  #crashSome(): void {
    const { random, time, nodes } = this.#world
    const isAll = random.chance(0.15)
    if (isAll) this.happened('everybody crashes')
    for (const node of isAll ? nodes : [random.pick(nodes)]) {
      if (!node.isUp) continue
      if (!isAll && random.chance(0.5)) {
        this.happened('crash in a call', node.name)
        node.crashAtCall(1 + random.below(60))
        continue
      }
      time.after(random.between(0, 50), () => {
        if (this.#isHealed || !node.isUp) return
        this.happened('crash', node.name)
        node.crash()
      })
    }
  }

  /** A process that has ended, for whatever reason, is started again by somebody, later. */
  ended(node: WholeNode): void {
    const { random, time } = this.#world
    const afterMs = this.#isHealed ? 100 : random.between(10, 4_000)
    time.after(afterMs, () => {
      if (random.chance(0.7)) node.device.error = undefined
      node.start()
    })
  }

  #troubleDisk(): void {
    const { random, nodes } = this.#world
    const node = random.pick(nodes)
    const isSlow = random.chance(0.4)
    node.device.syncMs = isSlow ? [10, 80] : USUAL_SYNC_MS
    if (isSlow) this.happened('slow disk', node.name)
    if (!node.isUp) return
    if (random.chance(0.08)) this.#lose(node)
    if (!random.chance(0.3)) return
    node.device.error = random.pick(['ENOSPC', 'EIO'] as const)
    this.happened('disk error', `${node.name} ${node.device.error}`)
  }

  /** One chain in a run: what a quorum had forgotten would be forgotten. */
  #lose(node: WholeNode): void {
    if (this.counts['chain lost'] === 0 && this.#world.random.chance(0.5)) {
      this.happened('chain lost', node.name)
      this.#world.losesChain(node)
      node.lose('chain')
    } else {
      this.happened('member store lost', node.name)
      node.lose('member store')
    }
  }

  /** One clock at a time is far wrong: q of them could take the chain with them. */
  #troubleClocks(): void {
    const { random, nodes } = this.#world
    for (const node of nodes) node.clock.setWallError(this.#smallError())
    const node = random.pick(nodes)
    if (random.chance(0.5)) {
      const byMs = random.between(-HOUR_MS, HOUR_MS)
      node.clock.setWallError(byMs)
      this.happened('clock wrong', `${node.name} by ${Math.round(byMs / 1_000)} s`)
    } else {
      node.clock.leap(random.between(0, 20_000))
      this.happened('machine suspended', node.name)
    }
  }

  #smallError(): number {
    return this.#world.random.between(-WALL_ERROR_MS, WALL_ERROR_MS)
  }

  #troubleL1(): void {
    const { random, l1, l1Depth } = this.#world
    const member = random.pick(l1.members)
    const at = `n${l1.members.indexOf(member)}`
    switch (random.below(7)) {
      case 0:
        member.isDown = !member.isDown
        if (member.isDown) this.happened('L1 down', at)
        return
      case 1:
        member.lagMs = random.between(0, 8_000)
        this.happened('L1 late', at)
        return
      case 2:
      case 3: {
        const depth = 1 + random.below(l1Depth - 1)
        const transactions = random.chance(0.7) ? 'return' : 'forget'
        this.happened('L1 reorganised', `${depth} deep, transactions ${transactions}`)
        void l1.reorganise(depth, transactions)
        return
      }
      case 4:
      case 5:
        this.#troubleFees()
        return
      default:
        this.#world.lie()
    }
  }

  #troubleFees(): void {
    const { fees } = this.#world.l1
    if (fees.isStormy && this.#world.random.chance(0.5)) return fees.calm()
    fees.storm()
    this.happened('L1 fee storm', `${fees.rate} sat/kvB`)
  }

  /** The world is well again: every node runs, on good disks and clocks, with its L1. */
  async heal(): Promise<void> {
    this.#isHealed = true
    const { network, nodes, l1 } = this.#world
    network.packets.mend()
    network.packets.faults = CALM
    await l1.heal()
    for (const node of nodes) {
      node.crashAtCall(Number.POSITIVE_INFINITY)
      node.device.error = undefined
      node.device.syncMs = USUAL_SYNC_MS
      node.clock.setWallError(this.#smallError())
      // What a failed disk has left standing, its operator starts again.
      if (node.device.hasFailed) node.crash('started again by its operator')
      node.start()
    }
  }
}
