/**
 * `block`: what a node pays for full blocks of transactions that it has never seen, beside a real bitcoind
 * that connects the same transactions in the same run. Both have the coins in memory and signature caches
 * that are empty; the programs take turns, so that a busy moment hits both.
 */

import { resolve } from 'node:path'
import type { ScriptVerification } from '../../src/chain/block-scripts.ts'
import { PLAIN_VERIFICATION } from '../../src/chain/block-scripts.ts'
import { NO_SCRIPT_CACHE } from '../../src/chain/connect-transaction.ts'
import { createCheckPool, defaultCheckThreads } from '../../src/runtime/check-pool.ts'
import { type Benchmark, BenchmarkError, type BenchmarkRun } from './benchmark.ts'
import { type BitcoinBlocks, bitcoinBlocks, fundingCoin } from './bitcoin-blocks.ts'
import {
  bitcoindVersion,
  type ConnectedByBitcoind,
  connectByBitcoind,
  findBitcoind,
} from './bitcoind-run.ts'
import { blockSections, type Samples } from './block-sections.ts'
import {
  type CausewayBlocks,
  type ConnectedByCauseway,
  causewayBlocks,
  connectByCauseway,
} from './causeway-run.ts'
import { type PaymentChain, paymentChain } from './payment-chain.ts'
import type { Section } from './report.ts'
import { UNCHECKED } from './unchecked.ts'

export const blockBenchmark: Benchmark = {
  name: 'block',
  measures: 'connecting full blocks of one-input two-output P2TR spends, beside bitcoind',
  options: {
    rounds: { fallback: 3, about: 'times that all blocks are connected, after one to warm up' },
    blocks: { fallback: 10, about: 'blocks of a round, each spending the one before' },
    inputs: { fallback: 1_600, about: 'transactions of a block; 1,600 fill it' },
    coins: { fallback: 20_000, about: 'coins in the state before the first block' },
    alone: { fallback: false, about: 'without bitcoind' },
  },
  run: runBlockBenchmark,
}

/** More would not fit a block. */
const INPUTS_MAX = 1_620
/** Left out of version control, with everything else that can be made again. */
const CACHE_FOLDER = resolve(import.meta.dirname, '../../.cache/bench')

async function runBlockBenchmark(run: BenchmarkRun): Promise<readonly Section[]> {
  const perRound = run.number('inputs')
  if (perRound < 1 || perRound > INPUTS_MAX) {
    throw new BenchmarkError(`--inputs takes 1 to ${INPUTS_MAX}`)
  }
  run.progress('making the payments, unless they were made before')
  const plan = { perRound, rounds: Math.max(1, run.number('blocks')) }
  const payments = await paymentChain(plan, fundingCoin(), CACHE_FOLDER)
  const ours = causewayBlocks(payments, run.number('coins'))
  const program = run.flag('alone') ? undefined : findBitcoind()
  run.progress(program === undefined ? 'without bitcoind' : bitcoindVersion(program))
  const theirs = program === undefined ? undefined : bitcoinBlocks(payments)
  const pool = createCheckPool({ threads: defaultCheckThreads() })
  const onAll: ScriptVerification = { cache: NO_SCRIPT_CACHE, batches: pool }
  try {
    const cores = pool.threads + 1
    await connectByCauseway(ours, onAll)
    await connectByCauseway(ours, PLAIN_VERIFICATION)
    const samples: Samples = emptySamples(perRound, cores, program)
    for (let round = 0; round < Math.max(1, run.number('rounds')); round++) {
      await measureRound(run, { ours, theirs, payments, program, onAll, cores }, samples)
      run.progress(`round ${round + 1} done`)
    }
    return blockSections(samples)
  } finally {
    await pool.close()
  }
}

interface Contest {
  readonly ours: CausewayBlocks
  readonly theirs: BitcoinBlocks | undefined
  readonly payments: PaymentChain
  readonly program: string | undefined
  readonly onAll: ScriptVerification
  readonly cores: number
}

function emptySamples(inputs: number, cores: number, program: string | undefined): Samples {
  return {
    inputs,
    cores,
    bitcoind: program === undefined ? undefined : bitcoindVersion(program),
    allCores: { ours: [], theirs: [] },
    oneCore: { ours: [], theirs: [] },
    warm: { ours: [], theirs: [] },
  }
}

/** Every pair of measurements that is compared is made one right after the other. */
async function measureRound(run: BenchmarkRun, contest: Contest, samples: Samples): Promise<void> {
  const { ours, onAll, cores } = contest
  const { allCores, oneCore, warm } = samples
  allCores.theirs.push(...(await theirBlocks(run, contest, cores)))
  allCores.ours.push(...(await ourBlocks(run, ours, onAll)))
  oneCore.theirs.push(...(await theirBlocks(run, contest, 1)))
  oneCore.ours.push(...(await ourBlocks(run, ours, PLAIN_VERIFICATION)))
  // Only the first block's transactions can be in bitcoind's mempool: the others spend them.
  warm.theirs.push(...(await theirBlocks(run, contest, cores, true)).slice(0, 1))
  warm.ours.push(...(await ourBlocks(run, ours, UNCHECKED)))
}

async function ourBlocks(
  run: BenchmarkRun,
  blocks: CausewayBlocks,
  verification: ScriptVerification,
): Promise<readonly ConnectedByCauseway[]> {
  run.signal.throwIfAborted()
  return connectByCauseway(blocks, verification)
}

async function theirBlocks(
  run: BenchmarkRun,
  { program, theirs, payments }: Contest,
  threads: number,
  isWarm = false,
): Promise<readonly ConnectedByBitcoind[]> {
  if (program === undefined || theirs === undefined) return []
  const announced = isWarm ? (payments.rounds[0] ?? []) : []
  const blocks = isWarm ? { ...theirs, measured: theirs.measured.slice(0, 1) } : theirs
  return connectByBitcoind({ program, threads, blocks, announced, signal: run.signal })
}
