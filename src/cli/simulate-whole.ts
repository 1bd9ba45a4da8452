/**
 * `causeway simulate --whole`: the production node and member, whole, on virtual time: seeds swept, or one
 * of them again with its trace.
 */

import type { ProfileName } from '../simulator/latency-profiles.ts'
import type { SeedFailure } from '../simulator/seed-sweep.ts'
import {
  describeBrokenPromise,
  simulateWholeNodes,
} from '../simulator/whole-node/whole-simulation.ts'
import {
  sweepWholeSeeds,
  type WholeTotals,
  wholeOptionsOfSeed,
} from '../simulator/whole-node/whole-sweep.ts'
import { CliError } from './cli-error.ts'
import type { CommandContext } from './command-context.ts'
import { EXIT } from './exit-codes.ts'
import { fields, table } from './output.ts'

const FAILURES_SHOWN = 10

export interface WholeWorld {
  readonly validators: number
  readonly profile: ProfileName
  readonly byzantine?: number
}

/** With a trace, standard output is the trace and the outcome goes to standard error. */
export async function replayWhole(
  { io, output }: CommandContext,
  seed: number,
  world: WholeWorld,
  isTraced: boolean,
): Promise<void> {
  const write = isTraced ? (line: string): void => io.out(`${line}\n`) : undefined
  try {
    const result = await simulateWholeNodes(wholeOptionsOfSeed(seed, world), write)
    if (isTraced) {
      output.progress(`seed ${seed}: ${result.height} heights, nothing broken`)
      return
    }
    output.result({ seed, ...result }, () =>
      fields(Object.entries(result).map(([name, value]) => [name, JSON.stringify(value)])),
    )
  } catch (cause) {
    throw broken([{ seed, what: describeBrokenPromise(cause) }], world, false)
  }
}

export async function sweepWhole(
  { io, output }: CommandContext,
  options: WholeWorld & { readonly from: number; readonly seeds: number },
): Promise<void> {
  const startedMs = io.clock.monotonicMs()
  let totals: WholeTotals | undefined
  for await (const sum of sweepWholeSeeds(options)) {
    totals = sum
    const { seeds, heights, failures } = sum
    output.progress(
      `${seeds}/${options.seeds} seeds, ${heights} heights, ${failures.length} failures`,
    )
    io.interrupted.throwIfAborted()
  }
  if (totals === undefined) return
  const { adversaries, faults, ...figures } = totals
  const elapsedMs = Math.round(io.clock.monotonicMs() - startedMs)
  const result = {
    ...options,
    ...figures,
    elapsedMs,
    faults: Object.fromEntries(faults),
    adversaries: Object.fromEntries(adversaries),
    replays: totals.failures.map(({ seed }) => replayCommand(seed, options)),
  }
  const shown = totals
  output.result(result, () => report(shown, options, elapsedMs))
  if (totals.failures.length > 0) throw broken(totals.failures, options, true)
}

function report(totals: WholeTotals, world: WholeWorld, elapsedMs: number): string {
  const virtualHours = (totals.virtualMs / 3_600_000).toFixed(2)
  const rows = [
    ['whole nodes', `${world.validators}, ${world.profile}`],
    ['seeds', `${totals.seeds}, ${totals.ceremonies} of them with key generation`],
    ['validators joined', String(totals.changes)],
    ['heights decided', String(totals.heights)],
    ['deposits minted', String(totals.deposits)],
    ['payments tried', String(totals.payments)],
    ['releases paid', String(totals.releases)],
    ['batches replaced', String(totals.replacements)],
    ['upkeep batches', String(totals.upkeeps)],
    ['times frozen', String(totals.freezes)],
    ['votes', String(totals.votes)],
    ['packets', String(totals.packets)],
    ['longest recovery', `${totals.recoveryMs} ms, ${totals.recoveryViews} views`],
    ['virtual time', `${virtualHours} h in ${(elapsedMs / 1_000).toFixed(1)} s`],
    ['failures', String(totals.failures.length)],
  ] as const
  const faults = countTable('fault', 'times', totals.faults)
  const adversaries = countTable('adversary', 'runs', totals.adversaries)
  const failures = totals.failures.slice(0, FAILURES_SHOWN).map(describe)
  const [first] = totals.failures
  if (first !== undefined) failures.push(`see it again: ${replayCommand(first.seed, world)}`)
  return [fields(rows), faults, adversaries, ...failures].filter((part) => part !== '').join('\n\n')
}

function countTable(what: string, count: string, counts: ReadonlyMap<string, number>): string {
  if (counts.size === 0) return ''
  const sorted = [...counts].toSorted(([a], [b]) => (a < b ? -1 : 1))
  return table(
    [what, count],
    sorted.map(([kind, times]) => [kind, String(times)]),
  )
}

function describe({ seed, what }: SeedFailure): string {
  return `seed ${seed}: ${what}`
}

function replayCommand(seed: number, world: WholeWorld): string {
  const { validators, profile, byzantine } = world
  const more = byzantine === undefined ? '' : ` --byzantine ${byzantine}`
  return (
    `causeway simulate --whole --replay ${seed} --validators ${validators} ` +
    `--profile ${profile}${more} --trace`
  )
}

/** `isTold`: the sweep's result names the seeds already. */
function broken(failures: readonly SeedFailure[], world: WholeWorld, isTold: boolean): CliError {
  const hint = replayCommand(failures[0]?.seed ?? 0, world)
  const message = failures.slice(0, FAILURES_SHOWN).map(describe).join('\n')
  return new CliError(EXIT.failed, 'invariant-broken', message, { hint, isTold })
}
