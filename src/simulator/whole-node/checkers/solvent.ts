/**
 * Solvent: what the federation holds on L1 covers all coins of the chain and all releases not yet paid,
 * counted from blocks and from L1's truth; and every node's books say the same as the coins.
 */

import type { Block } from '../../../chain/block.ts'
import { getPegBooks, isSolvent } from '../../../chain/peg/books.ts'
import type { L1Ledger } from '../l1-ledger.ts'
import type { WholeNode } from '../whole-node.ts'
import type { WholeWatch } from './whole-watch.ts'

export class Solvent {
  readonly #watch: WholeWatch

  constructor(watch: WholeWatch) {
    this.#watch = watch
  }

  /** After every change of L1's tip. */
  check(ledger: L1Ledger): void {
    const { canonical, fail } = this.#watch
    let coins = 0n
    for (const { value } of canonical.coins.values()) coins += value
    const paid = new Set(ledger.payments.map(({ script }) => script))
    let owed = 0n
    for (const burn of canonical.burns.values()) if (!paid.has(burn.l1Script)) owed += burn.net
    if (coins + owed <= ledger.held) return
    fail(`the chain owes ${coins} and ${owed} in releases; the federation holds ${ledger.held}`)
  }

  committed(node: WholeNode, { extension }: Block): void {
    const state = node.running?.node.chain.state()
    if (state?.tip.height !== extension.height || this.#watch.byzantine.has(node.index)) return
    const { totals } = getPegBooks(state.view)
    if (!isSolvent(totals)) this.#watch.fail(`${node.name}'s books do not balance`)
    if (extension.height !== this.#watch.canonical.height) return
    let coins = 0n
    for (const { value } of this.#watch.canonical.coins.values()) coins += value
    if (coins === totals.supply) return
    this.#watch.fail(`${node.name}'s books say ${totals.supply}, the coins are ${coins}`)
  }
}
