/**
 * Members over one chain and one L1, in virtual time: real keys, stores and protocols. Four at first;
 * others run beside them as soon as they are started, and are members when the chain says so.
 */

import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createKeyCeremonies } from '../../federation/key-ceremonies.ts'
import { type Member, openMember } from '../../federation/member.ts'
import { createMemberFaults } from '../../federation/member-faults.ts'
import type { MemberNetwork } from '../../federation/member-network.ts'
import {
  type ChangeRecord,
  type MembershipPool,
  openMembershipPool,
} from '../../federation/membership-pool.ts'
import { openKeyStore } from '../../federation/signing/key-store.ts'
import type { Transaction } from '../../src/bitcoin/transaction.ts'
import type { Block } from '../../src/chain/block.ts'
import type { ChainState } from '../../src/chain/connect-block.ts'
import { type MemberChange, memberChangeDigest } from '../../src/chain/member-change.ts'
import { getEpochBooks } from '../../src/chain/member-sets.ts'
import type { FreezeVote } from '../../src/chain/peg/freeze-vote.ts'
import { wouldBuildBatch } from '../../src/chain/peg/plan-batches.ts'
import { activeMemberSet, currentValidators, hashOfSet } from '../../src/chain/validators.ts'
import { quorumSize } from '../../src/consensus/quorum.ts'
import type { PegProposal } from '../../src/node/peg-side.ts'
import type { XOnlyKey } from '../../src/primitives/hashes.ts'
import { signSchnorr, xOnlyPublicKey } from '../../src/primitives/secp256k1.ts'
import type { GossipVerdict, Network } from '../../src/runtime/runtime.ts'
import { openAppendLog } from '../../src/storage/append-log.ts'
import { MemoryDisk, openMemoryStore } from '../../src/storage/memory-store.ts'
import { secretOf } from '../support/chain-world.ts'
import { MoodyL1, PegWorld, until } from './peg-world.ts'

const COUNT = 4

interface Running {
  readonly member: Member
  readonly membership: MembershipPool
  readonly l1: MoodyL1
  readonly onFrame: (frame: Uint8Array) => void
  readonly onGossip: Map<string, GossipHandler>
}

type GossipHandler = (from: string, payload: Uint8Array) => GossipVerdict | Promise<GossipVerdict>

/** The validator key of a person, member or not. */
export const keyOfPerson = (index: number): XOnlyKey =>
  xOnlyPublicKey(secretOf(`validator ${index}`))

export class MemberFederation {
  readonly world: PegWorld
  readonly folder = mkdtempSync(join(tmpdir(), 'causeway-members-'))
  readonly running = new Map<number, Running>()
  readonly blocks: Block[] = []
  readonly transactions: Transaction[] = []
  /** For the next block. */
  readonly freezeVotes: FreezeVote[] = []
  readonly disks = new Map<number, MemoryDisk>()
  readonly records = new Map<number, Uint8Array>()
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
    const view = () => chain.state.view
    let onFrame: Running['onFrame'] | undefined
    const network: MemberNetwork = {
      send: (to, frame) => {
        runtime.time.after(1, () => this.#personOf(to)?.onFrame(frame))
      },
      onFrame: (handler) => {
        onFrame = handler
      },
    }
    const onGossip = new Map<string, GossipHandler>()
    const gossip: Pick<Network, 'publish' | 'onGossip'> = {
      publish: async (topic, payload) => {
        for (const [other, { onGossip: handlers }] of this.running) {
          if (other !== index) void handlers.get(topic)?.(`${index}`, payload)
        }
        return true
      },
      onGossip: (topic, handler) => {
        onGossip.set(topic, handler)
      },
    }
    const keyStore = await openKeyStore({
      folder: join(this.folder, `shares-${index}`),
      secret: { kind: 'key-file', path: join(this.folder, `share-${index}.key`) },
      random: runtime.random.bytes,
    })
    const faults = createMemberFaults(runtime.clock, runtime.log)
    const membership = await openMembershipPool({
      params,
      view,
      network: gossip,
      record: this.#recordOf(index),
      runtime,
    })
    const publicKey = keyOfPerson(index)
    const keys = createKeyCeremonies({
      params,
      publicKey,
      sign,
      network,
      runtime,
      keyStore,
      view,
      faults,
    })
    const disk = this.disks.get(index) ?? new MemoryDisk()
    this.disks.set(index, disk)
    const member = await openMember({
      params,
      l1: l1.port,
      store: openMemoryStore(disk),
      signingJournal: await openAppendLog(join(this.folder, `signing-${index}.log`)),
      gossip,
      network,
      runtime,
      state: () => chain.state,
      lastFeeRate: () => this.blocks.at(-1)?.extension.feeRate ?? params.peg.feeRateFloor,
      isSynced: () => this.isSynced,
      isHalted: () => this.isHalted,
      wantsFreeze: () => this.wantsFreeze.has(index),
      sign,
      keys,
      membership,
      keyStore,
      faults,
    })
    this.running.set(index, { member, membership, l1, onFrame: (f) => onFrame!(f), onGossip })
    await member.start()
    membership.start()
    return member
  }

