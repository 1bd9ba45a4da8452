/**
 * `consensus`: how fast four validators agree, as separate processes on this machine: one payment at a time on
 * an idle chain, as many as they take, and half of that; what the time goes into; how fast a new node follows.
 * Beside the floors of the same minute, and beside the same core between continents in a simulation.
 */

import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { Transaction } from '../../src/bitcoin/transaction.ts'
import { type Devnet, startDevnet } from '../../src/cli/devnet/devnet.ts'
import { chooseL1 } from '../../src/cli/devnet-command.ts'
import { present } from '../../src/primitives/assert.ts'
import { createSystemRuntime } from '../../src/runtime/system-runtime.ts'
import type { Benchmark, BenchmarkRun } from './benchmark.ts'
import { type BlockWatch, watchBlocks } from './block-watch.ts'
import { catchUp, type Pace, validateAlone } from './catch-up.ts'
import {
  catchUpSection,
  floorSection,
  idleChainSection,
  loadSection,
  type MeasuredLoad,
  stageSection,
  withProposals,
} from './consensus-sections.ts'
import { consistencySection, measureCost } from './devnet-sections.ts'
import { startProbe } from './node-probe.ts'
import { fundCoins, payment } from './payer.ts'
import { finalityMs, type LoadRequest, loadRequests, runLoad } from './payment-load.ts'
import { type CpuProfile, startProfile } from './process-profile.ts'
import type { Section } from './report.ts'
import { singleKey } from './single-key.ts'
import { payOneByOne } from './single-payments.ts'
import { measureVoteFloor, signatureChecksOfThreads } from './vote-floor.ts'
import { wideAreaSection } from './wide-area.ts'

export const consensusBenchmark: Benchmark = {
  name: 'consensus',
  measures:
    'four local validators: finality, throughput, where the time goes, catch-up; WAN simulated',
  options: {
    bitcoind: { fallback: '', about: 'auto, PATH or URL of a real bitcoind; else the embedded L1' },
    payments: { fallback: 100, about: 'payments one at a time' },
    'pause-ms': { fallback: 250, about: 'between two of them' },
    transactions: {
      fallback: 30_000,
      about: 'payments of the full load; half as many at half the rate',
    },
    'per-request': { fallback: 100, about: 'of them in one request' },
    backlog: { fallback: 6_000, about: 'accepted and not yet final at one time, at most' },
    'wan-blocks': { fallback: 100, about: 'blocks of each simulation; 0 = none' },
  },
  run: runConsensusBenchmark,
}

const VALIDATORS = 4
/** Part of the full load's size. */
const PROFILED_PART = 0.3
const HALF = 0.5

