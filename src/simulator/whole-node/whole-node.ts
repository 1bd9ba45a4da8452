/**
 * One whole node in a run: what outlives its process, and the production node and member on top of it
 * while it runs. It can be killed inside any call to the outside world and started again.
 */

import { createKeyCeremony, type KeyCeremony } from '../../../federation/key-ceremony.ts'
import { type Member, openMember } from '../../../federation/member.ts'
import { p2trScript } from '../../bitcoin/script.ts'
import type { Block } from '../../chain/block.ts'
import type { ChainParams } from '../../chain/params.ts'
import { getPegBooks } from '../../chain/peg/books.ts'
import type { KeyEpochAnnouncement } from '../../chain/peg/key-epoch-announcement.ts'
import type { ConsensusTimings } from '../../consensus/config.ts'
import { lastFeeRate } from '../../node/last-fee-rate.ts'
import { connectedMembers } from '../../node/member-links.ts'
import { type Node, openNode, type PegContext } from '../../node/node.ts'
import type { PegSide } from '../../node/peg-side.ts'
import type { ValidatorIdentity } from '../../node/validator-links.ts'
import { present } from '../../primitives/assert.ts'
import { hashToBytes } from '../../primitives/hashes.ts'
import type { Network, Runtime } from '../../runtime/runtime.ts'
import { fakeSignature } from '../fake-signatures.ts'
import type { SeededRandom } from '../seeded-random.ts'
import type { SimulatedClock } from '../simulated-clock.ts'
import { NodeNetwork } from './node-network.ts'
import { ProcessLife } from './process-life.ts'
import { createProcessRuntime, type LogLevel } from './process-runtime.ts'
import { KeyFolder } from './simulated-key-store.ts'
import type { MemberL1 } from './simulated-l1.ts'
import { LogFile } from './simulated-log.ts'
import type { SimulatedNetwork } from './simulated-network.ts'
import { StoreFile } from './simulated-store.ts'
import { StorageDevice } from './storage-device.ts'
import type { WorldTime } from './world-time.ts'

/** What a node says of itself, to checkers and to the trace. */
export interface WholeNodeObserver {
  started(node: WholeNode): void
  /** A process ends: killed, or because its disk failed. */
  ended(node: WholeNode, why: string): void
  /** Final and durable at this node. */
  committed(node: WholeNode, block: Block): void
  halted(node: WholeNode, reason: string): void
  logged(node: WholeNode, level: LogLevel, message: string, data: object): void
}

/** What stands between a Byzantine validator's node and the world. */
export interface Corruption {
  network?(real: Network): Network
  pegSide?(real: PegSide): PegSide
}

export interface WholeNodeWorld {
  readonly time: WorldTime
  readonly random: SeededRandom
  readonly params: ChainParams
  readonly timings: ConsensusTimings
  readonly network: SimulatedNetwork
  readonly observer: WholeNodeObserver
  /** A key made before the run; without one the members make it. */
  readonly announcement: KeyEpochAnnouncement | undefined
  readonly lookMs: number
}

export interface RunningProcess {
  readonly node: Node
  readonly member: Member
  readonly network: NodeNetwork
  readonly life: ProcessLife
}

export class WholeNode {
  readonly index: number
  readonly clock: SimulatedClock
  readonly l1: MemberL1
  readonly device: StorageDevice
  readonly journal: LogFile
  readonly chain: StoreFile
  readonly keys: KeyFolder
  corruption: Corruption = {}
  /** The most timers of one life at a time. */
  mostTimers = 0
  readonly #federation: StoreFile
  readonly #signing: LogFile
  readonly #world: WholeNodeWorld
  #life: ProcessLife | undefined
  #running: RunningProcess | undefined

  constructor(index: number, clock: SimulatedClock, l1: MemberL1, world: WholeNodeWorld) {
    this.index = index
    this.clock = clock
    this.l1 = l1
    this.#world = world
    this.device = new StorageDevice(world.time, world.random)
    this.journal = new LogFile(this.device)
    this.chain = new StoreFile(this.device)
    this.keys = new KeyFolder(this.device)
    this.#federation = new StoreFile(this.device)
    this.#signing = new LogFile(this.device)
  }

  get name(): string {
    return `n${this.index}`
  }

  /** Undefined while the process does not run, or is still opening its files. */
  get running(): RunningProcess | undefined {
    return this.#running
  }

  /** A process is there, ready or not. */
  get isUp(): boolean {
    return this.#life !== undefined
  }

  /** Of the last block on disk. */
  get height(): number {
    return this.#running?.node.chain.database.tip()?.height ?? 0
  }

