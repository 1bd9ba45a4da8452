/**
 * Height-Simplex: single-shot Simplex (Ren 2025, Abraham 2026), one instance per height, every block
 * a child of a final one.
 *
 * - In view v = 0, 1, 2 … of a height a leader proposes a block with the justification J(v). Upon a
 *   valid proposal, a validator casts NOTARIZE; q of them are a notarization.
 * - Upon a notarization it casts FINALIZE, unless it has cast NULLIFY; q of them are a finality
 *   certificate, and the block is final: three message delays after the proposal.
 * - Upon silence it casts NULLIFY, unless it has cast FINALIZE; q of them end the view.
 *
 * A finalized view can have no nullification, and J demands one for every view it passes over: so
 * nobody can ever be asked to vote for another block. Losses are repaired by STATUS, restarts by the
 * log, idle chains sleep.
 *
 * `step` is a function of state and event: it runs to completion, and the height changes only in
 * its drain loop, never inside a handler. A core belongs to one validator set: with the block that
 * ends the epoch it falls silent, and the driver makes another. Not here: early proposal, compact
 * proposals.
 */

import { assert, unreachable } from '../primitives/assert.ts'
import type { BlockHash } from '../primitives/hashes.ts'
import { findVerdict, forgetPendingVerdicts, requestBody } from './bodies.ts'
import type { Certificate } from './certificate.ts'
import { assertConfig, type ConsensusConfig, type ConsensusDeps } from './config.ts'
import { Core } from './core.ts'
import type { Effect, Event } from './events-and-effects.ts'
import type { Message } from './messages.ts'
import { onBuilt, progress } from './proposing.ts'
import { onDecided, onMessage, replayBuffered, wantsMessage } from './receiving.ts'
import { start } from './restart.ts'
import { fullStatus } from './status-repair.ts'
import { armRetransmit } from './timers.ts'
import type { KnownStatements } from './verify-message.ts'
import { enterView, hasCertificate, wake } from './view-change.ts'
import { sameStatement, type Vote } from './votes.ts'
import { nullify } from './voting.ts'

/** For people, status pages and tests. */
export interface ConsensusSnapshot {
  readonly height: number
  readonly view: number
  /** The last final block. */
  readonly parentHash: BlockHash
  readonly active: boolean
  readonly leader: number
  /** Why it has stopped for good. */
  readonly halted: string | undefined
  /** Its epoch is over: the next height is another core's. */
  readonly ended: boolean
  /** By validator: when last heard (the clock of `step`, ms), and consecutive views missed. */
  readonly peers: readonly { readonly heardAtMs: number; readonly missed: number }[]
  readonly bodies: number
  readonly bufferedMessages: number
}

export interface Consensus extends KnownStatements {
  /** `nowMs` is a monotonic clock. Events before `start` are a mistake of the driver. */
  step(nowMs: number, event: Event): Effect[]
  /** Ask before verifying a message's signatures: false means drop it, at no blame. */
  wants(message: Message): boolean
  snapshot(): ConsensusSnapshot
}

/** @throws AssertionError for a configuration that cannot work. */
export function createConsensus(config: ConsensusConfig, deps: ConsensusDeps): Consensus {
  assertConfig(config)
  const core = new Core(config, deps)
  return {
    step(nowMs, event) {
      if (core.isOver) return []
      core.nowMs = Math.max(core.nowMs, nowMs)
      assert(core.started || event.kind === 'start', 'an event before the start')
      handle(core, event)
      drain(core)
      return core.takeEffects()
    },
    wants: (message) => !core.isOver && wantsMessage(core, message),
    hasVote: (vote) => isKnownVote(core, vote),
    hasCertificate: (certificate: Certificate) => hasCertificate(core, certificate),
    snapshot: () => snapshotOf(core),
  }
}

function isKnownVote(core: Core, vote: Vote): boolean {
  if (vote.height !== core.height.height) return false
  const known = core.height.findVote(vote, vote.signer)
  return known !== undefined && sameStatement(known, vote)
}

