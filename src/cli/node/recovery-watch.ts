/** How long the recovery keys still have to wait, for status, metrics and health. */

import type { StatusView } from '../../api/schemas.ts'
import {
  blocksUntilOpen,
  type RecoveryOpening,
  soonestOpening,
} from '../../chain/peg/recovery-opening.ts'
import type { ChainService } from '../../node/chain-service.ts'
import type { BlockHash } from '../../primitives/hashes.ts'
import { formatBtc } from '../../primitives/units.ts'

/** With less than this part of the delay left the federation is late to move its coins. */
const WARNING_SHARE = 4

export interface RecoveryWatch {
  /** Undefined without reserves. `l1Height` is the highest L1 block known here. */
  countdown(l1Height: number): NonNullable<StatusView['peg']['recovery']> | undefined
  /** What an operator should know; undefined while there is time. */
  warning(l1Height: number): string | undefined
}

export function createRecoveryWatch(chain: Pick<ChainService, 'params' | 'state'>): RecoveryWatch {
  const { recovery } = chain.params.peg
  // Every coin is looked at, so at most once for a block.
  let known: { readonly hash: BlockHash; readonly opening: RecoveryOpening | undefined } | undefined
  const opening = (): RecoveryOpening | undefined => {
    const { tip, view } = chain.state()
    if (known?.hash !== tip.hash) {
      known = { hash: tip.hash, opening: soonestOpening(view, recovery) }
    }
    return known.opening
  }
  return {
    countdown(l1Height) {
      const found = opening()
      if (found === undefined) return undefined
      return {
        opensAtL1Height: found.l1Height,
        blocksLeft: blocksUntilOpen(found.l1Height, l1Height),
        coins: found.coins,
        valueSats: Number(found.value),
      }
    },
    warning(l1Height) {
      const found = opening()
      if (found === undefined) return undefined
      const left = blocksUntilOpen(found.l1Height, l1Height)
      if (left * WARNING_SHARE >= recovery.delayBlocks) return undefined
      const what = `${formatBtc(found.value)} BTC of the reserves`
      return left === 0
        ? `the recovery keys can move ${what} now: the federation must move it first`
        : `the recovery keys can move ${what} in ${left} L1 blocks: the federation must move it first`
    },
  }
}
