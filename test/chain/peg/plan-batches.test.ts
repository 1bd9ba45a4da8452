import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { p2pkhScript, p2shScript, p2wpkhScript } from '../../../src/bitcoin/script.ts'
import {
  encodeTransaction,
  outPointKey,
  transactionVsize,
} from '../../../src/bitcoin/transaction.ts'
import { genesisChainState } from '../../../src/chain/genesis-state.ts'
import type { ChainParams } from '../../../src/chain/params.ts'
import {
  BATCH_INPUTS_MAX,
  dustLimit,
  feeAtRate,
  rateOfFee,
  signedVsize,
  withSignatures,
} from '../../../src/chain/peg/batch-transaction.ts'
import {
  type Batch,
  changeOutputs,
  currentVersion,
  openBatches,
} from '../../../src/chain/peg/batches.ts'
import { getPegBooks, isSolvent, putPegBooks } from '../../../src/chain/peg/books.ts'
import { CHANGE_RECIPIENT } from '../../../src/chain/peg/deposit-address.ts'
import { connectKeyEpoch, depositScriptOf } from '../../../src/chain/peg/key-epochs.ts'
import { batchDueMs, connectBatches, wouldBuildBatch } from '../../../src/chain/peg/plan-batches.ts'
import { releaseFee } from '../../../src/chain/peg/release-fees.ts'
import { findRelease, putRelease, queuedReleases } from '../../../src/chain/peg/releases.ts'
import { findReserve, putReserve, reserveCoins } from '../../../src/chain/peg/reserves.ts'
import { StateOverlay } from '../../../src/chain/state.ts'
import { sats } from '../../../src/primitives/units.ts'
import { aKeyEpoch, anOutPoint, aUser, testParams } from '../../support/chain-world.ts'

const base = testParams()
const { announcement } = aKeyEpoch(base)
const user = aUser('alice')
const depositScript = depositScriptOf(base, announcement, user.script)
const changeScript = depositScriptOf(base, announcement, CHANGE_RECIPIENT)
const targets = [
  p2wpkhScript(new Uint8Array(20).fill(1)),
  p2pkhScript(new Uint8Array(20).fill(2)),
  p2shScript(new Uint8Array(20).fill(3)),
  aUser('on L1').script,
]
const opened = new StateOverlay(genesisChainState(base).view)
connectKeyEpoch(opened, base, announcement, 1)

function pegParams(peg: Partial<ChainParams['peg']>): ChainParams {
  return { ...base, peg: { ...base.peg, ...peg } }
}

const targetOf = (id: number): Uint8Array => targets[id % targets.length] ?? user.script
const feeOf = (id: number) => releaseFee(base, 1_000, targetOf(id))

interface PegOptions {
  readonly order?: readonly number[]
  readonly feeReserve?: bigint
}

/** A peg that holds these coins and owes these releases; what is left over is supply. */
function aPeg(
  coins: readonly bigint[],
  owed: readonly bigint[],
  { order = coins.map((_, i) => i), feeReserve = 0n }: PegOptions = {},
): StateOverlay {
  const overlay = new StateOverlay(opened)
  for (const index of order) {
    putReserve(overlay, {
      outPoint: anOutPoint(`coin ${index}`),
      value: sats(coins[index] ?? 0n),
      script: depositScript,
      keyEpoch: 0,
      recipient: user.script,
      l1Height: 1,
      batchId: undefined,
    })
  }
  for (const [id, value] of owed.entries()) {
    putRelease(overlay, {
      id,
      txid: anOutPoint(`burn ${id}`).txid,
      vout: 0,
      value: sats(value),
      fee: feeOf(id),
      l1Script: targetOf(id),
      height: 1,
      l1Height: 0,
      timeMs: 1_000 + id,
      stage: { kind: 'queued' },
    })
  }
  const reserves = sum(coins)
  const pending = sum(owed)
  const books = getPegBooks(overlay)
  const totals = {
    ...books.totals,
    reserves: sats(reserves),
    pendingReleases: sats(pending),
    feeReserve: sats(feeReserve),
    supply: sats(reserves - pending - feeReserve),
  }
  putPegBooks(overlay, { ...books, totals, nextReleaseId: owed.length })
  return overlay
}

const sum = (values: readonly bigint[]): bigint =>
  values.reduce((total, value) => total + value, 0n)
const later = { height: 2, timeMs: 10_000_000, feeRate: 1_000 }
const encodings = (view: StateOverlay): string[] =>
  [...openBatches(view)].map((batch) =>
    encodeTransaction(currentVersion(batch).transaction).toString(),
  )

