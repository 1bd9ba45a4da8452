/**
 * Proof that a validator broke the voting rules: two statements with its valid signatures about one
 * view of one height, which no honest validator makes both of.
 *
 *   double-notarize · double-finalize   two different blocks
 *   nullify-finalize                    both ways out of a view
 *
 * Notarize with nullify is legal, and statements about different views never contradict each other.
 */

import { type Statement, type Vote, type VoteContext, verifyVote } from './votes.ts'

export type EvidenceKind = 'double-notarize' | 'double-finalize' | 'nullify-finalize'

/** How the two statements contradict each other, if they do. */
export function findContradiction(a: Statement, b: Statement): EvidenceKind | undefined {
  if (a.height !== b.height || a.view !== b.view) return undefined
  if (a.type === b.type) {
    if (a.type === 'nullify' || a.blockHash === b.blockHash) return undefined
    return a.type === 'notarize' ? 'double-notarize' : 'double-finalize'
  }
  const ways = a.type !== 'notarize' && b.type !== 'notarize'
  return ways ? 'nullify-finalize' : undefined
}

/** Do the two votes convict their signer? Never throws. */
export function verifyEvidence(first: Vote, second: Vote, context: VoteContext): boolean {
  if (first.signer !== second.signer || findContradiction(first, second) === undefined) return false
  return verifyVote(first, context) && verifyVote(second, context)
}
