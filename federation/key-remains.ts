/**
 * What is left of a key epoch in the chain: as long as there is anything, its members must be able to
 * sign. What is paid to an old address after that, only the recovery keys can move.
 */

import { getEpochBooks } from '../src/chain/member-sets.ts'
import { reserveCoins } from '../src/chain/peg/reserves.ts'
import type { StateView } from '../src/chain/state.ts'

/** Reserve coins that only one key can spend. */
export interface CoinsOfKey {
  readonly coins: number
  readonly sats: bigint
}

export const NO_COINS: CoinsOfKey = { coins: 0, sats: 0n }

/** By key epoch; epochs without coins are not in it. Looks at every coin of the reserves. */
export function coinsByKey(view: StateView): ReadonlyMap<number, CoinsOfKey> {
  const found = new Map<number, CoinsOfKey>()
  for (const { keyEpoch, value } of reserveCoins(view)) {
    const { coins, sats } = found.get(keyEpoch) ?? NO_COINS
    found.set(keyEpoch, { coins: coins + 1, sats: sats + value })
  }
  return found
}

export interface KeyRemains extends CoinsOfKey {
  /** It receives deposits and change, or is about to. */
  readonly isInUse: boolean
}

export function keyRemains(view: StateView, epoch: number): KeyRemains {
  const { key, validators, pending } = getEpochBooks(view)
  const held = coinsByKey(view).get(epoch) ?? NO_COINS
  return { isInUse: [key, validators, pending].includes(epoch), ...held }
}

/** False when nobody's share of this key is needed any more. */
export function isKeyNeeded(view: StateView, epoch: number): boolean {
  const { isInUse, coins } = keyRemains(view, epoch)
  return isInUse || coins > 0
}
