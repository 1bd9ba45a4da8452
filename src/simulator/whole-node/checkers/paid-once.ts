/**
 * Paid once: in L1's truth the federation's money goes to scripts that final burns asked for, to each at
 * most once and what was burned without the fee of its day, and its change comes back to it. Every burn of a run has an
 * L1 script of its own, so that this can be seen on L1 alone.
 */

import { CHANGE_RECIPIENT } from '../../../chain/peg/deposit-address.ts'
import { depositScriptOf } from '../../../chain/peg/key-epochs.ts'
import { bytesToHex } from '../../../primitives/bytes.ts'
import { type L1Ledger, readL1Ledger } from '../l1-ledger.ts'
import type { WholeWatch } from './whole-watch.ts'

export class PaidOnce {
  readonly #watch: WholeWatch
  readonly #asked: ReadonlySet<string>

  /** `asked`: the L1 script of every burn that a user has signed, final or not. Hex. */
  constructor(watch: WholeWatch, asked: ReadonlySet<string>) {
    this.#watch = watch
    this.#asked = asked
  }

  ledger(): L1Ledger {
    const { l1, params, canonical, depositScripts } = this.#watch
    const announced = canonical.blocks.flatMap(({ l1Section }) => l1Section.keyEpochs)
    const change = announced.map((key) => depositScriptOf(params, key, CHANGE_RECIPIENT))
    return readL1Ledger(l1.truth, depositScripts, new Set(change.map(bytesToHex)), this.#asked)
  }

  /** After every change of L1's tip. */
  check(ledger: L1Ledger): void {
    const { canonical, fail } = this.#watch
    const paid = new Set<string>()
    for (const { script, value, l1Height } of ledger.payments) {
      const burn = canonical.burns.get(script)
      if (paid.has(script)) fail(`a release to ${script} is paid twice, at L1 height ${l1Height}`)
      paid.add(script)
      if (burn === undefined) fail(`${value} to ${script} is paid for no final burn`)
      else if (value !== burn.net) fail(`${value} are paid, not ${burn.net}, for ${burn.value}`)
    }
    for (const stray of ledger.strays) fail(`the federation's money went astray: ${stray}`)
  }

  /** Final burns that L1 has not paid. */
  unpaid(ledger: L1Ledger): readonly string[] {
    const paid = new Set(ledger.payments.map(({ script }) => script))
    return [...this.#watch.canonical.burns.keys()].filter((script) => !paid.has(script))
  }
}
