/**
 * Anti-entropy: STATUS says where a node is and, in full, what it holds; whoever has what is missing
 * sends exactly that, at most once per peer and half a retransmit interval. Nothing is ever resent
 * blindly. A peer's height is a hint and never believed.
 */

import { bitmapOf, hasBit } from './certificate.ts'
import type { Core } from './core.ts'
import { MAX_STATUS_FINALIZE, type StatusDetail, type StatusMessage } from './messages.ts'
import { entryCertificates } from './view-change.ts'
import type { Vote } from './votes.ts'

/** Votes in one reply: about 64 KB. */
const REPLY_VOTES_MAX = 500

/** The full form. */
export function fullStatus(core: Core): StatusMessage {
  const { height } = core
  const votes = height.votes.get(height.view)
  const finalize: { view: number; signer: number }[] = []
  const views = [...height.votes.keys()].toSorted((a, b) => b - a)
  for (const view of views) {
    for (const signer of height.votesAt(view).finalize.keys()) finalize.push({ view, signer })
  }
  return {
    kind: 'status',
    height: height.height,
    view: height.view,
    detail: {
      notarize: bitmapOf(votes?.notarize.keys() ?? [], core.validatorCount),
      nullify: bitmapOf(votes?.nullify.keys() ?? [], core.validatorCount),
      finalize: finalize.slice(0, MAX_STATUS_FINALIZE),
      hasProposal: height.proposals.has(height.view),
      hasNotarization: height.notarizations.has(height.view),
    },
  }
}

/** onStatus */
export function onStatus(core: Core, from: number, status: StatusMessage): void {
  const { height } = core.height
  if (status.detail === undefined) {
    // Short form: only a real gap is worth an answer; one height apart is the normal case.
    if (status.height > height + 1) catchUp(core, from, status.height)
    return
  }
  if (status.height > height) return catchUp(core, from, status.height)
  if (status.height < height) return sendDecided(core, from, status.height)
  if (!core.mayReply(from, 'status')) return
  replyAtHeight(core, from, status.view, status.detail)
}

function catchUp(core: Core, peer: number, height: number): void {
  if (core.mayReply(peer, 'catch-up')) core.emit({ kind: 'catch-up', peer, height })
}

/** The peer has missed a decision: the block itself if it is recent, else that there is more. */
function sendDecided(core: Core, to: number, height: number): void {
  if (!core.mayReply(to, 'decided')) return
  const found = core.decided.find((decided) => decided.block.height === height)
  if (found === undefined) core.send(to, fullStatus(core))
  else {
    core.send(to, {
      kind: 'decided',
      block: found.block.bytes,
      certificate: found.certificate,
    })
  }
}

function replyAtHeight(core: Core, to: number, theirView: number, theirs: StatusDetail): void {
  const { height } = core
  const missing = missingFinalize(core, theirs)
  if (theirView < height.view) {
    const certificates = entryCertificates(core, height.view)
    core.send(to, { kind: 'enter', height: height.height, view: height.view, certificates })
  } else if (theirView > height.view) {
    core.send(to, fullStatus(core))
  } else {
    const notarization = height.findNotarization(theirView)
    const votes = height.votesAt(theirView)
    if (notarization === undefined) {
      missing.push(...missingVotes(votes.notarize, theirs.notarize))
      if (!theirs.hasProposal) relayProposal(core, to, theirView)
    } else if (!theirs.hasNotarization) {
      core.send(to, {
        kind: 'enter',
        height: height.height,
        view: theirView,
        certificates: [notarization],
      })
    }
    missing.push(...missingVotes(votes.nullify, theirs.nullify))
  }
  for (const vote of missing.slice(0, REPLY_VOTES_MAX)) core.send(to, { kind: 'vote', vote })
}

function missingVotes(votes: ReadonlyMap<number, Vote>, held: Uint8Array): Vote[] {
  return [...votes.values()].filter((vote) => !hasBit(held, vote.signer)).toSorted(bySigner)
}

function bySigner(a: Vote, b: Vote): number {
  return a.signer - b.signer
}

/** Finalize votes are exchanged for every view: a block may become final behind everybody's back. */
function missingFinalize(core: Core, theirs: StatusDetail): Vote[] {
  const held = new Set(theirs.finalize.map(({ view, signer }) => `${view}:${signer}`))
  const missing: Vote[] = []
  const views = [...core.height.votes.keys()].toSorted((a, b) => b - a)
  for (const view of views) {
    const votes = [...core.height.votesAt(view).finalize.values()].toSorted(bySigner)
    missing.push(...votes.filter((vote) => !held.has(`${view}:${vote.signer}`)))
  }
  return missing
}

function relayProposal(core: Core, to: number, view: number): void {
  const { height } = core
  const proposal = height.proposals.get(view)
  const leaderVote = height.votesAt(view).notarize.get(height.leader(view))
  if (proposal === undefined || leaderVote?.blockHash !== proposal.hash) return
  const block = height.bodies.get(proposal.hash)
  if (block === undefined) return
  const { justification } = proposal
  core.send(to, { kind: 'propose', block: block.bytes, justification, leaderVote })
}
