/**
 * Bitcoin in a run: the truth, a regtest chain that somebody mines on virtual time, and beside it each
 * member's own node, a regtest chain of its own that hears of blocks and transactions late, or not at
 * all, or follows a private branch. The truth alone decides what was paid.
 */

import type { BitcoinL1 } from '../../../federation/l1/bitcoin-l1.ts'
import { createRegtestL1 } from '../../../federation/l1/regtest.ts'
import { type RegtestBlock, RegtestChain } from '../../../federation/l1/regtest-chain.ts'
import type { Transaction } from '../../bitcoin/transaction.ts'
import { assert } from '../../primitives/assert.ts'
import type { SeededRandom } from '../seeded-random.ts'
import { DelayedL1 } from './delayed-l1.ts'
import { FeeMarket } from './fee-market.ts'
import type { ProcessLife } from './process-life.ts'
import { WORLD_START_MS, type WorldTime } from './world-time.ts'

/** Rewards that can be spent from the start, and the blocks that make them so. */
const FIRST_BLOCKS = 120
/** Transactions travel between L1 nodes this often. */
const RELAY_MS = 400

/** One member's L1 node. */
export class MemberL1 {
  readonly chain: RegtestChain
  /** Satoshis per 1,000 virtual bytes. */
  readonly estimate: () => number
  /** It answers nothing. */
  isDown = false
  /** Blocks reach it so much later. */
  lagMs = 0
  /** The lowest block of its private branch, which the others never hear of. */
  lie: RegtestBlock['hash'] | undefined

  constructor(chain: RegtestChain, estimate: () => number) {
    this.chain = chain
    this.estimate = estimate
  }

  /** The port, for one life of the member's process. */
  open(time: WorldTime, random: SeededRandom, life: ProcessLife): BitcoinL1 {
    const ask = { time, random, life, isDown: () => this.isDown, estimate: this.estimate }
    return new DelayedL1(createRegtestL1(this.chain), ask)
  }
}

export class SimulatedL1 {
  readonly truth: RegtestChain
  readonly members: readonly MemberL1[]
  readonly fees: FeeMarket
  reorganisations = 0
  readonly #time: WorldTime
  readonly #random: SeededRandom
  readonly #minerScript: Uint8Array

  constructor(
    world: { readonly time: WorldTime; readonly random: SeededRandom },
    memberCount: number,
    minerScript: Uint8Array,
  ) {
    this.#time = world.time
    this.#random = world.random
    this.#minerScript = minerScript
    const clock = {
      nowMs: () => WORLD_START_MS + world.time.nowMs,
      monotonicMs: () => world.time.nowMs,
    }
    this.truth = new RegtestChain({ clock })
    const fees = new FeeMarket(world.random, memberCount)
    this.fees = fees
    this.members = Array.from(
      { length: memberCount },
      (_, index) => new MemberL1(new RegtestChain({ clock }), () => fees.estimateOf(index)),
    )
  }

  async start(): Promise<void> {
    await this.truth.mine(FIRST_BLOCKS, this.#minerScript)
    for (const member of this.members) await this.#tell(member)
    this.truth.onTip(() => {
      for (const member of this.members) this.#tellLater(member)
    })
    this.#relay()
  }

  async mine(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const chosen = this.fees.chosen(this.truth.mempool.entries())
      const mined = await this.truth.mineExactly(this.#minerScript, chosen)
      assert(mined.ok, 'a block of what the mempool checked is valid')
    }
  }

  /** The top blocks are replaced by as many others and one more. */
  async reorganise(depth: number, transactions: 'return' | 'forget'): Promise<void> {
    this.reorganisations += 1
    await this.truth.reorganise(depth, { script: this.#minerScript, transactions })
  }

  /** A member's node follows a branch that nobody else has, with this in its first block. */
  async lie(member: MemberL1, transactions: readonly Transaction[], blocks: number): Promise<void> {
    if (member.lie !== undefined) return
    const first = await member.chain.mineExactly(this.#minerScript, transactions)
    if (!first.ok) return
    member.lie = first.value
    await member.chain.mine(blocks - 1, this.#minerScript)
  }

  /** Every node is well, and on the way to what the truth is. */
  async heal(): Promise<void> {
    this.fees.calm()
    for (const member of this.members) {
      member.isDown = false
      member.lagMs = 0
      if (member.lie !== undefined) await member.chain.invalidate(member.lie)
      member.lie = undefined
      await this.#tell(member)
    }
  }

  #tellLater(member: MemberL1): void {
    const delayMs = member.lagMs + this.#random.between(5, 400)
    this.#time.after(delayMs, () => {
      if (!member.isDown) void this.#tell(member)
    })
  }

  /** All blocks that it lacks. */
  async #tell(member: MemberL1): Promise<void> {
    const missing: RegtestBlock[] = []
    let at: RegtestBlock | undefined = this.truth.tip()
    while (at !== undefined && member.chain.findBlock(at.hash) === undefined) {
      missing.unshift(at)
      at = at.parent
    }
    for (const { block } of missing) await member.chain.submit(block)
  }

  /** Everybody who is connected hears of everybody's transactions, the truth's miner among them. */
  #relay(): void {
    this.#time.after(this.#random.between(0.5, 1.5) * RELAY_MS, () => {
      for (const member of this.members) {
        if (member.isDown) continue
        relay(member.chain, this.truth)
        relay(this.truth, member.chain)
        if (member.chain.tip().hash !== this.truth.tip().hash && member.lagMs === 0) {
          this.#tellLater(member)
        }
      }
      this.#relay()
    })
  }
}

function relay(from: RegtestChain, to: RegtestChain): void {
  for (const { txid, transaction } of from.mempool.entries()) {
    if (to.mempool.find(txid) === undefined) to.mempool.add(transaction)
  }
}
