/**
 * Within one life of a process height and view never go back, nothing is said after the end of a
 * process, and no honest node halts.
 */

import type { Effect, Event } from '../../consensus/events-and-effects.ts'
import type { NodeObserver } from '../node-observer.ts'
import type { SimulatedNode } from '../simulated-node.ts'
import type { Watch } from './watch.ts'

export class SteadyProgress implements NodeObserver {
  readonly #places = new Map<number, { height: number; view: number }>()
  readonly #watch: Watch

  constructor(watch: Watch) {
    this.#watch = watch
  }

  started(node: SimulatedNode): void {
    this.#places.delete(node.place)
  }

  stepped(node: SimulatedNode, _event: Event, _effects: readonly Effect[]): void {
    if (this.#watch.byzantine.has(node.index) || node.core === undefined) return
    const { height, view } = node.core.snapshot()
    const before = this.#places.get(node.place)
    if (before !== undefined) {
      const isBack = height < before.height || (height === before.height && view < before.view)
      if (isBack) {
        this.#watch.fail(
          `node ${node.index} went from ${before.height}/${before.view} to ${height}/${view}`,
        )
      }
    }
    this.#places.set(node.place, { height, view })
  }

  released(node: SimulatedNode): void {
    if (node.core === undefined) this.#watch.fail(`node ${node.index} speaks after its end`)
  }

  halted(node: SimulatedNode, reason: string): void {
    if (this.#watch.byzantine.has(node.index)) return
    this.#watch.fail(`node ${node.index} halted: ${reason}`)
  }
}
