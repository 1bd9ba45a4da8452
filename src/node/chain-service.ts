/**
 * The one writer of the chain. It holds the state that the next block builds on, checks candidates
 * against it, and applies final blocks: in memory at once, on disk in order, each block in one
 * atomic batch. Until a block is durable its changes are read from memory.
 */

import { headerHash } from '../bitcoin/header.ts'
import { type Block, blockHash, encodeBlock } from '../chain/block.ts'
import { type BlockPlan, buildBlock } from '../chain/build-block.ts'
import {
  type ChainState,
  type ConnectedBlock,
  checkBinding,
  connectBlock,
} from '../chain/connect-block.ts'
import type { ScriptCache } from '../chain/connect-transaction.ts'
import { genesisBlock, genesisDelta } from '../chain/genesis-state.ts'
import type { ChainParams } from '../chain/params.ts'
import {
  RANGED_NAMESPACES,
  type RangedNamespace,
  type StateDelta,
  type StateKey,
  type StateView,
} from '../chain/state.ts'
import { type StateTrie, stateRoot, updateStateTrie } from '../chain/state-trie.ts'
import { type ChainTip, tipAfter } from '../chain/tip.ts'
import { assert, present } from '../primitives/assert.ts'
import type { BlockHash } from '../primitives/hashes.ts'
import type { Rejection, Result } from '../primitives/result.ts'
import type { ChainDatabase } from '../storage/chain-database.ts'

/** The stored state is not the one that the last block committed to. */
export class StateMismatchError extends Error {
  override readonly name = 'StateMismatchError'
}

export interface ChainService {
  readonly params: ChainParams
  readonly database: ChainDatabase
  /** The state that the next block builds on. */
  readonly state: () => ChainState
  /** Full validity of a candidate on the current state; the work is kept for `apply`. */
  check(block: Block): Result<ConnectedBlock, Rejection>
  build(plan: BlockPlan): Result<Block, Rejection>
  /**
   * Applies a final block. The new state is visible on return; the promise resolves when it is on
   * stable storage. It rejects when that failed, and so does every later one: the disk then stands
   * at an earlier block. @throws AssertionError when the block is not valid here.
   */
  apply(block: Block, certificate: Uint8Array): Promise<void>
  /** Resolves when no block is on its way to the disk any more. */
  settled(): Promise<void>
}

/** Candidates for one height: at most one per view and leader. */
const CHECKED_MAX = 8

/** @throws StateMismatchError, and whatever storage throws. */
export async function openChainService(
  params: ChainParams,
  database: ChainDatabase,
  scriptCache: ScriptCache,
): Promise<ChainService> {
  if (database.tip() === undefined) await storeGenesis(params, database)
  const state = await loadState(params, database)
  return new Service(params, database, state, scriptCache)
}

async function storeGenesis(params: ChainParams, database: ChainDatabase): Promise<void> {
  const block = genesisBlock(params)
  await database.commit({
    height: 0,
    hash: headerHash(block.header),
    blockBytes: encodeBlock(block),
    block,
    certificate: new Uint8Array(),
    delta: genesisDelta(params),
    undo: new Uint8Array(),
    spent: [[]],
    mintPrevouts: [],
  })
}

interface LoadedState {
  readonly tip: ChainTip
  readonly trie: StateTrie
  readonly ranged: Map<RangedNamespace, Map<StateKey, Uint8Array>>
}

async function loadState(params: ChainParams, database: ChainDatabase): Promise<LoadedState> {
  const { height } = present(database.tip(), 'tip after genesis')
  const puts = new Map<StateKey, Uint8Array>()
  for await (const [key, value] of database.stateRange('')) puts.set(key, value)
  const trie = updateStateTrie(undefined, { puts, deletes: new Set() })
  const tipBlock = blockAt(database, height)
  const expected = height === 0 ? genesisBlock(params).extension : tipBlock.extension
  if (stateRoot(trie) !== expected.stateRoot) {
    throw new StateMismatchError(
      `the stored state does not match block ${height}; restore the data directory or sync anew`,
    )
  }
  const ranged = new Map(
    RANGED_NAMESPACES.map((namespace) => [
      namespace,
      new Map([...puts].filter(([key]) => key.startsWith(namespace))),
    ]),
  )
  return { tip: loadTip(database, tipBlock), trie, ranged }
}

