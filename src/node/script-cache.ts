/**
 * Remembers which transactions have passed script verification, so that a block of transactions that
 * this node already admitted costs no signature checks. The key covers every input of the check,
 * length-prefixed: the wtxid and all spent outputs; the flags are always the consensus flags.
 */

import { type Transaction, type TxOutput, witnessTransactionId } from '../bitcoin/transaction.ts'
import type { ScriptCache } from '../chain/connect-transaction.ts'
import { bytesToHex } from '../primitives/bytes.ts'
import { encodeWith } from '../primitives/codec.ts'
import { sha256 } from '../primitives/sha256.ts'

/** About 15 MB when full. Not consensus-critical. */
const ENTRIES_MAX = 100_000

export function createScriptCache(): ScriptCache {
  // A Map iterates in insertion order, so the first key is the oldest.
  const passed = new Set<string>()
  return {
    has: (transaction, spent) => passed.has(cacheKey(transaction, spent)),
    add(transaction, spent) {
      passed.add(cacheKey(transaction, spent))
      if (passed.size <= ENTRIES_MAX) return
      const [oldest] = passed
      if (oldest !== undefined) passed.delete(oldest)
    },
  }
}

function cacheKey(transaction: Transaction, spent: readonly TxOutput[]): string {
  const bytes = encodeWith((writer) => {
    writer.utf8(witnessTransactionId(transaction))
    writer.list(spent, (w, output) => w.u64(output.value).varBytes(output.script))
  })
  return bytesToHex(sha256(bytes))
}
