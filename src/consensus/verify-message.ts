/**
 * The signatures of an inbound message, checked before the core sees it. The core keeps what it has
 * verified, so a statement it already holds is not verified again.
 */

import { unreachable } from '../primitives/assert.ts'
import { type Certificate, verifyCertificate } from './certificate.ts'
import { verifyEvidence } from './evidence.ts'
import { justificationCertificates } from './justification.ts'
import type { Message } from './messages.ts'
import { type Vote, type VoteContext, verifyVote } from './votes.ts'

/** What needs no second look: the core drops or replaces these by its own copies. */
export interface KnownStatements {
  hasVote(vote: Vote): boolean
  hasCertificate(certificate: Certificate): boolean
}

/** The height whose validators have signed what is in a message; undefined when nothing is. */
export function signedHeight(message: Message): number | undefined {
  switch (message.kind) {
    case 'vote':
      return message.vote.height
    case 'propose':
      return message.leaderVote.height
    case 'enter':
      return message.height
    case 'decided':
      return message.certificate.height
    case 'evidence':
      return message.first.height
    case 'hello':
    case 'status':
    case 'get-block':
    case 'block':
    case 'transactions':
      return undefined
    default:
      return unreachable(message)
  }
}

/**
 * True when every signature in the message is valid under `context`. Messages without signatures
 * are true; a HELLO is not (see `verifyHello`, which needs the peer). Never throws.
 */
export function verifyMessage(
  message: Message,
  context: VoteContext,
  known: KnownStatements,
): boolean {
  const voteHolds = (vote: Vote): boolean => known.hasVote(vote) || verifyVote(vote, context)
  const certificateHolds = (certificate: Certificate): boolean =>
    known.hasCertificate(certificate) || verifyCertificate(certificate, context)

  switch (message.kind) {
    case 'vote':
      return voteHolds(message.vote)
    case 'propose':
      return (
        voteHolds(message.leaderVote) &&
        justificationCertificates(message.justification).every(certificateHolds)
      )
    case 'enter':
      return message.certificates.every(certificateHolds)
    case 'decided':
      return verifyCertificate(message.certificate, context)
    case 'evidence':
      return verifyEvidence(message, context)
    case 'hello':
      return false
    case 'status':
    case 'get-block':
    case 'block':
    case 'transactions':
      return true
    default:
      return unreachable(message)
  }
}
