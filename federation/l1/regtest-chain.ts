/**
 * A Bitcoin regtest chain in process, for devnets, the simulator and tests: real blocks from
 * Bitcoin's regtest genesis on, every script checked, mined and reorganised on demand. The longest
 * valid chain wins, the first seen among equals (all blocks have the same work). With an append log
 * the chain survives a restart; the mempool does not.
 */

import {
  headerHash,
  MEDIAN_TIME_SPAN,
  medianTime,
  REGTEST_GENESIS_HEADER,
  REGTEST_GENESIS_TRANSACTION,
} from '../../src/bitcoin/header.ts'
import { type Transaction, transactionWeight } from '../../src/bitcoin/transaction.ts'
import type { ScriptCache, SpendContext } from '../../src/chain/connect-transaction.ts'
import { assert, present } from '../../src/primitives/assert.ts'
import { DecodeError } from '../../src/primitives/codec.ts'
import type { BlockHash } from '../../src/primitives/hashes.ts'
import { ok, type Rejection, type Result, reject } from '../../src/primitives/result.ts'
import type { AppendLog, Clock } from '../../src/runtime/runtime.ts'
import type { BitcoinBlock } from './block-codec.ts'
import { L1StoreError } from './l1-error.ts'
import { buildRegtestBlock, regtestSubsidy } from './regtest-block.ts'
import { checkRegtestBlock } from './regtest-block-rules.ts'
import { type CoinUndo, RegtestCoins } from './regtest-coins.ts'
import { RegtestMempool } from './regtest-mempool.ts'
import { decodeRegtestRecord, encodeRegtestRecord, type RegtestRecord } from './regtest-records.ts'
import { BLOCK_WEIGHT_MAX, checkLooseTransaction, checkSpend } from './regtest-rules.ts'

export interface RegtestBlock {
  readonly hash: BlockHash
  readonly height: number
  readonly block: BitcoinBlock
  /** Undefined for block 0. */
  readonly parent: RegtestBlock | undefined
}

export interface RegtestChainOptions {
  readonly clock: Clock
  /** Where blocks are kept; without it the chain is gone with the process. */
  readonly log?: AppendLog
}

/** Room for the header and the coinbase. */
const TEMPLATE_WEIGHT_MAX = BLOCK_WEIGHT_MAX - 8_000
const MINE_MAX = 10_000

export class RegtestChain {
  readonly mempool: RegtestMempool
  readonly coins = new RegtestCoins()
  readonly #clock: Clock
  readonly #log: AppendLog | undefined
  readonly #blocks = new Map<BlockHash, RegtestBlock>()
  /** The best chain by height, and how to take each of its blocks back. */
  readonly #best: RegtestBlock[] = []
  readonly #undo: (readonly CoinUndo[])[] = []
  readonly #invalid = new Set<BlockHash>()
  readonly #watchers = new Set<(tip: RegtestBlock) => void>()
  readonly #scripts = createScriptMemory()
  #announced: BlockHash | undefined

  /** @throws L1StoreError when the log's records do not make a chain. */
  constructor(options: RegtestChainOptions) {
    this.#clock = options.clock
    this.#log = options.log
    this.mempool = new RegtestMempool(
      () => ({
        coins: this.coins,
        context: this.#contextAfter(this.tip()),
        nowSeconds: this.nowSeconds(),
      }),
      this.#scripts,
    )
    const genesis: RegtestBlock = {
      hash: headerHash(REGTEST_GENESIS_HEADER),
      height: 0,
      block: { header: REGTEST_GENESIS_HEADER, transactions: [REGTEST_GENESIS_TRANSACTION] },
      parent: undefined,
    }
    this.#blocks.set(genesis.hash, genesis)
    // Bitcoin: the output of block 0 is not a coin.
    this.#best.push(genesis)
    this.#undo.push([])
    for (const bytes of options.log?.recovered ?? []) this.#replay(bytes)
    this.#announced = this.tip().hash
  }

