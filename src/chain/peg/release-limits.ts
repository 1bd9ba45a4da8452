/**
 * Which queued releases a batch may take now, as far as the network's limits are concerned: a large
 * one waits for a number of L1 blocks, so that a theft is noticed before it is paid; and all of them
 * share the outflow cap (`outflow.ts`), the oldest first.
 *
 * Many small burns are not large ones: what keeps them in bounds is the cap.
 */

import type { ChainParams } from '../params.ts'
import type { StateOverlay, StateView } from '../state.ts'
import { getPegBooks } from './books.ts'
import { isFrozen } from './freeze.ts'
import { moveOutflowWindow, outflowWindow, savedFor, saveOutflow } from './outflow.ts'
import { queuedReleases, type Release } from './releases.ts'

export type LimitHold =
  /** Until the chain's last L1 header has this height. */
  | { readonly kind: 'large-release'; readonly untilL1Height: number }
  /** `missing`: how much of it has neither been saved nor finds room now. */
  | { readonly kind: 'outflow-cap'; readonly missing: bigint; readonly room: bigint }

export interface LimitedRelease {
  readonly release: Release
  /** Undefined: a batch may take it, together with all others before it that may go. */
  readonly hold: LimitHold | undefined
}

/** Queued releases that are looked at in one block: a long queue must not make every block slow. */
export const RELEASE_LOOKAHEAD = 1_000

/** The oldest queued releases, and what holds each of them back. */
export function* limitedReleases(view: StateView, params: ChainParams): Iterable<LimitedRelease> {
  const { l1Height } = getPegBooks(view)
  let room: bigint | undefined
  let seen = 0
  for (const release of queuedReleases(view)) {
    seen += 1
    if (seen > RELEASE_LOOKAHEAD) return
    const untilL1Height = largeReleaseUntil(params, release)
    if (untilL1Height > l1Height) {
      yield { release, hold: { kind: 'large-release', untilL1Height } }
      continue
    }
    // One walk over the window's L1 heights, and none without a queue.
    room ??= outflowWindow(view, params).free
    const rest = release.value - savedFor(view, release.id)
    if (rest > room) {
      yield { release, hold: { kind: 'outflow-cap', missing: rest - room, room } }
      continue
    }
    // Its own from now on, whenever a batch takes it: younger ones do not get ahead of it.
    room -= rest
    yield { release, hold: undefined }
  }
}

/** Those of the oldest queued releases that may go now: all of them together keep to the limits. */
export function* payableReleases(view: StateView, params: ChainParams): Iterable<Release> {
  if (isFrozen(view)) return
  for (const { release, hold } of limitedReleases(view, params)) {
    if (hold === undefined) yield release
  }
}

/** The L1 height from which on its size is no reason to wait. */
function largeReleaseUntil(params: ChainParams, { value, l1Height }: Release): number {
  const { largeReleaseSats, largeReleaseDelayL1Blocks } = params.peg.limits
  return value < largeReleaseSats ? l1Height : l1Height + largeReleaseDelayL1Blocks
}

/**
 * Once in a block, after its L1 section and its burns and before its batches: the window moves with
 * L1, and the oldest release that the cap holds back saves. `reservesBefore`: before the block.
 */
export function connectReleaseLimits(
  overlay: StateOverlay,
  params: ChainParams,
  reservesBefore: bigint,
): void {
  moveOutflowWindow(overlay, params, reservesBefore)
  if (isFrozen(overlay)) return
  // Most of the time there is room for all of them: nothing is read for that.
  const { pendingReleases } = getPegBooks(overlay).totals
  if (outflowWindow(overlay, params).free >= pendingReleases) return
  for (const { release, hold } of limitedReleases(overlay, params)) {
    if (hold?.kind !== 'outflow-cap') continue
    if (hold.room > 0n) saveOutflow(overlay, params, release.id, hold.room)
    return
  }
}