function loadTip(database: ChainDatabase, tipBlock: Block): ChainTip {
  const { height } = tipBlock.extension
  const first = Math.max(0, height - 11)
  const before: ChainTip = {
    height: height - 1,
    hash: tipBlock.header.previousHash,
    timeMs: 0,
    recentTimes: Array.from(
      { length: height - first },
      (_, index) => present(database.findBlockInfo(first + index), 'stored block').time,
    ),
    coinbase: undefined,
  }
  const tip = tipAfter(before, tipBlock)
  // Block 0's coinbase is no coin, here as on Bitcoin.
  return height === 0 ? { ...tip, coinbase: undefined } : tip
}

function blockAt(database: ChainDatabase, height: number): Block {
  const hash = present(database.blockHashAt(height), `hash of block ${height}`)
  return present(database.findBlock(hash), `block ${height}`).block
}

class Service implements ChainService {
  readonly params: ChainParams
  readonly database: ChainDatabase
  readonly #scriptCache: ScriptCache
  readonly #ranged: LoadedState['ranged']
  readonly #view: StateView
  readonly #checked = new Map<BlockHash, ConnectedBlock>()
  /** Deltas of blocks on their way to the disk, oldest first. */
  readonly #pending: StateDelta[] = []
  #tip: ChainTip
  #trie: StateTrie
  #lastWrite: Promise<void> = Promise.resolve()

  constructor(
    params: ChainParams,
    database: ChainDatabase,
    loaded: LoadedState,
    scriptCache: ScriptCache,
  ) {
    this.params = params
    this.database = database
    this.#scriptCache = scriptCache
    this.#ranged = loaded.ranged
    this.#tip = loaded.tip
    this.#trie = loaded.trie
    this.#view = {
      get: (key) => this.#get(key),
      range: (namespace) =>
        [...present(this.#ranged.get(namespace), 'ranged namespace')].toSorted(([a], [b]) =>
          a < b ? -1 : 1,
        ),
    }
  }

  readonly state = (): ChainState => ({ tip: this.#tip, view: this.#view, trie: this.#trie })

  #get(key: StateKey): Uint8Array | undefined {
    for (let i = this.#pending.length - 1; i >= 0; i--) {
      const delta = this.#pending[i]
      if (delta === undefined) continue
      const value = delta.puts.get(key)
      if (value !== undefined) return value
      if (delta.deletes.has(key)) return undefined
    }
    return this.database.getState(key)
  }

  check(block: Block): Result<ConnectedBlock, Rejection> {
    const hash = blockHash(block)
    const known = this.#checked.get(hash)
    if (known !== undefined) return { ok: true, value: known }
    const binding = checkBinding(block)
    if (!binding.ok) return binding
    const connected = connectBlock(this.params, this.state(), block, this.#scriptCache)
    if (connected.ok && this.#checked.size < CHECKED_MAX) this.#checked.set(hash, connected.value)
    return connected
  }

  build(plan: BlockPlan): Result<Block, Rejection> {
    return buildBlock(this.params, this.state(), plan, this.#scriptCache)
  }

  apply(block: Block, certificate: Uint8Array): Promise<void> {
    const connected = this.check(block)
    assert(connected.ok, 'a final block must be valid here')
    this.#applyToMemory(block, connected.value)
    const { delta, undo, outcome } = connected.value
    this.#lastWrite = this.#lastWrite.then(async () => {
      await this.database.commit({
        height: block.extension.height,
        hash: blockHash(block),
        blockBytes: encodeBlock(block),
        block,
        certificate,
        delta,
        undo,
        spent: [[], ...outcome.spent],
        mintPrevouts: outcome.mintPrevouts,
      })
      this.#pending.shift()
    })
    return this.#lastWrite
  }

  settled(): Promise<void> {
    return this.#lastWrite.catch(() => undefined)
  }

  #applyToMemory(block: Block, connected: ConnectedBlock): void {
    this.#pending.push(connected.delta)
    for (const [namespace, records] of this.#ranged) {
      for (const [key, value] of connected.delta.puts) {
        if (key.startsWith(namespace)) records.set(key, value)
      }
      for (const key of connected.delta.deletes) records.delete(key)
    }
    this.#trie = connected.trie
    this.#tip = tipAfter(this.#tip, block)
    this.#checked.clear()
  }
}
