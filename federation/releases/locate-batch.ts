/**
 * Where on L1 an open batch is, by L1's coins instead of its blocks: for a batch whose block may be one
 * that the node has pruned. All versions spend the inputs of the first. While one of those is unspent none
 * is mined; and what a mined version pays the federation stays unspent for as long as the batch is open,
 * so its coins tell which version it is, and their confirmations the height.
 */

import { transactionId } from '../../src/bitcoin/transaction.ts'
import { type Batch, currentVersion } from '../../src/chain/peg/batches.ts'
import { present } from '../../src/primitives/assert.ts'
import type { Txid } from '../../src/primitives/hashes.ts'
import type { BitcoinL1 } from '../l1/bitcoin-l1.ts'

export type BatchLocation =
  | { readonly kind: 'mined'; readonly txid: Txid; readonly l1Height: number }
  | { readonly kind: 'not-mined' }
  /** Mined with nothing left to show it, since it had no change; or L1 moved while it was asked. */
  | { readonly kind: 'unknown' | 'moving' }

/** Throws what the L1 client throws. */
export async function locateBatch(
  l1: Pick<BitcoinL1, 'tip' | 'findUnspent'>,
  batch: Batch,
): Promise<BatchLocation> {
  const tip = await l1.tip()
  const location = await askCoins(l1, batch, tip.height)
  // Confirmations count from a tip that the answers do not name.
  return (await l1.tip()).hash === tip.hash ? location : { kind: 'moving' }
}

async function askCoins(
  l1: Pick<BitcoinL1, 'findUnspent'>,
  batch: Batch,
  tipHeight: number,
): Promise<BatchLocation> {
  const [first] = present(batch.versions[0], 'version of a batch').transaction.inputs
  if ((await l1.findUnspent(present(first, 'input of a batch').prevout)) !== undefined) {
    return { kind: 'not-mined' }
  }
  for (const { transaction } of [currentVersion(batch), ...batch.versions.slice(0, -1)]) {
    const txid = transactionId(transaction)
    // Change comes last.
    for (let vout = transaction.outputs.length - 1; vout >= 0; vout--) {
      const unspent = await l1.findUnspent({ txid, vout })
      if (unspent === undefined) continue
      return { kind: 'mined', txid, l1Height: tipHeight - unspent.confirmations + 1 }
    }
  }
  return { kind: 'unknown' }
}
