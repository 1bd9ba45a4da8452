/** A deposit on its way: the words that say where it is. */

import type { Deposit } from './node-answers.ts'

/** "confirming 2/6", "minted at height 12" … */
export function depositState(deposit: Deposit): string {
  if (deposit.status === 'minted') return `minted at height ${deposit.mintHeight ?? '?'}`
  if (deposit.status === 'below-minimum') return 'below the minimum: send more to the same address'
  if (deposit.status === 'expired')
    return 'expired, too old to be minted: the recovery keys can return it'
  return `${deposit.status} ${deposit.confirmations}/${deposit.requiredConfirmations}`
}
