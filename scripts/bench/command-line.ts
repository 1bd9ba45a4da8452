/** The benchmarks' command line: NAME, its options, --json. */

import { parseArgs } from 'node:util'
import type { Benchmark, OptionValues } from './benchmark.ts'

/** A command line that cannot be meant. */
export class CommandLineError extends Error {
  override readonly name = 'CommandLineError'
}

export interface ParsedCommandLine {
  readonly benchmark: Benchmark
  readonly values: OptionValues
  readonly json: boolean
}

/** Undefined when help is asked for. @throws CommandLineError */
export function parseCommandLine(
  argv: readonly string[],
  benchmarks: readonly Benchmark[],
): ParsedCommandLine | undefined {
  const [name, ...rest] = argv
  if (name === undefined || name === '--help' || name === 'help') return undefined
  const benchmark = benchmarks.find((each) => each.name === name)
  if (benchmark === undefined) {
    const names = benchmarks.map((each) => each.name).join(', ')
    throw new CommandLineError(`no benchmark "${name}"; there are ${names}`)
  }
  const given = parseOptions(rest, benchmark)
  if (given['help'] === true) return undefined
  const values = Object.fromEntries(
    Object.entries(benchmark.options).map(([option, { fallback }]) => [
      option,
      valueOf(option, given[option], fallback),
    ]),
  )
  return { benchmark, values, json: given['json'] === true }
}

function parseOptions(
  args: readonly string[],
  benchmark: Benchmark,
): Readonly<Record<string, unknown>> {
  const own = Object.entries(benchmark.options).map(
    ([name, { fallback }]) =>
      [name, { type: typeof fallback === 'boolean' ? 'boolean' : 'string' }] as const,
  )
  const options = {
    ...Object.fromEntries(own),
    json: { type: 'boolean' },
    help: { type: 'boolean' },
  } as const
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: false }).values
  } catch (cause) {
    throw new CommandLineError(cause instanceof Error ? cause.message : String(cause), { cause })
  }
}

function valueOf(
  name: string,
  given: unknown,
  fallback: number | string | boolean,
): number | string | boolean {
  if (given === undefined) return fallback
  if (typeof fallback === 'boolean') return given === true
  const text = typeof given === 'string' ? given : ''
  if (typeof fallback === 'string') return text
  if (!/^\d{1,9}$/.test(text)) throw new CommandLineError(`--${name} takes a whole number`)
  return Number(text)
}

export function usage(benchmarks: readonly Benchmark[]): string {
  const lines = ['usage: npm run bench -- NAME [--json] [options]', '']
  for (const { name, measures, options } of benchmarks) {
    lines.push(`${name}: ${measures}`)
    for (const [option, { fallback, about }] of Object.entries(options)) {
      const shown = typeof fallback === 'boolean' || fallback === '' ? '' : ` (${fallback})`
      lines.push(`  --${option.padEnd(16)} ${about}${shown}`)
    }
    lines.push('')
  }
  return lines.join('\n')
}
