/**
 * The voting rules, over everything that an honest validator has said in all of its lives, in votes
 * of its own and in certificates: one notarize and one finalize per view, never both ways out of a
 * view. No honest validator is accused.
 */

import { bitmapIndexes, type Certificate } from '../../consensus/certificate.ts'
import type { Effect } from '../../consensus/events-and-effects.ts'
import { findContradiction } from '../../consensus/evidence.ts'
import { justificationCertificates } from '../../consensus/justification.ts'
import type { Message } from '../../consensus/messages.ts'
import { type Statement, sameStatement, type Vote, type VoteType } from '../../consensus/votes.ts'
import type { NodeObserver } from '../node-observer.ts'
import type { Watch } from './watch.ts'

const VOTE_TYPES: readonly VoteType[] = ['notarize', 'nullify', 'finalize']

/** A node, of any kind of run, by the validator that it is. */
export interface ValidatorPlace {
  readonly index: number
}

/** The vote that a message brings of its sender itself; what it relays was counted before. */
export function ownVote(node: ValidatorPlace, message: Message): Vote | undefined {
  const vote =
    message.kind === 'vote'
      ? message.vote
      : message.kind === 'propose'
        ? message.leaderVote
        : undefined
  return vote?.signer === node.index ? vote : undefined
}

function certificatesIn(message: Message): readonly Certificate[] {
  if (message.kind === 'enter') return message.certificates
  if (message.kind === 'propose') return justificationCertificates(message.justification)
  return message.kind === 'decided' ? [message.certificate] : []
}

export class VoteRules implements NodeObserver {
  /** "height:view:type:signer" → what an honest validator is known to have said. */
  readonly said = new Map<string, Statement>()
  accusations = 0
  readonly #watch: Watch

  constructor(watch: Watch) {
    this.#watch = watch
  }

  released(node: ValidatorPlace, message: Message): void {
    if (this.#watch.byzantine.has(node.index)) return
    const vote = ownVote(node, message)
    if (vote !== undefined) this.#add(vote.signer, vote)
    for (const certificate of certificatesIn(message)) {
      for (const signer of bitmapIndexes(certificate.bitmap)) this.#add(signer, certificate)
    }
  }

  #add(signer: number, statement: Statement): void {
    if (this.#watch.byzantine.has(signer)) return
    const place = `${statement.height}:${statement.view}`
    const key = `${place}:${statement.type}:${signer}`
    const known = this.said.get(key)
    if (known !== undefined && sameStatement(known, statement)) return
    for (const type of VOTE_TYPES) {
      const other = this.said.get(`${place}:${type}:${signer}`)
      const kind = other === undefined ? undefined : findContradiction(other, statement)
      if (kind !== undefined) {
        this.#watch.fail(`${kind} by honest ${signer} at ${statement.height}/${statement.view}`)
      }
    }
    this.said.set(key, statement)
  }

  evidence(_node: ValidatorPlace, effect: Extract<Effect, { kind: 'evidence' }>): void {
    this.accusations++
    const { signer } = effect.first
    if (this.#watch.byzantine.has(signer)) return
    this.#watch.fail(`evidence against honest validator ${signer}`)
  }
}
