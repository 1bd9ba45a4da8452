/** Configuration of the agreement core, and the timers' defaults. */

import { assert } from '../primitives/assert.ts'
import type { BlockHash, Hash32 } from '../primitives/hashes.ts'
import type { ConsensusBlock } from './block.ts'
import type { ValidatorSet } from './validator-set.ts'
import type { Statement } from './votes.ts'

/** Milliseconds. Local: nodes may differ, at a price in speed only. */
export interface ConsensusTimings {
  /** A view without a proposal is given up: ≥ two delays + building + validation + fsync. */
  readonly proposeMs: number
  /** A view without a notarization is given up; above `proposeMs`. */
  readonly notarizeMs: number
  /** A notarized view is left: ≥ two delays. */
  readonly finalizeMs: number
  /** STATUS after this long without progress. */
  readonly retransmitMs: number
  /** A leader silent for this long is skipped at once; ≥ 8 × `retransmitMs`. */
  readonly deadMs: number
}

export const WAN_TIMINGS: ConsensusTimings = {
  proposeMs: 800,
  notarizeMs: 1_200,
  finalizeMs: 400,
  retransmitMs: 300,
  deadMs: 3_000,
}

export const LAN_TIMINGS: ConsensusTimings = {
  proposeMs: 200,
  notarizeMs: 300,
  finalizeMs: 150,
  retransmitMs: 100,
  deadMs: 1_000,
}

/** A development network: all validators share the few cores of one machine. */
export const CROWDED_TIMINGS: ConsensusTimings = {
  proposeMs: 500,
  notarizeMs: 800,
  finalizeMs: 300,
  retransmitMs: 150,
  deadMs: 1_500,
}

export interface ConsensusConfig {
  readonly chainId: Hash32
  readonly validatorSet: ValidatorSet
  /** Index in the set; undefined for a node that follows and never votes. */
  readonly self: number | undefined
  /** The first height that is not decided here, and the block before it. */
  readonly height: number
  readonly parentHash: BlockHash
  /** Signs nothing below this height: for a node that may have lost its log. 0 = no restriction. */
  readonly voteFromHeight: number
  readonly minBlockIntervalMs: number
  readonly timings: ConsensusTimings
}

/** What the core cannot do itself. Synchronous and deterministic, without effects it could notice. */
export interface ConsensusDeps {
  /**
   * BIP340 signature over `voteDigest` by the own validator key, or undefined when the sign guard
   * refuses: the node then abstains. Called once for each statement.
   */
  sign(statement: Statement): Uint8Array | undefined
  /** Decodes a block and checks that all of it is bound to its hash; undefined when it is not. */
  openBlock(bytes: Uint8Array): ConsensusBlock | undefined
}

/** @throws AssertionError for a configuration that cannot work. */
export function assertConfig(config: ConsensusConfig): void {
  const { timings, self, validatorSet } = config
  assert(validatorSet.keys.length >= 1, 'no validators')
  assert(self === undefined || validatorSet.keys[self] !== undefined, 'self is not in the set')
  assert(timings.notarizeMs > timings.proposeMs, 'notarizeMs must exceed proposeMs')
  assert(timings.deadMs >= 8 * timings.retransmitMs, 'deadMs must be at least 8 × retransmitMs')
}
