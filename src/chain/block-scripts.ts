/**
 * Script verification for a whole block: transactions that passed before are skipped, and the
 * elliptic-curve checks of the others go into one batch, which other cores work on meanwhile.
 */

import type { ScriptErrorCode } from '../bitcoin/script-error.ts'
import { type Transaction, type TxOutput, transactionId } from '../bitcoin/transaction.ts'
import { present } from '../primitives/assert.ts'
import {
  type CheckBatch,
  type CheckBatches,
  type CheckKind,
  INLINE_CHECKS,
} from '../primitives/check-batch.ts'
import { ok, type Rejection, type Result } from '../primitives/result.ts'
import {
  NO_SCRIPT_CACHE,
  rejectScripts,
  type ScriptCache,
  verifyScripts,
} from './connect-transaction.ts'

/** How scripts are verified; it changes what that costs, never the answer. */
export interface ScriptVerification {
  readonly cache: ScriptCache
  readonly batches: CheckBatches
}

export const PLAIN_VERIFICATION: ScriptVerification = {
  cache: NO_SCRIPT_CACHE,
  batches: INLINE_CHECKS,
}

/** What a script says when it waits for the answer. */
const FAILURES: Readonly<Record<CheckKind, ScriptErrorCode>> = {
  schnorr: 'SCHNORR_SIG',
  ecdsa: 'SIG_NULLFAIL',
  tweak: 'WITNESS_PROGRAM_MISMATCH',
}

interface Verified {
  readonly transaction: Transaction
  readonly spent: readonly TxOutput[]
  /** Index of its first check in the batch. */
  readonly firstCheck: number
  /** But for the checks that were put off. */
  readonly hasPassed: boolean
}

export class BlockScripts {
  readonly #cache: ScriptCache
  readonly #checks: CheckBatch
  readonly #verified: Verified[] = []

  constructor({ cache, batches }: ScriptVerification) {
    this.#cache = cache
    this.#checks = batches.begin()
  }

  /** Success is final only with that of `settle`. */
  verify(transaction: Transaction, spent: readonly TxOutput[]): Result<void, Rejection> {
    if (this.#cache.has(transaction, spent)) return ok(undefined)
    const firstCheck = this.#checks.size
    const verdict = verifyScripts(transaction, spent, this.#checks)
    this.#verified.push({ transaction, spent, firstCheck, hasPassed: verdict.ok })
    return verdict
  }

  /** The answers that were put off: the first transaction that fails is the block's failure. */
  settle(): Result<void, Rejection> {
    const failed = this.#checks.finish()
    if (failed === undefined) {
      for (const { transaction, spent, hasPassed } of this.#verified) {
        if (hasPassed) this.#cache.add(transaction, spent)
      }
      return ok(undefined)
    }
    const guilty = this.#verified.findLast(({ firstCheck }) => firstCheck <= failed.index)
    const { transaction } = present(guilty, 'transaction of the failed check')
    return rejectScripts(FAILURES[failed.kind], `transaction ${transactionId(transaction)}`)
  }
}
