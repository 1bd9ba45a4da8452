/**
 * Proposing: the leader of the current view proposes the block that J(view) binds it to, or a fresh
 * one. `progress` then lets everything follow that has become possible.
 */

import { assert, present } from '../primitives/assert.ts'
import type { ConsensusBlock } from './block.ts'
import { persistBody, requestBody } from './bodies.ts'
import type { Core } from './core.ts'
import { findJustification, type Justification } from './justification.ts'
import { castVote, nullify, tryFinalize, tryNotarize } from './voting.ts'

/** Does this node have to propose in the current view, as far as votes go? */
function isToPropose(core: Core): boolean {
  const { height } = core
  const { view } = height
  if (core.isSettled || !core.isVoting || !height.active || !height.batchReady) return false
  if (height.leader(view) !== core.self || height.notarizations.has(view)) return false
  const own = height.ownAt(view)
  if (own.notarize !== undefined || own.finalize !== undefined || own.nullify) return false
  return !own.refused.has('notarize')
}

/** tryPropose. */
function tryPropose(core: Core): void {
  if (!isToPropose(core)) return
  const { height } = core
  const justification = findJustification(height, height.view)
  if (justification === undefined) return
  if (justification.base !== undefined) return repropose(core, justification)
  if (height.building === height.view) return
  height.building = height.view
  core.emit({
    kind: 'build',
    height: height.height,
    view: height.view,
    parentHash: height.parentHash,
  })
}

function repropose(core: Core, justification: Justification): void {
  const hash = present(justification.base?.blockHash, 'hash of a notarization')
  const block = core.height.bodies.get(hash)
  if (block === undefined) return requestBody(core, hash)
  propose(core, block, justification)
}

function propose(core: Core, block: ConsensusBlock, justification: Justification): void {
  const { height } = core
  const { view } = height
  height.storeBody(block)
  persistBody(core, block)
  height.proposals.set(view, { hash: block.hash, justification })
  const leaderVote = castVote(core, 'notarize', view, block.hash, 'in-proposal')
  if (leaderVote === undefined) return
  core.broadcast({ kind: 'propose', block: block.bytes, justification, leaderVote })
}

/** The driver has built what `build` asked for, or failed to. */
export function onBuilt(
  core: Core,
  place: { readonly height: number; readonly view: number },
  block: ConsensusBlock | undefined,
): void {
  const { height } = core
  if (place.height !== height.height || place.view !== height.view) return
  if (!isToPropose(core) || height.building !== place.view) return
  if (block === undefined) {
    height.abandoned.add(place.view)
    return
  }
  assert(
    block.height === height.height && block.parentHash === height.parentHash,
    'built on something else',
  )
  assert(block.view === place.view && block.proposer === core.self, 'built for another place')
  const justification = findJustification(height, height.view)
  if (justification === undefined) return
  // A notarization has come meanwhile: it binds the proposal.
  if (justification.base !== undefined) return repropose(core, justification)
  height.freshVerdicts.set(block.hash, 'valid')
  propose(core, block, justification)
}

/** progress(): until nothing changes any more. */
export function progress(core: Core): void {
  let before: number
  do {
    before = core.revision
    tryPropose(core)
    if (core.height.active && core.height.abandoned.has(core.height.view)) abandonView(core)
    tryNotarize(core)
    const views = [...core.height.notarizations.keys()].toSorted((a, b) => a - b)
    for (const view of views) tryFinalize(core, view)
  } while (core.revision !== before && !core.isSettled)
}

/** Nothing will come of this view: its leader has said so or has lied. Not when it is notarized. */
function abandonView(core: Core): void {
  if (!core.height.notarizations.has(core.height.view)) nullify(core)
}
