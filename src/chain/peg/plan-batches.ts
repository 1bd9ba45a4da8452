/**
 * What the federation does on L1, decided in the state transition at the end of every block:
 *
 *   1. Open batches that L1 has not taken in time are replaced (`plan-replacements.ts`).
 *   2. Payments (`plan-payments.ts`): a batch is due when the oldest release that may go has waited
 *      `batchIntervalMs`, or a full batch waits.
 *   3. Upkeep (`plan-upkeep.ts`).
 *
 * The first and the last only in blocks that bring L1 headers. A frozen peg does nothing.
 */

import type { ChainParams } from '../params.ts'
import type { StateOverlay, StateView } from '../state.ts'
import { type BatchContext, bookBatch, bookVersion } from './batch-plans.ts'
import { countOpenPayments, openBatches } from './batches.ts'
import { FreeCoins } from './free-coins.ts'
import { isFrozen } from './freeze.ts'
import { activeKeyEpoch } from './key-epochs.ts'
import { planPayment } from './plan-payments.ts'
import { planReplacement } from './plan-replacements.ts'
import { planUpkeep } from './plan-upkeep.ts'
import { payableReleases } from './release-limits.ts'

export interface BlockBatchContext extends BatchContext {
  /** The block brings L1 headers. */
  readonly hasL1Headers: boolean
}

/** When the queue as it stands makes a batch due, in milliseconds of block time; undefined when never. */
export function batchDueMs(view: StateView, params: ChainParams): number | undefined {
  if (activeKeyEpoch(view) === undefined) return undefined
  if (countOpenPayments(view) >= params.peg.openBatchesMax) return undefined
  let count = 0
  let oldest: number | undefined
  for (const release of payableReleases(view, params)) {
    oldest ??= release.timeMs
    count += 1
    if (count >= params.peg.batchReleasesMax) return oldest
  }
  return oldest === undefined ? undefined : oldest + params.peg.batchIntervalMs
}

/** Builds every batch that is due, and every further version. */
export function connectBatches(
  overlay: StateOverlay,
  params: ChainParams,
  context: BlockBatchContext,
): void {
  if (isFrozen(overlay) || activeKeyEpoch(overlay) === undefined) return
  // Read once, and only when something is planned: there may be thousands.
  let read: FreeCoins | undefined
  const coins = (): FreeCoins => {
    read ??= new FreeCoins(overlay)
    return read
  }
  if (context.hasL1Headers) connectReplacements(overlay, params, context, coins)
  connectPayments(overlay, params, context, coins)
  if (context.hasL1Headers) connectUpkeep(overlay, params, context, coins)
}

function connectReplacements(
  overlay: StateOverlay,
  params: ChainParams,
  context: BatchContext,
  coins: () => FreeCoins,
): void {
  const open = [...openBatches(overlay)]
  for (const batch of open) {
    const found = planReplacement(overlay, params, context, batch, coins)
    if (found === undefined) continue
    bookVersion(overlay, batch, found.version, found.added)
    coins().take(batch.keyEpoch, found.added)
  }
}

function connectPayments(
  overlay: StateOverlay,
  params: ChainParams,
  context: BatchContext,
  coins: () => FreeCoins,
): void {
  for (let built = 0; built < params.peg.openBatchesMax; built++) {
    const due = batchDueMs(overlay, params)
    if (due === undefined || context.timeMs < due) return
    const plan = planPayment(overlay, params, context, coins())
    if (plan === undefined) return
    bookBatch(overlay, plan)
    coins().take(plan.batch.keyEpoch, plan.inputs)
  }
}

/** Ends because each key epoch has one such batch at most. */
function connectUpkeep(
  overlay: StateOverlay,
  params: ChainParams,
  context: BatchContext,
  coins: () => FreeCoins,
): void {
  for (;;) {
    const plan = planUpkeep(overlay, params, context, coins())
    if (plan === undefined) return
    bookBatch(overlay, plan)
    coins().take(plan.batch.keyEpoch, plan.inputs)
  }
}

/** True when a block at this time would build a payment batch. */
export function wouldBuildBatch(
  view: StateView,
  params: ChainParams,
  context: BatchContext,
): boolean {
  const due = batchDueMs(view, params)
  if (due === undefined || context.timeMs < due) return false
  return planPayment(view, params, context, new FreeCoins(view)) !== undefined
}
