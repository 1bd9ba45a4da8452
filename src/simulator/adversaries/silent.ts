/** Says nothing: its process never starts. */

import type { Adversary } from './adversary.ts'

export function createSilent(): Adversary {
  return { presence: 'never' }
}
