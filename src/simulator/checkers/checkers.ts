/** All checkers of a run. */

import { type NodeObserver, ObserverGroup } from '../node-observer.ts'
import type { ValidatorSchedule } from '../validator-schedule.ts'
import { BoundedMemory } from './bounded-memory.ts'
import { DurableBasis } from './durable-basis.ts'
import { Formability } from './formability.ts'
import { OneBlockPerHeight } from './one-block-per-height.ts'
import { Recovery } from './recovery.ts'
import { SteadyProgress } from './steady-progress.ts'
import { ValidBlocks } from './valid-blocks.ts'
import { VoteRules } from './vote-rules.ts'
import type { Watch } from './watch.ts'
import { WellFormedMessages } from './well-formed-messages.ts'

/** Violations kept of a run: the first ones say it. */
const VIOLATIONS_MAX = 20

export class Checkers {
  readonly violations: string[] = []
  readonly voteRules: VoteRules
  readonly validBlocks: ValidBlocks
  readonly recovery: Recovery
  /** Shows the nodes to every checker. */
  readonly observer: NodeObserver
  readonly #formability: Formability

  constructor(world: {
    readonly schedule: ValidatorSchedule
    readonly byzantine: ReadonlySet<number>
    readonly growths: number
    nowMs(): number
  }) {
    const { schedule, byzantine } = world
    const fail = (message: string): void => {
      const line = `${(world.nowMs() / 1_000).toFixed(3)} s: ${message}`
      if (this.violations.length < VIOLATIONS_MAX) this.violations.push(line)
    }
    const watch: Watch = { schedule, byzantine, fail }
    this.voteRules = new VoteRules(watch)
    this.validBlocks = new ValidBlocks(watch)
    this.recovery = new Recovery(watch, world.growths)
    this.#formability = new Formability(watch, this.voteRules.said)
    this.observer = new ObserverGroup([
      this.voteRules,
      this.validBlocks,
      this.recovery,
      new OneBlockPerHeight(watch),
      new DurableBasis(watch),
      new WellFormedMessages(watch),
      new SteadyProgress(watch),
      new BoundedMemory(watch),
    ])
  }

  /** What can only be said at the end. */
  finish(): void {
    this.#formability.check()
    this.recovery.checkSilence()
  }
}
