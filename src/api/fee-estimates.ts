/**
 * Fee rates by how soon a transaction should confirm, from what waits now: the rate at which it would
 * fit into the next n blocks. Never below what nodes relay, and never empty.
 */

import { MAX_BLOCK_WEIGHT } from '../chain/params.ts'
import { MIN_RELAY_FEE_SATS_PER_KVB } from '../mempool/policy.ts'
import type { MempoolItem } from './ports.ts'

const BLOCK_VSIZE = MAX_BLOCK_WEIGHT / 4
const FLOOR = MIN_RELAY_FEE_SATS_PER_KVB / 1_000
/** Esplora's confirmation targets, in blocks. */
const TARGETS: readonly number[] = [
  ...Array.from({ length: 25 }, (_, index) => index + 1),
  144,
  504,
  1_008,
]
/** Esplora's histogram: every bin but the last holds more than so many virtual bytes. */
const HISTOGRAM_BIN_VSIZE = 50_000

/** Satoshis per virtual byte. */
function rateOf(item: MempoolItem): number {
  return Number(item.fee) / item.vsize
}

function byRate(items: readonly MempoolItem[]): MempoolItem[] {
  return items.toSorted((a, b) => rateOf(b) - rateOf(a))
}

/** Satoshis per virtual byte by target in blocks. */
export function feeEstimates(items: readonly MempoolItem[]): Record<string, number> {
  const sorted = byRate(items)
  const estimates: Record<string, number> = {}
  let next = 0
  let vsize = 0
  for (const target of TARGETS) {
    // What is ahead of a transaction that still fits into the target's last block.
    while (next < sorted.length && vsize < target * BLOCK_VSIZE) vsize += sorted[next++]?.vsize ?? 0
    const last = sorted[next - 1]
    const isFull = vsize >= target * BLOCK_VSIZE && last !== undefined
    estimates[target] = isFull ? Math.max(FLOOR, rateOf(last)) : FLOOR
  }
  return estimates
}

export interface RecommendedFees {
  readonly fastestFee: number
  readonly halfHourFee: number
  readonly hourFee: number
  readonly economyFee: number
  readonly minimumFee: number
}

/** The form of mempool.space: whole satoshis per virtual byte. Blocks are seconds apart here. */
export function recommendedFees(items: readonly MempoolItem[]): RecommendedFees {
  const estimates = feeEstimates(items)
  const rate = (target: number): number => Math.ceil(estimates[target] ?? FLOOR)
  return {
    fastestFee: rate(1),
    halfHourFee: rate(3),
    hourFee: rate(6),
    economyFee: rate(25),
    minimumFee: Math.ceil(FLOOR),
  }
}

/** Pairs of fee rate and the virtual bytes that pay at least this and less than the pair before. */
export function feeHistogram(items: readonly MempoolItem[]): [number, number][] {
  const histogram: [number, number][] = []
  let binVsize = 0
  let lastRate = 0
  for (const item of byRate(items)) {
    const rate = rateOf(item)
    if (binVsize > HISTOGRAM_BIN_VSIZE && rate !== lastRate) {
      histogram.push([lastRate, binVsize])
      binVsize = 0
    }
    lastRate = rate
    binVsize += item.vsize
  }
  if (binVsize > 0) histogram.push([lastRate, binVsize])
  return histogram
}
