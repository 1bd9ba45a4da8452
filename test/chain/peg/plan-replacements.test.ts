import { describe, expect, it } from 'vitest'
import { transactionId } from '../../../src/bitcoin/transaction.ts'
import type { ChainParams } from '../../../src/chain/params.ts'
import { signedVsize } from '../../../src/chain/peg/batch-transaction.ts'
import {
  changeOutputs,
  currentVersion,
  findBatch,
  MAX_BATCH_VERSIONS,
} from '../../../src/chain/peg/batches.ts'
import { releaseFee } from '../../../src/chain/peg/release-fees.ts'
import { reserveCoins } from '../../../src/chain/peg/reserves.ts'
import { aUser, testParams } from '../../support/chain-world.ts'
import { inputKeys, PegModel, QUIET } from './peg-model.ts'

const base = testParams()
const params: ChainParams = {
  ...base,
  peg: { ...base.peg, depositTiers: [], bumpAfterL1Blocks: 2, reserveCoinsMin: 1 },
}
const target = aUser('on L1').script

/** One release in an open batch, and this fee reserve. */
function withBatch(gift = 100_000n, deposits = [1_000_000n]): PegModel {
  const model = new PegModel(params)
  model.block({ ...QUIET, deposits, gifts: gift === 0n ? [] : [gift] })
  model.block({ ...QUIET, burns: [{ value: 600_000n, l1Script: target }] })
  if (model.open().length === 0) model.block(QUIET)
  return model
}

const versionsOf = (model: PegModel) => findBatch(model.state, 0)!.versions

describe('a batch that L1 does not take', () => {
  it('is replaced after the interval, when the rate has risen, with the same payments', () => {
    const model = withBatch()
    model.block({ ...QUIET, l1Blocks: 1, feeRate: 9_000 })
    expect(versionsOf(model)).toHaveLength(1)
    model.block({ ...QUIET, l1Blocks: 1, feeRate: 9_000 })
    const [first, second] = versionsOf(model)
    expect(second?.feeRate).toBeGreaterThanOrEqual(9_000)
    expect(second?.transaction.outputs[0]).toEqual(first?.transaction.outputs[0])
    expect(second?.l1Height).toBe(model.books.l1Height)
    // The next one has to wait as long.
    model.block({ ...QUIET, l1Blocks: 1, feeRate: 90_000 })
    expect(versionsOf(model)).toHaveLength(2)
  })

  it('stays as it is while the rate has not risen, and without L1 headers', () => {
    const model = withBatch()
    model.block({ ...QUIET, l1Blocks: 5, feeRate: 1_000 })
    for (let count = 0; count < 3; count++) model.block({ ...QUIET, feeRate: 50_000 })
    expect(versionsOf(model)).toHaveLength(1)
  })

  it('goes as far as the fee reserve reaches, and never above the ceiling', () => {
    const poor = withBatch(0n)
    const { feeReserve } = poor.books.totals
    poor.block({ ...QUIET, l1Blocks: 2, feeRate: 200_000 })
    const [first, second] = versionsOf(poor)
    expect((second?.fee ?? 0n) - (first?.fee ?? 0n)).toBe(feeReserve)
    expect(poor.books.totals.feeReserve).toBe(0n)
    poor.block({ ...QUIET, l1Blocks: 2, feeRate: 200_000 })
    expect(versionsOf(poor)).toHaveLength(2)

    const rich = withBatch(10_000_000n)
    for (let count = 0; count < 2 * MAX_BATCH_VERSIONS; count++) {
      const rate = Math.min(200_000, currentVersion(findBatch(rich.state, 0)!).feeRate + 1)
      rich.block({ ...QUIET, l1Blocks: 2, feeRate: rate })
    }
    expect(versionsOf(rich).length).toBeLessThanOrEqual(MAX_BATCH_VERSIONS)
    expect(versionsOf(rich).at(-1)?.feeRate).toBeGreaterThan(190_000)
    expect(versionsOf(rich).at(-1)?.feeRate).toBeLessThanOrEqual(200_000)
  })

  it('takes further coins when its change cannot pay', () => {
    // The first coin leaves a small change only.
    const model = withBatch(50_000n, [601_000n, 400_000n])
    expect(currentVersion(findBatch(model.state, 0)!).transaction.inputs).toHaveLength(1)
    model.block({ ...QUIET, l1Blocks: 2, feeRate: 40_000 })
    const batch = findBatch(model.state, 0)!
    const [first, second] = batch.versions
    expect(second?.transaction.inputs).toHaveLength(2)
    expect(inputKeys(batch, 1)).toEqual(expect.arrayContaining([...inputKeys(batch, 0)]))
    expect(second!.fee).toBeGreaterThanOrEqual(
      first!.fee + BigInt(signedVsize(second!.transaction)),
    )
  })

  it('is closed by whichever version L1 has: books and coins are that version’s', () => {
    const model = withBatch(50_000n, [601_000n, 400_000n])
    model.block({ ...QUIET, l1Blocks: 2, feeRate: 40_000 })
    const { feeReserve } = model.books.totals
    const [first, second] = versionsOf(model)
    model.block({ ...QUIET, onL1: [first!.transaction] })
    expect(findBatch(model.state, 0)?.status).toMatchObject({ kind: 'confirmed', version: 0 })
    expect(model.books.totals.feeReserve).toBe(feeReserve + second!.fee - first!.fee)
    const coins = [...reserveCoins(model.state)]
    // The coin that only the second version would have spent is free again.
    expect(coins.some(({ value }) => value === 400_000n)).toBe(true)
    expect(coins.every(({ batchId }) => batchId === undefined)).toBe(true)
    const change = changeOutputs(findBatch(model.state, 0)!, first!)
    const txid = transactionId(first!.transaction)
    expect(coins.filter(({ outPoint }) => outPoint.txid === txid)).toHaveLength(change.length)
  })
})

describe('the fee of a release', () => {
  it('is what was shown, or less, until L1 has had two more blocks', () => {
    const model = new PegModel(params)
    model.block({ ...QUIET, deposits: [9_000_000n] })
    const burns = [{ value: 100_000n, l1Script: target }]
    const feeAt = (id: number) => model.releases()[id]?.fee
    // Shown: the current rate. Charged: the lower of the last two.
    model.block({ ...QUIET, l1Blocks: 1, feeRate: 50_000 })
    expect(model.books.feeRates).toEqual({ current: 50_000, previous: 1_000 })
    model.block({ ...QUIET, burns })
    expect(feeAt(0)).toBe(releaseFee(params, 1_000, target))
    model.block({ ...QUIET, l1Blocks: 1, feeRate: 80_000, burns })
    expect(feeAt(1)).toBe(releaseFee(params, 50_000, target))
    // Without headers rates stay, whatever blocks say.
    model.block({ ...QUIET, feeRate: 200_000, burns })
    expect(feeAt(2)).toBe(releaseFee(params, 50_000, target))
    expect(model.books.feeRates).toEqual({ current: 80_000, previous: 50_000 })
  })

  it('leaves L1 something to pay, or the burn is refused', () => {
    const model = new PegModel(params)
    model.block({ ...QUIET, deposits: [9_000_000n], feeRate: 200_000 })
    model.block({ ...QUIET, l1Blocks: 1, feeRate: 200_000 })
    const least = releaseFee(params, 200_000, target) + 330n
    const burn = (value: bigint) => model.block({ ...QUIET, burns: [{ value, l1Script: target }] })
    expect(burn(least - 1n)).toEqual(['burn-below-fee'])
    expect(burn(least)).toEqual([])
  })
})
