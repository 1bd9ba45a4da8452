/**
 * One whole node in a run: what outlives its process, and the production node and member on top of it
 * while it runs. It can be killed inside any call to the outside world and started again.
 */

import type { Member } from '../../../federation/member.ts'
import type { MembershipPool } from '../../../federation/membership-pool.ts'
import { p2trScript } from '../../bitcoin/script.ts'
import type { Block } from '../../chain/block.ts'
import type { ChainParams } from '../../chain/params.ts'
import type { KeyEpochAnnouncement } from '../../chain/peg/key-epoch-announcement.ts'
import type { ConsensusTimings } from '../../consensus/config.ts'
import { type Node, openNode } from '../../node/node.ts'
import { observerPegSide, type PegSide } from '../../node/peg-side.ts'
import { present } from '../../primitives/assert.ts'
import { hashToBytes, type XOnlyKey } from '../../primitives/hashes.ts'
import type { Network, Runtime } from '../../runtime/runtime.ts'
import { fakeSignature } from '../fake-signatures.ts'
import type { SeededRandom } from '../seeded-random.ts'
import type { SimulatedClock } from '../simulated-clock.ts'
import { NodeNetwork } from './node-network.ts'
import { ProcessLife } from './process-life.ts'
import { createProcessRuntime, type LogLevel } from './process-runtime.ts'
import { ChangeFile } from './simulated-change-record.ts'
import { KeyFolder } from './simulated-key-store.ts'
import type { MemberL1 } from './simulated-l1.ts'
import { LogFile } from './simulated-log.ts'
import type { SimulatedNetwork } from './simulated-network.ts'
import { createSimulatedSigningWork } from './simulated-signing-work.ts'
import { StoreFile } from './simulated-store.ts'
import { StorageDevice } from './storage-device.ts'
import { openWholeMember } from './whole-member.ts'
import type { WorldTime } from './world-time.ts'

/** How often its operator looks at a node that is to get its key back. */
const OPERATOR_LOOKS_MS = 1_000

/** What a node says of itself, to checkers and to the trace. */
export interface WholeNodeObserver {
  started(node: WholeNode): void
  /** A process ends: killed, or because its disk failed. */
  ended(node: WholeNode, why: string): void
  /** Final and durable at this node. */
  committed(node: WholeNode, block: Block): void
  halted(node: WholeNode, reason: string): void
  /** Its signing thread, with all nonces. */
  threadDied(node: WholeNode): void
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
  /** Validator keys of all places. */
  readonly keys: readonly XOnlyKey[]
  readonly timings: ConsensusTimings
  readonly network: SimulatedNetwork
  readonly observer: WholeNodeObserver
  /** A key made before the run; without one the members make it. */
  readonly announcement: KeyEpochAnnouncement | undefined
  readonly lookMs: number
}

interface OpenedBeside {
  readonly member: Member
  readonly membership: MembershipPool
}

export interface RunningProcess {
  readonly node: Node
  /** An observer has none. */
  readonly member: Member | undefined
  readonly membership: MembershipPool | undefined
  readonly network: NodeNetwork
  readonly life: ProcessLife
}

export class WholeNode {
  readonly index: number
  readonly clock: SimulatedClock
  readonly l1: MemberL1
  readonly device: StorageDevice
  readonly journal: LogFile
  chain: StoreFile
  readonly keys: KeyFolder
  readonly change: ChangeFile
  corruption: Corruption = {}
  /** The most timers of one life at a time. */
  mostTimers = 0
  #federation: StoreFile
  readonly #signing: LogFile
  readonly #observing: LogFile
  /** Its operator has moved the validator key away, and it follows as an observer. */
  #isKeyAway = false
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
    this.change = new ChangeFile(this.device)
    this.#federation = new StoreFile(this.device)
    this.#signing = new LogFile(this.device)
    this.#observing = new LogFile(this.device)
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

  get publicKey(): XOnlyKey {
    return present(this.#world.keys[this.index], 'validator')
  }

  sign(digest: Uint8Array): Uint8Array {
    return fakeSignature(this.publicKey, digest)
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

  /**
   * The process is killed, and one of its databases is gone: the journals and keys are elsewhere. Without
   * its chain the operator does as the handbook says: the node follows without its key until it is in
   * sync again, for it may not vote about what it has forgotten.
   */
  lose(what: 'chain' | 'member store'): void {
    this.crash(`killed, and its ${what} is lost`)
    const empty = new StoreFile(this.device)
    if (what === 'member store') this.#federation = empty
    else {
      this.chain = empty
      this.#isKeyAway = true
    }
  }

  #end(why: string): void {
    this.#life?.end()
    this.#life = undefined
    const running = this.#running
    this.#running = undefined
    if (running !== undefined) this.#world.network.leave(running.network)
    const journals = [this.journal, this.#signing, this.#observing]
    for (const file of [...journals, this.chain, this.keys, this.#federation]) file.crash()
    this.#world.observer.ended(this, why)
  }

  async #open(life: ProcessLife): Promise<void> {
    const { params, network: hub, observer, time, random, announcement } = this.#world
    const runtime = this.#runtime(life)
    const network = new NodeNetwork(this.index, this.name, life, hub)
    const wrapped = this.corruption.network?.(network) ?? network
    let node: Node | undefined
    let opened: OpenedBeside | undefined
    const { publicKey } = this
    const isObserver = this.#isKeyAway
    const sign = (digest: Uint8Array): Uint8Array => this.sign(digest)
    node = await openNode({
      params,
      runtime,
      store: this.chain.open(life),
      journal: (isObserver ? this.#observing : this.journal).open(life),
      network: wrapped,
      identity: isObserver ? undefined : { publicKey, sign },
      timings: this.#world.timings,
      payoutScript: p2trScript(hashToBytes(publicKey)),
      createPegSide: async (context) => {
        if (isObserver) return observerPegSide(params.peg.feeRateFloor)
        opened = await openWholeMember({
          params,
          publicKey,
          sign,
          runtime,
          network: wrapped,
          context,
          node: () => node,
          l1: this.l1.open(time, random, life),
          store: this.#federation.open(life),
          signingJournal: this.#signing.open(life),
          keyStore: this.keys.open(life),
          change: this.change.open(life),
          signingWork: createSimulatedSigningWork({ time, random }, life, () =>
            observer.threadDied(this),
          ),
          announcement,
        })
        return this.corruption.pegSide?.(opened.member) ?? opened.member
      },
    })
    if (!life.isAlive) return
    const running = node
    running.events.subscribe((event) => {
      if (!life.isAlive) return
      if (event.kind === 'block') observer.committed(this, event.block)
      if (event.kind === 'halted') this.#halted(event.reason, event.isStorage)
    })
    this.#running = {
      node: running,
      member: opened?.member,
      membership: opened?.membership,
      network,
      life,
    }
    observer.started(this)
    await running.start()
    if (this.#life !== life) return
    if (isObserver) this.#awaitSync(life)
    opened?.membership.start()
    await opened?.member.start()
  }

  /** Its operator looks now and then, and puts the key back when the node says that it is in sync. */
  #awaitSync(life: ProcessLife): void {
    this.#world.time.after(OPERATOR_LOOKS_MS, () => {
      if (this.#life !== life) return
      if (this.#running?.node.isSynced() !== true) return this.#awaitSync(life)
      this.#isKeyAway = false
      this.crash('stopped, and its key put back')
    })
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
}
