/**
 * What must hold, whatever happens: one block per height, no honest validator breaks a voting rule
 * (across its restarts, by what has left it), nothing is finalized whose body and notarization are
 * not on disk, every proposal is justified, and no honest validator is ever accused.
 */

import { verifyCertificate } from '../consensus/certificate.ts'
import type { Effect } from '../consensus/events-and-effects.ts'
import { findContradiction } from '../consensus/evidence.ts'
import { verifyJustification } from '../consensus/justification.ts'
import type { Message } from '../consensus/messages.ts'
import { quorumSize } from '../consensus/quorum.ts'
import { verifyMessage } from '../consensus/verify-message.ts'
import type { Vote, VoteContext, VoteType } from '../consensus/votes.ts'
import { type BlockHash, ZERO_BLOCK_HASH } from '../primitives/hashes.ts'
import { openCounterBlock } from './counter-block.ts'
import type { NodeObserver, SimulatedNode } from './simulated-node.ts'

/** A promise was broken. The message says which, and where. */
export class InvariantViolation extends Error {
  override readonly name = 'InvariantViolation'
}

const VOTE_TYPES: readonly VoteType[] = ['notarize', 'nullify', 'finalize']
const NOTHING_KNOWN = { hasVote: () => false, hasCertificate: () => false }

export class Checkers implements NodeObserver {
  readonly #chain = new Map<number, BlockHash>()
  readonly #tips = new Map<number, { height: number; hash: BlockHash }>()
  /** "height:view:type:signer" → the vote that has left its signer. */
  readonly #votes = new Map<string, Vote>()
  readonly violations: string[] = []
  evidenceCount = 0
  votesReleased = 0
  readonly #context: VoteContext
  readonly #byzantine: ReadonlySet<number>

  constructor(context: VoteContext, byzantine: ReadonlySet<number>) {
    this.#context = context
    this.#byzantine = byzantine
  }

  #fail(message: string): void {
    this.violations.push(message)
  }

  get height(): number {
    return this.#chain.size
  }

  committed(node: SimulatedNode, effect: Extract<Effect, { kind: 'commit' }>): void {
    if (this.#byzantine.has(node.index)) return
    const { block, certificate, height } = effect
    const known = this.#chain.get(height)
    if (known !== undefined && known !== block.hash) {
      this.#fail(`two blocks at height ${height}: ${known} and ${block.hash}`)
    }
    this.#chain.set(height, block.hash)
    const tip = this.#tips.get(node.index) ?? { height: 0, hash: ZERO_BLOCK_HASH }
    if (height !== tip.height + 1 || block.parentHash !== tip.hash) {
      this.#fail(`node ${node.index} committed ${height} on top of ${tip.height}`)
    }
    this.#tips.set(node.index, { height, hash: block.hash })
    if (!verifyCertificate(certificate, this.#context) || certificate.blockHash !== block.hash) {
      this.#fail(`node ${node.index} committed ${height} with a bad certificate`)
    }
  }

  released(node: SimulatedNode, message: Message): void {
    const isHonest = !this.#byzantine.has(node.index)
    if (isHonest && message.kind !== 'transactions' && message.kind !== 'hello') {
      if (!verifyMessage(message, this.#context, NOTHING_KNOWN)) {
        this.#fail(`node ${node.index} sent a bad ${message.kind}`)
      }
    }
    if (message.kind === 'vote') this.#onVote(node, message.vote)
    if (message.kind === 'propose') {
      const { leaderVote } = message
      const { height, view, blockHash } = leaderVote
      const isJustified =
        blockHash !== undefined &&
        verifyJustification(message.justification, { height, view, hash: blockHash })
      if (isHonest && !isJustified) this.#fail(`node ${node.index} proposed without justification`)
      this.#onVote(node, leaderVote)
    }
  }

  #onVote(node: SimulatedNode, vote: Vote): void {
    // Relayed votes were counted when their signer sent them.
    if (vote.signer !== node.index) return
    const key = `${vote.height}:${vote.view}:${vote.type}:${vote.signer}`
    if (!this.#byzantine.has(vote.signer)) {
      for (const type of VOTE_TYPES) {
        const other = this.#votes.get(`${vote.height}:${vote.view}:${type}:${vote.signer}`)
        const kind = other === undefined ? undefined : findContradiction(other, vote)
        if (kind !== undefined) {
          this.#fail(`${kind} by honest ${vote.signer} at ${vote.height}/${vote.view}`)
        }
      }
      if (vote.type === 'finalize' && !this.#votes.has(key)) this.#checkDurable(node, vote)
    }
    if (!this.#votes.has(key)) this.votesReleased++
    this.#votes.set(key, vote)
  }

  /** No finalize without a durable body and notarization. */
  #checkDurable(node: SimulatedNode, vote: Vote): void {
    if (node.disk.decided.some(({ block }) => block.height >= vote.height)) return
    const records = node.disk.records()
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
    if (!hasBody || !hasNotarization) {
      this.#fail(`node ${node.index} finalized ${vote.height}/${vote.view} without a durable basis`)
    }
  }

  evidence(_node: SimulatedNode, effect: Extract<Effect, { kind: 'evidence' }>): void {
    this.evidenceCount++
    const { signer } = effect.first
    if (!this.#byzantine.has(signer)) this.#fail(`evidence against honest validator ${signer}`)
  }

  halted(node: SimulatedNode, reason: string): void {
    this.#fail(`node ${node.index} halted: ${reason}`)
  }

  /**
   * Over everything that honest validators have said, with the Byzantine ones saying whatever helps:
   * could a view be finalized and nullified, or notarized for two blocks?
   */
  checkFormability(): void {
    const count = this.#context.validators.length
    const tallies = new Map<string, Map<string, number>>()
    for (const vote of this.#votes.values()) {
      if (this.#byzantine.has(vote.signer)) continue
      const place = `${vote.height}:${vote.view}`
      const tally = tallies.get(place) ?? new Map<string, number>()
      const what = `${vote.type}:${vote.blockHash ?? ''}`
      tally.set(what, (tally.get(what) ?? 0) + 1)
      tallies.set(place, tally)
    }
    const enough = quorumSize(count) - this.#byzantine.size
    for (const [place, tally] of tallies) {
      const formable = [...tally].filter(([, votes]) => votes >= enough).map(([what]) => what)
      const ways = formable.filter((what) => !what.startsWith('notarize:'))
      const notarizations = formable.filter((what) => what.startsWith('notarize:'))
      if (ways.length > 1 || notarizations.length > 1) {
        this.#fail(`contradicting certificates possible at ${place}: ${formable.join(' ')}`)
      }
    }
  }
}
