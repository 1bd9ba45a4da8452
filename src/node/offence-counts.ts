/** At how many heights the chain convicts each validator, counted out of the state. */

import { findOffender } from '../chain/evidence.ts'
import type { StateDelta, StateKey } from '../chain/state.ts'

export class OffenceCounts {
  readonly #counts = new Map<number, number>()

  /** A record of the state as it is opened. */
  load(key: StateKey): void {
    const offender = findOffender(key)
    if (offender !== undefined) this.#counts.set(offender, this.of(offender) + 1)
  }

  /** Such records come, one for each offence, and never go. */
  apply({ puts }: StateDelta): void {
    for (const key of puts.keys()) this.load(key)
  }

  /** `validator`: index in the set. */
  of(validator: number): number {
    return this.#counts.get(validator) ?? 0
  }
}
