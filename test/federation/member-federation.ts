/** Four members over one chain and one L1, in virtual time: real keys, stores and protocols. */

import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createKeyCeremony } from '../../federation/key-ceremony.ts'
import { type Member, openMember } from '../../federation/member.ts'
import { createMemberFaults } from '../../federation/member-faults.ts'
import { openKeyStore } from '../../federation/signing/key-store.ts'
import type { Transaction } from '../../src/bitcoin/transaction.ts'
import type { Block } from '../../src/chain/block.ts'
import type { ChainState } from '../../src/chain/connect-block.ts'
import type { FreezeVote } from '../../src/chain/peg/freeze-vote.ts'
import { wouldBuildBatch } from '../../src/chain/peg/plan-batches.ts'
import type { PegProposal } from '../../src/node/peg-side.ts'
import { signSchnorr } from '../../src/primitives/secp256k1.ts'
import type { GossipVerdict } from '../../src/runtime/runtime.ts'
import { openAppendLog } from '../../src/storage/append-log.ts'
import { MemoryDisk, openMemoryStore } from '../../src/storage/memory-store.ts'
import { secretOf } from '../support/chain-world.ts'
import { MoodyL1, PegWorld, until } from './peg-world.ts'

const COUNT = 4
const QUORUM = 3

interface Running {
  readonly member: Member
  readonly l1: MoodyL1
  readonly onFrame: (frame: Uint8Array) => void
  readonly onGossip: (from: string, payload: Uint8Array) => GossipVerdict | Promise<GossipVerdict>
}

export class MemberFederation {
  readonly world: PegWorld
  readonly folder = mkdtempSync(join(tmpdir(), 'causeway-members-'))
  readonly running = new Map<number, Running>()
  readonly blocks: Block[] = []
  readonly transactions: Transaction[] = []
  /** For the next block. */
  readonly freezeVotes: FreezeVote[] = []
  readonly disks = Array.from({ length: COUNT }, () => new MemoryDisk())
  isSynced = true
  isHalted = false
  /** Members whose own validator has voted to freeze. */
  readonly wantsFreeze = new Set<number>()
  #leader = 0

  constructor(world: PegWorld) {
    this.world = world
  }

  static async start(): Promise<MemberFederation> {
    const federation = new MemberFederation(await PegWorld.closed())
    for (let index = 0; index < COUNT; index++) await federation.startMember(index)
    return federation
  }

  async startMember(index: number): Promise<Member> {
    const { params, runtime, chain } = this.world
    const l1 = new MoodyL1(this.world.l1Chain)
    const sign = (digest: Uint8Array): Uint8Array =>
      signSchnorr(digest, secretOf(`validator ${index}`), runtime.random.bytes(32))
    let onFrame: Running['onFrame'] | undefined
    let onGossip: Running['onGossip'] | undefined
    const send = (to: number, frame: Uint8Array): void => {
      runtime.time.after(1, () => this.running.get(to)?.onFrame(frame))
    }
    const others = [...Array.from({ length: COUNT }).keys()].filter((other) => other !== index)
    const network = {
      send,
      broadcast: (frame: Uint8Array) => others.forEach((other) => send(other, frame)),
      onFrame: (handler: (frame: Uint8Array) => void) => {
        onFrame = handler
      },
      connected: () => others.filter((other) => this.running.has(other)),
    }
    const keyStore = await openKeyStore({
      folder: join(this.folder, `shares-${index}`),
      secret: { kind: 'key-file', path: join(this.folder, `share-${index}.key`) },
      random: runtime.random.bytes,
    })
    const faults = createMemberFaults(runtime.clock, runtime.log)
    const member = await openMember({
      params,
      l1: l1.port,
      store: openMemoryStore(this.disks[index]),
      signingJournal: await openAppendLog(join(this.folder, `signing-${index}.log`)),
      gossip: {
        publish: async (_topic, payload) => {
          for (const other of others) void this.running.get(other)?.onGossip(`${index}`, payload)
          return true
        },
        onGossip: (_topic, handler) => {
          onGossip = handler
        },
      },
      network,
      runtime,
      state: () => chain.state,
      lastFeeRate: () => this.blocks.at(-1)?.extension.feeRate ?? params.peg.feeRateFloor,
      isSynced: () => this.isSynced,
      isHalted: () => this.isHalted,
      wantsFreeze: () => this.wantsFreeze.has(index),
      sign,
      ceremony: createKeyCeremony({
        params,
        self: index,
        sign,
        network,
        runtime,
        keyStore,
        view: () => chain.state.view,
        faults,
      }),
      keyStore,
      faults,
    })
    this.running.set(index, {
      member,
      l1,
      onFrame: (f) => onFrame!(f),
      onGossip: (p, b) => onGossip!(p, b),
    })
    await member.start()
    return member
  }

  member(index: number): Member {
    return this.running.get(index)!.member
  }

  async stopMember(index: number): Promise<void> {
    const { member } = this.running.get(index)!
    this.running.delete(index)
    await member.stop()
  }

  async stop(): Promise<void> {
    for (const index of Array.from(this.running.keys())) await this.stopMember(index)
    await rm(this.folder, { recursive: true })
  }

  hasWork(state: ChainState): boolean {
    const { params } = this.world
    const context = {
      height: state.tip.height + 1,
      timeMs: state.tip.timeMs + 2_000,
      feeRate: params.peg.feeRateFloor,
    }
    return (
      this.transactions.length + this.freezeVotes.length > 0 ||
      wouldBuildBatch(state.view, params, context) ||
      [...this.running.values()].some(({ member }) => member.hasWork(state))
    )
  }

  /** One block as consensus would have it: a leader proposes, a quorum judges. */
  async round(): Promise<boolean> {
    const { chain } = this.world
    const members = [...this.running.values()]
    const leader = members[this.#leader++ % members.length]!.member
    const proposal: PegProposal = await this.#answered(leader.propose(chain.state))
    const transactions = this.transactions.slice()
    const freezeVotes = this.freezeVotes.splice(0)
    const built = chain.build({ ...proposal, freezeVotes, transactions })
    if (!built.ok) throw new TypeError(JSON.stringify(built.error))
    const verdicts = await Promise.all(
      members.map(({ member }) => this.#answered(member.judge(chain.state, proposal))),
    )
    if (verdicts.filter((verdict) => verdict === 'valid').length < QUORUM) return false
    this.transactions.splice(0)
    chain.apply(built.value)
    this.blocks.push(built.value)
    for (const { member } of this.running.values()) member.onCommitted(built.value, chain.state)
    return true
  }

  /** Time goes on while somebody thinks. */
  async #answered<T>(work: Promise<T>): Promise<T> {
    let isDone = false
    const settled = work.finally(() => {
      isDone = true
    })
    await until(
      () => isDone,
      () => this.world.runtime.advance(5),
    )
    return settled
  }

  /** Time and blocks go on until something holds. */
  async run(holds: () => boolean, turns = 20_000): Promise<void> {
    for (let turn = 0; turn < turns; turn++) {
      if (holds()) return
      this.world.runtime.advance(25)
      await new Promise((resolve) => setImmediate(resolve))
      if (this.hasWork(this.world.chain.state)) await this.round()
    }
    throw new TypeError('it never came about')
  }

  /** A stretch of time in which things may happen. */
  async pass(turns: number): Promise<void> {
    let left = turns
    await this.run(() => left-- === 0, turns + 2)
  }
}
