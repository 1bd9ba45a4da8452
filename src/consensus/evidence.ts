/**
 * Proof that a validator broke the voting rules: two statements with its valid signatures about one
 * view of one height, which no honest validator makes both of.
 *
 *   double-notarize · double-finalize   two different blocks
 *   nullify-finalize                    both ways out of a view
 *
 * Notarize with nullify is legal, and statements about different views never contradict each other.
 * Encoded, the two votes stand in ascending order of their bytes, so one pair has one encoding. What
 * follows from evidence is not decided here.
 */

import { compareBytes } from '../primitives/bytes.ts'
import { type ByteReader, type ByteWriter, DecodeError, encodeWith } from '../primitives/codec.ts'
import {
  readVote,
  type Statement,
  type Vote,
  type VoteContext,
  verifyVote,
  writeVote,
} from './votes.ts'

export type EvidenceKind = 'double-notarize' | 'double-finalize' | 'nullify-finalize'

export interface Evidence {
  readonly first: Vote
  readonly second: Vote
}

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
export function verifyEvidence({ first, second }: Evidence, context: VoteContext): boolean {
  if (first.signer !== second.signer || findContradiction(first, second) === undefined) return false
  return verifyVote(first, context) && verifyVote(second, context)
}

/** The two votes in the order in which they are encoded. */
export function inOrder({ first, second }: Evidence): Evidence {
  const isOrdered = compareBytes(voteBytes(first), voteBytes(second)) <= 0
  return isOrdered ? { first, second } : { first: second, second: first }
}

function voteBytes(vote: Vote): Uint8Array {
  return encodeWith((writer) => writeVote(writer, vote))
}

/** Vote ‖ vote, as they are given: see `inOrder`. */
export function writeEvidence(writer: ByteWriter, { first, second }: Evidence): void {
  writeVote(writer, first)
  writeVote(writer, second)
}

/** @throws DecodeError, also for votes that are equal or in the other order. */
export function readEvidence(reader: ByteReader): Evidence {
  const start = reader.offset
  const first = readVote(reader)
  const middle = reader.offset
  const second = readVote(reader)
  const [a, b] = [reader.slice(start, middle), reader.slice(middle, reader.offset)]
  if (compareBytes(a, b) >= 0) throw new DecodeError('votes of evidence not in ascending order')
  return { first, second }
}
