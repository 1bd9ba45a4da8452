/**
 * Evidence of validators' double votes on disk: what final blocks carry, written with their blocks, and
 * what this node knows and no block carries yet.
 */

import { type Offence, offenceOf } from '../chain/evidence.ts'
import type { Evidence } from '../consensus/evidence.ts'
import type { KeyValueStore, Write } from '../runtime/runtime.ts'
import { endOfPrefix, evidenceKey, evidencePrefix } from './keys.ts'
import { evidenceRecord, type RecordedEvidence, waitingEvidenceRecord } from './records.ts'

export class EvidenceTable {
  readonly #store: KeyValueStore

  constructor(store: KeyValueStore) {
    this.#store = store
  }

  /**
   * What final blocks carry, the highest offence first, at most `limit`; with `before`, those below
   * it. A chain that began with a snapshot lacks what is in the blocks before.
   */
  async recorded(options: {
    readonly before?: Offence
    readonly limit: number
  }): Promise<readonly RecordedEvidence[]> {
    const { before, limit } = options
    const prefix = evidencePrefix('evidence')
    const end = before === undefined ? endOfPrefix(prefix) : evidenceKey('evidence', before)
    const found: RecordedEvidence[] = []
    for await (const [, value] of this.#store.range(prefix, end, { reverse: true, limit })) {
      found.push(evidenceRecord.decode(value))
    }
    return found
  }

  /** What was kept and not forgotten, the lowest offence first. */
  async waiting(): Promise<readonly Evidence[]> {
    const prefix = evidencePrefix('waitingEvidence')
    const found: Evidence[] = []
    for await (const [, value] of this.#store.range(prefix, endOfPrefix(prefix))) {
      found.push(waitingEvidenceRecord.decode(value))
    }
    return found
  }

  /** The votes in order. Resolves when it would survive a power failure. */
  async keep(evidence: Evidence): Promise<void> {
    const key = evidenceKey('waitingEvidence', offenceOf(evidence))
    const write: Write = { kind: 'put', key, value: waitingEvidenceRecord.encode(evidence) }
    await this.#store.write([write], { sync: true })
  }

  async forget(offences: readonly Offence[]): Promise<void> {
    const writes = offences.map(
      (offence): Write => ({ kind: 'delete', key: evidenceKey('waitingEvidence', offence) }),
    )
    await this.#store.write(writes, { sync: false })
  }
}
