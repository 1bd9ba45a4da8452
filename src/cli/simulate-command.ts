/**
 * `causeway simulate`: the agreement of simulated validators under faults, seed by seed; with `--whole`
 * whole nodes with their members, on a simulated Bitcoin. A seed that breaks a promise is named, with
 * the command that shows it again.
 */

import type { Command } from 'commander'
import { z } from 'zod'
import { installNativeBackends } from '../runtime/native-backends.ts'
import { simulateConsensus } from '../simulator/consensus-simulation.ts'
import type { ProfileName } from '../simulator/latency-profiles.ts'
import {
  describeFailure,
  optionsOfSeed,
  type SeedFailure,
  type SweepTotals,
  sweepSeeds,
} from '../simulator/seed-sweep.ts'
import { parseWhole } from './arguments.ts'
import { CliError, usageError } from './cli-error.ts'
import type { CliIo } from './cli-io.ts'
import { type CommandCall, type CommandContext, handle } from './command-context.ts'
import { EXIT } from './exit-codes.ts'
import { fields, table } from './output.ts'
import { replayWhole, sweepWhole } from './simulate-whole.ts'

const MAX_SEED = 0xffffffff
const MAX_VALIDATORS = 100
const FAILURES_SHOWN = 10
const PROGRESS_MS = 2_000

const simulateOptions = z.object({
  seeds: z.string().default('100'),
  from: z.string().default('1'),
  validators: z.string().default('4'),
  profile: z.enum(['lan', 'wan', 'slow']).default('lan'),
  byzantine: z.string().optional(),
  replay: z.string().optional(),
  trace: z.boolean().default(false),
  whole: z.boolean().default(false),
})

interface World {
  readonly validators: number
  readonly profile: ProfileName
  readonly byzantine?: number
}

export function addSimulateCommand(program: Command, io: CliIo): void {
  const command = program
    .command('simulate')
    .description('agreement of simulated validators under faults, from seeds')
    .option('--seeds <count>', 'how many runs (default: 100)')
    .option('--from <seed>', 'the first seed (default: 1)')
    .option('--validators <count>', 'how many validators (default: 4)')
    .option('--profile <name>', 'lan, wan or slow (default: lan)')
    .option('--byzantine <count>', 'Byzantine validators (default: as many as are tolerated)')
    .option(
      '--whole',
      'whole nodes with members, on a simulated Bitcoin (default: agreement alone)',
    )
    .option('--replay <seed>', 'one run again')
    .option('--trace', 'with --replay: every event and what came of it, on standard output')
  handle(command, io, simulate)
}

async function simulate(call: CommandCall): Promise<void> {
  const options = simulateOptions.parse(call.options)
  const validators = parseWhole(options.validators, '--validators', { min: 1, max: MAX_VALIDATORS })
  const place = { validators, profile: options.profile }
  const world: World =
    options.byzantine === undefined
      ? place
      : {
          ...place,
          byzantine: parseWhole(options.byzantine, '--byzantine', { min: 0, max: validators }),
        }
  installNativeBackends(call.context.io.env)
  if (options.replay !== undefined) {
    const seed = parseWhole(options.replay, '--replay', { min: 0, max: MAX_SEED })
    if (options.trace && call.context.output.json)
      throw usageError('--trace is text: leave out --json')
    const again = options.whole ? replayWhole : replay
    return again(call.context, seed, world, options.trace)
  }
  if (options.trace) throw usageError('--trace needs --replay SEED')
  const from = parseWhole(options.from, '--from', { min: 0, max: MAX_SEED })
  const seeds = parseWhole(options.seeds, '--seeds', { min: 1, max: MAX_SEED })
  return (options.whole ? sweepWhole : sweep)(call.context, { ...world, from, seeds })
}

