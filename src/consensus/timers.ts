/**
 * How long a node waits. Delays grow once per f + 1 failed views of a height, because f + 1
 * consecutive distinct leaders contain a correct one; never growing would lose liveness, growing
 * with each view would crawl past dead leaders. A leader that keeps missing its views is given less
 * time, but only in the first f + 1 views: beyond them everybody gets all of it.
 */

import { present } from '../primitives/assert.ts'
import type { Core } from './core.ts'

const DELAY_MS_MAX = 10_000
/** Halvings of the propose delay for a leader that misses its views. */
const MISSED_HALVINGS_MAX = 2
const IDLE_RETRANSMIT_FACTOR = 4

/** `baseMs` × 1.5^⌊v/(f+1)⌋, at most 10 s (or `baseMs`, if that is longer). */
export function grownDelayMs(baseMs: number, view: number, faults: number): number {
  const grown = baseMs * 1.5 ** Math.floor(view / (faults + 1))
  return Math.min(grown, Math.max(baseMs, DELAY_MS_MAX))
}

/** What is left of the least interval between blocks, ms. */
function remainingIntervalMs(core: Core): number {
  if (core.lastCommitMs === undefined) return 0
  return Math.max(0, core.lastCommitMs + core.config.minBlockIntervalMs - core.nowMs)
}

/** How long to wait for the leader's proposal in `view`, ms. */
function leaderDelayMs(core: Core, view: number): number {
  const { timings } = core.config
  const full = grownDelayMs(timings.proposeMs, view, core.faults)
  if (view > core.faults) return full + remainingIntervalMs(core)

  const leader = core.height.leader(view)
  const peer = present(core.peers[leader], 'leader')
  // A leader not heard for so long is skipped at once.
  if (leader !== core.self && core.nowMs - peer.heardAtMs > timings.deadMs) return 0
  // The block interval is added after the division, or a demoted leader could never come back.
  const halvings = Math.min(peer.missed, MISSED_HALVINGS_MAX)
  return full / 2 ** halvings + remainingIntervalMs(core)
}

/** arm(v): starts the timers of a view that has no notarization yet. */
export function armView(core: Core, view: number): void {
  const { timings } = core.config
  const { height } = core.height
  const delayMs = leaderDelayMs(core, view)
  const graceMs = grownDelayMs(timings.notarizeMs - timings.proposeMs, view, core.faults)
  core.emit({ kind: 'timer', timer: 'propose', height, view, afterMs: delayMs })
  core.emit({ kind: 'timer', timer: 'notarize', height, view, afterMs: delayMs + graceMs })

  const waitMs = remainingIntervalMs(core)
  core.height.batchReady = waitMs === 0
  if (waitMs > 0) core.emit({ kind: 'timer', timer: 'batch', height, view, afterMs: waitMs })
}

/** FIN(v): how long a notarized view may take to become final before it is left. */
export function armFinalize(core: Core, view: number): void {
  const afterMs = grownDelayMs(core.config.timings.finalizeMs, view, core.faults)
  core.emit({ kind: 'timer', timer: 'finalize', height: core.height.height, view, afterMs })
}

/** RT: the one timer that always runs; ±20 % apart from the others', without randomness. */
export function armRetransmit(core: Core): void {
  const { retransmitMs } = core.config.timings
  const base = core.height.active ? retransmitMs : retransmitMs * IDLE_RETRANSMIT_FACTOR
  const jitter = 0.8 + 0.05 * (((core.self ?? 0) * 5 + core.ticks * 7) % 9)
  core.emit({
    kind: 'timer',
    timer: 'retransmit',
    height: core.height.height,
    view: core.height.view,
    afterMs: base * jitter,
  })
}
