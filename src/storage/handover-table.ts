/**
 * The handovers of the chain so far, in order: what a light client needs to know the present validators
 * from. They are kept apart from their blocks, which a chain that began with a snapshot does not have.
 */

import type { KeyValueStore, Write } from '../runtime/runtime.ts'
import { handoverKey } from './keys.ts'

/** The row of a handover; `index` counts from 0. */
export function handoverRow(index: number, handover: Uint8Array): Write {
  return { kind: 'put', key: handoverKey(index), value: handover }
}

export class HandoverTable {
  readonly #handovers: Uint8Array[] = []

  constructor(store: Pick<KeyValueStore, 'get'>) {
    for (;;) {
      const handover = store.get(handoverKey(this.#handovers.length))
      if (handover === undefined) return
      this.#handovers.push(handover)
    }
  }

  /** Encoded, oldest first. */
  all(): readonly Uint8Array[] {
    return this.#handovers
  }

  /** The next one's row. */
  nextRow(handover: Uint8Array): Write {
    return handoverRow(this.#handovers.length, handover)
  }

  /** The row is durable. */
  added(handover: Uint8Array): void {
    this.#handovers.push(handover)
  }
}
