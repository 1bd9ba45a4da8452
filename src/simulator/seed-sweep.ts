/**
 * Many seeds, one after the other, and what they came to. A run that breaks a promise is part of the
 * outcome, with all that is needed to see it again.
 */

import { AssertionError } from '../primitives/assert.ts'
import { LogDamage } from '../storage/append-log-format.ts'
import type { AdversaryKind } from './adversaries/create-adversary.ts'
import { InvariantViolation, simulateConsensus } from './consensus-simulation.ts'
import type { ProfileName } from './latency-profiles.ts'
import type { SimulationOptions, SimulationResult } from './simulation-options.ts'

export interface SweepOptions {
  readonly from: number
  readonly seeds: number
  readonly validators: number
  readonly profile: ProfileName
  /** Default: as many as are tolerated. */
  readonly byzantine?: number
}

export interface SeedFailure {
  readonly seed: number
  readonly what: string
}

export interface SweepTotals {
  seeds: number
  heights: number
  emptyBlocks: number
  crashes: number
  diskErrors: number
  evidence: number
  packets: number
  virtualMs: number
  /** The longest, over all seeds. */
  recoveryMs: number
  recoveryViews: number
  /** Byzantine validators by what they did. */
  readonly adversaries: Map<AdversaryKind, number>
  readonly failures: SeedFailure[]
}

/** Long enough for a dozen troubles; a world is slower than a room. */
const FAULTY_MS = { lan: 8_000, wan: 24_000, slow: 24_000 } as const
const TRANSACTIONS = 40

/** What a seed means in a sweep, and in its replay. */
export function optionsOfSeed(
  seed: number,
  sweep: Omit<SweepOptions, 'from' | 'seeds'>,
): SimulationOptions {
  const { validators, profile, byzantine } = sweep
  const faultyMs = FAULTY_MS[profile]
  const options = { seed, validators, profile, faultyMs, transactions: TRANSACTIONS }
  return byzantine === undefined ? options : { ...options, byzantine }
}

function emptyTotals(): SweepTotals {
  return {
    seeds: 0,
    heights: 0,
    emptyBlocks: 0,
    crashes: 0,
    diskErrors: 0,
    evidence: 0,
    packets: 0,
    virtualMs: 0,
    recoveryMs: 0,
    recoveryViews: 0,
    adversaries: new Map(),
    failures: [],
  }
}

function add(totals: SweepTotals, result: SimulationResult): void {
  totals.heights += result.height
  totals.emptyBlocks += result.emptyBlocks
  totals.crashes += result.crashes
  totals.diskErrors += result.diskErrors
  totals.evidence += result.evidence
  totals.packets += result.packets
  totals.virtualMs += result.virtualMs
  totals.recoveryMs = Math.max(totals.recoveryMs, result.recoveryMs)
  totals.recoveryViews = Math.max(totals.recoveryViews, result.recoveryViews)
  for (const kind of result.adversaries) {
    totals.adversaries.set(kind, (totals.adversaries.get(kind) ?? 0) + 1)
  }
}

/** Yields the totals after every seed: the same object, growing. */
export function* sweepSeeds(options: SweepOptions): Generator<SweepTotals, SweepTotals> {
  const totals = emptyTotals()
  for (let seed = options.from; seed < options.from + options.seeds; seed++) {
    const failure = runSeed(optionsOfSeed(seed, options), totals)
    totals.seeds++
    if (failure !== undefined) totals.failures.push({ seed, what: failure })
    yield totals
  }
  return totals
}

/** What the run broke, if it did. */
function runSeed(options: SimulationOptions, totals: SweepTotals): string | undefined {
  try {
    add(totals, simulateConsensus(options))
    return undefined
  } catch (cause) {
    return describeFailure(cause)
  }
}

/** @throws what is no broken promise but a mistake of the simulator. */
export function describeFailure(cause: unknown): string {
  if (cause instanceof InvariantViolation) return cause.violations.join('; ')
  if (cause instanceof AssertionError || cause instanceof LogDamage) {
    return `${cause.name}: ${cause.message}`
  }
  throw cause
}
