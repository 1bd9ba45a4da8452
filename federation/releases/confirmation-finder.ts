/**
 * Finds the L1 blocks that contain open batches' transactions, by reading blocks in order: it needs
 * no wallet, no transaction index, and no memory of having sent anything. Any version of a batch may be
 * the one that L1 takes. Every version has its own place in the search, since one that opens later, or
 * is heard of later, may have begun earlier.
 */

import { transactionId } from '../../src/bitcoin/transaction.ts'
import type { Batch } from '../../src/chain/peg/batches.ts'
import type { BlockHash, Txid } from '../../src/primitives/hashes.ts'
import type { ScanProgress } from '../deposits/deposit-watcher.ts'
import type { BitcoinL1 } from '../l1/bitcoin-l1.ts'

export interface ConfirmationFinder {
  /** Which version of a batch L1 has and in which block, as far as has been looked. */
  find(batch: Batch): FoundBatch | undefined
  /** Grows with every change of what has been found. */
  revision(): number
  /** Looks on, up to `tipHeight`. Throws what the L1 client throws. */
  look(open: readonly Batch[], tipHeight: number): Promise<ScanProgress>
}

export interface FoundBatch {
  readonly txid: Txid
  readonly l1Height: number
}

/** Blocks read per call, so that a long catch-up yields to other work. */
const BLOCKS_PER_LOOK = 50

interface Search {
  readonly afterL1Height: number
  /** Every block up to here has been read for it. */
  readUpTo: number
  found: number | undefined
}

export function createConfirmationFinder(l1: BitcoinL1): ConfirmationFinder {
  const searches = new Map<Txid, Search>()
  /** The last block that was read, by which a reorganisation shows. */
  let last: { readonly height: number; readonly hash: BlockHash } | undefined
  let revision = 0

  function follow(open: readonly Batch[]): void {
    const wanted = new Map(
      open.flatMap(({ versions }) =>
        versions.map(
          ({ transaction, l1Height }) => [transactionId(transaction), l1Height] as const,
        ),
      ),
    )
    for (const txid of searches.keys()) if (!wanted.has(txid)) searches.delete(txid)
    for (const [txid, afterL1Height] of wanted) {
      if (searches.has(txid)) continue
      searches.set(txid, { afterL1Height, readUpTo: afterL1Height, found: undefined })
    }
  }

  async function restartIfReplaced(tipHeight: number): Promise<void> {
    if (last === undefined || last.height > tipHeight) return
    if ((await l1.blockHashAt(last.height)) === last.hash) return
    last = undefined
    revision += 1
    // Rare, and at most the time that a batch is open: from the beginning is simple and surely right.
    for (const search of searches.values()) {
      search.readUpTo = search.afterL1Height
      search.found = undefined
    }
  }

  async function read(height: number): Promise<boolean> {
    const hash = await l1.blockHashAt(height)
    const block = hash === undefined ? undefined : await l1.block(hash)
    if (block === undefined) return false
    const ids = new Set(block.transactions.map(transactionId))
    for (const [txid, search] of searches) {
      if (search.found !== undefined || search.readUpTo >= height) continue
      search.readUpTo = height
      if (!ids.has(txid)) continue
      search.found = height
      revision += 1
    }
    if (last === undefined || height > last.height) last = { height, hash: block.hash }
    return true
  }

  return {
    find({ versions }) {
      for (const { transaction } of versions) {
        const txid = transactionId(transaction)
        const l1Height = searches.get(txid)?.found
        if (l1Height !== undefined) return { txid, l1Height }
      }
      return undefined
    },
    revision: () => revision,
    async look(open, tipHeight) {
      follow(open)
      await restartIfReplaced(tipHeight)
      for (let count = 0; count < BLOCKS_PER_LOOK; count++) {
        const places = [...searches.values()].flatMap(({ found, readUpTo }) =>
          found === undefined && readUpTo < tipHeight ? [readUpTo] : [],
        )
        if (places.length === 0) return 'done'
        if (!(await read(Math.min(...places) + 1))) return 'stuck'
      }
      return 'more'
    },
  }
}
