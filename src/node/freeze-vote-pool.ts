/**
 * Freeze votes that this node knows and no block carries yet: the newest of each validator, so there
 * are never more than there are validators. They are on disk until a block carries them, or a newer one.
 */

import type { Block } from '../chain/block.ts'
import { MAX_FREEZE_VOTES_PER_BLOCK } from '../chain/params.ts'
import { findFreezeVote, isNewFreezeVote } from '../chain/peg/freeze.ts'
import { type FreezeVote, verifyFreezeVote } from '../chain/peg/freeze-vote.ts'
import { currentValidators } from '../chain/validators.ts'
import type { XOnlyKey } from '../primitives/hashes.ts'
import { ok, type Rejection, type Result, reject } from '../primitives/result.ts'
import type { Logger } from '../runtime/runtime.ts'
import type { ChainService } from './chain-service.ts'

export interface FreezeVotePool {
  /**
   * Takes a vote that is newer than what this node knows of the validator. Codes: freeze-vote-validator,
   * freeze-vote-known, freeze-vote-signature.
   */
  add(vote: FreezeVote): Result<void, Rejection>
  /** What the next block should carry: as much as it may, those first that wait longest; in order. */
  select(): readonly FreezeVote[]
  waiting(): readonly FreezeVote[]
  /** The validator's newest vote that this node knows, in a block or not. */
  newest(validator: XOnlyKey): FreezeVote | undefined
  /** A block has become part of the chain. */
  applied(block: Block): void
  /** Resolves when nothing is on its way to the disk any more. */
  settled(): Promise<void>
}

/** With what an earlier process has left. @throws whatever storage throws. */
export async function openFreezeVotePool(
  chain: ChainService,
  log: Logger,
): Promise<FreezeVotePool> {
  return new Pool(chain, log, await chain.database.freezeVotes.waiting())
}

class Pool implements FreezeVotePool {
  readonly #chain: ChainService
  readonly #log: Logger
  /** In the order in which they came. */
  readonly #waiting: Map<XOnlyKey, FreezeVote>
  #lastWrite: Promise<void> = Promise.resolve()

  constructor(chain: ChainService, log: Logger, kept: readonly FreezeVote[]) {
    this.#chain = chain
    this.#log = log
    this.#waiting = new Map(kept.map((vote) => [vote.validator, vote]))
    this.#forgetOld()
  }

  add(vote: FreezeVote): Result<void, Rejection> {
    const { params } = this.#chain
    const { view } = this.#chain.state()
    const { validator, serial, freeze } = vote
    if (!currentValidators(view).keys.includes(validator)) return reject('freeze-vote-validator')
    const newest = this.newest(validator)
    if (newest !== undefined && newest.serial >= serial) {
      return reject('freeze-vote-known', 'policy', `its newest vote has serial ${newest.serial}`)
    }
    // Last, and only for what is new: forged votes must not cost the work twice.
    if (!verifyFreezeVote(params.chainId, vote)) return reject('freeze-vote-signature')
    this.#waiting.delete(validator)
    this.#waiting.set(validator, vote)
    this.#log.warn({ validator, serial, freeze }, 'a validator votes about the freeze')
    this.#write(() => this.#chain.database.freezeVotes.keep(vote))
    return ok(undefined)
  }

  select(): readonly FreezeVote[] {
    return this.waiting()
      .slice(0, MAX_FREEZE_VOTES_PER_BLOCK)
      .toSorted((a, b) => (a.validator < b.validator ? -1 : 1))
  }

  waiting(): readonly FreezeVote[] {
    return [...this.#waiting.values()]
  }

  newest(validator: XOnlyKey): FreezeVote | undefined {
    const standing = findFreezeVote(this.#chain.state().view, validator)
    const waiting = this.#waiting.get(validator)
    if (waiting === undefined || standing === undefined) return waiting ?? standing
    return waiting.serial > standing.serial ? waiting : standing
  }

  applied(block: Block): void {
    if (block.extension.freezeVotes.length > 0) this.#forgetOld()
  }

  /** What no block may carry any more: a block has, or a newer one. */
  #forgetOld(): void {
    const { database } = this.#chain
    const { view } = this.#chain.state()
    const old = this.waiting().filter((vote) => !isNewFreezeVote(view, vote))
    if (old.length === 0) return
    const validators = old.map(({ validator }) => validator)
    for (const validator of validators) this.#waiting.delete(validator)
    this.#write(() => database.freezeVotes.forget(validators))
  }

  settled(): Promise<void> {
    return this.#lastWrite
  }

  /** A failure takes nothing from the votes in memory; the next block's write will fail as well. */
  #write(run: () => Promise<void>): void {
    this.#lastWrite = this.#lastWrite.then(run).catch((error: unknown) => {
      this.#log.error({ error: String(error) }, 'a freeze vote could not be stored')
    })
  }
}