async function runConsensusBenchmark(run: BenchmarkRun): Promise<readonly Section[]> {
  const folder = await mkdtemp(join(tmpdir(), 'causeway-bench-'))
  // Validators inherit it: their profiles are asked for while they run.
  process.env['NODE_OPTIONS'] = '--inspect=127.0.0.1:0'
  try {
    run.progress('floors')
    const floor = await measureVoteFloor(folder)
    const checksPerSecond = await signatureChecksOfThreads(availableParallelism())
    const { sections, pace, home } = await measureNetwork(run, folder, {
      floorMs: floor.floorMs,
      checksPerSecond,
    })
    run.progress('the same blocks without a network')
    const alone = await validateAlone(home, folder, pace.measured)
    run.progress('simulating distance')
    const blocks = run.number('wan-blocks')
    return [
      floorSection(floor, checksPerSecond),
      ...sections,
      catchUpSection(pace.measured, alone, pace.transactions),
      ...(blocks === 0 ? [] : [await wideAreaSection(blocks)]),
    ]
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

interface References {
  readonly floorMs: number
  readonly checksPerSecond: number
}

interface NetworkFigures {
  readonly sections: readonly Section[]
  readonly pace: { readonly measured: Pace; readonly transactions: number }
  /** Of the node that caught up. */
  readonly home: string
}

async function measureNetwork(
  run: BenchmarkRun,
  folder: string,
  references: References,
): Promise<NetworkFigures> {
  const devnet = await startDevnet({
    folder: join(folder, 'devnet'),
    l1: await chooseL1(run.text('bitcoind') === '' ? undefined : run.text('bitcoind')),
    validators: VALIDATORS,
    apiPort: 0,
    runtime: createSystemRuntime({ logLevel: 'silent' }),
    signal: run.signal,
    report: run.progress,
  })
  try {
    const apiUrls = devnet.validators.map(({ apiUrl }) => apiUrl)
    const watch = await watchBlocks(apiUrls, run.signal)
    try {
      const sections = await measurePayments(run, devnet, watch, references)
      run.progress('a new node catches up')
      const home = join(folder, 'new-node')
      const measured = await catchUp(devnet, home, run.signal)
      const fetched = watch
        .seenBy(0)
        .filter(({ height }) => height > measured.fromHeight && height <= measured.toHeight)
      const transactions = fetched.reduce((sum, { txCount }) => sum + txCount, 0)
      const ending = await consistencySection(devnet)
      return { sections: [...sections, ending], pace: { measured, transactions }, home }
    } finally {
      await watch.stop()
    }
  } finally {
    run.progress('stopping')
    await devnet.stop()
  }
}

async function measurePayments(
  run: BenchmarkRun,
  devnet: Devnet,
  watch: BlockWatch,
  { floorMs, checksPerSecond }: References,
): Promise<readonly Section[]> {
  const { signal, progress } = run
  const payments = run.number('payments')
  const full = run.number('transactions')
  const counts = [full, Math.floor(full * HALF), Math.floor(full * PROFILED_PART)]
  const key = singleKey(new Uint8Array(randomBytes(32)))
  const count = payments + counts.reduce((sum, each) => sum + each, 0)
  progress(`a deposit, split into ${count} coins`)
  const coins = await fundCoins({ devnet, watch, key, signal }, count)
  progress(`signing ${count} payments`)
  const signed: Transaction[] = []
  for (const coin of coins) {
    signed.push(payment(key, coin))
    // Event streams are read meanwhile.
    if (signed.length % 100 === 0) await setImmediate()
  }
  const parts = counts.map((size, index) => {
    const first = payments + counts.slice(0, index).reduce((sum, each) => sum + each, 0)
    return loadRequests(signed.slice(first, first + size), run.number('per-request'))
  })

  progress(`${payments} payments one at a time`)
  const firstBlock = watch.seenBy(0).length
  const times = await payOneByOne({
    apiUrls: devnet.validators.map(({ apiUrl }) => apiUrl),
    watch,
    transactions: signed.slice(0, payments),
    pauseMs: run.number('pause-ms'),
    signal,
    progress,
  })
  const single = await withProposals(devnet, watch.seenBy(0).slice(firstBlock))

  const stage = { run, devnet, watch }
  progress(`${counts[0]} payments, as many as are taken`)
  const fullLoad = await measureLoad(stage, parts[0] ?? [], undefined)
  const perSecond = Math.floor(fullLoad.committedPerSecond * HALF)
  progress(`${counts[1]} payments, ${perSecond} per second`)
  const halfLoad = await measureLoad(stage, parts[1] ?? [], perSecond)
  progress(`${counts[2]} payments under the profiler`)
  const validator = present(devnet.validators[1], 'second validator')
  const profile = await profiled(validator.process().logFile, () =>
    measureLoad(stage, parts[2] ?? [], undefined),
  )
  return [
    idleChainSection(times, single, floorMs),
    loadSection('Full load', fullLoad, checksPerSecond),
    loadSection('Half of it', halfLoad, checksPerSecond),
    stageSection(profile),
  ]
}

interface Stage {
  readonly run: BenchmarkRun
  readonly devnet: Devnet
  readonly watch: BlockWatch
}

async function measureLoad(
  { run, devnet, watch }: Stage,
  requests: readonly LoadRequest[],
  perSecond: number | undefined,
): Promise<MeasuredLoad> {
  const { signal } = run
  const apiUrls = devnet.validators.map(({ apiUrl }) => apiUrl)
  const before = await measureCost(devnet)
  const ownBefore = process.cpuUsage()
  const probe = startProbe(apiUrls, signal)
  const load = await runLoad({
    apiUrls,
    watch,
    requests,
    inFlight: 2,
    backlogMax: run.number('backlog'),
    perSecond,
    signal,
  })
  const own = process.cpuUsage(ownBefore)
  const answersMs = await probe.stop()
  const after = await measureCost(devnet)
  const lastMs = load.blocks.at(-1)?.atMs ?? load.startedMs
  return {
    load,
    perSecond,
    committedPerSecond: (load.accepted * 1000) / (lastMs - load.startedMs),
    finalMs: await finalityMs(load, apiUrls[0] ?? '', signal),
    blocks: await withProposals(devnet, load.blocks),
    answersMs,
    before,
    after,
    generatorMs: (own.user + own.system) / 1000,
  }
}

async function profiled(logFile: string, work: () => Promise<unknown>): Promise<CpuProfile> {
  const profile = await startProfile(logFile)
  await work()
  return profile.stop()
}
