/**
 * `state`: what the number of coins in the state does to a node: time for a block, memory, disk, and time
 * to start. The reference is the smallest size, measured in the same run.
 */

import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Benchmark, BenchmarkError, type BenchmarkRun } from './benchmark.ts'
import { median, percentile } from './distribution.ts'
import { folderBytes } from './processes.ts'
import { type Cell, type Figure, figure, type Section } from './report.ts'
import type { LoadedBlock, StateLoad } from './state-load.ts'

export const stateBenchmark: Benchmark = {
  name: 'state',
  measures: 'blocks, memory, disk and start of a node by the number of coins in its state',
  options: {
    coins: { fallback: 1_000_000, about: 'the largest size; ten million need 8 GB of memory' },
    blocks: { fallback: 20, about: 'full blocks that are connected at each size' },
  },
  run: runStateBenchmark,
}

/** Sizes below the largest; the first is the reference. */
const SIZES = [10_000, 1_000_000]
const COINS_MIN = 10_000
const CHILD = join(import.meta.dirname, 'state-child.ts')
const OUTPUT_BYTES_MAX = 16 << 20
const MEGABYTE = 2 ** 20
/** What is left of a node's heap beside the state may be collected when nothing else runs. */
const NODE_OPTIONS = ['--expose-gc']

interface MeasuredSize {
  readonly coins: number
  readonly diskBytes: number
  readonly load: StateLoad
}

async function runStateBenchmark(run: BenchmarkRun): Promise<readonly Section[]> {
  const largest = Math.max(COINS_MIN, run.number('coins'))
  const sizes = [...SIZES.filter((size) => size < largest), largest]
  const measured: MeasuredSize[] = []
  for (const coins of sizes) measured.push(await measureSize(run, coins))
  return [sizesSection(measured), ratiosSection(measured)]
}

async function measureSize(run: BenchmarkRun, coins: number): Promise<MeasuredSize> {
  const folder = await mkdtemp(join(tmpdir(), 'causeway-bench-state-'))
  try {
    const path = join(folder, 'database')
    run.progress(`${coins} coins: seeding`)
    await runChild(run, ['seed', path, String(coins)])
    const diskBytes = await folderBytes(path)
    run.progress(`${coins} coins: connecting blocks`)
    const blocks = String(Math.max(1, run.number('blocks')))
    const load = parseLoad(await runChild(run, ['load', path, String(coins), blocks]))
    return { coins, diskBytes, load }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function runChild(run: BenchmarkRun, args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [...NODE_OPTIONS, CHILD, ...args],
    {
      encoding: 'utf8',
      maxBuffer: OUTPUT_BYTES_MAX,
      signal: run.signal,
    },
  )
  return stdout
}

/** Our own child's words. @throws BenchmarkError */
function parseLoad(text: string): StateLoad {
  const load: unknown = JSON.parse(text)
  if (!isLoad(load)) throw new BenchmarkError('the child process printed no figures')
  return load
}

function isLoad(value: unknown): value is StateLoad {
  return typeof value === 'object' && value !== null && 'openMs' in value && 'blocks' in value
}

/** What a validator spends on a block before it may vote and when it is final, without the disk. */
function blockMs(block: LoadedBlock): number {
  return block.checkMs + block.applyMs
}

const PARTS: readonly (readonly [string, (block: LoadedBlock) => number])[] = [
  ['block in memory', blockMs],
  ['of which state trie', (block) => block.trieMs],
  ['block on disk', (block) => block.diskMs],
]

function sizesSection(measured: readonly MeasuredSize[]): Section {
  const row = (name: string, of: (size: MeasuredSize) => number | undefined): readonly Cell[] => [
    name,
    ...measured.map((size) => of(size) ?? null),
  ]
  const times = PARTS.flatMap(([name, part]) => [
    row(`${name}, p50, ms`, ({ load }) => median(load.blocks.map(part))),
    row(`${name}, worst, ms`, ({ load }) => percentile(load.blocks.map(part), 1)),
  ])
  return {
    title: 'By the number of coins',
    about:
      'Blocks of 1,600 payments from coins all over the state, signatures checked before. Every size in ' +
      'processes of its own, on a LevelDB database in a temporary folder; memory after opening.',
    figures: [],
    table: {
      columns: ['', ...measured.map(({ coins }) => `${coins} coins`)],
      rows: [
        ...times,
        row('open, state root verified, ms', ({ load }) => load.openMs),
        row('resident memory, MB', ({ load }) => load.memory.rss / MEGABYTE),
        row('JavaScript heap, MB', ({ load }) => load.memory.heapUsed / MEGABYTE),
        row('typed arrays, MB', ({ load }) => load.memory.arrayBuffers / MEGABYTE),
        row('database, MB', ({ diskBytes }) => diskBytes / MEGABYTE),
        row('database, bytes per coin', ({ coins, diskBytes }) => diskBytes / coins),
      ],
    },
  }
}

function ratiosSection(measured: readonly MeasuredSize[]): Section {
  const [smallest, ...larger] = measured
  const ratio = (size: MeasuredSize, part: (block: LoadedBlock) => number): number | null => {
    const reference = median(smallest?.load.blocks.map(part) ?? [])
    const middle = median(size.load.blocks.map(part))
    return reference === undefined || middle === undefined ? null : middle / reference
  }
  return {
    title: 'Against the smallest',
    about: 'Median times of a block, divided by those of the smallest state. The aim is at most 2.',
    figures: larger.flatMap((size): Figure[] => [
      ...PARTS.map(([name, part]) => figure(`${name}, ${size.coins} coins`, ratio(size, part))),
      figure(
        `memory and disk together, ${size.coins} coins`,
        ratio(size, (block) => blockMs(block) + block.diskMs),
      ),
    ]),
  }
}
