/**
 * The outflow cap: how much may leave within a window of L1 blocks.
 *
 *   cap = the larger of `outflowFloorSats` and `outflowCapBasisPoints` of the **lowest** total of the
 *         reserves within the window
 *
 * The lowest total, because what somebody has just brought in, or seems to have brought in by a fault
 * of ours, must not raise what may leave: a deposit counts when it has been there for a whole window.
 *
 * A release is charged with its value to the L1 height at which a batch takes it; a charge frees its
 * room when the window has passed it. The oldest release that finds no room, be it larger than the cap
 * itself, **saves**: it is charged, as room becomes free, with parts of its value, until the rest of it
 * fits as well. Half of the cap at most goes into savings, so that smaller releases are paid meanwhile.
 * So charges never exceed the cap, and every release comes to its turn: at the latest
 * 2·⌈value ÷ cap⌉ + 1 windows after it has become the oldest. What leaves at once is more than the cap
 * allows only by what was saved for it before; over time nothing leaves faster than the cap.
 *
 * Splitting a withdrawal does not get around the cap, since the charges add up.
 */

import { decodeAll, encodeWith } from '../../primitives/codec.ts'
import { decodeSats, type Sats, sats } from '../../primitives/units.ts'
import type { ChainParams } from '../params.ts'
import {
  NAMESPACE,
  numberOfStateKey,
  numberStateKey,
  type StateOverlay,
  type StateView,
} from '../state.ts'
import { getPegBooks } from './books.ts'

/** What is known of one L1 height. */
interface HeightOutflow {
  readonly l1Height: number
  /** Charged to releases that batches took. */
  readonly paid: bigint
  /** Charged to releases that save. */
  readonly saved: bigint
  /** The lowest total of the reserves while this was the last L1 height. */
  readonly reserves: bigint
}

/** The window that ends with the last L1 header in the state. */
export interface OutflowWindow {
  readonly l1Height: number
  readonly cap: bigint
  readonly used: bigint
  /** Part of what is used: charged to releases that still waited. */
  readonly saved: bigint
  /** Not below 0, though the cap may have fallen below what is used. */
  readonly free: bigint
  /** Ascending by L1 height. */
  readonly heights: readonly HeightOutflow[]
}

const BASIS_POINTS = 10_000n

function putHeight(
  overlay: StateOverlay,
  { l1Height, paid, saved, reserves }: HeightOutflow,
): void {
  const bytes = encodeWith((writer) => writer.u64(paid).u64(saved).u64(reserves))
  overlay.put(numberStateKey(NAMESPACE.outflow, l1Height), bytes)
}

function readHeight(l1Height: number, bytes: Uint8Array): HeightOutflow {
  return decodeAll(bytes, (reader) => ({
    l1Height,
    paid: decodeSats(reader.u64()),
    saved: decodeSats(reader.u64()),
    reserves: decodeSats(reader.u64()),
  }))
}

function findHeight(view: StateView, l1Height: number): HeightOutflow | undefined {
  const bytes = view.get(numberStateKey(NAMESPACE.outflow, l1Height))
  return bytes === undefined ? undefined : readHeight(l1Height, bytes)
}

function* allHeights(view: StateView): Iterable<HeightOutflow> {
  for (const [key, bytes] of view.range(NAMESPACE.outflow)) {
    yield readHeight(numberOfStateKey(key), bytes)
  }
}

export function outflowWindow(view: StateView, params: ChainParams): OutflowWindow {
  const { outflowCapBasisPoints, outflowFloorSats, outflowWindowL1Blocks } = params.peg.limits
  const { l1Height } = getPegBooks(view)
  const heights: HeightOutflow[] = []
  let used = 0n
  let saved = 0n
  let lowest: bigint | undefined
  for (const height of allHeights(view)) {
    if (height.l1Height <= l1Height - outflowWindowL1Blocks) continue
    heights.push(height)
    used += height.paid + height.saved
    saved += height.saved
    if (lowest === undefined || height.reserves < lowest) lowest = height.reserves
  }
  const share = ((lowest ?? 0n) * BigInt(outflowCapBasisPoints)) / BASIS_POINTS
  const cap = share > outflowFloorSats ? share : outflowFloorSats
  return { l1Height, cap, used, saved, free: used < cap ? cap - used : 0n, heights }
}

