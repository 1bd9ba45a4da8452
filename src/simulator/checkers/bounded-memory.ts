/** Whatever others send, what a node keeps of an undecided height stays within stated bounds. */

import type { Effect, Event } from '../../consensus/events-and-effects.ts'
import type { NodeObserver } from '../node-observer.ts'
import type { SimulatedNode } from '../simulated-node.ts'
import type { Watch } from './watch.ts'

/** Steps between two looks at a node. */
const LOOK_EVERY = 4
/** Bodies that something refers to come on top: one a view, of the views not yet left behind. */
const BODIES_MAX = 8
const BUFFERED_PER_SENDER = 8
const SYNC_BLOCKS_MAX = 256
const OUTBOX_PER_VALIDATOR = 100
const QUESTIONS_MAX = 32

export class BoundedMemory implements NodeObserver {
  #steps = 0
  readonly #watch: Watch

  constructor(watch: Watch) {
    this.#watch = watch
  }

  stepped(node: SimulatedNode, _event: Event, _effects: readonly Effect[]): void {
    this.#steps++
    if (this.#steps % LOOK_EVERY !== 0 || this.#watch.byzantine.has(node.index)) return
    const snapshot = node.core?.snapshot()
    if (snapshot === undefined) return
    const { length: count } = this.#watch.schedule.at(snapshot.height).validators
    this.#atMost(node, 'bodies', snapshot.bodies, BODIES_MAX + snapshot.view + count)
    // As many of each validator, and as many again of those who are none.
    const buffered = 2 * BUFFERED_PER_SENDER * count
    this.#atMost(node, 'messages for the next height', snapshot.bufferedMessages, buffered)
    this.#atMost(node, 'blocks to catch up with', node.sync.waiting, SYNC_BLOCKS_MAX)
    this.#atMost(node, 'writes', node.disk.waiting, OUTBOX_PER_VALIDATOR * count)
    this.#atMost(node, 'questions', node.ledger.questions, QUESTIONS_MAX)
  }

  #atMost(node: SimulatedNode, what: string, count: number, bound: number): void {
    if (count <= bound) return
    this.#watch.fail(`node ${node.index} keeps ${count} ${what}, more than ${bound}`)
  }
}
