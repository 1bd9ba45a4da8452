/**
 * A node's chain on a seeded data directory: opening it, and blocks full of payments from coins all over
 * the state. Signatures count as checked: they cost the same whatever the state's size is.
 */

import { type Transaction, transactionId } from '../../src/bitcoin/transaction.ts'
import { type Block, decodeBlock, encodeBlock } from '../../src/chain/block.ts'
import { buildBlock } from '../../src/chain/build-block.ts'
import { EMPTY_L1_SECTION } from '../../src/chain/l1-section.ts'
import type { ChainParams } from '../../src/chain/params.ts'
import { NAMESPACE, type StateKey, type StateView } from '../../src/chain/state.ts'
import { type ChainService, openChainService } from '../../src/node/chain-service.ts'
import { present } from '../../src/primitives/assert.ts'
import { concatBytes } from '../../src/primitives/bytes.ts'
import { reversedToBytes } from '../../src/primitives/hashes.ts'
import { sha256 } from '../../src/primitives/sha256.ts'
import { openChainDatabase } from '../../src/storage/chain-database.ts'
import { openLevelStore } from '../../src/storage/level-store.ts'
import { BenchmarkError } from './benchmark.ts'
import type { SeedCoin } from './seeded-state.ts'
import { coinRecord, numberedCoin, p2trOutput, scattered } from './state-coins.ts'
import { UNCHECKED } from './unchecked.ts'

/** Milliseconds of one block. */
export interface LoadedBlock {
  /** From bytes to a verdict. */
  readonly checkMs: number
  /** A part of it, done once more by itself. */
  readonly trieMs: number
  /** Into memory. */
  readonly applyMs: number
  readonly diskMs: number
}

export interface StateLoad {
  /** From nothing to a chain that may build on its state, the root verified. */
  readonly openMs: number
  readonly memory: NodeJS.MemoryUsage
  readonly blocks: readonly LoadedBlock[]
}

export interface LoadPlan {
  /** In the seeded state. */
  readonly coins: number
  /** Measured; a few more before them warm up. */
  readonly blocks: number
  /** Of a block; no more than there are coins. */
  readonly payments: number
}

const WARM_UP_BLOCKS = 3
const FEE_SATS = 300n
const NO_SIGNATURE = new Uint8Array(64)

/** @throws BenchmarkError when a block is refused. */
export async function loadState(
  params: ChainParams,
  path: string,
  load: LoadPlan,
): Promise<StateLoad> {
  const startedMs = performance.now()
  const store = await openLevelStore(path)
  try {
    const database = await openChainDatabase(store, { chainId: params.chainId })
    const service = await openChainService(params, database, UNCHECKED)
    const openMs = performance.now() - startedMs
    globalThis.gc?.()
    const memory = process.memoryUsage()
    const payer = new Payer(load.coins)
    const blocks: LoadedBlock[] = []
    for (let index = 0; index < WARM_UP_BLOCKS + load.blocks; index++) {
      const bytes = encodeBlock(nextBlock(params, service, payer.next(load.payments)))
      const connected = await connectOne(service, bytes)
      if (index >= WARM_UP_BLOCKS) blocks.push(connected)
    }
    return { openMs, memory, blocks }
  } finally {
    await store.close()
  }
}

async function connectOne(service: ChainService, bytes: Uint8Array): Promise<LoadedBlock> {
  const startedMs = performance.now()
  const block = decodeBlock(bytes)
  const verdict = service.check(block)
  const checkedMs = performance.now()
  if (!verdict.ok) throw new BenchmarkError(`refused: ${verdict.error.code}`)
  service.state().trie.prepare(verdict.value.delta)
  const againMs = performance.now()
  const durable = service.apply(block, new Uint8Array())
  const appliedMs = performance.now()
  await durable
  return {
    checkMs: checkedMs - startedMs,
    trieMs: againMs - checkedMs,
    applyMs: appliedMs - againMs,
    diskMs: performance.now() - appliedMs,
  }
}

/** Built without a look at the coins in the store, which would then be in its caches. */
function nextBlock(
  params: ChainParams,
  service: ChainService,
  payments: readonly Payment[],
): Block {
  const records = new Map<StateKey, Uint8Array>(payments.map(({ coin }) => coinRecord(coin)))
  const state = service.state()
  const view: StateView = {
    get: (key) => (key.startsWith(NAMESPACE.coin) ? records.get(key) : state.view.get(key)),
    range: (namespace) => state.view.range(namespace),
  }
  const built = buildBlock(
    params,
    { ...state, view },
    {
      view: 0,
      proposer: 0,
      timeMs: state.tip.timeMs + 1_000,
      feeRate: params.peg.feeRateFloor,
      l1Section: EMPTY_L1_SECTION,
      evidence: [],
      freezeVotes: [],
      transactions: payments.map(({ transaction }) => transaction),
      payoutScript: p2trOutput(NO_SIGNATURE.subarray(0, 32), 0n).script,
    },
    UNCHECKED,
  )
  if (!built.ok) throw new BenchmarkError(`not built: ${built.error.code}`)
  return built.value.block
}

interface Payment {
  readonly coin: SeedCoin
  readonly transaction: Transaction
}

/** Spends the seeded coins in scattered order, and then what those payments made. */
class Payer {
  readonly #coins: number
  #taken = 0
  readonly #made: SeedCoin[] = []

  constructor(coins: number) {
    this.#coins = coins
  }

  /** All coins are there before the first of these payments: none spends another. */
  next(count: number): readonly Payment[] {
    const coins = Array.from({ length: count }, () =>
      this.#taken < this.#coins
        ? numberedCoin(scattered(this.#taken++, this.#coins))
        : present(this.#made.shift(), 'coin of an earlier block'),
    )
    return coins.map((coin) => ({ coin, transaction: this.#pay(coin) }))
  }

  /** One input, two outputs of two thirds and a third. */
  #pay({ outPoint, output }: SeedCoin): Transaction {
    const seed = sha256(concatBytes(reversedToBytes(outPoint.txid), Uint8Array.of(outPoint.vout)))
    const rest = output.value - FEE_SATS
    const paid = (rest * 2n) / 3n
    const transaction: Transaction = {
      version: 2,
      inputs: [
        {
          prevout: outPoint,
          scriptSig: new Uint8Array(),
          sequence: 0xffff_fffd,
          witness: [NO_SIGNATURE],
        },
      ],
      outputs: [p2trOutput(seed, paid), p2trOutput(sha256(seed), rest - paid)],
      lockTime: 0,
    }
    const txid = transactionId(transaction)
    for (const [vout, made] of transaction.outputs.entries()) {
      if (this.#coins < FEW_COINS) this.#made.push({ outPoint: { txid, vout }, output: made })
    }
    return transaction
  }
}

/** Larger states have enough for every block that a benchmark makes. */
const FEW_COINS = 1_000_000
