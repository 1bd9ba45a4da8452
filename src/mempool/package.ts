/**
 * The shape of what is judged together: parents before children, none twice, no coin spent twice, within
 * the limits of a family; and for submission a child with its parents (Core's `submitpackage`). Needs
 * neither coins nor pool.
 */

import {
  outPointKey,
  type Transaction,
  transactionId,
  transactionWeight,
} from '../bitcoin/transaction.ts'
import type { Txid } from '../primitives/hashes.ts'
import { ok, type Rejection, type Result, reject } from '../primitives/result.ts'
import { PACKAGE_TRANSACTIONS_MAX, PACKAGE_WEIGHT_MAX } from './policy.ts'

export function checkPackage(transactions: readonly Transaction[]): Result<void, Rejection> {
  if (transactions.length > PACKAGE_TRANSACTIONS_MAX) {
    return reject('package-too-many-transactions', 'policy', `${transactions.length}`)
  }
  const weight = transactions.reduce((sum, one) => sum + transactionWeight(one), 0)
  // One alone has a limit of its own, with a code of its own.
  if (transactions.length > 1 && weight > PACKAGE_WEIGHT_MAX) {
    return reject('package-too-large', 'policy', `weight ${weight}`)
  }
  const later = new Set(transactions.map(transactionId))
  if (later.size < transactions.length) return reject('package-contains-duplicates', 'policy')
  const spent = new Set<string>()
  for (const transaction of transactions) {
    for (const { prevout } of transaction.inputs) {
      if (later.has(prevout.txid)) return reject('package-not-sorted', 'policy')
      const key = outPointKey(prevout)
      if (spent.has(key)) return reject('conflict-in-package', 'policy', key)
      spent.add(key)
    }
    later.delete(transactionId(transaction))
  }
  return ok(undefined)
}

/** One child, last, and its direct parents, of which none builds on another. */
export function checkChildWithParents(
  transactions: readonly Transaction[],
): Result<void, Rejection> {
  const child = transactions.at(-1)
  const parents = new Set<Txid>(transactions.slice(0, -1).map(transactionId))
  const spentByChild = new Set(child?.inputs.map(({ prevout }) => prevout.txid))
  const isTree = transactions
    .slice(0, -1)
    .every(({ inputs }) => inputs.every(({ prevout }) => !parents.has(prevout.txid)))
  if (child !== undefined && isTree && [...parents].every((txid) => spentByChild.has(txid))) {
    return ok(undefined)
  }
  return reject('package-not-child-with-parents', 'policy')
}
