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
  state(): ChainState
  /** Full validity of a candidate on the current state; the work is kept for `apply`. */
  check(block: Block): Result<ConnectedBlock, Rejection>
  build(plan: BlockPlan): Result<Block, Rejection>
  /**
   * Applies a final block. The new state is visible on return; the promise resolves when it is on
   * stable storage. @throws AssertionError when the block is not valid here.
   */
  apply(block: Block, certificate: Uint8Array): Promise<void>
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
  return createService(params, database, state, scriptCache)
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
  tip: ChainTip
  trie: StateTrie
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
  const first = Math.max(0, height - 10)
  const before: ChainTip = {
    height: height - 1,
    hash: tipBlock.header.previousHash,
    timeMs: 0,
    recentTimes: Array.from(
      { length: height - first },
      (_, index) => blockAt(database, first + index).header.time,
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

function createService(
  params: ChainParams,
  database: ChainDatabase,
  loaded: LoadedState,
  scriptCache: ScriptCache,
): ChainService {
  let { tip, trie } = loaded
  const { ranged } = loaded
  const checked = new Map<BlockHash, ConnectedBlock>()
  /** Deltas of blocks on their way to the disk, oldest first. */
  const pending: StateDelta[] = []
  let lastWrite: Promise<void> = Promise.resolve()

  const view: StateView = {
    get(key) {
      for (let i = pending.length - 1; i >= 0; i--) {
        const delta = pending[i]
        if (delta === undefined) continue
        const value = delta.puts.get(key)
        if (value !== undefined) return value
        if (delta.deletes.has(key)) return undefined
      }
      return database.getState(key)
    },
    range: (namespace) =>
      [...present(ranged.get(namespace), 'ranged namespace')].toSorted(([a], [b]) =>
        a < b ? -1 : 1,
      ),
  }
  const state = (): ChainState => ({ tip, view, trie })

  function check(block: Block): Result<ConnectedBlock, Rejection> {
    const hash = blockHash(block)
    const known = checked.get(hash)
    if (known !== undefined) return { ok: true, value: known }
    const binding = checkBinding(block)
    if (!binding.ok) return binding
    const connected = connectBlock(params, state(), block, scriptCache)
    if (connected.ok && checked.size < CHECKED_MAX) checked.set(hash, connected.value)
    return connected
  }

  function applyToMemory(block: Block, connected: ConnectedBlock): void {
    pending.push(connected.delta)
    for (const [namespace, records] of ranged) {
      for (const [key, value] of connected.delta.puts) {
        if (key.startsWith(namespace)) records.set(key, value)
      }
      for (const key of connected.delta.deletes) records.delete(key)
    }
    trie = connected.trie
    tip = tipAfter(tip, block)
    checked.clear()
  }

  return {
    params,
    database,
    state,
    check,
    build: (plan) => buildBlock(params, state(), plan, scriptCache),
    apply(block, certificate) {
      const connected = check(block)
      assert(connected.ok, 'a final block must be valid here')
      applyToMemory(block, connected.value)
      const write = lastWrite.then(async () => {
        await database.commit({
          height: block.extension.height,
          hash: blockHash(block),
          blockBytes: encodeBlock(block),
          block,
          certificate,
          delta: connected.value.delta,
          undo: connected.value.undo,
          spent: [[], ...connected.value.outcome.spent],
          mintPrevouts: connected.value.outcome.mintPrevouts,
        })
        pending.shift()
      })
      lastWrite = write
      return write
    },
  }
}
