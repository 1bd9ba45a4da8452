/**
 * `mempool`: what a transaction costs until it waits, in one process without network and disk: alone, in
 * chains, as a replacement, in a full pool; and choosing a block from a full pool. The references are
 * the signature checks alone and a real bitcoind, in the same run.
 */

import { resolve } from 'node:path'
import { type Transaction, transactionId } from '../../src/bitcoin/transaction.ts'
import { NO_SCRIPT_CACHE, type ScriptCache } from '../../src/chain/connect-transaction.ts'
import { MAX_BLOCK_SIGOPS, MAX_BLOCK_WEIGHT } from '../../src/chain/params.ts'
import { buildBlockTemplate } from '../../src/mempool/block-template.ts'
import { createMempool, type Mempool } from '../../src/mempool/mempool.ts'
import {
  CHAIN_TRANSACTIONS_MAX,
  entryMemoryBytes,
  MEMPOOL_BYTES_MAX,
} from '../../src/mempool/policy.ts'
import { type Benchmark, BenchmarkError, type BenchmarkRun } from './benchmark.ts'
import { bitcoinBlocks, fundingCoin } from './bitcoin-blocks.ts'
import { admitByBitcoind, type BitcoindAdmission } from './bitcoind-admission.ts'
import { bitcoindVersion, findBitcoind } from './bitcoind-run.ts'
import { median, percentile } from './distribution.ts'
import { MempoolLoad } from './mempool-load.ts'
import { type PaymentChain, paymentChain } from './payment-chain.ts'
import { signatureChecksPerSecond } from './references.ts'
import { type Cell, type Figure, figure, type Section } from './report.ts'
import { UNCHECKED } from './unchecked.ts'

export const mempoolBenchmark: Benchmark = {
  name: 'mempool',
  measures: 'admission of one-input two-output P2TR spends, and block templates, beside bitcoind',
  options: {
    transactions: { fallback: 5_000, about: 'in each load' },
    rounds: { fallback: 5, about: 'times that each load is measured, after one to warm up' },
    pool: { fallback: 25_000, about: 'transactions that wait when a block is chosen' },
    alone: { fallback: false, about: 'without bitcoind' },
  },
  run: runMempoolBenchmark,
}

const CACHE_FOLDER = resolve(import.meta.dirname, '../../.cache/bench')
const FEE_SATS = 500n
const REPLACEMENTS_OF_A_COIN = 10
/** What a replacement adds: more than its own size at the incremental rate. */
const REPLACEMENT_STEP_SATS = 300n
/** Between the fees of those that compete for room. */
const RANK_SATS = 2n
/** Bytes of a load's transaction, for a limit that keeps about half of them. */
const TRANSACTION_BYTES = 205

/** Transactions in the order in which they come, and how many of them are refused. */
interface Load {
  readonly name: string
  readonly transactions: readonly Transaction[]
  readonly cache: ScriptCache
  readonly bytesMax?: number
  /** For want of room; any other refusal is a mistake. */
  readonly mayBeFull?: boolean
}

async function runMempoolBenchmark(run: BenchmarkRun): Promise<readonly Section[]> {
  const count = Math.max(CHAIN_TRANSACTIONS_MAX, run.number('transactions'))
  run.progress('making the payments, unless they were made before')
  const payments = await paymentChain({ perRound: count, rounds: 1 }, fundingCoin(), CACHE_FOLDER)
  const chain = new MempoolLoad()
  const loads = loadsOf(chain, payments, count)
  const samples = new Map<string, number[]>()
  for (let round = 0; round <= Math.max(1, run.number('rounds')); round++) {
    for (const load of loads) {
      run.signal.throwIfAborted()
      const tookMs = admitAll(load, chain)
      // The first warms up.
      if (round > 0) samples.set(load.name, [...(samples.get(load.name) ?? []), tookMs])
    }
    run.progress(`round ${round} of ${run.number('rounds')}`)
  }
  const templates = timeTemplates(run, chain)
  const theirs = await measureBitcoind(run, payments)
  return [
    admissionSection(loads, samples),
    {
      title: 'Choosing a block',
      about: 'By the fee rate of each with its ancestors, from a pool with families of up to 25.',
      figures: templates,
    },
    referenceSection(count, samples.get('signed') ?? [], theirs),
  ]
}

/** A transaction remembers its hashes, so that each round makes its own copies. */
function copyOf(transaction: Transaction): Transaction {
  return { ...transaction }
}

function loadsOf(chain: MempoolLoad, payments: PaymentChain, count: number): readonly Load[] {
  const { cache } = UNCHECKED
  const signed = payments.rounds[0] ?? []
  const fanOutId = transactionId(payments.fanOut)
  for (const [vout, output] of payments.fanOut.outputs.entries()) {
    chain.addCoin({ txid: fanOutId, vout }, output)
  }
  const families = Math.floor(count / CHAIN_TRANSACTIONS_MAX)
  const chains = Array.from({ length: families }, () =>
    chain.chain(CHAIN_TRANSACTIONS_MAX, FEE_SATS),
  )
  const coins = Array.from({ length: Math.ceil(count / REPLACEMENTS_OF_A_COIN) }, () =>
    chain.newCoin(),
  )
  const replacements = Array.from({ length: REPLACEMENTS_OF_A_COIN }, (_, step) =>
    coins.map((coin) => chain.payment(FEE_SATS + BigInt(step) * REPLACEMENT_STEP_SATS, coin)),
  )
  const paying = (rank: (index: number) => number): readonly Transaction[] =>
    Array.from({ length: count }, (_, index) =>
      chain.payment(FEE_SATS + BigInt(rank(index)) * RANK_SATS),
    )
  const bytesMax = (count / 2) * entryMemoryBytes(TRANSACTION_BYTES)
  return [
    { name: 'signed', transactions: signed, cache: NO_SCRIPT_CACHE },
    { name: 'the same, signatures known', transactions: signed, cache },
    { name: 'chains of 25, signatures known', transactions: chains.flat(), cache },
    { name: 'replacements, signatures known', transactions: replacements.flat(), cache },
    {
      name: 'full pool, each better than the last',
      transactions: paying((index) => index),
      cache,
      bytesMax,
      mayBeFull: true,
    },
    {
      name: 'full pool, fees in any order',
      transactions: paying((index) => (index * 7_919) % count),
      cache,
      bytesMax,
      mayBeFull: true,
    },
  ]
}

