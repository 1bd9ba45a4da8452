/**
 * Replacement of a batch that L1 does not take (BIP125): a further version with the same payments and
 * all the inputs of the version before, so that of any two versions at most one can ever confirm. It
 * pays more: at least the fee of the one before and what relaying itself costs, at a rate strictly
 * higher. The fee reserve pays the difference, through the change; free coins of the same key epoch
 * join when the change cannot carry it.
 *
 * Rates grow by a quarter at least, and double when half the versions are used: they reach any ceiling
 * before the versions run out.
 */

import { present } from '../../primitives/assert.ts'
import type { ChainParams } from '../params.ts'
import type { StateView } from '../state.ts'
import { type BatchContext, versionOf } from './batch-plans.ts'
import { BATCH_INPUTS_MAX, outputBytes } from './batch-transaction.ts'
import {
  type Batch,
  type BatchVersion,
  changeOutputs,
  currentVersion,
  MAX_BATCH_VERSIONS,
} from './batches.ts'
import { getPegBooks } from './books.ts'
import { CHANGE_RECIPIENT } from './deposit-address.ts'
import { freeFeeReserve } from './fee-reserve.ts'
import type { FreeCoins } from './free-coins.ts'
import { activeKeyEpoch, depositScriptOf, findKeyEpoch } from './key-epochs.ts'
import { queuedReleases } from './releases.ts'
import { findReserve, type ReserveCoin } from './reserves.ts'
import { type FeeTerms, type Owed, type Settlement, settle, settleLowered } from './settle-batch.ts'

export interface Replacement {
  readonly version: BatchVersion
  /** Free coins that join. */
  readonly added: readonly ReserveCoin[]
}

/** Coins that may join at one time. */
const ADDED_MAX = 4

/** Undefined when the batch is to stay as it is. `batch` is open. */
export function planReplacement(
  view: StateView,
  params: ChainParams,
  context: BatchContext,
  batch: Batch,
  coins: () => FreeCoins,
): Replacement | undefined {
  if (batch.kind === 'probe' || batch.kind === 'proof') return undefined
  const { l1Height } = getPegBooks(view)
  const current = currentVersion(batch)
  if (l1Height - current.l1Height < params.peg.bumpAfterL1Blocks) return undefined
  if (context.feeRate <= current.feeRate) return undefined
  if (batch.versions.length >= MAX_BATCH_VERSIONS) return undefined
  const inputs = current.transaction.inputs.map(({ prevout }) =>
    present(findReserve(view, prevout), 'reserve coin of an open batch'),
  )
  if (!isWorthIt(view, params, context, batch, inputs)) return undefined
  const terms = {
    feeRate: Math.min(params.peg.feeRateCeiling, Math.max(context.feeRate, nextRate(batch))),
    feeRateLeast: current.feeRate + 1,
    budget: current.fee + freeFeeReserve(view, params),
    replacedFee: current.fee,
    changeParts: changeOutputs(batch, current).length,
    changePartMin: params.peg.splitCoinMinSats,
  }
  const found = findSettlement(inputs, coins().of(batch.keyEpoch), owedBy(batch), terms)
  if (found === undefined) return undefined
  const { settlement, added } = found
  const epoch = present(findKeyEpoch(view, batch.changeKeyEpoch), 'key epoch of the change')
  const version = versionOf(
    [...inputs, ...added],
    current.transaction.outputs.slice(0, batch.releaseIds.length),
    depositScriptOf(params, epoch, CHANGE_RECIPIENT),
    settlement,
    { height: context.height, l1Height },
  )
  return version.feeRate > params.peg.feeRateCeiling ? undefined : { version, added }
}

function nextRate({ versions }: Batch): number {
  const rate = present(versions.at(-1), 'version of a batch').feeRate
  return versions.length < MAX_BATCH_VERSIONS / 2 ? Math.ceil((rate * 5) / 4) : rate * 2
}

/** Payments always; upkeep when rates are low, or when its coins must move or are waited for. */
function isWorthIt(
  view: StateView,
  { peg }: ChainParams,
  { feeRate }: BatchContext,
  batch: Batch,
  inputs: readonly ReserveCoin[],
): boolean {
  if (batch.kind === 'payment' || feeRate <= peg.upkeepFeeRateMax) return true
  if (batch.keyEpoch !== activeKeyEpoch(view)?.epoch) return true
  const { l1Height } = getPegBooks(view)
  if (inputs.some((coin) => l1Height - coin.l1Height >= peg.refreshAfterL1Blocks)) return true
  for (const _ of queuedReleases(view)) return true
  return false
}

function owedBy(batch: Batch): Owed {
  const payments = currentVersion(batch).transaction.outputs.slice(0, batch.releaseIds.length)
  return {
    count: payments.length,
    bytes: payments.reduce((sum, { script }) => sum + outputBytes(script), 0),
    net: payments.reduce((sum, { value }) => sum + value, 0n),
  }
}

interface Joined {
  readonly settlement: Settlement
  readonly added: readonly ReserveCoin[]
}

/** With as few further coins as possible; at the wanted rate, else at what can be paid. */
function findSettlement(
  inputs: readonly ReserveCoin[],
  free: readonly ReserveCoin[],
  owed: Owed,
  terms: FeeTerms,
): Joined | undefined {
  const most = Math.min(ADDED_MAX, free.length, BATCH_INPUTS_MAX - inputs.length)
  for (const how of [settle, settleLowered]) {
    for (let count = 0; count <= most; count++) {
      const added = free.slice(0, count)
      const total = [...inputs, ...added].reduce((sum, { value }) => sum + value, 0n)
      const settlement = how(inputs.length + count, total, owed, terms)
      if (settlement !== undefined) return { settlement, added }
    }
  }
  return undefined
}
