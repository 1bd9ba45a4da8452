/** Coins by number, so that a state of millions needs no list of them: P2TR, each with a script of its own. */

import type { TxOutput } from '../../src/bitcoin/transaction.ts'
import { type Coin, encodeCoin } from '../../src/chain/coin.ts'
import { NAMESPACE, outPointStateKey, type StateKey } from '../../src/chain/state.ts'
import { concatBytes, utf8 } from '../../src/primitives/bytes.ts'
import { txidFromBytes } from '../../src/primitives/hashes.ts'
import { sha256 } from '../../src/primitives/sha256.ts'
import { sats } from '../../src/primitives/units.ts'
import type { SeedCoin } from './seeded-state.ts'

const P2TR_PREFIX = Uint8Array.of(0x51, 0x20)
const COIN_SATS = 1_000_000n
/** Coprime to round counts of coins: steps through all of them, far from each other. */
const STRIDE = 7_368_787

export function numberedCoin(index: number): SeedCoin {
  const txid = sha256(utf8(`coin ${index}`))
  return {
    outPoint: { txid: txidFromBytes(txid), vout: index & 1 },
    output: p2trOutput(txid, COIN_SATS),
  }
}

/** To a key that nobody knows. `seed` is 32 bytes. */
export function p2trOutput(seed: Uint8Array, value: bigint): TxOutput {
  return { value: sats(value), script: concatBytes(P2TR_PREFIX, seed) }
}

/** Which coin comes n-th when all are taken in an order without locality. */
export function scattered(n: number, count: number): number {
  return Number((BigInt(n) * BigInt(STRIDE)) % BigInt(count))
}

/** The coin as the state has it. */
export function coinRecord({ outPoint, output }: SeedCoin): readonly [StateKey, Uint8Array] {
  const coin: Coin = { ...output, height: 0, medianTimeBefore: 0, origin: 'ordinary' }
  return [outPointStateKey(NAMESPACE.coin, outPoint), encodeCoin(coin)]
}
