/**
 * Bodies of undecided blocks: getting them, judging them, and writing them to the log before a vote
 * depends on them.
 */

import type { BlockHash } from '../primitives/hashes.ts'
import type { ConsensusBlock } from './block.ts'
import type { Core } from './core.ts'

/** Validators asked for a body at a time, out of those that have voted for it. */
const BODY_SOURCES = 2

/** GETBLOCK, at most once per (hash, half a retransmit interval), to other sources each time. */
export function requestBody(core: Core, hash: BlockHash): void {
  const { height } = core
  const asked = height.bodyRequests.get(hash)
  const pauseMs = core.config.timings.retransmitMs / 2
  if (asked !== undefined && core.nowMs - asked.atMs < pauseMs) return
  const count = asked?.count ?? 0
  height.bodyRequests.set(hash, { atMs: core.nowMs, count: count + 1 })

  const sources = bodySources(core, hash)
  for (let i = 0; i < Math.min(BODY_SOURCES, sources.length); i++) {
    const source = sources[(count * BODY_SOURCES + i) % sources.length]
    if (source !== undefined) {
      core.send(source, { kind: 'get-block', height: height.height, hash })
    }
  }
}

/** Validators that have voted for the hash, ascending; all of them when nobody is known to have. */
function bodySources(core: Core, hash: BlockHash): readonly number[] {
  const { height } = core
  const voters = new Set<number>()
  for (const votes of height.votes.values()) {
    for (const vote of [...votes.notarize.values(), ...votes.finalize.values()]) {
      if (vote.blockHash === hash) voters.add(vote.signer)
    }
  }
  const sources = voters.size > 0 ? [...voters] : [...core.peers.keys()]
  return sources.filter((source) => source !== core.self).toSorted((a, b) => a - b)
}

/** PERSIST block, once. */
export function persistBody(core: Core, block: ConsensusBlock): void {
  const { height } = core
  if (height.persistedBodies.has(block.hash)) return
  height.persistedBodies.add(block.hash)
  core.emit({
    kind: 'persist',
    record: { kind: 'block', height: height.height, block: block.bytes },
  })
}

/**
 * Is the block valid as the next one? Undefined: not known yet; the driver has been asked. `fresh`
 * also wants soft validity, which no re-proposal, finalize or catch-up may depend on.
 */
export function findVerdict(
  core: Core,
  block: ConsensusBlock,
  kind: 'fresh' | 'hard',
): 'valid' | 'invalid' | undefined {
  const { height } = core
  if (block.height !== height.height || block.parentHash !== height.parentHash) return 'invalid'
  const hard = height.hardVerdicts.get(block.hash)
  const fresh = height.freshVerdicts.get(block.hash)
  if (hard === 'invalid') return 'invalid'
  if (fresh === 'valid') return 'valid'
  const known = kind === 'fresh' ? fresh : hard
  if (known === 'valid' || known === 'invalid') return known
  if (known === undefined) {
    const table = kind === 'fresh' ? height.freshVerdicts : height.hardVerdicts
    table.set(block.hash, 'asked')
    core.emit({ kind: 'validate', block, fresh: kind === 'fresh' })
  }
  return undefined
}

/** What was "not known yet" is asked again. */
export function forgetPendingVerdicts(core: Core): void {
  for (const table of [core.height.hardVerdicts, core.height.freshVerdicts]) {
    for (const [hash, verdict] of table) if (verdict === 'pending') table.delete(hash)
  }
}