  #personOf(key: XOnlyKey): Running | undefined {
    return [...this.running].find(([index]) => keyOfPerson(index) === key)?.[1]
  }

  #recordOf(index: number): ChangeRecord {
    return {
      read: async () => this.records.get(index),
      write: async (bytes) => {
        if (bytes === undefined) this.records.delete(index)
        else this.records.set(index, bytes)
      },
    }
  }

  /** A change that everybody whose key is in the present set approves. */
  approvedChange(people: readonly number[], threshold?: number): MemberChange {
    const { view } = this.world.chain.state
    const set = activeMemberSet(view)
    const members = people.map(keyOfPerson)
    const terms = {
      epoch: getEpochBooks(view).next,
      threshold: threshold ?? quorumSize(members.length),
      members,
    }
    const context = { chainId: this.world.params.chainId, setHash: hashOfSet(set) }
    const approvals = set.keys.map((key, signer) => {
      const person = Array.from({ length: 20 }, (_, i) => i).find((i) => keyOfPerson(i) === key)
      const secret = secretOf(`validator ${person}`)
      const digest = memberChangeDigest(context, terms)
      return { signer, signature: signSchnorr(digest, secret, new Uint8Array(32)) }
    })
    return { ...terms, approvals }
  }

  member(index: number): Member {
    return this.running.get(index)!.member
  }

  async stopMember(index: number): Promise<void> {
    const { member, membership } = this.running.get(index)!
    this.running.delete(index)
    await member.stop()
    await membership.stop()
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
      this.#validators().some(({ member }) => member.hasWork(state))
    )
  }

  #validators(): readonly Running[] {
    const { keys } = currentValidators(this.world.chain.state.view)
    return keys.flatMap((key) => this.#personOf(key) ?? [])
  }

  /** One block as consensus would have it: a leader proposes, a quorum judges. */
  async round(): Promise<boolean> {
    const { chain } = this.world
    const { keys } = currentValidators(chain.state.view)
    const members = this.#validators()
    const leader = members[this.#leader++ % members.length]!.member
    const proposal: PegProposal = await this.#answered(leader.propose(chain.state))
    const transactions = this.transactions.slice()
    const freezeVotes = this.freezeVotes.splice(0)
    const built = chain.build({ ...proposal, freezeVotes, transactions })
    if (!built.ok) throw new TypeError(JSON.stringify(built.error))
    const verdicts = await Promise.all(
      members.map(({ member }) => this.#answered(member.judge(chain.state, proposal))),
    )
    if (verdicts.filter((verdict) => verdict === 'valid').length < quorumSize(keys.length)) {
      return false
    }
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
  async run(holds: () => boolean, turns = 20_000, stepMs = 25): Promise<void> {
    for (let turn = 0; turn < turns; turn++) {
      if (holds()) return
      this.world.runtime.advance(stepMs)
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
