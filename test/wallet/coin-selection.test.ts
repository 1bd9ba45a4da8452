import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Sats, sats } from '../../src/primitives/units.ts'
import {
  type Candidate,
  type SelectionGoal,
  selectCoins,
  worthwhileCoins,
} from '../../src/wallet/coin-selection.ts'
import { type FeeRate, feeOfWeight, feeRate, parseFeeRate } from '../../src/wallet/fee-rate.ts'
import { WalletError } from '../../src/wallet/wallet-error.ts'

function goal(target: Sats, rate: FeeRate): SelectionGoal {
  return {
    target,
    baseWeight: 42 + 172,
    changeWeight: 172,
    changeInputWeight: 230,
    dust: sats(330),
    feeRate: rate,
  }
}

const candidate: fc.Arbitrary<Candidate> = fc.record({
  value: fc.bigInt({ min: 0n, max: 10_000_000n }).map((value) => sats(value)),
  inputWeight: fc.constantFrom(230, 272),
})
const rates = fc.bigInt({ min: 1_000n, max: 300_000n }).map(feeRate)
const targets = fc.bigInt({ min: 330n, max: 20_000_000n }).map((value) => sats(value))

function weightOf(coins: readonly Candidate[], base: number): number {
  return coins.reduce((sum, { inputWeight }) => sum + inputWeight, base)
}

function valueOf(coins: readonly Candidate[]): bigint {
  return coins.reduce((sum, { value }) => sum + value, 0n)
}

describe('a selection', () => {
  test('balances, pays the fee rate, never makes dust, and uses no coin twice', () => {
    fc.assert(
      fc.property(fc.array(candidate, { maxLength: 40 }), targets, rates, (coins, target, rate) => {
        const wanted = goal(target, rate)
        let selection: ReturnType<typeof selectCoins<Candidate>>
        try {
          selection = selectCoins(coins, wanted)
        } catch (error) {
          // Only when all worthwhile coins together fall short.
          expect(error).toMatchObject({ code: 'insufficient-funds' })
          const all = worthwhileCoins(coins, rate)
          const fee = feeOfWeight(rate, weightOf(all, wanted.baseWeight))
          expect(valueOf(all)).toBeLessThan(target + fee)
          return
        }
        const { change, fee } = selection
        expect(valueOf(selection.coins)).toBe(target + change + fee)
        const weight = weightOf(selection.coins, wanted.baseWeight) + (change > 0n ? 172 : 0)
        expect(fee).toBeGreaterThanOrEqual(feeOfWeight(rate, weight))
        if (change > 0n) {
          expect(change).toBeGreaterThanOrEqual(wanted.dust)
          expect(fee).toBe(feeOfWeight(rate, weight))
        }
        expect(new Set(selection.coins).size).toBe(selection.coins.length)
      }),
      { numRuns: 300 },
    )
  })

  test('finds the set that needs no change where one exists', () => {
    const rate = parseFeeRate('1')
    const coins = [70_000, 50_000, 30_000, 12_345].map((value) => ({
      value: sats(value),
      inputWeight: 230,
    }))
    const exactFee = feeOfWeight(rate, 214 + 2 * 230)
    const selection = selectCoins(coins, goal(sats(62_345n - exactFee - 2n), rate))
    expect(selection.change).toBe(0n)
    expect(selection.coins.map(({ value }) => value)).toEqual([50_000n, 12_345n])
  })

  test('takes the largest coin first when change is needed anyway', () => {
    const coins = [1_000_000, 5_000_000, 2_000_000].map((value) => ({
      value: sats(value),
      inputWeight: 230,
    }))
    const selection = selectCoins(coins, goal(sats(3_500_000), parseFeeRate('2')))
    expect(selection.coins.map(({ value }) => value)).toEqual([5_000_000n])
    expect(selection.change).toBe(1_500_000n - selection.fee)
  })

  test('leaves out coins that cost more than they bring, and zero-value carriers', () => {
    const coins = [0, 500, 100_000].map((value) => ({ value: sats(value), inputWeight: 230 }))
    expect(worthwhileCoins(coins, parseFeeRate('10'))).toEqual([coins[2]])
  })

  test('of too many small coins is refused, because nodes would not relay it', () => {
    const coins = Array.from({ length: 2_000 }, () => ({ value: sats(1_000), inputWeight: 230 }))
    expect(() => selectCoins(coins, goal(sats(1_800_000), parseFeeRate('1')))).toThrow(
      expect.objectContaining({ code: 'too-large' }),
    )
  })

  test('says what is missing when funds do not suffice', () => {
    const coins = [{ value: sats(1_000), inputWeight: 230 }]
    expect(() => selectCoins(coins, goal(sats(5_000), parseFeeRate('1')))).toThrow(WalletError)
    expect(() => selectCoins([], goal(sats(5_000), parseFeeRate('1')))).toThrow('0 can be spent')
  })
})

describe('fee rates', () => {
  test.each([
    ['1', 1_000n],
    ['1.5', 1_500n],
    ['0.253', 253n],
    ['10000', 10_000_000n],
  ])('%s sat/vB', (text, satsPerKvb) => {
    expect(parseFeeRate(text)).toBe(satsPerKvb)
  })

  test.each(['', '-1', '1,5', '1e3', '0.0001', '10001', ' 1'])('%j is refused', (text) => {
    expect(() => parseFeeRate(text)).toThrow(RangeError)
  })

  test('the fee is rounded up twice: to whole vB and to whole satoshis', () => {
    expect(feeOfWeight(parseFeeRate('1'), 401)).toBe(101n)
    expect(feeOfWeight(parseFeeRate('1.001'), 400)).toBe(101n)
  })
})