function snapshotOf(core: Core): ConsensusSnapshot {
  const { height } = core
  return {
    height: height.height,
    view: height.view,
    parentHash: height.parentHash,
    active: height.active,
    leader: height.leader(height.view),
    halted: core.halted,
    ended: core.ended,
    peers: core.peers.map(({ heardAtMs, missed }) => ({ heardAtMs, missed })),
    bodies: height.bodies.size,
    bufferedMessages: [...core.buffered.values()].flat().length,
  }
}

function handle(core: Core, event: Event): void {
  switch (event.kind) {
    case 'start':
      return start(core, event.records)
    case 'message':
      onMessage(core, event)
      return progress(core)
    case 'timer':
      onTimer(core, event)
      return progress(core)
    case 'work':
      core.hasWork = event.present
      if (event.present) wake(core)
      return progress(core)
    case 'block-ready':
      onBlockReady(core, event)
      return progress(core)
    case 'built':
      onBuilt(core, event, event.block)
      return progress(core)
    case 'decided':
      return onDecided(core, event.block, event.certificate)
    case 'connected':
      return onConnected(core, event.peer)
    default:
      return unreachable(event)
  }
}

/** The decide loop: the only place where the height changes. */
function drain(core: Core): void {
  while (!core.isOver && core.height.finality?.blockHash !== undefined) {
    const { height } = core
    const certificate = core.height.finality
    const block = height.bodies.get(core.height.finality.blockHash)
    if (block === undefined) return requestBody(core, core.height.finality.blockHash)
    const verdict = findVerdict(core, block, 'hard')
    if (verdict === undefined) return
    // A certified block that is invalid here is never skipped.
    if (verdict === 'invalid') {
      return core.halt(`final block ${block.hash} at height ${height.height} is invalid here`)
    }
    core.emit({ kind: 'commit', height: height.height, block, certificate })
    // Who agrees on the next height is not for this core to know: it says nothing about it.
    if (block.endsEpoch) {
      core.ended = true
      return
    }
    core.openNextHeight({ block, certificate })
    const next = core.height
    core.broadcast({ kind: 'status', height: next.height, view: next.view })
    replayBuffered(core)
    progress(core)
  }
}

/** Timers of another height or view are stale, whatever they say. */
function onTimer(core: Core, event: Extract<Event, { kind: 'timer' }>): void {
  if (event.timer === 'retransmit') return onRetransmit(core)
  const { height } = core
  if (core.isSettled || event.height !== height.height) return
  if (event.timer === 'batch') {
    height.batchReady = true
    return
  }
  if (event.view !== height.view || !height.active) return
  const isNotarized = height.notarizations.has(height.view)
  switch (event.timer) {
    case 'propose':
      if (!isNotarized && !height.proposals.has(height.view)) nullify(core)
      return
    case 'notarize':
      if (!isNotarized) nullify(core)
      return
    case 'finalize':
      if (!isNotarized) return
      nullify(core)
      enterView(core, height.view + 1)
      return
    default:
      return unreachable(event.timer)
  }
}

/** RT: after a tick without progress, say what is here and what is missing. */
function onRetransmit(core: Core): void {
  const { height } = core
  core.ticks++
  const isStalled = core.lastTick?.height === height.height && core.lastTick.view === height.view
  core.lastTick = { height: height.height, view: height.view }
  forgetPendingVerdicts(core)
  if (isStalled) {
    core.broadcast(fullStatus(core))
    // Work known to f validators or fewer would leave the others asleep.
    if (height.active && core.hasWork) core.emit({ kind: 'share-transactions' })
  }
  armRetransmit(core)
}

function onBlockReady(core: Core, event: Extract<Event, { kind: 'block-ready' }>): void {
  const { height } = core
  if (!height.hasBody(event.hash)) return
  const table = event.fresh ? height.freshVerdicts : height.hardVerdicts
  const known = table.get(event.hash)
  // Verdicts are final: an answer that has been given is not taken back.
  if (known === 'valid' || known === 'invalid') return
  table.set(event.hash, event.verdict)
}

function onConnected(core: Core, peer: number): void {
  const state = core.peers[peer]
  if (state === undefined) return
  state.heardAtMs = core.nowMs
  core.send(peer, fullStatus(core))
}
