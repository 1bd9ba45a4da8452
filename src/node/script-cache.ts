/**
 * Remembers which transactions have passed script verification, so that a block of transactions that
 * this node already admitted costs no signature checks. The key covers every input of the check: the
 * wtxid and all spent outputs, counted and length-prefixed, under a secret salt, so that nobody can
 * prepare two checks with one key. The flags are always the consensus flags.
 */

import { type Transaction, type TxOutput, witnessTransactionId } from '../bitcoin/transaction.ts'
import { NO_SCRIPT_CACHE, type ScriptCache } from '../chain/connect-transaction.ts'
import { assert } from '../primitives/assert.ts'
import { encodeWith } from '../primitives/codec.ts'
import { writeReversed } from '../primitives/hashes.ts'
import { sha256 } from '../primitives/sha256.ts'
import type { Random } from '../runtime/runtime.ts'

/** About 8 MB when full, and several of the largest mempools. Not consensus-critical. */
const ENTRIES_MAX = 100_000
const SALT_BYTES = 16
/** What is kept of each hash: two keys are equal by chance in one of 2^128 cases. */
const KEY_BYTES = 16

/** The cache that a node's configuration asks for; without one every script runs every time. */
export function openScriptCache(isEnabled: boolean, random: Random): ScriptCache {
  return isEnabled ? createScriptCache(random.bytes(SALT_BYTES)) : NO_SCRIPT_CACHE
}

/** `salt` is 16 bytes that nobody else knows. Keeps the last `entriesMax` / 2 entries or more. */
export function createScriptCache(salt: Uint8Array, entriesMax = ENTRIES_MAX): ScriptCache {
  assert(salt.length === SALT_BYTES, 'a salt of 16 bytes')
  // Two generations: the older one is forgotten whole, which costs nothing per entry.
  const generationMax = Math.max(1, Math.floor(entriesMax / 2))
  let young = new Set<string>()
  let old = new Set<string>()

  // The rules ask first and add the same objects after the check: hash them once.
  let last:
    | {
        readonly transaction: Transaction
        readonly spent: readonly TxOutput[]
        readonly key: string
      }
    | undefined
  const keyOf = (transaction: Transaction, spent: readonly TxOutput[]): string => {
    if (last?.transaction !== transaction || last.spent !== spent) {
      last = { transaction, spent, key: cacheKey(salt, transaction, spent) }
    }
    return last.key
  }
  return {
    has(transaction, spent) {
      const key = keyOf(transaction, spent)
      return young.has(key) || old.has(key)
    },
    add(transaction, spent) {
      young.add(keyOf(transaction, spent))
      if (young.size < generationMax) return
      old = young
      young = new Set()
    },
  }
}

function cacheKey(salt: Uint8Array, transaction: Transaction, spent: readonly TxOutput[]): string {
  const bytes = encodeWith((writer) => {
    writer.bytes(salt)
    writeReversed(writer, witnessTransactionId(transaction))
    writer.list(spent, (w, output) => w.u64(output.value).varBytes(output.script))
  })
  return String.fromCharCode(...sha256(bytes).subarray(0, KEY_BYTES))
}
