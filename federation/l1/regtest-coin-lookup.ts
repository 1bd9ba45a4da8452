/** bitcoind's `gettxout` over an embedded regtest chain. */

import type { OutPoint } from '../../src/bitcoin/transaction.ts'
import type { L1Unspent } from './bitcoin-l1.ts'
import type { RegtestChain } from './regtest-chain.ts'

/**
 * The unspent output, as the chain alone has it, or with the mempool's transactions applied.
 * Outputs of the mempool have no confirmations.
 */
export function findRegtestCoin(
  chain: RegtestChain,
  outPoint: OutPoint,
  scope: 'chain' | 'mempool',
): L1Unspent | undefined {
  const confirmed = chain.coins.findCoin(outPoint)
  if (scope === 'mempool') {
    if (chain.mempool.isSpent(outPoint)) return undefined
    const unconfirmed = chain.mempool.findCoin(outPoint)
    if (unconfirmed !== undefined) {
      const { value, script } = unconfirmed
      return { value, script, confirmations: 0, coinbase: false }
    }
  }
  if (confirmed === undefined) return undefined
  const { value, script, height, origin } = confirmed
  const confirmations = chain.tip().height - height + 1
  return { value, script, confirmations, coinbase: origin === 'coinbase' }
}
