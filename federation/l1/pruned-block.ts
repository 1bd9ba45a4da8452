/** Tells a block that an L1 node will not have again by itself from one that is on its way. */

import type { BlockHash } from '../../src/primitives/hashes.ts'
import type { BitcoinL1 } from './bitcoin-l1.ts'

/**
 * Why did the node not give this block? A node has had every block of its best chain: one that it cannot
 * give any more is pruned, and waiting for it would be for ever. Throws what the L1 client throws.
 */
export async function isPrunedBlock(
  l1: Pick<BitcoinL1, 'header'>,
  hash: BlockHash,
): Promise<boolean> {
  const status = await l1.header(hash)
  return status?.inBestChain === true && status.confirmations > 1
}