function checkBatch(view: StateOverlay, batch: Batch, feeRate: number): void {
  const { transaction, fee, feeRate: recorded } = currentVersion(batch)
  const coins = transaction.inputs.map((input) => findReserve(view, input.prevout))
  expect(coins.every((coin) => coin?.batchId === batch.id)).toBe(true)
  expect(coins.length).toBeLessThanOrEqual(BATCH_INPUTS_MAX)
  const paid = sum(transaction.outputs.map((output) => output.value))
  expect(sum(coins.map((coin) => coin?.value ?? 0n)) - paid).toBe(fee)
  const vsize = signedVsize(transaction)
  expect(recorded).toBe(rateOfFee(vsize, fee))
  // Never below what relays, never above the rate by more than a change that cannot exist.
  expect(fee).toBeGreaterThanOrEqual(feeAtRate(vsize, base.peg.feeRateFloor))
  expect(fee).toBeLessThanOrEqual(feeAtRate(vsize + 44, feeRate) + dustLimit(changeScript))
  for (const output of transaction.outputs) {
    expect(output.value).toBeGreaterThanOrEqual(dustLimit(output.script))
  }
  for (const [index, id] of batch.releaseIds.entries()) {
    const release = findRelease(view, id)
    expect(release?.stage).toEqual({ kind: 'batched', batchId: batch.id })
    expect(transaction.outputs[index]?.script).toEqual(release?.l1Script)
    expect(transaction.outputs[index]?.value).toBe((release?.value ?? 0n) - feeOf(id))
  }
  for (const { output } of changeOutputs(batch, currentVersion(batch))) {
    expect(output.script).toEqual(changeScript)
  }
}

const coinValue = fc.bigInt({ min: 1n, max: 2_000_000n })
const world = fc.record({
  coins: fc.array(coinValue, { maxLength: 150 }),
  owed: fc.array(fc.bigInt({ min: 10_000n, max: 3_000_000n }), { maxLength: 30 }),
  feeRate: fc.oneof(
    fc.integer({ min: 1_000, max: 5_000 }),
    fc.integer({ min: 1_000, max: 10_000_000 }),
  ),
  batchReleasesMax: fc.integer({ min: 1, max: 20 }),
  openBatchesMax: fc.integer({ min: 1, max: 5 }),
})

/** Releases that the coins can back. */
function backed(coins: readonly bigint[], owed: readonly bigint[]): bigint[] {
  let left = sum(coins)
  return owed.filter((value) => {
    if (value > left) return false
    left -= value
    return true
  })
}

const theBatch = (view: StateOverlay): Batch => {
  const [batch] = [...openBatches(view)]
  if (batch === undefined) throw new TypeError('no batch')
  return batch
}

