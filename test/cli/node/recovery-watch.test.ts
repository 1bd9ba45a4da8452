import { describe, expect, it } from 'vitest'
import { createRecoveryWatch } from '../../../src/cli/node/recovery-watch.ts'
import { chainOf, finalBlocks, openChain } from '../../support/certified-chain.ts'
import { testParams } from '../../support/chain-world.ts'

const params = testParams()
const { delayBlocks } = params.peg.recovery

describe('the watch over the recovery keys', () => {
  it('has nothing to say without reserves', async () => {
    const watch = createRecoveryWatch(await openChain(params))
    expect(watch.countdown(1)).toBeUndefined()
    expect(watch.warning(1_000_000)).toBeUndefined()
  })

  it('counts down to the first block in which the oldest coin opens, and warns in time', async () => {
    const watch = createRecoveryWatch(await chainOf(params, finalBlocks(params, 3)))
    const opensAtL1Height = 1 + delayBlocks
    const about = { opensAtL1Height, coins: 1, valueSats: 10_000_000 }
    expect(watch.countdown(1)).toEqual({ ...about, blocksLeft: delayBlocks - 1 })
    expect(watch.warning(1)).toBeUndefined()
    expect(watch.countdown(opensAtL1Height - 2)).toMatchObject({ blocksLeft: 1 })
    expect(watch.warning(opensAtL1Height - 1 - delayBlocks / 4)).toBeUndefined()
    expect(watch.warning(opensAtL1Height - delayBlocks / 4)).toMatch(/in 1079 L1 blocks/)
    for (const late of [opensAtL1Height - 1, opensAtL1Height + 5]) {
      expect(watch.countdown(late)).toEqual({ ...about, blocksLeft: 0 })
      expect(watch.warning(late)).toMatch(/0.10000000 BTC of the reserves now/)
    }
  })
})
