/**
 * A mempool holds nothing that the chain has made impossible: once a node has a block on disk, no
 * transaction in its pool spends what was spent in it.
 */

import { outPointKey } from '../../../bitcoin/transaction.ts'
import type { WholeNode } from '../whole-node.ts'
import type { WholeWatch } from './whole-watch.ts'

export class FittingMempools {
  readonly #watch: WholeWatch

  constructor(watch: WholeWatch) {
    this.#watch = watch
  }

  committed(node: WholeNode): void {
    const { canonical, byzantine, fail } = this.#watch
    const running = node.running?.node
    if (running === undefined || byzantine.has(node.index)) return
    // One that is behind cannot know what the others do.
    if (running.chain.state().tip.height < canonical.height) return
    for (const { txid, transaction } of running.mempool.all()) {
      for (const { prevout } of transaction.inputs) {
        const spender = canonical.spent.get(outPointKey(prevout))
        if (spender !== undefined) {
          fail(`${node.name} keeps ${txid} in its mempool, whose coin is spent by ${spender}`)
        }
      }
    }
  }
}
