/**
 * Many seeds of whole nodes, one after the other, and what they came to. A run that breaks a promise is
 * part of the outcome, with all that is needed to see it again.
 */

import type { ProfileName } from '../latency-profiles.ts'
import type { SeedFailure } from '../seed-sweep.ts'
import type { NodeAdversaryKind } from './adversaries/node-adversaries.ts'
import { FAULT_KINDS, type FaultKind } from './whole-faults.ts'
import type { WholeOptions, WholeResult } from './whole-options.ts'
import { describeBrokenPromise, simulateWholeNodes } from './whole-simulation.ts'

export interface WholeSweepOptions {
  readonly from: number
  readonly seeds: number
  readonly validators: number
  readonly profile: ProfileName
  /** Default: the seed decides. */
  readonly byzantine?: number
}

export interface WholeTotals {
  seeds: number
  heights: number
  l1Heights: number
  deposits: number
  payments: number
  releases: number
  freezes: number
  upkeeps: number
  replacements: number
  /** Runs whose members made the key. */
  ceremonies: number
  /** Runs in which a validator has joined. */
  changes: number
  votes: number
  packets: number
  virtualMs: number
  /** The longest, over all seeds. */
  recoveryMs: number
  recoveryViews: number
  readonly faults: Map<FaultKind, number>
  readonly adversaries: Map<NodeAdversaryKind, number>
  readonly failures: SeedFailure[]
}

const FAULTY_MS = { lan: 30_000, wan: 60_000, slow: 60_000 } as const
const DEPOSITS = 5
const PAYMENTS = 16
const BURNS = 7

/** What a seed means in a sweep, and in its replay. */
export function wholeOptionsOfSeed(
  seed: number,
  sweep: Omit<WholeSweepOptions, 'from' | 'seeds'>,
): WholeOptions {
  const { validators, profile, byzantine } = sweep
  return {
    seed,
    validators,
    profile,
    faultyMs: FAULTY_MS[profile],
    deposits: DEPOSITS,
    payments: PAYMENTS,
    burns: BURNS,
    ...(byzantine === undefined ? {} : { byzantine }),
  }
}

/** Yields the totals after every seed: the same object, growing. */
export async function* sweepWholeSeeds(
  options: WholeSweepOptions,
): AsyncGenerator<WholeTotals, void> {
  const totals: WholeTotals = {
    seeds: 0,
    heights: 0,
    l1Heights: 0,
    deposits: 0,
    payments: 0,
    releases: 0,
    freezes: 0,
    upkeeps: 0,
    replacements: 0,
    ceremonies: 0,
    changes: 0,
    votes: 0,
    packets: 0,
    virtualMs: 0,
    recoveryMs: 0,
    recoveryViews: 0,
    faults: new Map(),
    adversaries: new Map(),
    failures: [],
  }
  for (let seed = options.from; seed < options.from + options.seeds; seed++) {
    try {
      add(totals, await simulateWholeNodes(wholeOptionsOfSeed(seed, options)))
    } catch (cause) {
      totals.failures.push({ seed, what: describeBrokenPromise(cause) })
    }
    totals.seeds += 1
    yield totals
  }
}

function add(totals: WholeTotals, result: WholeResult): void {
  totals.heights += result.height
  totals.l1Heights += result.l1Height
  totals.deposits += result.deposits
  totals.payments += result.payments
  totals.releases += result.releases
  totals.freezes += result.freezes
  totals.upkeeps += result.upkeeps
  totals.replacements += result.replacements
  totals.ceremonies += result.isCeremony ? 1 : 0
  totals.changes += result.isChanged ? 1 : 0
  totals.votes += result.votes
  totals.packets += result.packets
  totals.virtualMs += result.virtualMs
  totals.recoveryMs = Math.max(totals.recoveryMs, result.recoveryMs)
  totals.recoveryViews = Math.max(totals.recoveryViews, result.recoveryViews)
  for (const kind of FAULT_KINDS) {
    const count = result.faults[kind]
    if (count > 0) totals.faults.set(kind, (totals.faults.get(kind) ?? 0) + count)
  }
  for (const kind of result.adversaries) {
    totals.adversaries.set(kind, (totals.adversaries.get(kind) ?? 0) + 1)
  }
}
