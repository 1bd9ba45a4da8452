/**
 * What Esplora's mempool and fee routes say, worked out at most once a second: it means sorting the whole
 * pool, and clients ask often.
 */

import type { Clock } from '../runtime/runtime.ts'
import { recentJson } from './esplora-views.ts'
import { feeEstimates, feeHistogram, recommendedFees } from './fee-estimates.ts'
import type { MempoolView } from './ports.ts'

const MAX_AGE_MS = 1_000
const RECENT_MAX = 10

export interface MempoolDigest {
  readonly summary: object
  readonly recent: readonly object[]
  readonly estimates: Readonly<Record<string, number>>
  readonly recommended: object
}

/** Returns the digest, a fresh one when the last is too old. */
export function mempoolDigester(mempool: MempoolView, clock: Clock): () => MempoolDigest {
  let last: { readonly digest: MempoolDigest; readonly madeMs: number } | undefined
  return () => {
    const nowMs = clock.monotonicMs()
    if (last === undefined || nowMs - last.madeMs >= MAX_AGE_MS) {
      last = { digest: digest(mempool), madeMs: nowMs }
    }
    return last.digest
  }
}

function digest(mempool: MempoolView): MempoolDigest {
  const items = mempool.all()
  let vsize = 0
  let totalFee = 0n
  for (const item of items) {
    vsize += item.vsize
    totalFee += item.fee
  }
  const newest = items.toSorted((a, b) => b.timeS - a.timeS)
  return {
    summary: {
      count: items.length,
      vsize,
      total_fee: Number(totalFee),
      fee_histogram: feeHistogram(items),
    },
    recent: newest.slice(0, RECENT_MAX).map(recentJson),
    estimates: feeEstimates(items),
    recommended: recommendedFees(items),
  }
}
