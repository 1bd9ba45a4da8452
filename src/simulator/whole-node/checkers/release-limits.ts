/**
 * Limits on what leaves: no large release is batched before its time, in the long run no more is batched
 * than the outflow cap lets through, and while a quorum's votes freeze the peg nothing is batched and no
 * batch is replaced. Votes, delays and sums are counted here from the blocks alone; only which releases
 * a batch has taken is read from a state.
 */

import type { Block } from '../../../chain/block.ts'
import { openBatches } from '../../../chain/peg/batches.ts'
import { findRelease, type Release } from '../../../chain/peg/releases.ts'
import type { StateView } from '../../../chain/state.ts'
import { quorumSize } from '../../../consensus/quorum.ts'
import type { XOnlyKey } from '../../../primitives/hashes.ts'
import type { WholeNode } from '../whole-node.ts'
import type { WholeWatch } from './whole-watch.ts'

interface Freeze {
  readonly isFrozen: boolean
  /** Of the block that decided so. */
  readonly height: number
}

export class ReleaseLimits {
  readonly #watch: WholeWatch
  readonly #votes = new Map<XOnlyKey, boolean>()
  readonly #queued = new Map<number, Release>()
  /** Last L1 height that the chain knew, by height. */
  readonly #l1Heights = new Map<number, number>()
  #freeze: Freeze = { isFrozen: false, height: 0 }
  #nextRelease = 0
  #versions = new Map<number, number>()
  /** Height of the last block whose state was looked at. */
  #lookedAt = 0
  #firstL1Height: number | undefined
  #batched = 0n
  #highestReserves = 0n
  freezes = 0
  /** Batches that pay nobody, and versions after the first. */
  upkeeps = 0
  replacements = 0

  constructor(watch: WholeWatch) {
    this.#watch = watch
  }

  /** A block that is new to the canonical chain, with the node that has it first. */
  appended(node: WholeNode, { extension }: Block): void {
    const { height, l1Height } = extension
    const { reserves } = extension.totals
    this.#l1Heights.set(height, l1Height)
    if (reserves > this.#highestReserves) this.#highestReserves = reserves
    // The state before the block decides about what the block does.
    const frozenSince = this.#freeze
    for (const { validator, freeze } of extension.freezeVotes) this.#votes.set(validator, freeze)
    this.#countVotes(height)
    const state = node.running?.node.chain.state()
    // It may be ahead of the disk by now: then a later block's look finds what this one did.
    if (state?.tip.height !== height) return
    const isFrozen = frozenSince.isFrozen && this.#freeze.isFrozen
    this.#look(state.view, l1Height, isFrozen && frozenSince.height <= this.#lookedAt)
    this.#lookedAt = height
  }

  #countVotes(height: number): void {
    const quorum = quorumSize(this.#watch.params.validators.length)
    const wished = !this.#freeze.isFrozen
    const count = [...this.#votes.values()].filter((freeze) => freeze === wished).length
    if (count < quorum) return
    this.#freeze = { isFrozen: wished, height }
    if (wished) this.freezes += 1
  }

  #look(view: StateView, l1Height: number, isFrozen: boolean): void {
    const { fail } = this.#watch
    const taken = this.#taken(view)
    const open = [...openBatches(view)]
    for (const { id, kind, versions } of open) {
      const before = this.#versions.get(id) ?? 0
      if (versions.length === before) continue
      if (isFrozen) fail(`batch ${id} is made or replaced while the peg is frozen`)
      if (before > 0) this.replacements += versions.length - before
      else if (kind === 'upkeep') this.upkeeps += 1
    }
    this.#versions = new Map(open.map(({ id, versions }) => [id, versions.length]))
    for (const release of taken) this.#checkDelay(release, l1Height)
    if (isFrozen && taken.length > 0) fail(`${taken.length} releases are batched in a freeze`)
    this.#checkOutflow(taken, l1Height)
  }

  /** Releases that batches have taken since the last look. */
  #taken(view: StateView): readonly Release[] {
    for (;;) {
      const release = findRelease(view, this.#nextRelease)
      if (release === undefined) break
      this.#queued.set(release.id, release)
      this.#nextRelease += 1
    }
    const taken = [...this.#queued.values()].filter(
      ({ id }) => findRelease(view, id)?.stage.kind !== 'queued',
    )
    for (const { id } of taken) this.#queued.delete(id)
    return taken
  }

  #checkDelay({ id, value, height }: Release, l1Height: number): void {
    const { largeReleaseSats, largeReleaseDelayL1Blocks } = this.#watch.params.peg.limits
    if (value < largeReleaseSats) return
    const waited = l1Height - (this.#l1Heights.get(height) ?? l1Height)
    if (waited >= largeReleaseDelayL1Blocks) return
    this.#watch.fail(`large release ${id} waits ${waited} L1 blocks only`)
  }

  #checkOutflow(taken: readonly Release[], l1Height: number): void {
    if (taken.length === 0) return
    const { limits } = this.#watch.params.peg
    this.#firstL1Height ??= l1Height
    for (const { value } of taken) this.#batched += value
    const share = (this.#highestReserves * BigInt(limits.outflowCapBasisPoints)) / 10_000n
    const cap = share > limits.outflowFloorSats ? share : limits.outflowFloorSats
    // Before the first one was taken, others may have saved for it; and windows may touch twice.
    const windows = (l1Height - this.#firstL1Height) / limits.outflowWindowL1Blocks
    const most = cap * BigInt(Math.ceil(windows) + 2)
    if (this.#batched <= most) return
    this.#watch.fail(
      `${this.#batched} have been batched, ${most} may leave by L1 height ${l1Height}`,
    )
  }
}
