import { describe, expect, it } from 'vitest'
import { feeEstimates, feeHistogram, recommendedFees } from '../../src/api/fee-estimates.ts'
import type { MempoolItem } from '../../src/api/ports.ts'
import { sats } from '../../src/primitives/units.ts'
import { apiFixture } from '../support/api-fixture.ts'
import { ALICE, ChainFixture, l1OutPoint, output, payment } from '../support/chain-fixture.ts'

const transaction = payment([l1OutPoint(1)], [output(1, ALICE)])

/** `count` transactions of 50,000 virtual bytes at a rate in satoshis per byte. */
function crowd(count: number, rate: number): MempoolItem[] {
  return Array.from({ length: count }, () => ({
    transaction,
    fee: sats(rate * 50_000),
    vsize: 50_000,
    timeS: 0,
  }))
}

describe('fee estimates', () => {
  it('are the relay minimum on an idle chain, for every target of Esplora', async () => {
    const api = apiFixture(new ChainFixture())
    const estimates = (await api.json('/api/fee-estimates')) as Record<string, number>
    const targets = [...Array.from({ length: 25 }, (_, i) => String(i + 1)), '144', '504', '1008']
    expect(Object.keys(estimates)).toEqual(targets)
    expect(new Set(Object.values(estimates))).toEqual(new Set([1]))
    expect(await api.json('/api/v1/fees/recommended')).toEqual({
      fastestFee: 1,
      halfHourFee: 1,
      hourFee: 1,
      economyFee: 1,
      minimumFee: 1,
    })
  })

  it('rise with what waits ahead', () => {
    // 250,000 virtual bytes a block: five of these.
    const estimates = feeEstimates([...crowd(7, 3), ...crowd(5, 20)])
    expect(estimates).toMatchObject({ 1: 20, 2: 3, 3: 1, 144: 1 })
    expect(recommendedFees(crowd(5, 20)).fastestFee).toBe(20)
  })

  it('are worked out once a second at most', async () => {
    const chain = new ChainFixture()
    const api = apiFixture(chain)
    const count = async (): Promise<unknown> =>
      ((await api.json('/api/mempool')) as { count: number }).count
    expect(await count()).toBe(0)
    chain.addWaiting(transaction, 100)
    chain.monotonicMs += 999
    expect(await count()).toBe(0)
    chain.monotonicMs += 1
    expect(await count()).toBe(1)
  })

  it('come with a histogram in bins of more than 50,000 virtual bytes', () => {
    expect(feeHistogram([])).toEqual([])
    expect(feeHistogram([...crowd(1, 5), ...crowd(2, 9), ...crowd(1, 2)])).toEqual([
      [9, 100_000],
      [2, 100_000],
    ])
  })
})
