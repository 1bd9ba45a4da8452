/**
 * When the recovery keys may move the reserves: a coin that confirmed at L1 height h, behind a relative
 * lock of d blocks, can be spent by them in L1 block h + d and later (BIP68, BIP112). Until then only the
 * federation's key moves it, and every move starts the clock anew.
 */

import { type Sats, sats } from '../../primitives/units.ts'
import type { StateView } from '../state.ts'
import type { RecoveryPolicy } from './deposit-address.ts'
import { type ReserveCoin, reserveCoins } from './reserves.ts'

export interface RecoveryOpening {
  /** Height of the first L1 block in which the recovery keys can move the oldest coin. */
  readonly l1Height: number
  /** Coins that open with that block, and what they are worth. */
  readonly coins: number
  readonly value: Sats
}

/** Height of the first L1 block in which the recovery keys can move the coin. */
export function recoveryOpensAt(
  coin: Pick<ReserveCoin, 'l1Height'>,
  recovery: Pick<RecoveryPolicy, 'delayBlocks'>,
): number {
  return coin.l1Height + recovery.delayBlocks
}

/** L1 blocks that must still come before the next one may contain such a spend; 0 = open. */
export function blocksUntilOpen(opensAt: number, l1TipHeight: number): number {
  return Math.max(0, opensAt - (l1TipHeight + 1))
}

/** The coins that open first; undefined without reserves. Looks at every coin. */
export function soonestOpening(
  view: StateView,
  recovery: Pick<RecoveryPolicy, 'delayBlocks'>,
): RecoveryOpening | undefined {
  let l1Height: number | undefined
  let coins = 0
  let value = 0n
  for (const coin of reserveCoins(view)) {
    const opensAt = recoveryOpensAt(coin, recovery)
    if (l1Height !== undefined && opensAt > l1Height) continue
    if (opensAt !== l1Height) {
      l1Height = opensAt
      coins = 0
      value = 0n
    }
    coins += 1
    value += coin.value
  }
  return l1Height === undefined ? undefined : { l1Height, coins, value: sats(value) }
}
