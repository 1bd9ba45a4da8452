/**
 * Benchmarks: `npm run bench -- NAME [--json] [options]`. Each measures beside a reference in the same
 * run, prints figures on standard output and progress on standard error, and asserts no time: what a
 * figure is worth depends on the machine, which the report names.
 */

import { installNativeBackends } from '../src/runtime/native-backends.ts'
import { type Benchmark, BenchmarkError, optionReader } from './bench/benchmark.ts'
import { blockBenchmark } from './bench/block-benchmark.ts'
import { CommandLineError, parseCommandLine, usage } from './bench/command-line.ts'
import { consensusBenchmark } from './bench/consensus-benchmark.ts'
import { devnetBenchmark } from './bench/devnet-benchmark.ts'
import { hostileBenchmark } from './bench/hostile-benchmark.ts'
import { describeMachine } from './bench/machine.ts'
import { mempoolBenchmark } from './bench/mempool-benchmark.ts'
import { reportAsJson, reportAsText } from './bench/report.ts'
import { signingBenchmark } from './bench/signing-benchmark.ts'
import { stateBenchmark } from './bench/state-benchmark.ts'

const BENCHMARKS: readonly Benchmark[] = [
  consensusBenchmark,
  devnetBenchmark,
  signingBenchmark,
  blockBenchmark,
  hostileBenchmark,
  mempoolBenchmark,
  stateBenchmark,
]
const EXIT_FAILED = 1
const EXIT_USAGE = 2

async function main(argv: readonly string[]): Promise<void> {
  const parsed = parseCommandLine(argv, BENCHMARKS)
  if (parsed === undefined) {
    process.stdout.write(usage(BENCHMARKS))
    return
  }
  const { benchmark, values, json } = parsed
  installNativeBackends()
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => interrupted.abort(new BenchmarkError('interrupted')))
  }
  const machine = describeMachine()
  const startedMs = performance.now()
  const sections = await benchmark.run({
    ...optionReader(values),
    signal: interrupted.signal,
    progress: (line) => {
      const seconds = ((performance.now() - startedMs) / 1000).toFixed(1).padStart(6)
      process.stderr.write(`${seconds} s  ${line}\n`)
    },
  })
  const { name, measures } = benchmark
  const report = { benchmark: name, measures, machine, options: values, sections }
  process.stdout.write(json ? reportAsJson(report) : reportAsText(report))
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  const isUsage = error instanceof CommandLineError
  const text = isUsage || !(error instanceof Error) ? String(error) : (error.stack ?? error.message)
  process.stderr.write(`bench: ${text}\n`)
  process.exitCode = isUsage ? EXIT_USAGE : EXIT_FAILED
}
