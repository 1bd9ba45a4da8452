/**
 * Nothing leaves a node before what it depends on is on its platter: an own vote, and for a notarize the
 * body, and for a finalize the notarization besides.
 */

import { blockHash, decodeBlock } from '../../../chain/block.ts'
import type { Message } from '../../../consensus/messages.ts'
import { sameStatement, type Vote } from '../../../consensus/votes.ts'
import { decodeWalRecord, type WalRecord } from '../../../consensus/wal-record.ts'
import { ownVote } from '../../checkers/vote-rules.ts'
import type { WholeNode } from '../whole-node.ts'
import type { WholeWatch } from './whole-watch.ts'

export class DurableVotes {
  readonly #watch: WholeWatch
  /** Looked at already. */
  readonly #seen = new Set<string>()

  constructor(watch: WholeWatch) {
    this.#watch = watch
  }

  released(node: WholeNode, message: Message): void {
    if (this.#watch.byzantine.has(node.index)) return
    const vote = ownVote(node, message)
    if (vote === undefined) return
    const key = `${vote.signer}:${vote.height}:${vote.view}:${vote.type}`
    if (this.#seen.has(key)) return
    this.#seen.add(key)
    // Once its height is decided on disk, a vote has nothing more to rest on.
    if (node.height >= vote.height) return
    this.#check(node, vote, node.journal.records().map(decodeWalRecord))
  }

  #check(node: WholeNode, vote: Vote, records: readonly WalRecord[]): void {
    const { fail } = this.#watch
    const place = `${vote.type} of ${node.name} at ${vote.height}/${vote.view}`
    const hasVote = records.some(
      (record) => record.kind === 'vote' && sameStatement(record.vote, vote),
    )
    if (!hasVote) return fail(`${place} left before it was on disk`)
    if (vote.type === 'nullify') return
    const hasBody = records.some(
      (record) => record.kind === 'block' && hashOf(record.block) === vote.blockHash,
    )
    if (!hasBody) fail(`${place} left without a durable body`)
    const hasNotarization = records.some(
      (record) =>
        record.kind === 'certificate' &&
        record.certificate.type === 'notarize' &&
        record.certificate.view === vote.view,
    )
    if (vote.type === 'finalize' && !hasNotarization) {
      fail(`${place} left without a durable notarization`)
    }
  }
}

function hashOf(block: Uint8Array): string {
  return blockHash(decodeBlock(block))
}
