/**
 * Agreement under faults, on virtual time, from fixed seeds. A failure names its seed; see it again
 * with `causeway simulate --replay SEED --validators N --profile NAME --trace`.
 */

import { describe, expect, it } from 'vitest'
import {
  ADVERSARY_KINDS,
  type AdversaryKind,
} from '../../src/simulator/adversaries/create-adversary.ts'
import { simulateConsensus } from '../../src/simulator/consensus-simulation.ts'
import type { ProfileName } from '../../src/simulator/latency-profiles.ts'
import { optionsOfSeed, type SweepTotals, sweepSeeds } from '../../src/simulator/seed-sweep.ts'
import { NO_FAULTS } from '../../src/simulator/simulation-options.ts'

function sweep(options: {
  from: number
  seeds: number
  validators: number
  profile: ProfileName
}): SweepTotals {
  const all = [...sweepSeeds(options)]
  return all.at(-1) as SweepTotals
}

/** All that a run leaves behind, comparable. */
function outcome(seed: number): object {
  const lines: string[] = []
  const { tips, ...rest } = simulateConsensus(
    optionsOfSeed(seed, { validators: 4, profile: 'lan' }),
    (line) => lines.push(line),
  )
  return { ...rest, tips: tips.map((tip) => tip?.hash), lines }
}

describe('agreement', () => {
  it.each<[number, ProfileName, number]>([
    [4, 'lan', 120],
    [5, 'lan', 10],
    [6, 'lan', 10],
    [7, 'lan', 30],
    [10, 'lan', 10],
    [4, 'wan', 20],
    [7, 'wan', 10],
    [4, 'slow', 10],
  ])('of %i validators (%s) holds and recovers in %i runs', (validators, profile, seeds) => {
    const totals = sweep({ from: validators * 1_000, seeds, validators, profile })
    expect(totals.failures).toEqual([])
    // The runs were not about nothing.
    expect(totals.heights).toBeGreaterThan(5 * seeds)
    expect(totals.crashes).toBeGreaterThan(seeds)
    expect(totals.diskErrors).toBeGreaterThan(0)
  })

  it('of fifty validators, sixteen of them Byzantine, holds and recovers', () => {
    const options = { seed: 50, validators: 50, faultyMs: 2_000, transactions: 20 }
    const result = simulateConsensus({ ...options, mode: 'safety' })
    expect(result.adversaries).toHaveLength(16)
    expect(result.height).toBeGreaterThan(0)
  })

  it.each(ADVERSARY_KINDS)('holds against one of four being: %s', (kind: AdversaryKind) => {
    for (let seed = 1; seed <= 4; seed++) {
      const options = optionsOfSeed(seed, { validators: 4, profile: 'lan', byzantine: 1 })
      const result = simulateConsensus({ ...options, adversaries: [kind] })
      expect(result.adversaries).toEqual([kind])
      expect(result.height).toBeGreaterThan(0)
    }
  })

  it('of honest validators on a calm network keeps the pace, without a view lost', () => {
    const result = simulateConsensus({
      seed: 2,
      validators: 4,
      faultyMs: 5_000,
      transactions: 500,
      mode: 'safety',
      byzantine: 0,
      faults: NO_FAULTS,
    })
    expect(result.evidence).toBe(0)
    // The least interval is 50 ms; three delays of 1 to 10 ms and two syncs fit into it, nearly.
    expect(result.height).toBeGreaterThan(5_000 / 100)
    // Two votes a block from each validator, and few others.
    expect(result.votes).toBeLessThan(result.height * 4 * 2 * 1.1)
  })

  it('without work makes no block at all', () => {
    const result = simulateConsensus({
      seed: 3,
      validators: 4,
      faultyMs: 5_000,
      transactions: 0,
      byzantine: 0,
    })
    expect(result).toMatchObject({ height: 0, votes: 0 })
  })

  it('the same seed gives the same run, to the last line of its trace', () => {
    expect(outcome(77)).toEqual(outcome(77))
  })
})

describe('more than f Byzantine validators', () => {
  it.each<[string, AdversaryKind[]]>([
    ['fork the chain', ['splitter', 'equivocator']],
    ['fork the chain with their twins', ['twins']],
    ['stop it by silence', ['silent']],
  ])('%s, and the checkers see that', (_, adversaries) => {
    const runs = Array.from({ length: 20 }, (_unused, i) => () => {
      const options = optionsOfSeed(i, { validators: 4, profile: 'lan', byzantine: 2 })
      simulateConsensus({ ...options, adversaries })
    })
    const broken = runs.filter((run) => {
      try {
        run()
        return false
      } catch (error) {
        expect(error).toMatchObject({ name: 'InvariantViolation' })
        return true
      }
    })
    expect(broken.length).toBeGreaterThan(0)
  })

  it('are named with their seed', () => {
    const options = optionsOfSeed(2, { validators: 4, profile: 'lan', byzantine: 2 })
    const run = (): unknown => simulateConsensus({ ...options, adversaries: ['silent'] })
    expect(run).toThrow('seed 2, 4 validators: ')
  })
})
