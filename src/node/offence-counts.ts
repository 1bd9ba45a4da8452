/** At how many heights the chain convicts each validator, counted out of the state. */

import { findConviction } from '../chain/evidence.ts'
import type { StateDelta, StateKey } from '../chain/state.ts'
import type { XOnlyKey } from '../primitives/hashes.ts'

export class OffenceCounts {
  readonly #counts = new Map<XOnlyKey, number>()

  /** A record of the state as it is opened. */
  load(key: StateKey, value: Uint8Array): void {
    const offender = findConviction(key, value)?.offender
    if (offender !== undefined) this.#counts.set(offender, this.of(offender) + 1)
  }

  /** Such records come, one for each offence, and never go. */
  apply({ puts }: StateDelta): void {
    for (const [key, value] of puts) this.load(key, value)
  }

  of(validator: XOnlyKey): number {
    return this.#counts.get(validator) ?? 0
  }
}