/** Milliseconds. @throws BenchmarkError when one is refused that should not be. */
function admitAll(load: Load, chain: MempoolLoad): number {
  const { bytesMax, cache } = load
  const pool = createMempool({
    scriptCache: cache,
    ...(bytesMax === undefined ? {} : { bytesMax }),
  })
  const transactions = load.transactions.map(copyOf)
  const { at } = chain
  const startedMs = performance.now()
  for (const transaction of transactions) {
    const admitted = pool.admit(transaction, at)
    if (admitted.ok || load.mayBeFull === true) continue
    throw new BenchmarkError(`${load.name}: refused, ${admitted.error.code}`)
  }
  return performance.now() - startedMs
}

const TEMPLATE_ROUNDS = 10

function timeTemplates(run: BenchmarkRun, chain: MempoolLoad): readonly Figure[] {
  const pool = fullPool(run.number('pool'), chain)
  const limits = { maxWeight: MAX_BLOCK_WEIGHT, maxSigops: MAX_BLOCK_SIGOPS }
  const tookMs: number[] = []
  let chosen = 0
  for (let round = 0; round < TEMPLATE_ROUNDS; round++) {
    run.signal.throwIfAborted()
    const startedMs = performance.now()
    chosen = buildBlockTemplate(pool.families(), limits).transactions.length
    tookMs.push(performance.now() - startedMs)
  }
  return [
    figure('transactions that wait', pool.size),
    figure('transactions chosen', chosen),
    figure('template, median', median(tookMs) ?? null, 'ms'),
    figure('template, best', percentile(tookMs, 0) ?? null, 'ms'),
  ]
}

/** Half of it alone, the other half in families; fees as on a busy day. */
function fullPool(count: number, chain: MempoolLoad): Mempool {
  const pool = createMempool({ scriptCache: UNCHECKED.cache, bytesMax: 16 * MEMPOOL_BYTES_MAX })
  for (let index = 0; pool.size < count; index++) {
    const fee = FEE_SATS + BigInt((index * 7_919) % 20_000)
    const length = index % 26 === 0 ? CHAIN_TRANSACTIONS_MAX : 1
    for (const transaction of chain.chain(length, fee)) pool.admit(transaction, chain.at)
  }
  return pool
}

async function measureBitcoind(
  run: BenchmarkRun,
  payments: PaymentChain,
): Promise<BitcoindAdmission | undefined> {
  const program = run.flag('alone') ? undefined : findBitcoind()
  run.progress(program === undefined ? 'without bitcoind' : bitcoindVersion(program))
  if (program === undefined) return undefined
  const { signal } = run
  const blocks = bitcoinBlocks(payments)
  return admitByBitcoind({ program, threads: 1, blocks, signal }, payments.rounds[0] ?? [])
}

// --- sections -------------------------------------------------------------------------------

function admissionSection(
  loads: readonly Load[],
  samples: ReadonlyMap<string, readonly number[]>,
): Section {
  const rows = loads.map(({ name, transactions }): readonly Cell[] => {
    const each = (samples.get(name) ?? []).map((tookMs) => (tookMs * 1_000) / transactions.length)
    return [name, transactions.length, median(each) ?? null, percentile(each, 0) ?? null]
  })
  return {
    title: 'Admission',
    about:
      'Microseconds per transaction, of the median and the best round. Decoding is not part of it, the ' +
      'ids are. "Signatures known": all but the checks. A full pool keeps half of them.',
    figures: [],
    table: { columns: ['load', 'transactions', 'µs, median', 'µs, best'], rows },
  }
}

function referenceSection(
  count: number,
  signedMs: readonly number[],
  theirs: BitcoindAdmission | undefined,
): Section {
  const checkUs = 1_000_000 / signatureChecksPerSecond()
  const ours = median(signedMs.map((tookMs) => (tookMs * 1_000) / count))
  const perTransaction = (ms: number | undefined): number | null =>
    ms === undefined ? null : (ms * 1_000) / count
  return {
    title: 'References',
    about:
      'bitcoind -par=1 over JSON-RPC, one transaction a call: wall time holds the round trip, processor ' +
      'time of its process the parsing of hex and JSON. What is sent was tested before.',
    figures: [
      figure('one signature check alone', checkUs, 'µs'),
      figure('signed admission, times the check', ours === undefined ? null : ours / checkUs),
      figure('bitcoind testmempoolaccept, wall', perTransaction(theirs?.tested.wallMs), 'µs'),
      figure('bitcoind testmempoolaccept, processor', perTransaction(theirs?.tested.cpuMs), 'µs'),
      figure('bitcoind sendrawtransaction, wall', perTransaction(theirs?.sent.wallMs), 'µs'),
      figure('bitcoind sendrawtransaction, processor', perTransaction(theirs?.sent.cpuMs), 'µs'),
    ],
  }
}
