/**
 * Runs its key in two places: two unmodified nodes, each with a disk of its own, which some peers see
 * one of and others both ("Twins: BFT Systems Made Robust", Bano et al.).
 */

import type { Adversary } from './adversary.ts'

export function createTwins(): Adversary {
  return { presence: 'twice' }
}
