/**
 * What the truth of L1 says about the federation's money, by following the money alone: coins that were
 * paid to deposit addresses, and whatever the transactions that spend them make of it. Nothing of it
 * comes from a node of the chain.
 */

import type { RegtestChain } from '../../../federation/l1/regtest-chain.ts'
import { P2A_SCRIPT } from '../../bitcoin/script.ts'
import {
  isCoinbase,
  outPointKey,
  type Transaction,
  transactionId,
} from '../../bitcoin/transaction.ts'
import { bytesToHex } from '../../primitives/bytes.ts'

const ANCHOR = bytesToHex(P2A_SCRIPT)

export interface Payment {
  /** Hex. */
  readonly script: string
  readonly value: bigint
  readonly l1Height: number
}

export interface L1Ledger {
  /** What the federation holds in the best chain. */
  readonly held: bigint
  /** Deposit outputs by outpoint. */
  readonly deposits: ReadonlyMap<string, bigint>
  /** What went to scripts asked for, one for each output. */
  readonly payments: readonly Payment[]
  /** Outputs of the federation's transactions that neither are its own change nor asked for. */
  readonly strays: readonly string[]
  /** What the federation's transactions paid to miners. */
  readonly fees: bigint
}

/** Scripts, hex. `deposits`: of deposit addresses; `change`: the federation's own; `asked`: of burns. */
export function readL1Ledger(
  chain: RegtestChain,
  deposits: ReadonlySet<string>,
  change: ReadonlySet<string>,
  asked: ReadonlySet<string>,
): L1Ledger {
  const held = new Map<string, bigint>()
  const seen = new Map<string, bigint>()
  const payments: Payment[] = []
  const strays: string[] = []
  let fees = 0n

  const follow = (transaction: Transaction, l1Height: number): void => {
    const txid = transactionId(transaction)
    let paidIn = 0n
    for (const { prevout } of isCoinbase(transaction) ? [] : transaction.inputs) {
      const key = outPointKey(prevout)
      paidIn += held.get(key) ?? 0n
      held.delete(key)
    }
    const isOurs = paidIn > 0n
    for (const [vout, { script, value }] of transaction.outputs.entries()) {
      const hex = bytesToHex(script)
      const key = outPointKey({ txid, vout })
      if (isOurs) fees -= value
      if (deposits.has(hex)) {
        held.set(key, value)
        seen.set(key, value)
      } else if (isOurs && asked.has(hex)) payments.push({ script: hex, value, l1Height })
      // An anchor is there for anybody to bump the fee with.
      else if (isOurs && value > 0n && hex !== ANCHOR) {
        if (change.has(hex)) held.set(key, value)
        else strays.push(`${txid}:${vout}`)
      }
    }
    fees += paidIn
  }

  for (let height = 1; ; height++) {
    const block = chain.blockAt(height)
    if (block === undefined) break
    for (const transaction of block.block.transactions) follow(transaction, height)
  }
  const sum = [...held.values()].reduce((total, value) => total + value, 0n)
  return { held: sum, deposits: seen, payments, strays, fees }
}
