/**
 * Liveness: once the world has healed, every honest node is level with the others, deposits are minted,
 * releases paid and confirmed, and no accepted payment waits any more; all within a stated virtual time
 * and few views of each height.
 */

import { getPegBooks } from '../../chain/peg/books.ts'
import { activeKeyEpoch } from '../../chain/peg/key-epochs.ts'
import type { StateView } from '../../chain/state.ts'
import { recoveryViewsMax } from '../checkers/recovery.ts'
import type { WholeCheckers } from './checkers/whole-checkers.ts'
import type { WholeWatch } from './checkers/whole-watch.ts'
import type { FreezeVoters } from './freeze-voters.ts'
import type { Newcomer } from './newcomer.ts'
import type { SimulatedUsers } from './simulated-users.ts'
import type { WholeNode } from './whole-node.ts'
import type { WorldTime } from './world-time.ts'

/** After the healing everything has ended within this: pauses, batches, confirmations. */
const END_MS = 180_000
const LOOK_MS = 500
const CLAIM_EVERY_MS = 5_000
/** Links come up again, and members find their L1 and ask it about fees. */
const GRACE_MS = 14_000

export interface CompletionParts {
  readonly time: WorldTime
  readonly watch: WholeWatch
  readonly users: SimulatedUsers
  readonly voters: FreezeVoters
  readonly newcomer: Newcomer | undefined
  readonly checkers: WholeCheckers
  /** How often timers must grow until a view can succeed. */
  readonly growths: number
  /** The honest nodes. */
  working(): readonly WholeNode[]
}

export class RunCompletion {
  readonly #parts: CompletionParts
  readonly #viewsAtHeal = new Map<number, number>()
  recoveryMs = 0
  /** The most views that a height has taken since the healing. */
  views = 0

  constructor(parts: CompletionParts) {
    this.#parts = parts
  }

  /** Lets virtual time pass until all is done; `isOver`: something has been broken. */
  async wait(isOver: () => boolean): Promise<void> {
    const { time, users, voters, watch } = this.#parts
    const fromMs = time.nowMs
    let claimedMs = Number.NEGATIVE_INFINITY
    for (;;) {
      if (time.nowMs - claimedMs >= CLAIM_EVERY_MS) {
        claimedMs = time.nowMs
        void users.claimAll()
        voters.thaw()
      }
      const endsMs = time.nowMs + LOOK_MS
      await time.runWhile(() => !isOver(), endsMs)
      if (isOver()) return
      this.#countViews(time.nowMs - fromMs <= GRACE_MS)
      const left = this.#unfinished()
      this.recoveryMs = time.nowMs - fromMs
      if (left.length === 0) return
      if (this.recoveryMs < END_MS) continue
      for (const what of left) watch.fail(`${END_MS / 1_000} s after the healing ${what}`)
      return
    }
  }

  #unfinished(): readonly string[] {
    const { users, checkers } = this.#parts
    const left: string[] = []
    const nodes = this.#parts.working()
    const heights = nodes.map((node) => node.height)
    if (Math.max(...heights) - Math.min(...heights) > 1)
      left.push(`heights are ${heights.join(' ')}`)
    for (const { name, running } of nodes) {
      const size = running?.node.mempool.stats(0).count
      if (size === undefined) left.push(`${name} does not run`)
      else if (size > 0) left.push(`${name} holds ${size} transactions`)
    }
    for (const key of users.unminted()) left.push(`deposit ${key} is not minted`)
    for (const script of checkers.paidOnce.unpaid(checkers.paidOnce.ledger())) {
      left.push(`the release to ${script} is not paid`)
    }
    const view = nodes[0]?.running?.node.chain.state().view
    return view === undefined ? left : [...left, ...this.#unsettled(view)]
  }

  /** What the state of a node says is still to come. */
  #unsettled(view: StateView): readonly string[] {
    const { newcomer, watch } = this.#parts
    const left = [...(newcomer?.unfinished(view) ?? [])]
    const { totals } = getPegBooks(view)
    if (activeKeyEpoch(view) === undefined) left.push('the peg is not open')
    const { pendingReleases } = totals
    // Upkeep never ends where coins are refreshed every few blocks.
    if (pendingReleases > 0n) {
      left.push(`the books of height ${watch.canonical.height} have ${pendingReleases} to release`)
    }
    return left
  }

  #countViews(isGrace: boolean): void {
    const { watch, growths } = this.#parts
    const most = recoveryViewsMax(watch.params.validators.length, growths)
    for (const { name, running } of this.#parts.working()) {
      const place = running?.node.place()
      if (place === undefined) continue
      const { height, view } = place
      if (isGrace) {
        this.#viewsAtHeal.set(height, Math.max(view, this.#viewsAtHeal.get(height) ?? 0))
        continue
      }
      const taken = view - (this.#viewsAtHeal.get(height) ?? 0)
      if (taken <= this.views) continue
      this.views = taken
      if (taken > most)
        watch.fail(`height ${height} takes ${name} ${taken} views, more than ${most}`)
    }
  }
}
