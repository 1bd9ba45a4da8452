/**
 * This member's opinion of the L1 fee rate. An estimate may be missing or absurd, so the network's
 * floor and ceiling hold; another proposer's rate is reasonable within a factor of one's own.
 */

import type { ChainParams } from '../src/chain/params.ts'
import type { BitcoinL1 } from './l1/bitcoin-l1.ts'

export interface FeeRates {
  /** Asks L1 again. Throws what the L1 client throws. */
  refresh(): Promise<void>
  /** Satoshis per 1,000 virtual bytes, within the network's bounds. */
  proposal(): number
  isReasonable(feeRate: number): boolean
}

/** Releases have waited for a batch already; they should not wait much for a block. */
const TARGET_BLOCKS = 3
/** Nodes see different mempools; this much apart is still honest. */
const TOLERANCE = 4

export function createFeeRates(params: ChainParams, l1: BitcoinL1): FeeRates {
  const { feeRateFloor, feeRateCeiling } = params.peg
  let own = feeRateFloor
  return {
    async refresh() {
      const estimate = await l1.estimateFeeRate(TARGET_BLOCKS)
      own = Math.min(Math.max(Math.ceil(estimate ?? feeRateFloor), feeRateFloor), feeRateCeiling)
    },
    proposal: () => own,
    isReasonable: (feeRate) => feeRate * TOLERANCE >= own && feeRate <= own * TOLERANCE,
  }
}
