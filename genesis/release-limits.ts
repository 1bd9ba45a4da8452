/**
 * Limits on what leaves to L1, for a new network's genesis file: cautious where coins are worth
 * something, out of the way on regtest.
 */

import type { L1Network } from '../src/chain/params.ts'

const BTC = 100_000_000

const CAUTIOUS = {
  outflowCapBasisPoints: 2_000,
  outflowWindowL1Blocks: 144,
  outflowFloorSats: 2 * BTC,
  largeReleaseSats: 10 * BTC,
  largeReleaseDelayL1Blocks: 72,
} as const

const PLAY_MONEY = {
  outflowCapBasisPoints: 5_000,
  outflowWindowL1Blocks: 24,
  outflowFloorSats: 1_000 * BTC,
  largeReleaseSats: 500 * BTC,
  largeReleaseDelayL1Blocks: 6,
} as const

/** As the genesis file has them under `peg.limits`; amounts in satoshis. */
export function releaseLimitDefaults(network: L1Network): {
  readonly outflowCapBasisPoints: number
  readonly outflowWindowL1Blocks: number
  readonly outflowFloorSats: number
  readonly largeReleaseSats: number
  readonly largeReleaseDelayL1Blocks: number
} {
  return network === 'regtest' ? PLAY_MONEY : CAUTIOUS
}
