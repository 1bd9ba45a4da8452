/**
 * The same payments in Causeway blocks over a seeded state, connected one after the other as a node does:
 * from bytes to a state in memory and a batch on disk, each phase timed.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { transactionId } from '../../src/bitcoin/transaction.ts'
import { blockHash, encodeBlock } from '../../src/chain/block.ts'
import type { ScriptVerification } from '../../src/chain/block-scripts.ts'
import { buildBlock } from '../../src/chain/build-block.ts'
import type { ChainState, ConnectedBlock } from '../../src/chain/connect-block.ts'
import { EMPTY_L1_SECTION } from '../../src/chain/l1-section.ts'
import type { ChainParams } from '../../src/chain/params.ts'
import type { StateKey, StateView } from '../../src/chain/state.ts'
import { tipAfter } from '../../src/chain/tip.ts'
import { storeGenesis } from '../../src/node/chain-service.ts'
import { utf8 } from '../../src/primitives/bytes.ts'
import { txidFromBytes } from '../../src/primitives/hashes.ts'
import { sha256 } from '../../src/primitives/sha256.ts'
import { sats } from '../../src/primitives/units.ts'
import { type ChainDatabase, openChainDatabase } from '../../src/storage/chain-database.ts'
import { openLevelStore } from '../../src/storage/level-store.ts'
import { BenchmarkError } from './benchmark.ts'
import { type PaymentChain, paymentScript } from './payment-chain.ts'
import { benchmarkParams, type SeedCoin, seededState } from './seeded-state.ts'
import { UNCHECKED } from './unchecked.ts'
import { validateBlock } from './validate-block.ts'

export interface CausewayBlocks {
  readonly params: ChainParams
  /** Encoded, in order. */
  readonly blocks: readonly Uint8Array[]
  /** Inputs of each block. */
  readonly inputs: number
  /** The state before the first block; a new one each time. */
  readonly state: () => ChainState
}

/** Milliseconds of one block. */
export interface ConnectedByCauseway {
  readonly decodeMs: number
  readonly bindingMs: number
  /** All rules, scripts included, the trie's new root and the undo data. */
  readonly connectMs: number
  /** Into the trie and the map of records in memory. */
  readonly applyMs: number
  /** One atomic, synced batch of LevelDB with all indexes. */
  readonly diskMs: number
  /** A part of `connectMs`, done once more by itself. */
  readonly trieMs: number
}

export function causewayBlocks(payments: PaymentChain, coinCount: number): CausewayBlocks {
  const params = benchmarkParams()
  const coins = [...seedCoins(payments, coinCount)]
  const state = (): ChainState => seededState(params, coins)
  const memory = new MemoryChain(state())
  const blocks = payments.rounds.map((transactions, index) => {
    const built = buildBlock(
      params,
      memory.state,
      {
        view: 0,
        proposer: 0,
        timeMs: 1_700_000_000_000 + index * 1_000,
        feeRate: params.peg.feeRateFloor,
        l1Section: EMPTY_L1_SECTION,
        evidence: [],
        freezeVotes: [],
        transactions,
        payoutScript: paymentScript(0),
      },
      UNCHECKED,
    )
    if (!built.ok) throw new BenchmarkError(`the block was refused: ${built.error.code}`)
    memory.apply(built.value.block, built.value.connected)
    return encodeBlock(built.value.block)
  })
  return { params, blocks, inputs: payments.rounds[0]?.length ?? 0, state }
}

/** The fan-out's outputs, and coins that nobody spends. */
function* seedCoins({ fanOut }: PaymentChain, count: number): Iterable<SeedCoin> {
  const txid = transactionId(fanOut)
  for (const [vout, output] of fanOut.outputs.entries()) yield { outPoint: { txid, vout }, output }
  const output = { value: sats(100_000), script: paymentScript(0) }
  for (let index = fanOut.outputs.length; index < count; index++) {
    const other = txidFromBytes(sha256(utf8(`unspent ${index}`)))
    yield { outPoint: { txid: other, vout: 0 }, output }
  }
}

/** A chain's state in memory, as a node holds it. */
class MemoryChain {
  #state: ChainState
  /** What the blocks changed; undefined is a record that is gone. */
  readonly #changes = new Map<StateKey, Uint8Array | undefined>()

  constructor(seeded: ChainState) {
    const { view } = seeded
    const changed: StateView = {
      get: (key) => (this.#changes.has(key) ? this.#changes.get(key) : view.get(key)),
      range: (namespace) => view.range(namespace),
    }
    this.#state = { ...seeded, view: changed }
  }

  get state(): ChainState {
    return this.#state
  }

  apply(block: Parameters<typeof tipAfter>[1], { delta, trie }: ConnectedBlock): void {
    this.#state.trie.apply(trie)
    for (const [key, value] of delta.puts) this.#changes.set(key, value)
    for (const key of delta.deletes) this.#changes.set(key, undefined)
    this.#state = { ...this.#state, tip: tipAfter(this.#state.tip, block) }
  }
}

/** Connects all blocks. @throws BenchmarkError when the rules refuse one. */
export async function connectByCauseway(
  { params, blocks, state }: CausewayBlocks,
  verification: ScriptVerification,
): Promise<readonly ConnectedByCauseway[]> {
  const folder = await mkdtemp(join(tmpdir(), 'causeway-bench-'))
  const store = await openLevelStore(join(folder, 'database'))
  try {
    const database = await openChainDatabase(store, { chainId: params.chainId })
    await storeGenesis(params, database)
    const memory = new MemoryChain(state())
    const connected: ConnectedByCauseway[] = []
    for (const bytes of blocks) {
      connected.push(await connectOne(params, memory, bytes, verification, database))
    }
    return connected
  } finally {
    await store.close()
    await rm(folder, { recursive: true, force: true })
  }
}

async function connectOne(
  params: ChainParams,
  memory: MemoryChain,
  bytes: Uint8Array,
  verification: ScriptVerification,
  database: ChainDatabase,
): Promise<ConnectedByCauseway> {
  const { block, verdict, decodeMs, bindingMs, connectMs } = validateBlock(
    params,
    memory.state,
    bytes,
    verification,
  )
  if (!verdict.ok) throw new BenchmarkError(`refused: ${verdict.error.code}`)
  const { trie } = memory.state
  const trieMs = timed(() => trie.prepare(verdict.value.delta))
  const applyMs = timed(() => memory.apply(block, verdict.value))
  const { delta, undo, outcome } = verdict.value
  const startedMs = performance.now()
  await database.commit({
    height: block.extension.height,
    hash: blockHash(block),
    blockBytes: bytes,
    block,
    certificate: new Uint8Array(),
    delta,
    undo,
    spent: [[], ...outcome.spent],
    mintPrevouts: outcome.mintPrevouts,
  })
  const diskMs = performance.now() - startedMs
  return { decodeMs, bindingMs, connectMs, applyMs, diskMs, trieMs }
}

function timed(work: () => unknown): number {
  const startedMs = performance.now()
  work()
  return performance.now() - startedMs
}
