/**
 * Liveness: once the network has healed, every node that works is level with the others, everything
 * that it was asked to include is final, and that took few views: f + 1 leaders in a row cannot all
 * be faulty, and some views go by until everybody is in the same one. Then there is silence: no
 * blocks and no votes, however often they greet each other.
 */

import type { Effect, Event } from '../../consensus/events-and-effects.ts'
import { leaderOfView, leaderPermutation } from '../../consensus/leader.ts'
import type { Message } from '../../consensus/messages.ts'
import { faultTolerance } from '../../consensus/quorum.ts'
import { openCounterBlock } from '../counter-block.ts'
import type { NodeObserver } from '../node-observer.ts'
import type { SimulatedNode } from '../simulated-node.ts'
import { ownVote } from './vote-rules.ts'
import type { Watch } from './watch.ts'

/**
 * Views to get into step, after those of f faulty leaders; twice, for a leader may be late. Where
 * timers have to grow first, they do so once in f + 1 views.
 */
export function recoveryViewsMax(validators: number, growths: number): number {
  return (2 + growths) * (faultTolerance(validators) + 1) + 4
}

export class Recovery implements NodeObserver {
  #phase: 'faults' | 'healed' | 'quiet' = 'faults'
  /** Nodes that have to work once the network has healed. */
  #working: readonly SimulatedNode[] = []
  /** The highest view of each height when it healed. */
  readonly #viewsAtHeal = new Map<number, number>()
  readonly #spoken = new Set<string>()
  /** Votes of heights without work. Somebody may bring back a transaction that crashes had lost. */
  readonly #quietVotes = new Map<number, string>()
  /** The most views that a height has taken since. */
  views = 0
  readonly #watch: Watch
  readonly #viewsMax: number

  /** `growths`: how often timers must grow until a view can succeed. */
  constructor(watch: Watch, growths: number) {
    this.#watch = watch
    this.#viewsMax = recoveryViewsMax(watch.schedule.at(1).validators.length, growths)
  }

  heal(working: readonly SimulatedNode[]): void {
    this.#phase = 'healed'
    this.#working = working
    for (const node of working) {
      const { height, view } = node.core?.snapshot() ?? { height: 0, view: 0 }
      this.#viewsAtHeal.set(height, Math.max(view, this.#viewsAtHeal.get(height) ?? 0))
    }
  }

  stepped(node: SimulatedNode, _event: Event, _effects: readonly Effect[]): void {
    if (this.#phase === 'faults' || node.core === undefined) return
    if (!this.#working.includes(node)) return
    const { height, view } = node.core.snapshot()
    const taken = view - (this.#viewsAtHeal.get(height) ?? 0)
    if (taken <= this.views) return
    this.views = taken
    if (taken !== this.#viewsMax + 1) return
    this.#watch.fail(`height ${height} takes more than ${this.#viewsMax} views`)
  }

  /** Everything that should be final is. */
  checkLevel(): void {
    const heights = this.#working.map((node) => node.disk.decided.length)
    if (Math.max(...heights) - Math.min(...heights) > 1) {
      this.#watch.fail(`not level after healing: heights ${heights.join(' ')}`)
    }
    for (const node of this.#working) {
      const { size } = node.ledger.mempool
      if (size > 0) {
        this.#watch.fail(
          `node ${node.index} still holds ${size} transactions at heights ${heights.join(' ')}`,
        )
      }
    }
    this.#phase = 'quiet'
  }

  released(node: SimulatedNode, message: Message): void {
    const vote = ownVote(node, message)
    if (vote === undefined) return
    const key = `${vote.signer}:${vote.height}:${vote.view}:${vote.type}`
    // Who is asked for an old vote sends it again.
    const isNew = !this.#spoken.has(key)
    this.#spoken.add(key)
    if (!isNew || this.#phase !== 'quiet' || !this.#working.includes(node)) return
    // A Byzantine leader can make one empty block at a time: its height is not silent.
    const { schedule, byzantine } = this.#watch
    const context = schedule.at(vote.height)
    const permutation = leaderPermutation(context, vote.height, context.validators.length)
    if (byzantine.has(leaderOfView(permutation, 0))) return
    if (this.#working.some((one) => one.ledger.mempool.size > 0)) return
    this.#quietVotes.set(vote.height, `${vote.type} at ${vote.height}/${vote.view}`)
  }

  committed(_node: SimulatedNode, effect: Extract<Effect, { kind: 'commit' }>): void {
    const isWork = (openCounterBlock(effect.block.bytes)?.transactions.length ?? 0) > 0
    if (isWork) this.#quietVotes.delete(effect.height)
  }

  checkSilence(): void {
    for (const vote of this.#quietVotes.values()) this.#watch.fail(`an idle chain votes: ${vote}`)
  }
}
