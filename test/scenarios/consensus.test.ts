/**
 * Agreement under faults, on virtual time, from fixed seeds. A failure names its seed; run it again
 * with `simulateConsensus({ seed, … })` and the options below.
 */

import { describe, expect, it } from 'vitest'
import { simulateConsensus } from '../../src/simulator/consensus-simulation.ts'

function seeds(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first + i)
}

/** All that a run leaves behind, comparable. */
function outcome(seed: number): object {
  const options = { seed, validators: 4, faultyMs: 5_000, transactions: 30 }
  const { tips, ...rest } = simulateConsensus(options)
  return { ...rest, tips: tips.map((tip) => tip?.hash) }
}

describe('agreement', () => {
  it.each([
    [4, 60],
    [5, 6],
    [6, 6],
    [7, 15],
    [10, 4],
  ])(
    'of %i validators, f of them Byzantine, holds and recovers in %i runs',
    (validators, runs) => {
      let heights = 0
      let crashes = 0
      let evidence = 0
      for (const seed of seeds(validators * 1_000, runs)) {
        const result = simulateConsensus({ seed, validators, faultyMs: 8_000, transactions: 40 })
        heights += result.height
        crashes += result.crashes
        evidence += result.evidence
      }
      // The runs were not about nothing.
      expect(heights).toBeGreaterThan(5 * runs)
      expect(crashes).toBeGreaterThan(runs)
      expect(evidence).toBeGreaterThan(0)
    },
    60_000,
  )

  it('of honest validators on a calm network keeps the pace, without a view lost', () => {
    const result = simulateConsensus({
      seed: 1,
      validators: 4,
      faultyMs: 5_000,
      transactions: 500,
      byzantine: 0,
      networkFaults: false,
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

  it('the same seed gives the same run', () => {
    expect(outcome(77)).toEqual(outcome(77))
  })

  it('more than f Byzantine validators stop it: the checkers see that', () => {
    const options = { seed: 2, validators: 4, faultyMs: 3_000, transactions: 20, byzantine: 3 }
    expect(() => simulateConsensus(options)).toThrow('seed 2, 4 validators')
  })
})
