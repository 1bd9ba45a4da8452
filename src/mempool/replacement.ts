/**
 * Replacement by fee for every transaction (full RBF): a newcomer that spends the same coins takes the
 * place of what it conflicts with when it pays for it. BIP125 rules 3 to 5, and Core's rule that the
 * fee rate must rise; signalling (rule 1) and new unconfirmed inputs (rule 2) do not matter.
 */

import type { Transaction } from '../bitcoin/transaction.ts'
import type { Txid } from '../primitives/hashes.ts'
import { ok, type Rejection, type Result, reject } from '../primitives/result.ts'
import type { EntryGraph, MempoolEntry } from './entry-graph.ts'
import { feeAtRate, INCREMENTAL_FEE_SATS_PER_KVB, REPLACEMENT_EVICTIONS_MAX } from './policy.ts'

export interface Newcomer {
  readonly transaction: Transaction
  readonly fee: bigint
  readonly chargedVsize: number
}

/** What has to go for the newcomer: its direct conflicts and all that builds on them. */
export function checkReplacement(
  graph: EntryGraph,
  newcomer: Newcomer,
): Result<readonly MempoolEntry[], Rejection> {
  const conflicts = new Set<Txid>()
  for (const input of newcomer.transaction.inputs) {
    const spender = graph.spender(input.prevout)
    if (spender !== undefined) conflicts.add(spender.txid)
  }
  if (conflicts.size === 0) return ok([])
  // Who spends a coin that its own ancestor spends can never be in one block with it.
  for (const ancestor of graph.ancestorsOfNew(newcomer.transaction)) {
    if (conflicts.has(ancestor.txid)) return reject('bad-txns-spends-conflicting-tx', 'policy')
  }
  // Rule 5, on the direct conflicts first: each has its descendants still to be walked.
  if (conflicts.size > REPLACEMENT_EVICTIONS_MAX)
    return reject('too many potential replacements', 'policy')
  const replaced = graph.withDescendants(conflicts)
  if (replaced.length > REPLACEMENT_EVICTIONS_MAX) {
    return reject('too many potential replacements', 'policy', `${replaced.length} transactions`)
  }
  for (const txid of conflicts) {
    const conflict = graph.find(txid)
    if (conflict !== undefined && !paysHigherRate(newcomer, conflict)) {
      return reject('insufficient fee', 'policy', `fee rate not above that of ${txid}`)
    }
  }
  // Rule 3: at least the fees of everything that goes. Rule 4: and the newcomer's own relay.
  const replacedFees = replaced.reduce((sum, entry) => sum + entry.fee, 0n)
  const least = replacedFees + feeAtRate(INCREMENTAL_FEE_SATS_PER_KVB, newcomer.chargedVsize)
  if (newcomer.fee < least) {
    return reject('insufficient fee', 'policy', `fee ${newcomer.fee}, needed ${least}`)
  }
  return ok(replaced)
}

/** Exactly: a/b > c/d as a·d > c·b. */
function paysHigherRate(newcomer: Newcomer, conflict: MempoolEntry): boolean {
  return newcomer.fee * BigInt(conflict.chargedVsize) > conflict.fee * BigInt(newcomer.chargedVsize)
}
