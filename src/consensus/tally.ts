/**
 * Counting votes. The first vote of a signer in a view counts, once; one that contradicts it is
 * evidence. Votes are verified before they get here. q equal votes are a certificate.
 */

import { assembleCertificate } from './certificate.ts'
import type { Core } from './core.ts'
import { type Evidence, findContradiction } from './evidence.ts'
import { addCertificate, wake } from './view-change.ts'
import { sameStatement, type Vote } from './votes.ts'

/** Contradictions reported during one height. */
const REPORTED_MAX = 1_024

/** addVote(x) for a verified vote of the current height. */
export function addVote(core: Core, vote: Vote): void {
  const { height } = core
  if (core.isSettled || vote.height !== height.height) return
  const earlier = height.findVote(vote, vote.signer)
  if (earlier !== undefined) {
    // First one counts, never count twice; another signature on the same statement is nothing new.
    if (!sameStatement(earlier, vote)) reportContradiction(core, earlier, vote)
    return
  }
  if (vote.type !== 'notarize') {
    const votes = height.votesAt(vote.view)
    const other = vote.type === 'nullify' ? votes.finalize : votes.nullify
    const contradicting = other.get(vote.signer)
    if (contradicting !== undefined) reportContradiction(core, contradicting, vote)
  }
  height.votesAt(vote.view)[vote.type].set(vote.signer, vote)
  height.signers.add(vote.signer)
  // A leader that nullifies its own view proposes nothing there any more.
  if (vote.type === 'nullify' && vote.signer === height.leader(vote.view)) {
    height.abandoned.add(vote.view)
  }
  tally(core, vote)
  // Votes of f Byzantine validators wake nobody.
  if (height.signers.size >= core.faults + 1) wake(core)
}

/** Are there q votes like this one? */
function tally(core: Core, vote: Vote): void {
  const { height } = core
  if (vote.type === 'notarize' && height.notarizations.has(vote.view)) return
  if (vote.type === 'nullify' && height.nullifications.has(vote.view)) return
  const equal = [...height.votesAt(vote.view)[vote.type].values()].filter((other) =>
    sameStatement(other, vote),
  )
  if (equal.length >= core.quorum) {
    addCertificate(core, assembleCertificate(equal, core.validatorCount))
  }
}

/** Hands a contradiction to the driver, each once. False when it is none, or not the first time. */
export function recordEvidence(core: Core, { first, second }: Evidence): boolean {
  const kind = findContradiction(first, second)
  const { reported } = core.height
  if (kind === undefined || reported.size >= REPORTED_MAX) return false
  const key = `${first.signer}:${first.height}:${first.view}:${kind}`
  if (reported.has(key)) return false
  reported.add(key)
  core.emit({ kind: 'evidence', first, second })
  return true
}

/** Two votes that contradict each other have come in. */
function reportContradiction(core: Core, first: Vote, second: Vote): void {
  if (!recordEvidence(core, { first, second })) return
  const { height } = core
  const kind = findContradiction(first, second)
  if (kind === 'double-notarize' && first.signer === height.leader(first.view)) {
    height.abandoned.add(first.view)
  }
}