  nowSeconds(): number {
    return Math.floor(this.#clock.nowMs() / 1_000)
  }

  tip(): RegtestBlock {
    return present(this.#best.at(-1), 'tip')
  }

  /** In the best chain. */
  blockAt(height: number): RegtestBlock | undefined {
    return this.#best[height]
  }

  /** In any chain. */
  findBlock(hash: BlockHash): RegtestBlock | undefined {
    return this.#blocks.get(hash)
  }

  isInBestChain(block: RegtestBlock): boolean {
    return this.#best[block.height] === block
  }

  /** Of the block itself and the ten before it, seconds (BIP113). */
  medianTimePast(block: RegtestBlock): number {
    const times: number[] = []
    let at: RegtestBlock | undefined = block
    while (at !== undefined && times.length < MEDIAN_TIME_SPAN) {
      times.push(at.block.header.time)
      at = at.parent
    }
    return medianTime(times)
  }

  /** Calls with every new tip, once it is stored. */
  onTip(watcher: (tip: RegtestBlock) => void): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  /**
   * Mines blocks of what the mempool holds, the reward to `script`; returns their hashes.
   * @throws RangeError unless `count` is 0 … 10,000.
   */
  async mine(count: number, script: Uint8Array): Promise<readonly BlockHash[]> {
    if (!Number.isInteger(count) || count < 0 || count > MINE_MAX) {
      throw new RangeError(`between 0 and ${MINE_MAX} blocks at a time, not ${count}`)
    }
    const mined: RegtestBlock[] = []
    for (let i = 0; i < count; i++) {
      const made = this.#mineOne(script, this.#template())
      assert(made.ok, 'a block of what the mempool checked is valid')
      mined.push(made.value)
    }
    await this.#settle(mined.map(({ block }) => ({ kind: 'block', block })))
    return mined.map(({ hash }) => hash)
  }

  /** Mines one block of exactly these transactions, or says why it would be invalid. */
  async mineExactly(
    script: Uint8Array,
    transactions: readonly Transaction[],
  ): Promise<Result<BlockHash, Rejection>> {
    const made = this.#mineOne(script, transactions)
    if (!made.ok) return made
    await this.#settle([{ kind: 'block', block: made.value.block }])
    return ok(made.value.hash)
  }

  /** Takes a block from elsewhere. Codes are those of bitcoind's `submitblock`. */
  async submit(block: BitcoinBlock): Promise<Result<RegtestBlock, Rejection>> {
    const accepted = this.#accept(block)
    if (accepted.ok) await this.#settle([{ kind: 'block', block }])
    return accepted
  }

  /**
   * Declares a block and all that follow it invalid, as `invalidateblock` does: the best chain
   * without them wins, and their transactions return to the mempool. False for an unknown block.
   * @throws RangeError for block 0.
   */
  async invalidate(hash: BlockHash): Promise<boolean> {
    const block = this.#blocks.get(hash)
    if (block === undefined) return false
    if (block.height === 0) throw new RangeError('block 0 is always valid')
    this.#invalid.add(hash)
    this.#activateBest('return')
    await this.#settle([{ kind: 'invalidate', hash }])
    return true
  }

  /** Takes `invalidate` back. False for an unknown block. */
  async reconsider(hash: BlockHash): Promise<boolean> {
    if (!this.#blocks.has(hash)) return false
    this.#invalid.delete(hash)
    this.#activateBest('return')
    await this.#settle([{ kind: 'reconsider', hash }])
    return true
  }

  /**
   * Replaces the top `depth` blocks by `depth + 1` others. Their transactions return to the mempool
   * and are mined again, or are forgotten, as if double-spent.
   * @throws RangeError unless `depth` is 1 … height.
   */
  async reorganise(
    depth: number,
    options: { readonly script: Uint8Array; readonly transactions: 'return' | 'forget' },
  ): Promise<readonly BlockHash[]> {
    const lowest = this.#best[this.tip().height - depth + 1]
    if (!Number.isInteger(depth) || depth < 1 || lowest === undefined || lowest.height === 0) {
      throw new RangeError(`cannot replace ${depth} blocks of ${this.tip().height}`)
    }
    this.#invalid.add(lowest.hash)
    this.#moveTo(present(lowest.parent, 'parent of a block above 0'), options.transactions)
    const mined: RegtestBlock[] = []
    for (let i = 0; i <= depth; i++) {
      const made = this.#mineOne(options.script, this.#template())
      assert(made.ok, 'a block of what the mempool checked is valid')
      mined.push(made.value)
    }
    const blocks = mined.map(({ block }): RegtestRecord => ({ kind: 'block', block }))
    await this.#settle([{ kind: 'invalidate', hash: lowest.hash }, ...blocks])
    return mined.map(({ hash }) => hash)
  }

  /** Stores what happened, then tells of it. */
  async #settle(records: readonly RegtestRecord[]): Promise<void> {
    if (records.length > 0) await this.#log?.append(records.map(encodeRegtestRecord))
    const tip = this.tip()
    if (tip.hash === this.#announced) return
    this.#announced = tip.hash
    for (const watcher of this.#watchers) watcher(tip)
  }

  #replay(bytes: Uint8Array): void {
    try {
      const record = decodeRegtestRecord(bytes)
      if (record.kind === 'block') {
        const accepted = this.#accept(record.block)
        if (!accepted.ok) throw new L1StoreError(`stored L1 block: ${accepted.error.code}`)
        return
      }
      if (record.kind === 'invalidate') this.#invalid.add(record.hash)
      else this.#invalid.delete(record.hash)
      this.#activateBest('forget')
    } catch (cause) {
      if (cause instanceof DecodeError) {
        throw new L1StoreError('a stored L1 block is damaged', { cause })
      }
      throw cause
    }
  }

  /** Mempool transactions in arrival order, as many as fit. */
  #template(): readonly Transaction[] {
    const chosen: Transaction[] = []
    let weight = 0
    for (const { transaction } of this.mempool.entries()) {
      weight += transactionWeight(transaction)
      if (weight > TEMPLATE_WEIGHT_MAX) break
      chosen.push(transaction)
    }
    return chosen
  }

  #mineOne(
    script: Uint8Array,
    transactions: readonly Transaction[],
  ): Result<RegtestBlock, Rejection> {
    const tip = this.tip()
    const context = this.#contextAfter(tip)
    const trial = this.#connectTransactions(transactions, context)
    if (!trial.ok) return trial
    for (const undo of trial.value.undo.toReversed()) this.coins.undo(undo)
    const block = buildRegtestBlock({
      height: context.height,
      previousHash: tip.hash,
      time: Math.max(this.nowSeconds(), context.medianTimePast + 1),
      script,
      fees: trial.value.fees,
      transactions,
      extraNonce: this.#blocks.size,
    })
    return this.#accept(block)
  }

  /** Checks a block and makes it the tip if its chain is the longest. */
  #accept(block: BitcoinBlock): Result<RegtestBlock, Rejection> {
    const hash = headerHash(block.header)
    if (this.#blocks.has(hash))
      return reject(this.#invalid.has(hash) ? 'duplicate-invalid' : 'duplicate')
    const parent = this.#blocks.get(block.header.previousHash)
    if (parent === undefined) return reject('prev-blk-not-found', 'missing')
    if (this.#isInvalid(parent)) return reject('bad-prevblk')
    const verdict = checkRegtestBlock(block, this.#contextAfter(parent))
    if (!verdict.ok) return verdict
    const entry: RegtestBlock = { hash, height: parent.height + 1, block, parent }
    this.#blocks.set(hash, entry)
    if (entry.height <= this.tip().height) return ok(entry)
    const moved = this.#moveTo(entry, 'return')
    return moved.ok ? ok(entry) : moved
  }

  #isInvalid(block: RegtestBlock): boolean {
    let at: RegtestBlock | undefined = block
    while (at !== undefined) {
      if (this.#invalid.has(at.hash)) return true
      at = at.parent
    }
    return false
  }

  #activateBest(transactions: 'return' | 'forget'): void {
    let best: RegtestBlock | undefined = this.tip()
    if (this.#isInvalid(best)) best = undefined
    for (const block of this.#blocks.values()) {
      if (block.height > (best?.height ?? -1) && !this.#isInvalid(block)) best = block
    }
    const target = present(best, 'block 0 at least')
    // A branch whose scripts fail is marked invalid by the attempt: look for the next best.
    if (!this.#moveTo(target, transactions).ok) this.#activateBest(transactions)
  }

  /** Makes `target` the tip. A block that fails is marked invalid, and the old tip comes back. */
  #moveTo(target: RegtestBlock, transactions: 'return' | 'forget'): Result<void, Rejection> {
    const path: RegtestBlock[] = []
    let at = target
    while (!this.isInBestChain(at)) {
      path.unshift(at)
      at = present(at.parent, 'a chain from block 0')
    }
    const left: RegtestBlock[] = []
    while (this.tip() !== at) left.unshift(this.#disconnectTip())
    for (const [done, block] of path.entries()) {
      const connected = this.#connectTip(block)
      if (connected.ok) continue
      this.#invalid.add(block.hash)
      for (let i = 0; i < done; i++) this.#disconnectTip()
      for (const back of left) assert(this.#connectTip(back).ok, 'what was valid is valid again')
      return connected
    }
    if (left.length > 0) {
      const returned = left.flatMap((block) => block.block.transactions)
      this.mempool.rebuild(transactions === 'return' ? returned : [])
    } else {
      for (const block of path) this.mempool.confirm(block.block.transactions)
    }
    return ok(undefined)
  }

  #disconnectTip(): RegtestBlock {
    const block = present(this.#best.pop(), 'block to disconnect')
    for (const undo of present(this.#undo.pop(), 'undo data').toReversed()) this.coins.undo(undo)
    return block
  }

  #connectTip(block: RegtestBlock): Result<void, Rejection> {
    const [coinbase, ...others] = block.block.transactions
    const context = this.#contextAfter(this.tip())
    const connected = this.#connectTransactions(others, context)
    if (!connected.ok) return connected
    const { fees, undo } = connected.value
    const reward = present(coinbase, 'coinbase')
    const paid = reward.outputs.reduce((sum, output) => sum + output.value, 0n)
    if (paid > regtestSubsidy(block.height) + fees) {
      for (const each of undo.toReversed()) this.coins.undo(each)
      return reject('bad-cb-amount')
    }
    const made = this.coins.apply(reward, originOf(context))
    this.#best.push(block)
    this.#undo.push([...undo, made])
    return ok(undefined)
  }

  /** Spends and makes coins; leaves everything as it was when a transaction is invalid. */
  #connectTransactions(
    transactions: readonly Transaction[],
    context: SpendContext,
  ): Result<{ readonly fees: bigint; readonly undo: readonly CoinUndo[] }, Rejection> {
    const undo: CoinUndo[] = []
    let fees = 0n
    for (const transaction of transactions) {
      const loose = checkLooseTransaction(transaction)
      const spend = loose.ok ? checkSpend(transaction, this.coins, context, this.#scripts) : loose
      if (!spend.ok) {
        for (const each of undo.toReversed()) this.coins.undo(each)
        return spend
      }
      fees += spend.value.fee
      undo.push(this.coins.apply(transaction, originOf(context)))
    }
    return ok({ fees, undo })
  }

  #contextAfter(block: RegtestBlock): SpendContext {
    return { height: block.height + 1, medianTimePast: this.medianTimePast(block) }
  }
}

function originOf({ height, medianTimePast }: SpendContext): {
  readonly height: number
  readonly medianTimeBefore: number
} {
  return { height, medianTimeBefore: medianTimePast }
}

/** A transaction's id fixes the coins that it spends, so the object alone is a sufficient key. */
function createScriptMemory(): ScriptCache {
  const passed = new WeakSet<Transaction>()
  return {
    has: (transaction) => passed.has(transaction),
    add: (transaction) => void passed.add(transaction),
  }
}
