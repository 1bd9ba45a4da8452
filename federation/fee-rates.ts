/**
 * This member's opinion of the L1 fee rate. An estimate may be missing or absurd, so the network's
 * floor and ceiling hold; another proposer's rate is reasonable within a factor of one's own.
 *
 * Without an answer from L1 the member has no opinion. It then repeats the rate of the last block,
 * which a quorum has found reasonable, and accepts nothing above that: an L1 that is down stops
 * neither the chain nor lets a proposer raise the fees.
 */

import type { ChainParams } from '../src/chain/params.ts'
import type { Clock } from '../src/runtime/runtime.ts'
import type { BitcoinL1 } from './l1/bitcoin-l1.ts'

export interface FeeRates {
  /** Asks L1, when the last answer is old. Throws what the L1 client throws. */
  refresh(): Promise<void>
  /** Satoshis per 1,000 virtual bytes, within the network's bounds. */
  proposal(): number
  isReasonable(feeRate: number): boolean
}

export interface FeeRateParts {
  readonly params: ChainParams
  readonly l1: Pick<BitcoinL1, 'estimateFeeRate'>
  readonly clock: Clock
  /** Of the chain's last block; the floor at its beginning. */
  readonly lastRate: () => number
}

/** Releases have waited for a batch already; they should not wait much for a block. */
const TARGET_BLOCKS = 3
/** Nodes see different mempools; this much apart is still honest. */
const TOLERANCE = 4
const ASK_EVERY_MS = 10_000
/** An older answer is no opinion. */
const STALE_MS = 30 * 60_000

export function createFeeRates({ params, l1, clock, lastRate }: FeeRateParts): FeeRates {
  const { feeRateFloor, feeRateCeiling } = params.peg
  let own: { readonly rate: number; readonly atMs: number } | undefined

  function bounded(rate: number): number {
    return Math.min(Math.max(Math.ceil(rate), feeRateFloor), feeRateCeiling)
  }

  function opinion(): number | undefined {
    return own === undefined || clock.monotonicMs() - own.atMs >= STALE_MS ? undefined : own.rate
  }

  return {
    async refresh() {
      const nowMs = clock.monotonicMs()
      if (own !== undefined && nowMs - own.atMs < ASK_EVERY_MS) return
      const estimate = await l1.estimateFeeRate(TARGET_BLOCKS)
      const isUsable = estimate !== undefined && Number.isFinite(estimate)
      own = { rate: bounded(isUsable ? estimate : feeRateFloor), atMs: nowMs }
    },
    proposal: () => opinion() ?? bounded(lastRate()),
    isReasonable(feeRate) {
      const rate = opinion()
      if (rate !== undefined) return feeRate * TOLERANCE >= rate && feeRate <= rate * TOLERANCE
      const last = bounded(lastRate())
      return feeRate * TOLERANCE >= last && feeRate <= last
    },
  }
}
