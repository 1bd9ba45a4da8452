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
