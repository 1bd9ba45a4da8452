/**
 * `devnet`: how soon four validators are there, and what they cost while nothing happens, as separate
 * processes on this machine with an L1 beside them. `consensus` measures them at work.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Devnet, startDevnet } from '../../src/cli/devnet/devnet.ts'
import { chooseL1 } from '../../src/cli/devnet-command.ts'
import { createSystemRuntime } from '../../src/runtime/system-runtime.ts'
import type { Benchmark, BenchmarkRun } from './benchmark.ts'
import { type BlockWatch, watchBlocks } from './block-watch.ts'
import { consistencySection, idleSection, measureCost } from './devnet-sections.ts'
import { figure, type Section } from './report.ts'

export const devnetBenchmark: Benchmark = {
  name: 'devnet',
  measures: 'four local validators: time to open, cost of an idle chain',
  options: {
    bitcoind: { fallback: '', about: 'auto, PATH or URL of a real bitcoind; else the embedded L1' },
    'idle-seconds': { fallback: 120, about: 'how long the idle chain is watched' },
    data: { fallback: '', about: 'folder of the devnet, kept; else a temporary one, removed' },
  },
  run: runDevnetBenchmark,
}

async function runDevnetBenchmark(run: BenchmarkRun): Promise<readonly Section[]> {
  const kept = run.text('data')
  const folder = kept === '' ? await mkdtemp(join(tmpdir(), 'causeway-bench-')) : resolve(kept)
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
    return [await watchIdle(run, devnet, watch), await consistencySection(devnet)]
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
