/**
 * Ephemeral dust (Bitcoin Core 29): one output too small to be worth spending is welcome in a transaction
 * that pays no fee, when the child that pays for both spends it. Nobody is then paid to leave dust
 * behind. Lightning's zero-fee commitments need it: their anchor may hold less than 240 satoshis.
 */

import { outPointKey, type Transaction } from '../bitcoin/transaction.ts'
import { ok, type Rejection, type Result, reject } from '../primitives/result.ts'
import type { MempoolEntry } from './entry-graph.ts'
import { dustOutputs } from './policy.ts'

/** A fee would be a reason to mine it without the child. */
export function checkDustIsFree(transaction: Transaction, fee: bigint): Result<void, Rejection> {
  const [vout] = dustOutputs(transaction)
  if (vout === undefined || fee === 0n) return ok(undefined)
  const why = `output ${vout} is too small, which only a transaction without fee may have`
  return reject('dust', 'policy', why)
}

/** Whoever spends from unconfirmed parents spends all the dust that they have. */
export function checkDustIsSpent(
  transaction: Transaction,
  parents: readonly MempoolEntry[],
): Result<void, Rejection> {
  const spent = new Set(transaction.inputs.map(({ prevout }) => outPointKey(prevout)))
  for (const { txid, transaction: parent, fee } of parents) {
    // With a fee it has none.
    if (fee !== 0n) continue
    for (const vout of dustOutputs(parent)) {
      if (spent.has(outPointKey({ txid, vout }))) continue
      return reject('missing-ephemeral-spends', 'policy', `${txid}:${vout} has to be spent too`)
    }
  }
  return ok(undefined)
}
