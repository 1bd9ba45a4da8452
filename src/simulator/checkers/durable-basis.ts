/**
 * Nothing leaves a node before what it depends on is on its disk: an own vote, and for a finalize the
 * body and the notarization, without which a crash of everybody could lose the view for ever.
 */

import type { Message } from '../../consensus/messages.ts'
import { sameStatement, type Vote } from '../../consensus/votes.ts'
import { openCounterBlock } from '../counter-block.ts'
import type { NodeObserver } from '../node-observer.ts'
import type { SimulatedNode } from '../simulated-node.ts'
import { ownVote } from './vote-rules.ts'
import type { Watch } from './watch.ts'

export class DurableBasis implements NodeObserver {
  readonly #watch: Watch
  /** Looked at already. */
  readonly #seen = new Set<string>()

  constructor(watch: Watch) {
    this.#watch = watch
  }

  released(node: SimulatedNode, message: Message): void {
    if (this.#watch.byzantine.has(node.index)) return
    const vote = ownVote(node, message)
    if (vote === undefined) return
    const key = `${vote.signer}:${vote.height}:${vote.view}:${vote.type}`
    if (this.#seen.has(key)) return
    this.#seen.add(key)
    this.#check(node, vote)
  }

  #check(node: SimulatedNode, vote: Vote): void {
    // Once its height is decided on disk, a vote has nothing more to rest on.
    if ((node.disk.decided.at(-1)?.block.height ?? 0) >= vote.height) return
    const records = node.disk.records()
    const place = `${vote.type} of node ${node.index} at ${vote.height}/${vote.view}`
    if (!records.some((record) => record.kind === 'vote' && sameStatement(record.vote, vote))) {
      return this.#watch.fail(`${place} left before it was on disk`)
    }
    if (vote.type === 'nullify') return
    const hasBody = records.some(
      (record) =>
        record.kind === 'block' && openCounterBlock(record.block)?.hash === vote.blockHash,
    )
    const hasNotarization = records.some(
      (record) =>
        record.kind === 'certificate' &&
        record.certificate.type === 'notarize' &&
        record.certificate.view === vote.view,
    )
    if (!hasBody) this.#watch.fail(`${place} without a durable body`)
    if (vote.type === 'finalize' && !hasNotarization) {
      this.#watch.fail(`${place} without a durable notarization`)
    }
  }
}
