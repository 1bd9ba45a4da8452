/** A benchmark as `scripts/bench.ts` finds and runs it. */

import type { Section } from './report.ts'

/** A command-line option; its kind is the fallback's. */
export interface BenchmarkOption {
  readonly fallback: number | string | boolean
  readonly about: string
}

export type OptionValues = Readonly<Record<string, number | string | boolean>>

export interface BenchmarkRun {
  /** One line about what goes on, for standard error. */
  readonly progress: (line: string) => void
  /** Aborted by Ctrl-C: stop what was started, and reject. */
  readonly signal: AbortSignal
  number(name: string): number
  text(name: string): string
  flag(name: string): boolean
}

export interface Benchmark {
  readonly name: string
  /** What it measures, in a sentence. */
  readonly measures: string
  readonly options: Readonly<Record<string, BenchmarkOption>>
  run(run: BenchmarkRun): Promise<readonly Section[]>
}

/** A benchmark that cannot go on: what it measures did not do what it has to. */
export class BenchmarkError extends Error {
  override readonly name = 'BenchmarkError'
}

function missing(name: string): never {
  throw new BenchmarkError(`no such option: ${name}`)
}

/** Access to values by name and kind. @throws BenchmarkError for a name that the benchmark lacks. */
export function optionReader(values: OptionValues): Pick<BenchmarkRun, 'number' | 'text' | 'flag'> {
  return {
    number(name) {
      const value = values[name]
      return typeof value === 'number' ? value : missing(name)
    },
    text(name) {
      const value = values[name]
      return typeof value === 'string' ? value : missing(name)
    },
    flag(name) {
      const value = values[name]
      return typeof value === 'boolean' ? value : missing(name)
    },
  }
}
