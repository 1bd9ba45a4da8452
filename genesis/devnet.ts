/** The local development network: fast, on regtest, with keys made for the occasion. */

import { encodeHeader, REGTEST_GENESIS_HEADER } from '../src/bitcoin/header.ts'
import { bytesToHex } from '../src/primitives/bytes.ts'
import type { Genesis } from './network.ts'
import { releaseLimitDefaults } from './release-limits.ts'

export interface DevnetGenesisOptions {
  /** x-only keys of the validators, hex. */
  readonly validators: readonly string[]
  readonly recoveryKeys: readonly string[]
  /** 32 random bytes as hex: two devnets never share a chain id. */
  readonly salt: string
}

export function devnetGenesis(options: DevnetGenesisOptions): Genesis {
  const count = options.validators.length
  return {
    name: 'devnet',
    addressPrefix: 'bcrt',
    l1: {
      network: 'regtest',
      checkpoint: { height: 0, header: bytesToHex(encodeHeader(REGTEST_GENESIS_HEADER)) },
    },
    salt: options.salt,
    validators: [...options.validators],
    signingThreshold: count - Math.floor((count - 1) / 3),
    minBlockIntervalMs: 100,
    heartbeatMs: 60_000,
    peg: {
      l1Depth: 3,
      depositTiers: [{ aboveSats: 1_000_000_000, extraHeaders: 3 }],
      minDepositSats: 10_000,
      minReleaseSats: 10_000,
      feeRateFloor: 1_000,
      feeRateCeiling: 200_000,
      batchIntervalMs: 1_000,
      batchReleasesMax: 100,
      openBatchesMax: 4,
      bumpAfterL1Blocks: 6,
      reserveCoinsMin: 4,
      splitCoinMinSats: 10_000_000,
      reserveCoinsMax: 64,
      upkeepFeeRateMax: 10_000,
      refreshAfterL1Blocks: 2_160,
      limits: releaseLimitDefaults('regtest'),
      keyProbeTimeoutL1Blocks: 144,
      recovery: {
        delayBlocks: 4_320,
        threshold: Math.floor(options.recoveryKeys.length / 2) + 1,
        keys: [...options.recoveryKeys],
      },
    },
  }
}
