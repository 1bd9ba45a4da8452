/** The network of a run: the development network's, with limits and upkeep that differ by the seed. */

import { devnetGenesis } from '../../../genesis/devnet.ts'
import { chainParams, type Genesis, parseGenesis } from '../../../genesis/network.ts'
import type { ChainParams } from '../../chain/params.ts'
import { bytesToHex } from '../../primitives/bytes.ts'
import type { XOnlyKey } from '../../primitives/hashes.ts'
import { taggedHash } from '../../primitives/sha256.ts'
import type { SeededRandom } from '../seeded-random.ts'
import { namedKey } from './simulated-wallet.ts'

type PegTerms = Genesis['peg']

/** Low enough to be felt by what users of a run burn, and short enough to end with it. */
const TIGHT_LIMITS = {
  outflowCapBasisPoints: 3_000,
  outflowWindowL1Blocks: 5,
  outflowFloorSats: 15_000_000,
  largeReleaseSats: 3_000_000,
  largeReleaseDelayL1Blocks: 4,
} as const satisfies PegTerms['limits']

/** Change is split, coins are joined and refreshed within a run. */
const BUSY_UPKEEP = {
  reserveCoinsMin: 4,
  splitCoinMinSats: 200_000,
  reserveCoinsMax: 6,
  refreshAfterL1Blocks: 20,
} as const satisfies Partial<PegTerms>

const TIGHT_SHARE = 0.4
const BUSY_SHARE = 0.4

export function wholeParams(validators: number, seed: number, random: SeededRandom): ChainParams {
  const salt = bytesToHex(taggedHash('causeway/simulated-salt', Uint8Array.of(seed & 0xff)))
  const genesis = devnetGenesis({
    validators: validatorKeys(validators),
    recoveryKeys: namedKeys('recovery', 3),
    salt,
  })
  const peg = {
    ...genesis.peg,
    ...(random.chance(TIGHT_SHARE) ? { limits: TIGHT_LIMITS } : {}),
    ...(random.chance(BUSY_SHARE) ? BUSY_UPKEEP : {}),
  }
  return chainParams(parseGenesis({ ...genesis, peg }))
}

/** Of a run's places: the genesis validators, then newcomers. */
export function validatorKeys(count: number): XOnlyKey[] {
  return namedKeys('validator', count)
}

function namedKeys(kind: string, count: number): XOnlyKey[] {
  return Array.from({ length: count }, (_, i) => namedKey(`${kind} ${i}`))
}
