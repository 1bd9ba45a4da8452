/**
 * Agreement: whatever happens, no two honest nodes commit different blocks at a height, every node's
 * chain is unbroken across its restarts, and each block comes with a certificate of its own.
 */

import { verifyCertificate } from '../../consensus/certificate.ts'
import type { Effect } from '../../consensus/events-and-effects.ts'
import { type BlockHash, ZERO_BLOCK_HASH } from '../../primitives/hashes.ts'
import type { NodeObserver } from '../node-observer.ts'
import type { SimulatedNode } from '../simulated-node.ts'
import type { Watch } from './watch.ts'

export class OneBlockPerHeight implements NodeObserver {
  readonly #chain = new Map<number, BlockHash>()
  readonly #tips = new Map<number, { height: number; hash: BlockHash }>()
  readonly #watch: Watch

  constructor(watch: Watch) {
    this.#watch = watch
  }

  committed(node: SimulatedNode, effect: Extract<Effect, { kind: 'commit' }>): void {
    const { byzantine, schedule, fail } = this.#watch
    if (byzantine.has(node.index)) return
    const { block, certificate, height } = effect
    const known = this.#chain.get(height)
    if (known !== undefined && known !== block.hash) {
      fail(`two blocks at height ${height}: ${known} and ${block.hash}`)
    }
    this.#chain.set(height, block.hash)
    const tip = this.#tips.get(node.place) ?? { height: 0, hash: ZERO_BLOCK_HASH }
    if (height !== tip.height + 1 || block.parentHash !== tip.hash) {
      fail(`node ${node.index} committed ${height} on top of ${tip.height}`)
    }
    this.#tips.set(node.place, { height, hash: block.hash })
    if (
      !verifyCertificate(certificate, schedule.at(height)) ||
      certificate.blockHash !== block.hash
    ) {
      fail(`node ${node.index} committed ${height} with a bad certificate`)
    }
  }
}
