/** The L1 fee rate that the chain's last block on disk names; the next batch is likely to use it. */

import type { ChainService } from './chain-service.ts'
import { tipExtension } from './tip-extension.ts'

/** Satoshis per 1,000 virtual bytes. */
export function lastFeeRate({
  database,
  params,
}: Pick<ChainService, 'database' | 'params'>): number {
  return Math.max(tipExtension(database)?.feeRate ?? 0, params.peg.feeRateFloor)
}
