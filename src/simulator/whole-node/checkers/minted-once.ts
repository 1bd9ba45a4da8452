/**
 * Minted once: every deposit that the chain credits is in the best chain of L1's truth, pays an address
 * that a user was given, is buried, and is credited once, with its amount.
 */

import {
  decodeTransaction,
  outPointKey,
  type Transaction,
  transactionId,
} from '../../../bitcoin/transaction.ts'
import type { Block } from '../../../chain/block.ts'
import { bytesToHex } from '../../../primitives/bytes.ts'
import type { WholeWatch } from './whole-watch.ts'

export class MintedOnce {
  readonly #watch: WholeWatch

  constructor(watch: WholeWatch) {
    this.#watch = watch
  }

  /** A block that is new to the canonical chain. */
  appended(block: Block): void {
    const { canonical, fail } = this.#watch
    const { height } = block.extension
    let credited = 0n
    for (const proof of block.l1Section.deposits) {
      const transaction = decodeTransaction(proof.transaction)
      const txid = transactionId(transaction)
      for (const { vout } of proof.claims) {
        const key = outPointKey({ txid, vout })
        const earlier = canonical.claims.get(key)
        if (earlier !== undefined) {
          fail(`deposit ${key} is minted at ${earlier.height} and again at ${height}`)
        }
        canonical.claims.set(key, { height })
        credited += transaction.outputs[vout]?.value ?? 0n
      }
      this.#checkOnL1(transaction, proof.l1Height, proof.claims)
    }
    if (block.l1Section.deposits.length === 0) return
    const minted = block.transactions[1]?.outputs.reduce((sum, { value }) => sum + value, 0n)
    if (minted !== credited) fail(`block ${height} mints ${minted} for deposits of ${credited}`)
  }

  #checkOnL1(
    transaction: Transaction,
    l1Height: number,
    claims: readonly { readonly vout: number }[],
  ): void {
    const { l1, params, depositScripts, fail } = this.#watch
    const txid = transactionId(transaction)
    const block = l1.truth.blockAt(l1Height)
    const isThere = block?.block.transactions.some((other) => transactionId(other) === txid)
    if (isThere !== true) fail(`deposit ${txid} is not on L1 at height ${l1Height}`)
    const depth = l1.truth.tip().height - l1Height + 1
    if (depth < params.peg.l1Depth) fail(`deposit ${txid} is minted at depth ${depth}`)
    for (const { vout } of claims) {
      const script = transaction.outputs[vout]?.script ?? new Uint8Array()
      if (!depositScripts.has(bytesToHex(script))) fail(`deposit ${txid}:${vout} pays no address`)
    }
  }
}