/** One run. With a trace, standard output is the trace and the outcome goes to standard error. */
function replay(context: CommandContext, seed: number, world: World, isTraced: boolean): void {
  const { io, output } = context
  const write = (line: string): void => io.out(`${line}\n`)
  const run = optionsOfSeed(seed, world)
  try {
    const result = isTraced ? simulateConsensus(run, write) : simulateConsensus(run)
    const { tips: _tips, ...figures } = result
    if (isTraced) output.progress(`seed ${seed}: ${result.height} heights, nothing broken`)
    else output.result({ seed, ...figures }, () => fields(rowsOf({ seed, ...figures })))
  } catch (cause) {
    throw broken([{ seed, what: describeFailure(cause) }], world, false)
  }
}

function rowsOf(figures: object): [string, string][] {
  return Object.entries(figures).map(([name, value]) => [name, String(value)])
}

async function sweep(
  context: CommandContext,
  options: World & { readonly from: number; readonly seeds: number },
): Promise<void> {
  const { io, output } = context
  const startedMs = io.clock.monotonicMs()
  let toldMs = startedMs
  let last: SweepTotals | undefined
  for (const totals of sweepSeeds(options)) {
    last = totals
    if (io.clock.monotonicMs() - toldMs < PROGRESS_MS) continue
    toldMs = io.clock.monotonicMs()
    const { failures, heights } = totals
    output.progress(
      `${totals.seeds}/${options.seeds} seeds, ${heights} heights, ${failures.length} failures`,
    )
    // Lets a signal in.
    await new Promise<void>((resolve) => void io.timers.after(0, resolve))
    io.interrupted.throwIfAborted()
  }
  if (last === undefined) return
  const totals = last
  const { adversaries, ...figures } = totals
  const elapsedMs = Math.round(io.clock.monotonicMs() - startedMs)
  const replays = totals.failures.map(({ seed }) => replayCommand(seed, options))
  const kinds = Object.fromEntries(adversaries)
  const result = { ...options, ...figures, elapsedMs, adversaries: kinds, replays }
  output.result(result, () => report(totals, options, elapsedMs))
  if (totals.failures.length > 0) throw broken(totals.failures, options, true)
}

function report(totals: SweepTotals, world: World, elapsedMs: number): string {
  const { validators, profile } = world
  const virtualHours = (totals.virtualMs / 3_600_000).toFixed(2)
  const rows = [
    ['validators', `${validators}, ${profile}`],
    ['seeds', String(totals.seeds)],
    ['heights decided', String(totals.heights)],
    ['of them empty', String(totals.emptyBlocks)],
    ['crashes', String(totals.crashes)],
    ['disk errors', String(totals.diskErrors)],
    ['evidence', String(totals.evidence)],
    ['packets', String(totals.packets)],
    ['longest recovery', `${totals.recoveryMs} ms, ${totals.recoveryViews} views`],
    ['virtual time', `${virtualHours} h in ${(elapsedMs / 1_000).toFixed(1)} s`],
    ['failures', String(totals.failures.length)],
  ] as const
  const failures = totals.failures.slice(0, FAILURES_SHOWN).map(describe)
  if (totals.failures[0] !== undefined) {
    failures.push(`see it again: ${replayCommand(totals.failures[0].seed, world)}`)
  }
  const kinds = [...totals.adversaries].toSorted(([a], [b]) => (a < b ? -1 : 1))
  const adversaries = table(
    ['adversary', 'runs'],
    kinds.map(([kind, runs]) => [kind, String(runs)]),
  )
  return [fields(rows), ...(kinds.length === 0 ? [] : [adversaries]), ...failures].join('\n\n')
}

function describe({ seed, what }: SeedFailure): string {
  return `seed ${seed}: ${what}`
}

function replayCommand(seed: number, world: World): string {
  const { validators, profile, byzantine } = world
  const more = byzantine === undefined ? '' : ` --byzantine ${byzantine}`
  return `causeway simulate --replay ${seed} --validators ${validators} --profile ${profile}${more} --trace`
}

/** `isTold`: the sweep's result names the seeds already. */
function broken(failures: readonly SeedFailure[], world: World, isTold: boolean): CliError {
  const hint = replayCommand(failures[0]?.seed ?? 0, world)
  const message = failures.slice(0, FAILURES_SHOWN).map(describe).join('\n')
  return new CliError(EXIT.failed, 'invariant-broken', message, { hint, isTold })
}
