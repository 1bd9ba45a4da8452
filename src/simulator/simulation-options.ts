/** What decides a run: a seed, and how hard the world is. Everything else follows from these. */

import type { ConsensusBlock } from '../consensus/block.ts'
import type { AdversaryKind } from './adversaries/create-adversary.ts'
import type { ProfileName } from './latency-profiles.ts'

export interface FaultKinds {
  readonly network: boolean
  readonly crashes: boolean
  readonly disks: boolean
  readonly clocks: boolean
}

export const ALL_FAULTS: FaultKinds = { network: true, crashes: true, disks: true, clocks: true }
export const NO_FAULTS: FaultKinds = { network: false, crashes: false, disks: false, clocks: false }

/**
 * `safety`: everything heals in the end. `liveness`: a quorum of honest nodes heals, and what else
 * was broken stays broken for ever.
 */
export type HealingMode = 'safety' | 'liveness'

export interface SimulationOptions {
  readonly seed: number
  readonly validators: number
  /** Default: lan. */
  readonly profile?: ProfileName
  /** Default: the seed decides. */
  readonly mode?: HealingMode
  /** Length of the faulty phase, virtual milliseconds. */
  readonly faultyMs: number
  readonly transactions: number
  /** How many Byzantine validators: default f; at most f unless agreement is meant to break. */
  readonly byzantine?: number
  /** What they may be; default: anything. */
  readonly adversaries?: readonly AdversaryKind[]
  readonly faults?: FaultKinds
  /** Four validators become five, and then one of them another; none of them Byzantine. */
  readonly changes?: boolean
}

export interface SimulationResult {
  readonly height: number
  readonly emptyBlocks: number
  readonly evidence: number
  readonly crashes: number
  readonly diskErrors: number
  readonly votes: number
  readonly packets: number
  /** What the Byzantine validators were. */
  readonly adversaries: readonly AdversaryKind[]
  readonly mode: HealingMode
  /** From the healing until everything that had to be final was, virtual ms. */
  readonly recoveryMs: number
  /** The most views a height took in that time. */
  readonly recoveryViews: number
  readonly virtualMs: number
  readonly tips: readonly (ConsensusBlock | undefined)[]
}
