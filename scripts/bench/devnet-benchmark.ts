/**
 * `devnet`: what four validators cost and how fast they agree, as separate processes on this machine,
 * with an L1 beside them. All share its processors with the load and with whatever else runs here.
 */

import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Transaction } from '../../src/bitcoin/transaction.ts'
import { type Devnet, startDevnet } from '../../src/cli/devnet/devnet.ts'
import { chooseL1 } from '../../src/cli/devnet-command.ts'
import { createSystemRuntime } from '../../src/runtime/system-runtime.ts'
import type { Benchmark, BenchmarkRun } from './benchmark.ts'
import { type BlockWatch, watchBlocks } from './block-watch.ts'
import {
  consistencySection,
  costSection,
  idleSection,
  loadSection,
  measureCost,
  paymentSection,
  referenceSection,
  withViews,
} from './devnet-sections.ts'
import { fundCoins, payment } from './payer.ts'
import { figure, type Section } from './report.ts'
import { type SingleKey, singleKey } from './single-key.ts'
import { payOneByOne } from './single-payments.ts'
import { runLoad } from './transaction-load.ts'

export const devnetBenchmark: Benchmark = {
  name: 'devnet',
  measures: 'four local validators: time to open, time to finality, throughput, memory, idle cost',
  options: {
    bitcoind: { fallback: '', about: 'auto, PATH or URL of a real bitcoind; else the embedded L1' },
    payments: { fallback: 200, about: 'payments one at a time' },
    'pause-ms': { fallback: 250, about: 'between two of them' },
    transactions: { fallback: 10_000, about: 'transactions of the load' },
    rate: { fallback: 500, about: 'of them submitted per second at most' },
    backlog: { fallback: 1_000, about: 'accepted and not yet final at one time, at most' },
    'idle-seconds': { fallback: 120, about: 'how long the idle chain is watched' },
    data: { fallback: '', about: 'folder of the devnet, kept; else a temporary one, removed' },
    'cpu-profiles': { fallback: '', about: 'folder for a CPU profile of each validator' },
  },
  run: runDevnetBenchmark,
}

async function runDevnetBenchmark(run: BenchmarkRun): Promise<readonly Section[]> {
  const kept = run.text('data')
  const folder = kept === '' ? await mkdtemp(join(tmpdir(), 'causeway-bench-')) : resolve(kept)
  const profiles = run.text('cpu-profiles')
  if (profiles !== '') {
    // Validators inherit it; this process has started already.
    process.env['NODE_OPTIONS'] = `--cpu-prof --cpu-prof-dir=${resolve(profiles)}`
  }
  try {
    const startedMs = performance.now()
    const devnet = await startDevnet({
      folder,
      l1: await chooseL1(run.text('bitcoind') === '' ? undefined : run.text('bitcoind')),
      validators: 4,
      apiPort: 0,
      runtime: createSystemRuntime({ logLevel: 'silent' }),
      signal: run.signal,
      report: run.progress,
    })
    const openMs = performance.now() - startedMs
    try {
      return [
        {
          title: 'Start',
          about: `From an empty folder until the peg is open and all are in sync; L1: ${devnet.l1.description}.`,
          figures: [figure('start to peg open', openMs / 1000, 's')],
        },
        ...(await measureDevnet(run, devnet)),
        await referenceSection(folder),
      ]
    } finally {
      run.progress('stopping')
      await devnet.stop()
    }
  } finally {
    if (kept === '') await rm(folder, { recursive: true, force: true })
  }
}

async function measureDevnet(run: BenchmarkRun, devnet: Devnet): Promise<readonly Section[]> {
  const watch = await watchBlocks(
    devnet.validators.map(({ apiUrl }) => apiUrl),
    run.signal,
  )
  try {
    const idle = await watchIdle(run, devnet, watch)
    const loaded = await measurePayments(run, devnet, watch)
    return [idle, ...loaded, await consistencySection(devnet)]
  } finally {
    await watch.stop()
  }
}

async function watchIdle(run: BenchmarkRun, devnet: Devnet, watch: BlockWatch): Promise<Section> {
  const seconds = run.number('idle-seconds')
  run.progress(`watching the idle chain for ${seconds} s`)
  const first = watch.seenBy(0).length
  const before = await measureCost(devnet)
  await delay(seconds * 1000, undefined, { signal: run.signal })
  const after = await measureCost(devnet)
  return idleSection({ seconds, before, after, blocks: watch.seenBy(0).slice(first) })
}

async function measurePayments(
  run: BenchmarkRun,
  devnet: Devnet,
  watch: BlockWatch,
): Promise<readonly Section[]> {
  const { signal, progress } = run
  const apiUrls = devnet.validators.map(({ apiUrl }) => apiUrl)
  const idle = await measureCost(devnet)
  const key = singleKey(new Uint8Array(randomBytes(32)))
  const payments = run.number('payments')
  const count = payments + run.number('transactions')
  progress(`a deposit, split into ${count} coins`)
  const coins = await fundCoins({ devnet, watch, key, signal }, count)
  progress(`signing ${count} transactions`)
  const signed = await signAll(key, coins, signal)

  progress(`${payments} payments one at a time`)
  const firstBlock = watch.seenBy(0).length
  const times = await payOneByOne({
    apiUrls,
    watch,
    transactions: signed.slice(0, payments),
    pauseMs: run.number('pause-ms'),
    signal,
    progress,
  })
  const paymentBlocks = await withViews(devnet, watch.seenBy(0).slice(firstBlock))

  const perSecond = run.number('rate')
  progress(`${count - payments} transactions, ${perSecond} a second`)
  const beforeLoad = await measureCost(devnet)
  const transactions = signed.slice(payments)
  const load = await runLoad({
    apiUrls,
    watch,
    transactions,
    perSecond,
    backlogMax: run.number('backlog'),
    signal,
    progress,
  })
  const afterLoad = await measureCost(devnet)
  return [
    paymentSection(times, paymentBlocks),
    loadSection(load, await withViews(devnet, load.blocks), perSecond, beforeLoad, afterLoad),
    costSection(idle, afterLoad, load.accepted),
  ]
}

const SIGN_AT_ONCE = 100

/** In slices, so that event streams are read meanwhile. */
async function signAll(
  key: SingleKey,
  coins: readonly Parameters<typeof payment>[1][],
  signal: AbortSignal,
): Promise<readonly Transaction[]> {
  const signed: Transaction[] = []
  for (const coin of coins) {
    signed.push(payment(key, coin))
    if (signed.length % SIGN_AT_ONCE === 0) await delay(0, undefined, { signal })
  }
  return signed
}
