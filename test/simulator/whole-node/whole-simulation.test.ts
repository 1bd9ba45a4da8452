/**
 * Whole nodes under faults, on virtual time, from fixed seeds. A failure names its seed; see it again
 * with `causeway simulate --whole --replay SEED --validators N --profile NAME --trace`.
 */

import { describe, expect, it } from 'vitest'
import type { ProfileName } from '../../../src/simulator/latency-profiles.ts'
import { simulateWholeNodes } from '../../../src/simulator/whole-node/whole-simulation.ts'
import {
  sweepWholeSeeds,
  type WholeTotals,
  wholeOptionsOfSeed,
} from '../../../src/simulator/whole-node/whole-sweep.ts'

async function sweep(
  from: number,
  seeds: number,
  validators = 4,
  profile: ProfileName = 'lan',
): Promise<WholeTotals> {
  let totals: WholeTotals | undefined
  for await (const sum of sweepWholeSeeds({ from, seeds, validators, profile })) totals = sum
  if (totals === undefined) throw new TypeError('no seeds')
  return totals
}

async function traceOf(seed: number): Promise<readonly string[]> {
  const lines: string[] = []
  const options = wholeOptionsOfSeed(seed, { validators: 4, profile: 'lan' })
  const result = await simulateWholeNodes({ ...options, faultyMs: 15_000 }, (line) =>
    lines.push(line),
  )
  return [...lines, JSON.stringify(result)]
}

describe('whole nodes', () => {
  it('keep every promise in ten runs of four, with deposits, releases and every kind of trouble', async () => {
    const totals = await sweep(1, 10)
    expect(totals.failures).toEqual([])
    // The runs were not about nothing.
    expect(totals.heights).toBeGreaterThan(100)
    expect(totals.deposits).toBeGreaterThan(20)
    expect(totals.releases).toBeGreaterThan(20)
    for (const kind of ['crash', 'crash in a call', 'disk error', 'L1 reorganised'] as const) {
      expect(totals.faults.get(kind), kind).toBeGreaterThan(0)
    }
    expect(totals.adversaries.size).toBeGreaterThan(3)
  })

  it('keep them as seven, and around the world', async () => {
    expect((await sweep(1, 1, 7)).failures).toEqual([])
    expect((await sweep(1, 2, 4, 'wan')).failures).toEqual([])
  })

  it('make their own group key under faults, and pay with it', async () => {
    const options = wholeOptionsOfSeed(3, { validators: 4, profile: 'lan' })
    const result = await simulateWholeNodes({ ...options, ceremony: true, byzantine: 0 })
    expect(result.isCeremony).toBe(true)
    expect(result.releases).toBeGreaterThan(0)
  })

  it('take in a validator under faults, whose key proves itself on L1, and go on with five', async () => {
    const options = wholeOptionsOfSeed(1, { validators: 4, profile: 'lan' })
    const result = await simulateWholeNodes({ ...options, change: true, byzantine: 0 })
    expect(result.isChanged).toBe(true)
    expect(result.releases).toBeGreaterThan(0)
  })

  it('have the same run from the same seed, to the last line of its trace', async () => {
    const first = await traceOf(5)
    expect(first.length).toBeGreaterThan(500)
    expect(await traceOf(5)).toEqual(first)
  })

  it('without faults lose no view and end at once', async () => {
    const options = wholeOptionsOfSeed(2, { validators: 4, profile: 'lan' })
    const calm = { ...options, faults: false, byzantine: 0, ceremony: false }
    const result = await simulateWholeNodes(calm)
    expect(result).toMatchObject({ recoveryViews: 0, adversaries: [] })
    expect(result.releases).toBeGreaterThan(0)
  })
})

describe('more Byzantine members than are tolerated', () => {
  it('stop whole nodes by silence, and the checkers see that and name the seed', async () => {
    const options = wholeOptionsOfSeed(1, { validators: 4, profile: 'lan' })
    const run = simulateWholeNodes({
      ...options,
      ceremony: false,
      byzantine: 2,
      adversaries: ['mute'],
    })
    await expect(run).rejects.toThrow('seed 1, 4 whole nodes: ')
  })
})
