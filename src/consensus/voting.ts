/**
 * Casting votes. The safety rules, in two lines:
 * (1) at most one notarize per view; never both nullify and finalize in a view; finalize only the
 *     notarized block. (2) notarize only what a valid justification allows.
 * A vote is journaled before it leaves, and so is every body it depends on. Notarize after nullify
 * would be safe, and is left out for simplicity.
 */

import { assert } from '../primitives/assert.ts'
import type { BlockHash } from '../primitives/hashes.ts'
import { findVerdict, persistBody, requestBody } from './bodies.ts'
import type { Core } from './core.ts'
import { addVote } from './tally.ts'
import type { Statement, Vote, VoteType } from './votes.ts'
import type { VoteRecord } from './wal-record.ts'

/** A leader's notarize travels inside its proposal. */
export type Announcement = 'broadcast' | 'in-proposal'

/** castVote: signs, journals, sends and counts an own vote. Undefined when it may not be cast. */
export function castVote(
  core: Core,
  type: VoteType,
  view: number,
  blockHash: BlockHash | undefined,
  announcement: Announcement,
): Vote | undefined {
  const { height, self } = core
  const own = height.ownAt(view)
  if (self === undefined || !core.isVoting || own.refused.has(type)) return undefined
  assertAllowed(core, type, view, blockHash)
  const place = { type, height: height.height, view }
  const statement: Statement = blockHash === undefined ? place : { ...place, blockHash }
  const signature = core.deps.sign(statement)
  if (signature === undefined) {
    own.refused.add(type)
    return undefined
  }
  if (type === 'notarize' && blockHash !== undefined) own.notarize = blockHash
  else if (type === 'finalize' && blockHash !== undefined) own.finalize = blockHash
  else own.nullify = true
  core.revision++

  const vote: Vote = { ...statement, signer: self, signature }
  core.emit({ kind: 'persist', record: voteRecord(core, vote) })
  if (announcement === 'broadcast') core.broadcast({ kind: 'vote', vote })
  addVote(core, vote)
  return vote
}

/** The rules once more, against a mistake of our own: a wrong vote must not get out. */
function assertAllowed(
  core: Core,
  type: VoteType,
  view: number,
  blockHash: BlockHash | undefined,
): void {
  const own = core.height.ownAt(view)
  switch (type) {
    case 'notarize':
      assert(own.notarize === undefined && !own.nullify, 'second vote in a view')
      assert(core.height.proposals.get(view)?.hash === blockHash, 'notarize without a proposal')
      break
    case 'finalize':
      assert(own.finalize === undefined && !own.nullify, 'finalize after nullify')
      assert(core.height.notarizations.get(view)?.blockHash === blockHash, 'not notarized')
      break
    case 'nullify':
      assert(!own.nullify && own.finalize === undefined, 'nullify after finalize')
      break
  }
}

function voteRecord(core: Core, vote: Vote): VoteRecord {
  const record = { kind: 'vote' as const, height: vote.height, vote }
  const justification = core.height.proposals.get(vote.view)?.justification
  return vote.type === 'notarize' && vote.view > 0 && justification !== undefined
    ? { ...record, justification }
    : record
}

/** tryNotarize, for the current view. */
export function tryNotarize(core: Core): void {
  const { height } = core
  const { view } = height
  const proposal = height.proposals.get(view)
  if (core.isSettled || !core.isVoting || proposal === undefined) return
  const own = height.ownAt(view)
  if (own.notarize !== undefined || own.nullify || height.notarizations.has(view)) return
  const block = height.bodies.get(proposal.hash)
  if (block === undefined) return requestBody(core, proposal.hash)

  const isFresh = proposal.justification.base === undefined
  const isPlaced = block.view === view && block.proposer === height.leader(view)
  const verdict =
    isFresh && !isPlaced ? 'invalid' : findVerdict(core, block, isFresh ? 'fresh' : 'hard')
  if (verdict === undefined) return
  if (verdict === 'invalid') return nullify(core)
  persistBody(core, block)
  castVote(core, 'notarize', view, block.hash, 'broadcast')
}

/** tryFinalize(v), for any notarized view up to the current one. */
export function tryFinalize(core: Core, view: number): void {
  const { height } = core
  const hash = height.notarizations.get(view)?.blockHash
  if (core.isSettled || hash === undefined) return
  const own = height.ownAt(view)
  if (own.nullify || own.finalize !== undefined || own.refused.has('finalize')) return
  const block = height.bodies.get(hash)
  if (block === undefined) return requestBody(core, hash)
  const verdict = findVerdict(core, block, 'hard')
  if (verdict === 'invalid') {
    return core.halt(`notarized block ${hash} at height ${height.height} is invalid here`)
  }
  if (verdict === undefined || !core.isVoting) return
  // The notarization is in the log since it was learned.
  persistBody(core, block)
  castVote(core, 'finalize', view, hash, 'broadcast')
}

/** nullify(v): only ever for the current view. */
export function nullify(core: Core): void {
  const { view } = core.height
  const own = core.height.ownAt(view)
  if (core.isSettled || own.finalize !== undefined || own.nullify) return
  castVote(core, 'nullify', view, undefined, 'broadcast')
}
