import { describe, expect, it } from 'vitest'
import { medianTime } from '../../src/bitcoin/header.ts'
import { transactionId } from '../../src/bitcoin/transaction.ts'
import { coinsOf, EMPTY_STATE, StateOverlay } from '../../src/chain/state.ts'
import {
  type ChainTip,
  connectPendingCoins,
  headerTimeAfter,
  medianTimePast,
  spendableCoins,
} from '../../src/chain/tip.ts'
import { sats } from '../../src/primitives/units.ts'
import {
  anOutPoint,
  aUser,
  mintedWorld,
  spend,
  TestChain,
  testParams,
} from '../support/chain-world.ts'

const alice = aUser('alice')

describe('the tip', () => {
  it('knows the medians of itself and of its parent, over 11 blocks each', () => {
    const chain = new TestChain(testParams())
    const times = chain.state.tip.recentTimes.slice()
    for (let i = 0; i < 30; i++) {
      times.push(chain.extend().header.time)
      expect(medianTimePast(chain.state.tip)).toBe(medianTime(times.slice(-11)))
    }
    const payout = { value: sats(5), script: alice.script }
    const tip: ChainTip = {
      ...chain.state.tip,
      coinbase: { version: 2, inputs: [], outputs: [payout], lockTime: 0 },
    }
    const outPoint = { txid: transactionId(tip.coinbase!), vout: 0 }
    const overlay = new StateOverlay(EMPTY_STATE)
    connectPendingCoins(overlay, tip)
    const coin = coinsOf(overlay).findCoin(outPoint)
    expect(coin?.medianTimeBefore).toBe(medianTime(times.slice(-12, -1)))
    expect(spendableCoins({ findCoin: () => undefined }, tip).findCoin(outPoint)).toEqual(coin)
  })

  it('lets its coinbase be spent in the next block, and only what that pays out', () => {
    const { chain, coin } = mintedWorld(100_000n)
    const payment = spend(alice, [coin], [{ value: sats(90_000), script: alice.script }])
    const block = chain.extend({ transactions: [payment], payoutScript: alice.script })
    const [coinbase] = block.transactions
    const txid = transactionId(coinbase!)
    const coins = spendableCoins(coinsOf(chain.state.view), chain.state.tip)
    expect(coins.findCoin({ txid, vout: 0 })).toMatchObject({ value: 10_000n, origin: 'coinbase' })
    expect(coins.findCoin({ txid, vout: 1 })).toBeUndefined()
    expect(coins.findCoin({ txid: transactionId(payment), vout: 0 })?.origin).toBe('ordinary')
    expect(coins.findCoin(anOutPoint('none'))).toBeUndefined()
    expect(coinsOf(chain.state.view).findCoin({ txid, vout: 0 })).toBeUndefined()
    chain.extend()
    expect(coinsOf(chain.state.view).findCoin({ txid, vout: 0 })?.value).toBe(10_000n)
  })

  it('gives the next header its own clock’s second, or the median’s next one', () => {
    const tip: ChainTip = { ...new TestChain(testParams()).state.tip, recentTimes: [100, 101, 102] }
    expect(headerTimeAfter(tip, 500_999)).toBe(500)
    expect(headerTimeAfter(tip, 101_999)).toBe(102)
    expect(headerTimeAfter(tip, 5)).toBe(102)
  })
})
