/**
 * What is left of a key epoch in the chain: as long as there is anything, its members must be able to
 * sign. What is paid to an old address after that, only the recovery keys can move.
 */

import { getEpochBooks } from '../src/chain/member-sets.ts'
import { reserveCoins } from '../src/chain/peg/reserves.ts'
import type { StateView } from '../src/chain/state.ts'

export interface KeyRemains {
  /** It receives deposits and change, or is about to. */
  readonly isInUse: boolean
  readonly coins: number
  readonly sats: bigint
}

export function keyRemains(view: StateView, epoch: number): KeyRemains {
  const { key, validators, pending } = getEpochBooks(view)
  let coins = 0
  let sats = 0n
  for (const coin of reserveCoins(view)) {
    if (coin.keyEpoch !== epoch) continue
    coins += 1
    sats += coin.value
  }
  return { isInUse: [key, validators, pending].includes(epoch), coins, sats }
}

/** False when nobody's share of this key is needed any more. */
export function isKeyNeeded(view: StateView, epoch: number): boolean {
  const { isInUse, coins } = keyRemains(view, epoch)
  return isInUse || coins > 0
}
