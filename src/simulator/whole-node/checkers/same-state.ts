/** The same state: every honest node's state after a block has the root that the block committed to. */

import type { Block } from '../../../chain/block.ts'
import type { WholeNode } from '../whole-node.ts'
import type { WholeWatch } from './whole-watch.ts'

export class SameState {
  readonly #watch: WholeWatch

  constructor(watch: WholeWatch) {
    this.#watch = watch
  }

  committed(node: WholeNode, { extension }: Block): void {
    const state = node.running?.node.chain.state()
    if (state === undefined || this.#watch.byzantine.has(node.index)) return
    // The state may be ahead of the disk by now.
    if (state.tip.height !== extension.height) return
    if (state.trie.root === extension.stateRoot) return
    this.#watch.fail(`${node.name} has another state after block ${extension.height}`)
  }
}
