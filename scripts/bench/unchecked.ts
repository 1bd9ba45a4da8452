/**
 * Verification that takes every script as checked before: for making blocks, and for measuring what is
 * left of validation when the transactions have waited in the mempool.
 */

import type { ScriptVerification } from '../../src/chain/block-scripts.ts'
import { INLINE_CHECKS } from '../../src/primitives/check-batch.ts'

export const UNCHECKED: ScriptVerification = {
  cache: { has: () => true, add: () => undefined },
  batches: INLINE_CHECKS,
}
