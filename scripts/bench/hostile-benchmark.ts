/**
 * `hostile`: what the worst blocks that are known cost a validator, which has to judge whatever a
 * proposer sends: full blocks of one filler each, valid or faulty at their very end.
 */

import { blockWeight, encodeBlock } from '../../src/chain/block.ts'
import { PLAIN_VERIFICATION, type ScriptVerification } from '../../src/chain/block-scripts.ts'
import { NO_SCRIPT_CACHE } from '../../src/chain/connect-transaction.ts'
import {
  type CheckPool,
  createCheckPool,
  defaultCheckThreads,
} from '../../src/runtime/check-pool.ts'
import { type Benchmark, BenchmarkError, type BenchmarkRun } from './benchmark.ts'
import { median } from './distribution.ts'
import {
  createHostileBlock,
  type HostileBlock,
  type HostileCase,
  hostileCases,
  shareOfBlock,
} from './hostile-blocks.ts'
import { type Cell, figure, type Section } from './report.ts'
import { validateBlock } from './validate-block.ts'

export const hostileBenchmark: Benchmark = {
  name: 'hostile',
  measures: 'validation of blocks that are as expensive as the rules let a proposer make them',
  options: {
    rounds: { fallback: 3, about: 'times each block is validated; the median counts' },
    percent: { fallback: 100, about: 'of a full block' },
    only: { fallback: '', about: 'fillers whose name contains this' },
  },
  run: runHostileBenchmark,
}

/** What a full block may cost on one core, milliseconds. */
const AIM_MS = 2_000
const PERCENT_MIN = 2

interface Measured {
  readonly name: string
  readonly weight: number
  readonly verdict: string
  /** Processor time of the one thread: what else the machine does adds little to it. */
  readonly oneCoreMs: number
  /** By the clock. */
  readonly allCoresMs: number
}

async function runHostileBenchmark(run: BenchmarkRun): Promise<readonly Section[]> {
  const share = Math.min(100, Math.max(PERCENT_MIN, run.number('percent'))) / 100
  const cases = hostileCases().filter(({ name }) => name.includes(run.text('only')))
  const pool = createCheckPool({ threads: defaultCheckThreads() })
  const measured: Measured[] = []
  try {
    for (const each of cases) {
      run.signal.throwIfAborted()
      const row = measure(each, share, Math.max(1, run.number('rounds')), pool)
      run.progress(`${row.name}: ${row.oneCoreMs.toFixed(0)} ms`)
      measured.push(row)
    }
  } finally {
    await pool.close()
  }
  return sections(measured, pool.threads + 1)
}

/** @throws BenchmarkError when the rules do not say of the block what they should. */
function measure(each: HostileCase, share: number, rounds: number, pool: CheckPool): Measured {
  const made = createHostileBlock(each, shareOfBlock(share))
  if (!made.ok) throw new BenchmarkError(`${each.name}: ${made.error.code}`)
  const bytes = encodeBlock(made.value.block)
  const onAll: ScriptVerification = { cache: NO_SCRIPT_CACHE, batches: pool }
  const oneCore: number[] = []
  const allCores: number[] = []
  for (let round = 0; round < rounds; round++) {
    oneCore.push(timeOnce(each, made.value, bytes, PLAIN_VERIFICATION).cpuMs)
    allCores.push(timeOnce(each, made.value, bytes, onAll).totalMs)
  }
  return {
    name: each.name,
    weight: blockWeight(made.value.block),
    verdict: each.code ?? 'valid',
    oneCoreMs: median(oneCore) ?? 0,
    allCoresMs: median(allCores) ?? 0,
  }
}

function timeOnce(
  { name, code }: HostileCase,
  { params, state }: HostileBlock,
  bytes: Uint8Array,
  verification: ScriptVerification,
): { readonly totalMs: number; readonly cpuMs: number } {
  const before = process.threadCpuUsage()
  // What is remembered about a network belongs to its parameters: fresh ones have seen nothing.
  const { verdict, totalMs } = validateBlock({ ...params }, state, bytes, verification)
  const used = process.threadCpuUsage(before)
  const said = verdict.ok ? undefined : verdict.error.code
  if (said !== code) throw new BenchmarkError(`${name}: ${said ?? 'valid'}, not ${code ?? 'valid'}`)
  return { totalMs, cpuMs: (used.user + used.system) / 1_000 }
}

function sections(measured: readonly Measured[], cores: number): readonly Section[] {
  const rows = measured
    .toSorted((a, b) => b.oneCoreMs - a.oneCoreMs)
    .map(({ name, weight, verdict, oneCoreMs, allCoresMs }): readonly Cell[] => [
      name,
      weight,
      verdict,
      oneCoreMs,
      allCoresMs,
      oneCoreMs < AIM_MS ? 'yes' : 'NO',
    ])
  const worst = measured.toSorted((a, b) => b.oneCoreMs - a.oneCoreMs)[0]
  const missed = measured.filter(({ oneCoreMs }) => oneCoreMs >= AIM_MS).length
  return [
    {
      title: 'Hostile blocks',
      about:
        'Decoding, commitments, all rules and the state root, caches cold; milliseconds, of processor ' +
        'time on one core and by the clock on all, the most expensive first. Weights of less than a block are where another limit comes first.',
      figures: [],
      table: {
        columns: [
          'filler',
          'weight',
          'verdict',
          'one core, CPU ms',
          `${cores} cores, ms`,
          `below ${AIM_MS} ms`,
        ],
        rows,
      },
    },
    {
      title: 'In short',
      about: `The aim is less than ${AIM_MS} ms on one core for whatever fills a block.`,
      figures: [
        figure('fillers', measured.length),
        figure('fillers at or above the aim', missed),
        figure('the most expensive', worst?.name ?? null),
        figure('its validation on one core', worst?.oneCoreMs ?? null, 'ms'),
      ],
    },
  ]
}
