/** The unspent outputs of the embedded regtest chain, in memory, with the way back for each block. */

import { classifyOutput } from '../../src/bitcoin/script.ts'
import {
  isCoinbase,
  type OutPoint,
  outPointKey,
  type Transaction,
  transactionId,
} from '../../src/bitcoin/transaction.ts'
import type { Coin, CoinView } from '../../src/chain/coin.ts'
import { present } from '../../src/primitives/assert.ts'

/** Where new coins arise. */
export interface CoinOrigin {
  readonly height: number
  /** Of the block before, seconds: the start of BIP68 time locks. */
  readonly medianTimeBefore: number
}

/** What a transaction changed, so that it can be taken back. */
export interface CoinUndo {
  readonly spent: readonly (readonly [string, Coin])[]
  readonly created: readonly string[]
}

export class RegtestCoins implements CoinView {
  readonly #coins = new Map<string, Coin>()

  get size(): number {
    return this.#coins.size
  }

  findCoin(outPoint: OutPoint): Coin | undefined {
    return this.#coins.get(outPointKey(outPoint))
  }

  /** The inputs' coins must be there. */
  apply(transaction: Transaction, origin: CoinOrigin): CoinUndo {
    const spent: [string, Coin][] = []
    if (!isCoinbase(transaction)) {
      for (const { prevout } of transaction.inputs) {
        const key = outPointKey(prevout)
        spent.push([key, present(this.#coins.get(key), 'coin to spend')])
        this.#coins.delete(key)
      }
    }
    const created: string[] = []
    for (const [key, coin] of createdCoins(transaction, origin)) {
      this.#coins.set(key, coin)
      created.push(key)
    }
    return { spent, created }
  }

  /** Takes back the latest change that was not taken back yet. */
  undo({ spent, created }: CoinUndo): void {
    for (const key of created) this.#coins.delete(key)
    for (const [key, coin] of spent) this.#coins.set(key, coin)
  }
}

/** The spendable outputs of a transaction, by outpoint key. */
export function createdCoins(
  transaction: Transaction,
  { height, medianTimeBefore }: CoinOrigin,
): readonly (readonly [string, Coin])[] {
  const txid = transactionId(transaction)
  const origin = isCoinbase(transaction) ? 'coinbase' : 'ordinary'
  return transaction.outputs.flatMap(({ value, script }, vout) =>
    classifyOutput(script).kind === 'op_return'
      ? []
      : [
          [
            outPointKey({ txid, vout }),
            { value, script, height, medianTimeBefore, origin },
          ] as const,
        ],
  )
}
