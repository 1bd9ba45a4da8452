import { describe, expect, it } from 'vitest'
import { createFeeRates } from '../../federation/fee-rates.ts'
import { L1UnavailableError } from '../../federation/l1/l1-error.ts'
import { testParams } from '../support/chain-world.ts'
import { TestRuntime } from './peg-world.ts'

function rates(estimate: () => number | undefined, lastRate = 0) {
  const { clock, time } = new TestRuntime()
  let asked = 0
  const feeRates = createFeeRates({
    params: testParams(),
    l1: {
      estimateFeeRate: async () => {
        asked += 1
        return estimate()
      },
    },
    clock,
    lastRate: () => lastRate,
  })
  return { feeRates, asked: () => asked, advance: (ms: number) => time.runUntil(time.nowMs + ms) }
}

describe('the fee rate', () => {
  it('is the estimate within the network\u2019s bounds, and the floor without one', async () => {
    const cases: [number | undefined, number][] = [
      [12_345.6, 12_346],
      [5, 1_000],
      [1e12, 200_000],
      [undefined, 1_000],
      [Number.NaN, 1_000],
      [Number.POSITIVE_INFINITY, 1_000],
    ]
    for (const [estimate, rate] of cases) {
      const { feeRates } = rates(() => estimate)
      await feeRates.refresh()
      expect(feeRates.proposal()).toBe(rate)
    }
  })

  it('finds another\u2019s rate reasonable within a factor of four of its own', async () => {
    const { feeRates } = rates(() => 8_000)
    await feeRates.refresh()
    const judged = [1_999, 2_000, 8_000, 32_000, 32_001].map((rate) => feeRates.isReasonable(rate))
    expect(judged).toEqual([false, true, true, true, false])
  })

  it('repeats the last block without an opinion, and lets nobody raise it', async () => {
    const { feeRates } = rates(() => {
      throw new L1UnavailableError('down')
    }, 20_000)
    await expect(feeRates.refresh()).rejects.toThrow(L1UnavailableError)
    expect(feeRates.proposal()).toBe(20_000)
    expect([4_999, 5_000, 20_000, 20_001].map((rate) => feeRates.isReasonable(rate))).toEqual([
      false,
      true,
      true,
      false,
    ])
  })

  it('asks now and then, and has no opinion once its answer is old', async () => {
    const { feeRates, asked, advance } = rates(() => 50_000)
    await feeRates.refresh()
    await feeRates.refresh()
    expect(asked()).toBe(1)
    advance(10_000)
    await feeRates.refresh()
    expect(asked()).toBe(2)
    advance(31 * 60_000)
    expect(feeRates.proposal()).toBe(1_000)
    expect(feeRates.isReasonable(50_000)).toBe(false)
  })
})
