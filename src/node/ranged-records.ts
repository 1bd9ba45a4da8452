/**
 * The records of the namespaces that rules walk through, in memory and in order. An update costs what
 * it changes and one pass over the keys; a walk costs what is walked.
 */

import {
  RANGED_NAMESPACES,
  type RangedNamespace,
  type StateDelta,
  type StateKey,
} from '../chain/state.ts'
import { present } from '../primitives/assert.ts'

export class RangedRecords {
  readonly #namespaces = new Map(RANGED_NAMESPACES.map((name) => [name, new SortedRecords()]))

  /** A record of the state as it is opened; those of other namespaces are not kept. */
  load(key: StateKey, value: Uint8Array): void {
    for (const [namespace, records] of this.#namespaces) {
      if (key.startsWith(namespace)) records.update([[key, value]], [])
    }
  }

  apply({ puts, deletes }: StateDelta): void {
    for (const [namespace, records] of this.#namespaces) {
      const put = [...puts].filter(([key]) => key.startsWith(namespace))
      const deleted = [...deletes].filter((key) => key.startsWith(namespace))
      if (put.length + deleted.length > 0) records.update(put, deleted)
    }
  }

  /** In ascending key order. The state must not change while it is walked. */
  range(namespace: RangedNamespace): Iterable<readonly [StateKey, Uint8Array]> {
    return present(this.#namespaces.get(namespace), 'ranged namespace').walk()
  }
}

class SortedRecords {
  readonly #values = new Map<StateKey, Uint8Array>()
  #keys: StateKey[] = []

  update(puts: readonly (readonly [StateKey, Uint8Array])[], deletes: readonly StateKey[]): void {
    const added: StateKey[] = []
    for (const [key, value] of puts) {
      if (!this.#values.has(key)) added.push(key)
      this.#values.set(key, value)
    }
    for (const key of deletes) this.#values.delete(key)
    if (deletes.length > 0) this.#keys = this.#keys.filter((key) => this.#values.has(key))
    const last = this.#keys.at(-1)
    const isAppended = added.every((key, i) => key > (added[i - 1] ?? last ?? ''))
    this.#keys.push(...added)
    if (!isAppended) this.#keys.sort()
  }

  *walk(): Iterable<readonly [StateKey, Uint8Array]> {
    for (const key of this.#keys) yield [key, present(this.#values.get(key), 'ranged record')]
  }
}
