/**
 * No proposer raises the fees alone: a final rate is within the tolerance of what some honest member's L1
 * has estimated.
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
    const { params, l1, fail } = this.#watch
    const { height, feeRate } = extension
    if (feeRate <= TOLERANCE * Math.max(params.peg.feeRateFloor, l1.fees.highest)) return
    fail(`block ${height} has the fee rate ${feeRate}, which no honest member finds reasonable`)
  }
}