/** What has been saved for a release that waits; 0 for one that has not. */
export function savedFor(view: StateView, releaseId: number): Sats {
  const bytes = view.get(numberStateKey(NAMESPACE.outflowSaving, releaseId))
  return bytes === undefined ? sats(0) : decodeAll(bytes, (reader) => decodeSats(reader.u64()))
}

function charge(overlay: StateOverlay, change: Pick<HeightOutflow, 'paid' | 'saved'>): void {
  const { l1Height, totals } = getPegBooks(overlay)
  const now = findHeight(overlay, l1Height) ?? {
    l1Height,
    paid: 0n,
    saved: 0n,
    reserves: totals.reserves,
  }
  putHeight(overlay, { ...now, paid: now.paid + change.paid, saved: now.saved + change.saved })
}

/** A batch takes these releases: charges what has not been saved for them. */
export function chargeOutflow(
  overlay: StateOverlay,
  releases: readonly { readonly id: number; readonly value: Sats }[],
): void {
  let paid = 0n
  for (const { id, value } of releases) {
    paid += value - savedFor(overlay, id)
    overlay.delete(numberStateKey(NAMESPACE.outflowSaving, id))
  }
  if (paid > 0n) charge(overlay, { paid, saved: 0n })
}

/**
 * Once in a block, after its L1 section and before its batches: forgets what has left the window and
 * notes the reserves. `reservesBefore` is their total before the block.
 */
export function moveOutflowWindow(
  overlay: StateOverlay,
  params: ChainParams,
  reservesBefore: bigint,
): void {
  const { l1Height, totals } = getPegBooks(overlay)
  const known = findHeight(overlay, l1Height)
  const before = known?.reserves ?? reservesBefore
  const reserves = totals.reserves < before ? totals.reserves : before
  if (known?.reserves !== reserves) {
    putHeight(overlay, { l1Height, paid: 0n, saved: 0n, ...known, reserves })
  }
  // Records only leave when a new height has come.
  if (known !== undefined) return
  const last = l1Height - params.peg.limits.outflowWindowL1Blocks
  for (const height of allHeights(overlay)) {
    if (height.l1Height > last) return
    overlay.delete(numberStateKey(NAMESPACE.outflow, height.l1Height))
  }
}

/** Charges a waiting release with as much as it may save, at most `room`, which it does not fill. */
export function saveOutflow(
  overlay: StateOverlay,
  params: ChainParams,
  releaseId: number,
  room: bigint,
): void {
  const { cap, saved } = outflowWindow(overlay, params)
  const share = cap / 2n - saved
  const amount = room < share ? room : share
  if (amount <= 0n) return
  charge(overlay, { paid: 0n, saved: amount })
  const bytes = encodeWith((writer) => writer.u64(sats(savedFor(overlay, releaseId) + amount)))
  overlay.put(numberStateKey(NAMESPACE.outflowSaving, releaseId), bytes)
}

/**
 * The L1 height at which about this much room has been free in all, if nothing else takes it: an
 * estimate for people.
 */
export function outflowFreeAt(params: ChainParams, window: OutflowWindow, amount: bigint): number {
  const { outflowWindowL1Blocks } = params.peg.limits
  let room = window.cap - window.used
  if (room >= amount) return window.l1Height
  for (const { l1Height, paid, saved } of window.heights) {
    room += paid + saved
    if (room >= amount) return l1Height + outflowWindowL1Blocks
  }
  // From then on half of the cap in every window.
  const perWindow = window.cap / 2n > 0n ? window.cap / 2n : 1n
  const windows = (amount - room + perWindow - 1n) / perWindow
  const blocks = (windows + 1n) * BigInt(outflowWindowL1Blocks)
  return window.l1Height + Number(blocks < FAR_BLOCKS ? blocks : FAR_BLOCKS)
}

/** Further away than this, an estimate says nothing. */
const FAR_BLOCKS = 1_000_000n
