import { describe, expect, it } from 'vitest'
import { simulateConsensus } from '../../src/simulator/consensus-simulation.ts'
import type { SimulationOptions } from '../../src/simulator/simulation-options.ts'

/** Between the first height and the last, the validators change twice. */
const LAST_BOUNDARY = 10

function optionsOf(seed: number): SimulationOptions {
  return { seed, validators: 4, faultyMs: 8_000, transactions: 80, changes: true }
}

describe('validators that change', () => {
  it('from four to five, and one of them for another, agree under crashes and partitions', () => {
    let crashes = 0
    let changed = 0
    for (let seed = 1; seed <= 40; seed++) {
      const result = simulateConsensus(optionsOf(seed))
      crashes += result.crashes
      if (result.height > LAST_BOUNDARY) changed += 1
    }
    // The runs were not about nothing.
    expect(crashes).toBeGreaterThan(80)
    expect(changed).toBeGreaterThan(30)
  })
})
