/**
 * Quorum arithmetic for n equal validators, of which fewer than a third may be Byzantine.
 * q = n − f, not 2f + 1: the two differ unless n = 3f + 1, and 2f + 1 is too small for n = 5 or 6.
 * Any two quorums share at least f + 1 validators, and the honest ones alone are a quorum.
 */

import { assert } from '../primitives/assert.ts'

/** f = ⌊(n − 1) / 3⌋: how many validators may be faulty. */
export function faultTolerance(validatorCount: number): number {
  assert(Number.isSafeInteger(validatorCount) && validatorCount >= 1, 'no validators')
  return Math.floor((validatorCount - 1) / 3)
}

/** q = n − f: how many distinct votes make a certificate. */
export function quorumSize(validatorCount: number): number {
  return validatorCount - faultTolerance(validatorCount)
}
