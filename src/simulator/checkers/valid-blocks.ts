/**
 * What is final is valid: made by the leader of its view, with a time after its parent's, and with no
 * transaction that was final before. Counts blocks, and those with nothing in them: a chain without
 * work may be woken by a Byzantine leader, but must not fill up with empty blocks.
 */

import type { Effect } from '../../consensus/events-and-effects.ts'
import { leaderOfView, leaderPermutation } from '../../consensus/leader.ts'
import { openCounterBlock } from '../counter-block.ts'
import type { NodeObserver } from '../node-observer.ts'
import type { SimulatedNode } from '../simulated-node.ts'
import type { Watch } from './watch.ts'

/** Empty blocks in a row. Each of n leaders may find its work done by the block before. */
const EMPTY_IN_A_ROW_PER_VALIDATOR = 2

export class ValidBlocks implements NodeObserver {
  readonly #included = new Set<number>()
  #height = 0
  #lastTimeMs = 0
  #emptyInARow = 0
  empty = 0
  readonly #watch: Watch

  constructor(watch: Watch) {
    this.#watch = watch
  }

  get height(): number {
    return this.#height
  }

  committed(node: SimulatedNode, effect: Extract<Effect, { kind: 'commit' }>): void {
    const { byzantine, schedule, fail } = this.#watch
    // The first honest node to commit a height; that the others agree is another checker's business.
    if (byzantine.has(node.index) || effect.height !== this.#height + 1) return
    this.#height++
    const context = schedule.at(effect.height)
    const count = context.validators.length
    const block = openCounterBlock(effect.block.bytes)
    if (block === undefined) return fail(`the block of height ${this.#height} does not open`)

    const permutation = leaderPermutation(context, block.height, count)
    if (block.proposer !== leaderOfView(permutation, block.view)) {
      fail(`the block of height ${this.#height} is not its leader's`)
    }
    if (block.timeMs <= this.#lastTimeMs) fail(`the time of height ${this.#height} does not rise`)
    this.#lastTimeMs = block.timeMs
    for (const transaction of block.transactions) {
      if (this.#included.has(transaction)) fail(`transaction ${transaction} is final twice`)
      this.#included.add(transaction)
    }
    const isEmpty = block.transactions.length === 0
    this.#emptyInARow = isEmpty ? this.#emptyInARow + 1 : 0
    if (isEmpty) this.empty++
    if (this.#emptyInARow > EMPTY_IN_A_ROW_PER_VALIDATOR * count) {
      fail(`${this.#emptyInARow} empty blocks in a row at height ${this.#height}`)
    }
  }
}
