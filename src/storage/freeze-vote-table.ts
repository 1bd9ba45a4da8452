/** Freeze votes on disk that this node knows and no block carries yet, the newest of each validator. */

import type { FreezeVote } from '../chain/peg/freeze-vote.ts'
import type { XOnlyKey } from '../primitives/hashes.ts'
import type { KeyValueStore, Write } from '../runtime/runtime.ts'
import { endOfPrefix, waitingFreezeVoteKey, waitingFreezeVotePrefix } from './keys.ts'
import { waitingFreezeVoteRecord } from './records.ts'

export class FreezeVoteTable {
  readonly #store: KeyValueStore

  constructor(store: KeyValueStore) {
    this.#store = store
  }

  /** What was kept and not forgotten, by validator key. */
  async waiting(): Promise<readonly FreezeVote[]> {
    const prefix = waitingFreezeVotePrefix()
    const found: FreezeVote[] = []
    for await (const [, value] of this.#store.range(prefix, endOfPrefix(prefix))) {
      found.push(waitingFreezeVoteRecord.decode(value))
    }
    return found
  }

  /** In the place of an older one. Resolves when it would survive a power failure. */
  async keep(vote: FreezeVote): Promise<void> {
    const key = waitingFreezeVoteKey(vote.validator)
    const write: Write = { kind: 'put', key, value: waitingFreezeVoteRecord.encode(vote) }
    await this.#store.write([write], { sync: true })
  }

  async forget(validators: readonly XOnlyKey[]): Promise<void> {
    const writes = validators.map(
      (validator): Write => ({ kind: 'delete', key: waitingFreezeVoteKey(validator) }),
    )
    await this.#store.write(writes, { sync: false })
  }
}
