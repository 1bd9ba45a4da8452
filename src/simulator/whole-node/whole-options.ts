/** What decides a run of whole nodes: a seed, and how hard the world is. All else follows. */

import type { ProfileName } from '../latency-profiles.ts'
import type { NodeAdversaryKind } from './adversaries/node-adversaries.ts'
import type { FaultCounts } from './whole-faults.ts'

export interface WholeOptions {
  readonly seed: number
  readonly validators: number
  /** Default: lan. */
  readonly profile?: ProfileName
  /** Length of the faulty phase, virtual ms. */
  readonly faultyMs: number
  readonly deposits: number
  readonly payments: number
  readonly burns: number
  /** Byzantine validators; default: the seed decides, at most f. */
  readonly byzantine?: number
  readonly adversaries?: readonly NodeAdversaryKind[]
  readonly faults?: boolean
  /** A validator joins them in the run; default: the seed decides. */
  readonly change?: boolean
  /** The members make the group key in the run; default: the seed decides. */
  readonly ceremony?: boolean
}

export interface WholeResult {
  readonly height: number
  readonly l1Height: number
  readonly deposits: number
  readonly payments: number
  readonly releases: number
  readonly faults: FaultCounts
  /** How often the peg was frozen. */
  readonly freezes: number
  /** Batches that paid nobody. */
  readonly upkeeps: number
  /** Versions of batches after the first. */
  readonly replacements: number
  readonly votes: number
  readonly packets: number
  readonly adversaries: readonly NodeAdversaryKind[]
  readonly isCeremony: boolean
  /** The validators of the last block are not the first. */
  readonly isChanged: boolean
  /** From the healing until everything that had to end had ended, virtual ms. */
  readonly recoveryMs: number
  /** The most views that a height took after the healing. */
  readonly recoveryViews: number
  readonly virtualMs: number
}
