import { describe, expect, it } from 'vitest'
import { withdrawScript } from '../../../src/bitcoin/script.ts'
import { EMPTY_L1_SECTION } from '../../../src/chain/l1-section.ts'
import type { ChainParams } from '../../../src/chain/params.ts'
import { type ReleaseHold, ReleaseHolds } from '../../../src/chain/peg/release-holds.ts'
import { findRelease } from '../../../src/chain/peg/releases.ts'
import { present } from '../../../src/primitives/assert.ts'
import { sats } from '../../../src/primitives/units.ts'
import { aUser, mintedWorld, spend, type TestChain, testParams } from '../../support/chain-world.ts'
import { freezeVotes } from '../../support/freeze-votes.ts'

const base = testParams()
const alice = aUser('alice')
const bob = withdrawScript(aUser('bob on l1').script)

function withPeg(peg: Partial<ChainParams['peg']>): ChainParams {
  return { ...base, peg: { ...base.peg, ...peg } }
}

function withLimits(limits: Partial<ChainParams['peg']['limits']>): ChainParams {
  return withPeg({ limits: { ...base.peg.limits, ...limits } })
}

function holdOf(chain: TestChain, id: number): ReleaseHold {
  const { view, tip } = chain.state
  const release = present(findRelease(view, id), 'release')
  return new ReleaseHolds(view, chain.params, tip.timeMs).holdOf(release)
}

/** A chain on which alice has burned these amounts of her two million in one block. */
function burned(params: ChainParams, amounts: readonly number[]) {
  const world = mintedWorld(2_000_000n, params)
  const burns = amounts.map((value) => ({ value: sats(value), script: bob }))
  const rest = amounts.reduce((left, value) => left - value, 1_999_000)
  const change = rest > 1_000 ? [{ value: sats(rest), script: alice.script }] : []
  world.chain.extend({ transactions: [spend(alice, [world.coin], [...burns, ...change])] })
  return world
}

function mine({ chain, l1 }: ReturnType<typeof burned>, count: number): void {
  for (let i = 0; i < count; i++) l1.mine()
  chain.extend({ l1Section: { ...EMPTY_L1_SECTION, headers: chain.headersTo(l1) } })
}

const stageOf = (chain: TestChain, id: number) => findRelease(chain.state.view, id)?.stage.kind

describe('a queued release says why it waits', () => {
  it('for the next batch', () => {
    const { chain } = burned(withPeg({ batchIntervalMs: 60_000 }), [100_000])
    const { timeMs } = chain.state.tip
    expect(holdOf(chain, 0)).toEqual({ kind: 'interval', untilMs: timeMs + 60_000 })
  })

  it('for L1 blocks, when it is large, and is paid when they have come', () => {
    const params = withLimits({ largeReleaseSats: sats(100_000), largeReleaseDelayL1Blocks: 3 })
    const world = burned(params, [100_000])
    const { chain } = world
    expect(holdOf(chain, 0)).toEqual({ kind: 'large-release', untilL1Height: 4 })
    mine(world, 2)
    chain.extend()
    expect(stageOf(chain, 0)).toBe('queued')
    mine(world, 1)
    expect(stageOf(chain, 0)).toBe('batched')
  })

  it('for room under the cap, until what left before is a window ago', () => {
    const params = withLimits({ outflowFloorSats: sats(200_000), outflowWindowL1Blocks: 5 })
    const world = burned(params, [150_000, 100_000])
    const { chain } = world
    chain.extend()
    expect([stageOf(chain, 0), stageOf(chain, 1)]).toEqual(['batched', 'queued'])
    expect(holdOf(chain, 1)).toEqual({ kind: 'outflow-cap', aboutL1Height: 1 + 5 })
    mine(world, 4)
    expect(holdOf(chain, 1)).toMatchObject({ kind: 'outflow-cap' })
    mine(world, 1)
    // The one reserve coin is still in the first batch.
    expect(holdOf(chain, 1)).toEqual({ kind: 'reserves-in-flight' })
  })

  it('is never let go by what was brought in within the window', () => {
    const params = withLimits({
      outflowFloorSats: sats(20_000),
      outflowCapBasisPoints: 10_000,
      outflowWindowL1Blocks: 5,
    })
    const world = burned(params, [1_000_000])
    mine(world, 1)
    expect(holdOf(world.chain, 0)).toMatchObject({ kind: 'outflow-cap' })
    mine(world, 4)
    expect(stageOf(world.chain, 0)).toBe('batched')
  })

  it('for the end of a freeze, before anything else', () => {
    const { chain } = burned(withLimits({ largeReleaseSats: sats(100_000) }), [100_000])
    const votes = freezeVotes(chain.params, [0, 1, 2], { serial: 1, freeze: true })
    chain.extend({ freezeVotes: votes })
    expect(holdOf(chain, 0)).toEqual({ kind: 'frozen', sinceHeight: chain.state.tip.height })
  })

  it('for reserves that are in another batch', () => {
    const params = withPeg({ batchReleasesMax: 1, openBatchesMax: 4 })
    const { chain } = burned(params, [100_000, 100_000])
    chain.extend()
    expect([stageOf(chain, 0), stageOf(chain, 1)]).toEqual(['batched', 'queued'])
    expect(holdOf(chain, 1)).toEqual({ kind: 'reserves-in-flight' })
  })

  it('for its turn', () => {
    const { chain } = burned(withPeg({ batchIntervalMs: 0, openBatchesMax: 1 }), [50_000])
    expect(stageOf(chain, 0)).toBe('batched')
  })
})
