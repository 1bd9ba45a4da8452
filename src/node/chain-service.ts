/**
 * The one writer of the chain. It holds the state that the next block builds on, checks candidates
 * against it, and applies final blocks: in memory at once, on disk in order, each block in one
 * atomic batch. Until a block is durable its changes are read from memory.
 */

import { headerHash } from '../bitcoin/header.ts'
import { type Block, blockHash, encodeBlock } from '../chain/block.ts'
import type { ScriptVerification } from '../chain/block-scripts.ts'
import { type BlockPlan, buildBlock } from '../chain/build-block.ts'
import {
  type ChainState,
  type ConnectedBlock,
  checkBinding,
  connectBlock,
} from '../chain/connect-block.ts'
import { genesisBlock, genesisDelta } from '../chain/genesis-state.ts'
import { encodeHandoverOf, endsEpoch } from '../chain/handover.ts'
import type { ChainParams } from '../chain/params.ts'
import { type StateDelta, type StateKey, type StateView } from '../chain/state.ts'
import { buildStateTrie, type StateTrie } from '../chain/state-trie.ts'
import { type ChainTip, tipAfter } from '../chain/tip.ts'
import { currentValidators } from '../chain/validators.ts'
import { decodeCertificate } from '../consensus/certificate.ts'
import { assert, present } from '../primitives/assert.ts'
import type { BlockHash, XOnlyKey } from '../primitives/hashes.ts'
import type { Rejection, Result } from '../primitives/result.ts'
import type { ChainDatabase } from '../storage/chain-database.ts'
import { OffenceCounts } from './offence-counts.ts'
import { RangedRecords } from './ranged-records.ts'

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
   * at an earlier block. `bytes` is what `encodeBlock` would make, where it is at hand.
   * @throws AssertionError when the block is not valid here.
   */
  apply(block: Block, certificate: Uint8Array, bytes?: Uint8Array): Promise<void>
  /** At how many heights the chain convicts a validator of double votes. */
  offencesOf(validator: XOnlyKey): number
  /** Resolves when no block is on its way to the disk any more. */
  settled(): Promise<void>
}

/** Candidates for one height: at most one per view and leader. */
const CHECKED_MAX = 8

/** @throws StateMismatchError, and whatever storage throws. */
export async function openChainService(
  params: ChainParams,
  database: ChainDatabase,
  verification: ScriptVerification,
): Promise<ChainService> {
  if (database.tip() === undefined) await storeGenesis(params, database)
  const state = await loadState(params, database)
  return new Service(params, database, state, verification)
}

/** Block 0, as every database begins. */
export async function storeGenesis(params: ChainParams, database: ChainDatabase): Promise<void> {
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
  readonly ranged: RangedRecords
  readonly offences: OffenceCounts
}

async function loadState(params: ChainParams, database: ChainDatabase): Promise<LoadedState> {
  const { height } = present(database.tip(), 'tip after genesis')
  const ranged = new RangedRecords()
  const offences = new OffenceCounts()
  const note = (key: StateKey, value: Uint8Array): void => {
    ranged.load(key, value)
    offences.load(key, value)
  }
  const trie = await buildStateTrie(noted(database.stateRange(''), note))
  const tipBlock = blockAt(database, height)
  const expected = height === 0 ? genesisBlock(params).extension : tipBlock.extension
  if (trie.root !== expected.stateRoot) {
    throw new StateMismatchError(
      `the stored state does not match block ${height}; restore the data directory or sync anew`,
    )
  }
  return { tip: loadTip(database, tipBlock), trie, ranged, offences }
}

/** Passes the records on, and shows each of them to somebody else. */
async function* noted(
  records: AsyncIterable<readonly [StateKey, Uint8Array]>,
  note: (key: StateKey, value: Uint8Array) => void,
): AsyncIterable<readonly [StateKey, Uint8Array]> {
  for await (const record of records) {
    note(...record)
    yield record
  }
}

function loadTip(database: ChainDatabase, tipBlock: Block): ChainTip {
  const { height } = tipBlock.extension
  const before: ChainTip = {
    height: height - 1,
    hash: tipBlock.header.previousHash,
    timeMs: 0,
    recentTimes: database.recentTimes().slice(0, -1),
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
  readonly #verification: ScriptVerification
  readonly #ranged: RangedRecords
  readonly #offences: OffenceCounts
  readonly #trie: StateTrie
  readonly #view: StateView
  readonly #checked = new Map<BlockHash, ConnectedBlock>()
  /** Deltas of blocks on their way to the disk, oldest first. */
  readonly #pending: StateDelta[] = []
  #tip: ChainTip
  #lastWrite: Promise<void> = Promise.resolve()

  constructor(
    params: ChainParams,
    database: ChainDatabase,
    loaded: LoadedState,
    verification: ScriptVerification,
  ) {
    this.params = params
    this.database = database
    this.#verification = verification
    this.#ranged = loaded.ranged
    this.#offences = loaded.offences
    this.#tip = loaded.tip
    this.#trie = loaded.trie
    this.#view = {
      get: (key) => this.#get(key),
      range: (namespace) => this.#ranged.range(namespace),
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
    const connected = connectBlock(this.params, this.state(), block, this.#verification)
    if (connected.ok) this.#keep(hash, connected.value)
    return connected
  }

  #keep(hash: BlockHash, connected: ConnectedBlock): void {
    if (this.#checked.size < CHECKED_MAX) this.#checked.set(hash, connected)
  }

  build(plan: BlockPlan): Result<Block, Rejection> {
    const built = buildBlock(this.params, this.state(), plan, this.#verification)
    if (!built.ok) return built
    const { block, connected } = built.value
    this.#keep(blockHash(block), connected)
    return { ok: true, value: block }
  }

  apply(block: Block, certificate: Uint8Array, bytes = encodeBlock(block)): Promise<void> {
    const connected = this.check(block)
    assert(connected.ok, 'a final block must be valid here')
    this.#applyToMemory(block, connected.value)
    const { delta, undo, outcome } = connected.value
    const handover = endsEpoch(block)
      ? encodeHandoverOf(block, decodeCertificate(certificate), currentValidators(this.#view))
      : undefined
    this.#lastWrite = this.#lastWrite.then(async () => {
      await this.database.commit({
        height: block.extension.height,
        hash: blockHash(block),
        blockBytes: bytes,
        block,
        certificate,
        delta,
        undo,
        ...(handover === undefined ? {} : { handover }),
        spent: [[], ...outcome.spent],
        mintPrevouts: outcome.mintPrevouts,
      })
      this.#pending.shift()
    })
    return this.#lastWrite
  }

  offencesOf(validator: XOnlyKey): number {
    return this.#offences.of(validator)
  }

  settled(): Promise<void> {
    return this.#lastWrite.catch(() => undefined)
  }

  #applyToMemory(block: Block, connected: ConnectedBlock): void {
    this.#pending.push(connected.delta)
    this.#ranged.apply(connected.delta)
    this.#offences.apply(connected.delta)
    this.#trie.apply(connected.trie)
    this.#tip = tipAfter(this.#tip, block)
    this.#checked.clear()
  }
}
