import { describe, expect, it } from 'vitest'
import { p2pkhScript, p2shScript, p2wpkhScript } from '../../../src/bitcoin/script.ts'
import type { ChainParams } from '../../../src/chain/params.ts'
import { changeOutputs, currentVersion, findBatch } from '../../../src/chain/peg/batches.ts'
import { sats } from '../../../src/primitives/units.ts'
import { aUser, testParams } from '../../support/chain-world.ts'
import { type ModelBlock, PegModel, QUIET } from './peg-model.ts'

const base = testParams()
const params: ChainParams = {
  ...base,
  peg: {
    ...base.peg,
    depositTiers: [],
    bumpAfterL1Blocks: 2,
    reserveCoinsMin: 3,
    reserveCoinsMax: 6,
    splitCoinMinSats: sats(200_000),
    refreshAfterL1Blocks: 30,
    openBatchesMax: 3,
    batchReleasesMax: 5,
  },
}
const targets = [
  p2wpkhScript(new Uint8Array(20).fill(1)),
  p2pkhScript(new Uint8Array(20).fill(2)),
  p2shScript(new Uint8Array(20).fill(3)),
  aUser('on L1').script,
]

/** A small generator: a history is its seed. */
class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = seed * 2_654_435_761
  }

  /** 0 … below − 1. */
  roll(below: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((this.#state / 2 ** 32) * below)
  }

  many<T>(most: number, make: () => T): T[] {
    return Array.from({ length: this.roll(most + 1) }, make)
  }

  amount(): bigint {
    const most = [60_000, 400_000, 20_000_000][this.roll(3)]!
    return BigInt(10_000 + this.roll(most))
  }
}

function play(model: PegModel, dice: Dice, blocks: number): void {
  let feeRate = 1_000
  for (let count = 0; count < blocks; count++) {
    if (count > 5 && dice.roll(15) === 0 && model.epochCount < 4) model.nextEpoch()
    if (dice.roll(3) === 0) feeRate = [1_000, 1_000, 5_000, 40_000, 200_000][dice.roll(5)]!
    const open = model.open()
    const batch = dice.roll(3) > 0 ? undefined : open[dice.roll(Math.max(1, open.length))]
    const version = batch?.versions[dice.roll(batch.versions.length)]
    const onL1 = version === undefined ? [] : [version.transaction]
    const isDrained = dice.roll(12) === 0
    const block: ModelBlock = {
      feeRate,
      l1Blocks: dice.roll(4),
      deposits: dice.many(2, () => dice.amount()),
      gifts: dice.roll(6) === 0 ? [dice.amount()] : [],
      onL1,
      burns: isDrained
        ? [{ value: model.books.totals.supply, l1Script: targets[0]! }]
        : dice.many(2, () => ({ value: dice.amount(), l1Script: targets[dice.roll(4)]! })),
    }
    model.block(block)
    // Nothing that we send is ever a gift.
    for (const transaction of onL1) {
      for (const codes of model.giftClaims(transaction)) expect(codes).not.toMatch(/ok/)
    }
  }
}

/** L1 takes the current version of everything, until nothing is owed. */
function settle(model: PegModel): number {
  for (let round = 0; round < 120; round++) {
    if (model.releases().every(({ stage }) => stage.kind === 'paid')) return round
    const onL1 = model.open().map((batch) => currentVersion(batch).transaction)
    model.block({ ...QUIET, l1Blocks: 1, onL1, gifts: round === 0 ? [10_000_000n] : [] })
  }
  return Number.POSITIVE_INFINITY
}

/** What a history had in it: a property about nothing proves nothing. */
function eventsOf(model: PegModel): readonly string[] {
  const events: string[] = []
  for (let id = 0; id < model.books.nextBatchId; id++) {
    const batch = findBatch(model.state, id)!
    if (batch.versions.length > 1) events.push('replaced')
    if (batch.versions.length > 2) events.push('replaced often')
    const [first, last] = [batch.versions[0]!.transaction, currentVersion(batch).transaction]
    if (last.inputs.length > first.inputs.length) events.push('coins joined')
    if (batch.status.kind === 'confirmed' && batch.status.version + 1 < batch.versions.length) {
      events.push('an earlier version confirmed')
    }
    if (batch.kind === 'upkeep')
      events.push(batch.keyEpoch === batch.changeKeyEpoch ? 'upkeep' : 'sweep')
    if (changeOutputs(batch, batch.versions[0]!).length > 1) events.push('split')
  }
  return events
}

const SEEDS = 12
const BLOCKS = 45

describe('the peg, whatever happens', () => {
  const seen = new Set<string>()

  it.each(Array.from({ length: SEEDS }, (_, seed) => seed))(
    'is solvent after every block, pays each release once, and all in the end (seed %d)',
    (seed) => {
      const model = new PegModel(params)
      play(model, new Dice(seed + 1), BLOCKS)
      expect(settle(model)).toBeLessThan(120)
      expect(model.paid.size).toBe(model.books.nextReleaseId)
      expect(model.books.totals.pendingReleases).toBe(0n)
      for (const event of eventsOf(model)) seen.add(event)
    },
  )

  it('has had everything happen to it', () => {
    expect([...seen].toSorted()).toEqual([
      'an earlier version confirmed',
      'coins joined',
      'replaced',
      'replaced often',
      'split',
      'sweep',
      'upkeep',
    ])
  })
})