  sign(digest: Uint8Array): Uint8Array {
    return fakeSignature(present(this.#world.params.validators[this.index], 'validator'), digest)
  }

  /** Starts the process; what keeps it from starting ends it. */
  start(): void {
    if (this.#life !== undefined) return
    this.device.hasFailed = false
    const life = new ProcessLife(() => this.crash('killed in the middle of a call'))
    this.#life = life
    void this.#open(life).catch((error: unknown) => {
      if (life.isAlive) this.#end(`cannot start: ${String(error)}`)
    })
  }

  /** kill -9 and a power failure at once. */
  crash(why = 'killed'): void {
    if (this.#life !== undefined) this.#end(why)
  }

  /** The same in the middle of a later call to the outside world. */
  crashAtCall(count: number): void {
    this.#life?.dieAtCall(count)
  }

  #end(why: string): void {
    this.#life?.end()
    this.#life = undefined
    const running = this.#running
    this.#running = undefined
    if (running !== undefined) this.#world.network.leave(running.network)
    for (const file of [this.journal, this.chain, this.keys, this.#federation, this.#signing]) {
      file.crash()
    }
    this.#world.observer.ended(this, why)
  }

  async #open(life: ProcessLife): Promise<void> {
    const { params, network: hub, observer } = this.#world
    const runtime = this.#runtime(life)
    const network = new NodeNetwork(this.index, this.name, life, hub)
    const wrapped = this.corruption.network?.(network) ?? network
    let node: Node | undefined
    let member: Member | undefined
    const publicKey = present(params.validators[this.index], 'validator')
    const identity: ValidatorIdentity = {
      index: this.index,
      publicKey,
      sign: (digest) => this.sign(digest),
    }
    node = await openNode({
      params,
      runtime,
      store: this.chain.open(life),
      journal: this.journal.open(life),
      network: wrapped,
      identity,
      timings: this.#world.timings,
      payoutScript: p2trScript(hashToBytes(publicKey)),
      createPegSide: async (context) => {
        member = await this.#openMember(life, wrapped, runtime, context, () => node)
        return this.corruption.pegSide?.(member) ?? member
      },
    })
    if (!life.isAlive) return
    const opened = node
    opened.events.subscribe((event) => {
      if (!life.isAlive) return
      if (event.kind === 'block') observer.committed(this, event.block)
      if (event.kind === 'halted') this.#halted(event.reason, event.isStorage)
    })
    const beside = present(member, 'member')
    this.#running = { node: opened, member: beside, network, life }
    observer.started(this)
    await opened.start()
    if (this.#life === life) await beside.start()
  }

  /** The command ends the process of a node whose disk has failed; any other one stays, and is looked at. */
  #halted(reason: string, isStorage: boolean): void {
    if (!isStorage) this.#world.observer.halted(this, reason)
    else this.#world.time.after(0, () => this.crash(`halted: ${reason}`))
  }

  #runtime(life: ProcessLife): Runtime {
    const { time, random, lookMs, observer } = this.#world
    return createProcessRuntime({
      time,
      clock: this.clock,
      random,
      life,
      lookMs,
      log: (level, data, message) => observer.logged(this, level, message, data),
      timersChanged: (count) => {
        this.mostTimers = Math.max(this.mostTimers, count)
      },
    })
  }

  async #openMember(
    life: ProcessLife,
    network: Network,
    runtime: Runtime,
    { chain, links }: PegContext,
    node: () => Node | undefined,
  ): Promise<Member> {
    const { params, time, random, announcement } = this.#world
    const keyStore = this.keys.open(life)
    const members = connectedMembers(network, links, params.validators.length)
    const sign = (digest: Uint8Array): Uint8Array => this.sign(digest)
    const ceremony = createKeyCeremony({
      params,
      self: this.index,
      sign,
      network: members,
      runtime,
      keyStore,
      view: () => chain.state().view,
    })
    return openMember({
      params,
      l1: this.l1.open(time, random, life),
      store: this.#federation.open(life),
      signingJournal: this.#signing.open(life),
      gossip: network,
      network: members,
      runtime,
      state: () => chain.state(),
      lastFeeRate: () => lastFeeRate(chain),
      isSynced: () => node()?.isSynced() === true,
      isHalted: () => node()?.haltReason() !== undefined,
      sign,
      ceremony:
        announcement === undefined
          ? ceremony
          : announcing(ceremony, announcement, () => getPegBooks(chain.state().view).keyEpochCount),
      keyStore,
    })
  }
}

/** The ceremony is over before the run begins; its result still has to get into the chain. */
function announcing(
  ceremony: KeyCeremony,
  announcement: KeyEpochAnnouncement,
  keyEpochs: () => number,
): KeyCeremony {
  return {
    start: () => ceremony.start(),
    tick: () => {
      if (keyEpochs() > 0) ceremony.tick()
    },
    receive: (sealed) => {
      if (keyEpochs() > 0) ceremony.receive(sealed)
    },
    announcement: () => (keyEpochs() === 0 ? announcement : undefined),
    share: () => ceremony.share(),
    problem: () => ceremony.problem(),
    onFinished: (handler) => ceremony.onFinished(handler),
    stop: () => ceremony.stop(),
  }
}
