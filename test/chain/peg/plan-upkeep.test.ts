import { describe, expect, it } from 'vitest'
import type { ChainParams } from '../../../src/chain/params.ts'
import { changeOutputs, currentVersion } from '../../../src/chain/peg/batches.ts'
import { reserveCoins } from '../../../src/chain/peg/reserves.ts'
import { sats } from '../../../src/primitives/units.ts'
import { aUser, testParams } from '../../support/chain-world.ts'
import { PegModel, QUIET, sum } from './peg-model.ts'

const base = testParams()
const target = aUser('on L1').script

function pegParams(peg: Partial<ChainParams['peg']>): ChainParams {
  return { ...base, peg: { ...base.peg, depositTiers: [], ...peg } }
}

const coinsOf = (model: PegModel) => [...reserveCoins(model.state)]
const confirmAll = (model: PegModel) =>
  model.open().map((batch) => currentVersion(batch).transaction)
const times = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value)

describe('upkeep', () => {
  it('joins the smallest coins when there are too many, while L1 is cheap', () => {
    const model = new PegModel(pegParams({ reserveCoinsMax: 8, upkeepFeeRateMax: 2_000 }))
    const deposits = [...times(8, 50_000n), ...times(4, 10_000n)]
    model.block({ ...QUIET, deposits, gifts: [100_000n], feeRate: 2_001 })
    expect(model.open()).toEqual([])
    model.block({ ...QUIET, l1Blocks: 1, feeRate: 2_000 })
    const [batch] = model.open()
    expect(batch).toMatchObject({ kind: 'upkeep', releaseIds: [] })
    const { transaction, fee } = currentVersion(batch!)
    expect(transaction.inputs).toHaveLength(6)
    expect(transaction.outputs).toHaveLength(1)
    expect(transaction.outputs[0]?.value).toBe(2n * 50_000n + 4n * 10_000n - fee)
    model.block({ ...QUIET, onL1: confirmAll(model) })
    expect(coinsOf(model)).toHaveLength(8)
    expect(model.books.totals.feeReserve).toBe(100_000n - fee)
  })

  it('spends nothing that the fee reserve does not hold, and no more than half on what can wait', () => {
    const model = new PegModel(pegParams({ reserveCoinsMax: 4 }))
    model.block({ ...QUIET, deposits: times(12, 10_000n) })
    expect(model.open()).toEqual([])
    model.block({ ...QUIET, gifts: [10_000n], feeRate: 10_000 })
    model.block({ ...QUIET, l1Blocks: 1, feeRate: 10_000 })
    expect(model.open()).toEqual([])
    model.block({ ...QUIET, l1Blocks: 1 })
    expect(model.open()).toHaveLength(1)
  })

  it('gathers coins for a release that needs more of them than one batch can spend', () => {
    const model = new PegModel(pegParams({ reserveCoinsMax: 9_999 }))
    model.block({ ...QUIET, deposits: times(250, 10_000n), gifts: [1_000_000n] })
    // A gift is a coin too; without it the release is beyond every hundred coins.
    model.block({ ...QUIET, burns: [{ value: 2_400_000n, l1Script: target }], feeRate: 1_000 })
    for (let round = 0; round < 8 && !model.paid.has(0); round++) {
      model.block({ ...QUIET, l1Blocks: 1, onL1: confirmAll(model) })
    }
    expect(model.paid.get(0)).toBe(1)
  })

  it('moves coins of an old key epoch to the new one, while releases go on', () => {
    const model = new PegModel(base)
    model.block({ ...QUIET, deposits: [300_000n, 200_000n, 100_000n], gifts: [20_000n] })
    model.nextEpoch()
    model.block({ ...QUIET, l1Blocks: 1 })
    const [sweep] = model.open()
    expect(sweep).toMatchObject({ kind: 'upkeep', keyEpoch: 0, changeKeyEpoch: 1 })
    // The largest stays until the new epoch has coins of its own.
    expect(currentVersion(sweep!).transaction.inputs).toHaveLength(3)
    model.block({ ...QUIET, burns: [{ value: 100_000n, l1Script: target }] })
    model.block(QUIET)
    const payment = model.open().find(({ kind }) => kind === 'payment')
    expect(payment).toMatchObject({ keyEpoch: 0, changeKeyEpoch: 1, releaseIds: [0] })
    model.block({ ...QUIET, onL1: confirmAll(model) })
    expect(new Set(coinsOf(model).map(({ keyEpoch }) => keyEpoch))).toEqual(new Set([1]))
    expect(model.open()).toEqual([])
  })

  it('moves coins long before the recovery leaf opens on them, all of them in two turns', () => {
    const model = new PegModel(pegParams({ refreshAfterL1Blocks: 10 }))
    model.block({ ...QUIET, deposits: [300_000n, 200_000n], gifts: [20_000n] })
    model.block({ ...QUIET, l1Blocks: 9 })
    expect(model.open()).toEqual([])
    model.block({ ...QUIET, l1Blocks: 1, feeRate: 50_000 })
    expect(model.open()).toHaveLength(1)
    model.block({ ...QUIET, onL1: confirmAll(model) })
    model.block({ ...QUIET, onL1: confirmAll(model) })
    expect(coinsOf(model).every(({ l1Height }) => l1Height > 10)).toBe(true)
    const { totals } = model.books
    expect(sum(coinsOf(model).map(({ value }) => value))).toBe(totals.supply + totals.feeReserve)
  })

  it('splits the change of payments while there are few coins', () => {
    const model = new PegModel(pegParams({ reserveCoinsMin: 3, splitCoinMinSats: sats(100_000) }))
    model.block({ ...QUIET, deposits: [1_000_000n] })
    model.block({ ...QUIET, burns: [{ value: 750_000n, l1Script: target }] })
    model.block(QUIET)
    // Three parts of the rest would be below the least.
    const [batch] = model.open()
    expect(changeOutputs(batch!, currentVersion(batch!))).toHaveLength(2)
  })
})