describe('batches', () => {
  it('keep the books and L1’s rules, whatever is owed and held, and are the same for all', () => {
    fc.assert(
      fc.property(world, fc.infiniteStream(fc.nat()), (given, random) => {
        const { coins, feeRate, openBatchesMax, batchReleasesMax } = given
        const owed = backed(coins, given.owed)
        const params = pegParams({ openBatchesMax, batchReleasesMax, feeRateCeiling: 10_000_000 })
        const context = { ...later, feeRate }
        const peg = aPeg(coins, owed)
        const before = getPegBooks(peg).totals
        const expected = wouldBuildBatch(peg, params, context)
        connectBatches(peg, params, context)
        const batches = [...openBatches(peg)]
        expect(batches.length > 0).toBe(expected)
        expect(batches.length).toBeLessThanOrEqual(openBatchesMax)
        for (const batch of batches) checkBatch(peg, batch, feeRate)

        const spent = batches.flatMap((batch) =>
          currentVersion(batch).transaction.inputs.map((i) => outPointKey(i.prevout)),
        )
        expect(new Set(spent).size).toBe(spent.length)
        const taken = batches.flatMap((batch) => batch.releaseIds)
        expect(new Set(taken).size).toBe(taken.length)
        expect(taken.length + [...queuedReleases(peg)].length).toBe(owed.length)

        const { totals } = getPegBooks(peg)
        expect(isSolvent(totals)).toBe(true)
        expect(totals.supply).toBe(before.supply)
        expect(totals.reserves).toBe(sum([...reserveCoins(peg)].map((coin) => coin.value)))
        expect(totals.inFlightFees).toBe(sum(batches.map((batch) => currentVersion(batch).fee)))

        const shuffled = coins
          .map((_, index) => ({ index, at: random.next().value }))
          .toSorted((a, b) => a.at - b.at)
        const other = aPeg(coins, owed, { order: shuffled.map(({ index }) => index) })
        connectBatches(other, params, context)
        expect(encodings(other)).toEqual(encodings(peg))
      }),
      { numRuns: 150 },
    )
  })

  it('know their size before anybody signs', () => {
    const peg = aPeg([100_000n, 200_000n], [250_000n])
    connectBatches(peg, base, later)
    const [batch] = [...openBatches(peg)]
    if (batch === undefined) throw new TypeError('no batch')
    const signatures = currentVersion(batch).transaction.inputs.map(() => new Uint8Array(64))
    expect(transactionVsize(withSignatures(currentVersion(batch).transaction, signatures))).toBe(
      signedVsize(currentVersion(batch).transaction),
    )
  })

  it('wait for company, but not longer than the interval, nor when they are full', () => {
    const params = pegParams({ batchIntervalMs: 5_000, batchReleasesMax: 2 })
    expect(batchDueMs(aPeg([100_000n], []), params)).toBeUndefined()
    expect(batchDueMs(aPeg([100_000n], [10_000n]), params)).toBe(6_000)
    expect(batchDueMs(aPeg([100_000n], [10_000n, 10_000n]), params)).toBe(1_000)
    const peg = aPeg([100_000n], [10_000n])
    connectBatches(peg, params, { ...later, timeMs: 5_999 })
    expect([...openBatches(peg)]).toHaveLength(0)
    connectBatches(peg, params, { ...later, timeMs: 6_000 })
    expect([...openBatches(peg)]).toHaveLength(1)
  })

  it('are no more at a time than the parameters say, and none before there is a key', () => {
    const params = pegParams({ openBatchesMax: 2, batchReleasesMax: 1 })
    const peg = aPeg([50_000n, 50_000n, 50_000n], [20_000n, 20_000n, 20_000n])
    connectBatches(peg, params, later)
    expect([...openBatches(peg)].map((batch) => batch.releaseIds)).toEqual([[0], [1]])
    expect(batchDueMs(peg, params)).toBeUndefined()
    connectBatches(peg, params, later)
    expect([...openBatches(peg)]).toHaveLength(2)
    expect(batchDueMs(genesisChainState(base).view, params)).toBeUndefined()
  })

  it('let a release that cannot be covered wait, and pay those behind it', () => {
    const params = pegParams({ batchReleasesMax: 1 })
    const peg = aPeg([60_000n, 50_000n], [50_000n, 55_000n])
    connectBatches(peg, params, later)
    // The first took the larger coin; the second needs more than is free.
    expect([...queuedReleases(peg)].map((release) => release.id)).toEqual([1])
  })

  it('are topped up from the fee reserve, go slower without it, and wait below what relays', () => {
    const dear = { ...later, feeRate: 20_000 }
    const rich = aPeg([10_000_000n], [5_000_000n], { feeReserve: 100_000n })
    connectBatches(rich, base, dear)
    expect(currentVersion(theBatch(rich)).feeRate).toBeGreaterThanOrEqual(20_000)
    expect(getPegBooks(rich).totals.feeReserve).toBeLessThan(100_000n)

    const poor = aPeg([10_000_000n], [5_000_000n])
    connectBatches(poor, base, dear)
    expect(currentVersion(theBatch(poor)).fee).toBe(feeOf(0))
    expect(getPegBooks(poor).totals.feeReserve).toBe(0n)

    // A hundred inputs cost more than one release has paid, at any rate.
    const small = Array.from({ length: 100 }, () => 10_000n)
    const stuck = aPeg(small, [900_000n])
    expect(wouldBuildBatch(stuck, base, later)).toBe(false)
    const helped = aPeg(small, [900_000n], { feeReserve: 6_000n })
    connectBatches(helped, base, later)
    expect(currentVersion(theBatch(helped)).transaction.inputs.length).toBeGreaterThan(90)
  })

  it('reach for more coins only when a release needs them', () => {
    const coins = Array.from({ length: 150 }, () => 10_000n)
    const few = aPeg(coins, [15_000n])
    connectBatches(few, base, later)
    expect(currentVersion(theBatch(few)).transaction.inputs).toHaveLength(2)
    const most = aPeg(coins, [990_000n], { feeReserve: 6_000n })
    connectBatches(most, base, later)
    expect(currentVersion(theBatch(most)).transaction.inputs).toHaveLength(BATCH_INPUTS_MAX)
    const over = aPeg(coins, [1_000_001n], { feeReserve: 6_000n })
    connectBatches(over, base, later)
    expect([...openBatches(over)]).toHaveLength(0)
  })
})
