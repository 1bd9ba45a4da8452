/**
 * Evidence that this node knows and no block carries yet. It is on disk, so it outlives the process;
 * it leaves with the block that carries it, or when it has become too old for any.
 *
 * One for a validator and height, as many as the chain records, and few at a time for each validator:
 * one that contradicts itself a million times takes no more room, here or on the wire, than blocks
 * carry away.
 */

import type { Block } from '../chain/block.ts'
import {
  compareOffences,
  isRecorded,
  isTimely,
  type Offence,
  offenceOf,
  offenceStateKey,
} from '../chain/evidence.ts'
import { endsEpoch } from '../chain/handover.ts'
import { pendingMemberSet } from '../chain/member-sets.ts'
import { MAX_EVIDENCE_PER_BLOCK } from '../chain/params.ts'
import type { StateKey } from '../chain/state.ts'
import { validatorSetAt } from '../chain/validators.ts'
import { type Evidence, findContradiction } from '../consensus/evidence.ts'
import type { Logger } from '../runtime/runtime.ts'
import type { ChainService } from './chain-service.ts'

/** With 256 validators about 2,000 in all. */
const WAITING_PER_VALIDATOR_MAX = 8
/** Of the next block: peers may be that far ahead. What is further away cannot be judged yet. */
const HEIGHTS_AHEAD = 1

export interface EvidencePool {
  /** Is it new, timely, and is there room? Costs no check of signatures. */
  wants(evidence: Evidence): boolean
  /** Takes verified evidence, its votes in order. False when it is not wanted. */
  add(evidence: Evidence): boolean
  /** What the next block should carry: as much as it may, ascending, each validator in its turn. */
  select(): readonly Evidence[]
  /** All of it, the highest offence first. */
  waiting(): readonly Evidence[]
  /** A block has become part of the chain. */
  applied(block: Block): void
  /** Resolves when nothing is on its way to the disk any more. */
  settled(): Promise<void>
}

/** With what an earlier process has left. @throws whatever storage throws. */
export async function openEvidencePool(chain: ChainService, log: Logger): Promise<EvidencePool> {
  const pool = new Pool(chain, log)
  pool.restore(await chain.database.evidence.waiting())
  return pool
}

class Pool implements EvidencePool {
  readonly #chain: ChainService
  readonly #log: Logger
  readonly #waiting = new Map<StateKey, Evidence>()
  #lastWrite: Promise<void> = Promise.resolve()

  constructor(chain: ChainService, log: Logger) {
    this.#chain = chain
    this.#log = log
  }

  restore(kept: readonly Evidence[]): void {
    for (const evidence of kept) this.#waiting.set(offenceStateKey(offenceOf(evidence)), evidence)
    this.#drop(kept.map(offenceOf).filter((offence) => this.#isOver(offence)))
  }

  wants(evidence: Evidence): boolean {
    const offence = offenceOf(evidence)
    if (offence.height > this.#lastJudged || this.#isOver(offence)) return false
    const { keys } = validatorSetAt(this.#chain.state().view, offence.height)
    if (offence.signer >= keys.length) return false
    if (this.#waiting.has(offenceStateKey(offence))) return false
    const others = this.waiting().filter(({ first }) => first.signer === offence.signer)
    return others.length < WAITING_PER_VALIDATOR_MAX
  }

  add(evidence: Evidence): boolean {
    if (!this.wants(evidence)) return false
    this.#waiting.set(offenceStateKey(offenceOf(evidence)), evidence)
    this.#report(evidence)
    this.#write(() => this.#chain.database.evidence.keep(evidence))
    return true
  }

  select(): readonly Evidence[] {
    const turns = new Map<number, number>()
    const inTurn: { readonly evidence: Evidence; readonly turn: number }[] = []
    for (const evidence of this.waiting().toReversed()) {
      const { height, signer } = offenceOf(evidence)
      if (!isTimely(height, this.#nextHeight)) continue
      const turn = turns.get(signer) ?? 0
      turns.set(signer, turn + 1)
      inTurn.push({ evidence, turn })
    }
    return inTurn
      .toSorted((a, b) => a.turn - b.turn)
      .slice(0, MAX_EVIDENCE_PER_BLOCK)
      .map(({ evidence }) => evidence)
      .toSorted(byOffence)
  }

  waiting(): readonly Evidence[] {
    return [...this.#waiting.values()].toSorted(byOffence).toReversed()
  }

  applied(block: Block): void {
    // Their rows go with the block.
    for (const evidence of block.extension.evidence) {
      if (!this.#waiting.delete(offenceStateKey(offenceOf(evidence)))) this.#report(evidence)
    }
    const { height } = block.extension
    const isBoundary = endsEpoch(block)
    this.#drop(
      this.waiting()
        .map(offenceOf)
        // What was judged ahead of the boundary was judged by the wrong set.
        .filter((offence) => this.#isOver(offence) || (isBoundary && offence.height > height)),
    )
  }

  settled(): Promise<void> {
    return this.#lastWrite
  }

  #report({ first, second }: Evidence): void {
    const { signer: validator, height } = first
    const kind = findContradiction(first, second)
    this.#log.error({ validator, height, kind }, 'a validator contradicted itself')
  }

  get #nextHeight(): number {
    return this.#chain.state().tip.height + 1
  }

  /** The highest height whose validators are known. */
  get #lastJudged(): number {
    const mayEnd = pendingMemberSet(this.#chain.state().view) !== undefined
    return this.#nextHeight + (mayEnd ? 0 : HEIGHTS_AHEAD)
  }

  /** No later block may carry it: one has, or it is too old. */
  #isOver(offence: Offence): boolean {
    const isOld = offence.height < this.#nextHeight && !isTimely(offence.height, this.#nextHeight)
    return isOld || isRecorded(this.#chain.state().view, offence)
  }

  #drop(offences: readonly Offence[]): void {
    if (offences.length === 0) return
    for (const offence of offences) this.#waiting.delete(offenceStateKey(offence))
    this.#write(() => this.#chain.database.evidence.forget(offences))
  }

  /** A failure takes nothing from the evidence in memory; the next block's write will fail as well. */
  #write(run: () => Promise<void>): void {
    this.#lastWrite = this.#lastWrite.then(run).catch((error: unknown) => {
      this.#log.error({ error: String(error) }, 'evidence could not be stored')
    })
  }
}

function byOffence(a: Evidence, b: Evidence): number {
  return compareOffences(offenceOf(a), offenceOf(b))
}
