/**
 * No proposer raises the fees alone: the L1 of a run has no fee market, so that the floor is every honest
 * member's opinion, and a final rate is within the tolerance of it.
 */

import type { Block } from '../../../chain/block.ts'
import type { WholeWatch } from './whole-watch.ts'

/** Members see different mempools; this much apart is still honest. */
const TOLERANCE = 4

export class AgreedFeeRates {
  readonly #watch: WholeWatch

  constructor(watch: WholeWatch) {
    this.#watch = watch
  }

  /** A block that is new to the canonical chain. */
  appended({ extension }: Block): void {
    const { params, fail } = this.#watch
    const { height, feeRate } = extension
    if (feeRate <= TOLERANCE * params.peg.feeRateFloor) return
    fail(`block ${height} has the fee rate ${feeRate}, which no honest member finds reasonable`)
  }
}
