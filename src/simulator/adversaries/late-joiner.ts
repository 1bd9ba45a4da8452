/** Starts for the first time, with an empty disk, when the others are far ahead. */

import type { Adversary } from './adversary.ts'

export function createLateJoiner(): Adversary {
  return { presence: 'late' }
}
