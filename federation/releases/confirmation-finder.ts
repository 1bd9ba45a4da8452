/**
 * Finds the L1 blocks that contain open batches' transactions, by reading blocks in order: it needs
 * no wallet, no transaction index, and no memory of having sent anything.
 */

import { transactionId } from '../../src/bitcoin/transaction.ts'
import type { Batch } from '../../src/chain/peg/batches.ts'
import type { BlockHash, Txid } from '../../src/primitives/hashes.ts'
import type { BitcoinL1 } from '../l1/bitcoin-l1.ts'

export interface ConfirmationFinder {
  /** L1 height of the block with this transaction, as far as has been looked. */
  heightOf(txid: Txid): number | undefined
  /** Looks up to `tipHeight`; true when it got there. Throws what the L1 client throws. */
  look(open: readonly Batch[], tipHeight: number): Promise<boolean>
}

/** Blocks read per call, so that a long catch-up yields to other work. */
const BLOCKS_PER_LOOK = 50
/** After a reorganisation: looked at again. */
const REWIND_BLOCKS = 20

export function createConfirmationFinder(l1: BitcoinL1): ConfirmationFinder {
  const heights = new Map<Txid, number>()
  let cursor: number | undefined
  let cursorHash: BlockHash | undefined

  async function rewindIfReplaced(): Promise<void> {
    if (cursor === undefined || cursorHash === undefined) return
    if ((await l1.blockHashAt(cursor)) === cursorHash) return
    cursor = Math.max(0, cursor - REWIND_BLOCKS)
    for (const [txid, height] of heights) if (height > cursor) heights.delete(txid)
  }

  return {
    heightOf: (txid) => heights.get(txid),
    async look(open, tipHeight) {
      const wanted = new Map(open.map((batch) => [transactionId(batch.transaction), batch]))
      for (const txid of heights.keys()) if (!wanted.has(txid)) heights.delete(txid)
      if (wanted.size === 0) {
        cursor = undefined
        return true
      }
      await rewindIfReplaced()
      const from = cursor ?? Math.min(...open.map((batch) => batch.afterL1Height))
      const until = Math.min(tipHeight, from + BLOCKS_PER_LOOK)
      for (let height = from + 1; height <= until; height++) {
        const hash = await l1.blockHashAt(height)
        const block = hash === undefined ? undefined : await l1.block(hash)
        if (block === undefined) return false
        for (const transaction of block.transactions) {
          const txid = transactionId(transaction)
          if (wanted.has(txid)) heights.set(txid, height)
        }
        cursor = height
        cursorHash = block.hash
      }
      return until >= tipHeight
    },
  }
}
