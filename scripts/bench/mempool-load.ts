/**
 * Transactions that fill a pool in different ways, over a chain that knows the coins they begin with. But
 * for the payments that are handed in they carry no valid signature: they are for what a pool does
 * besides checking.
 */

import { p2trScript } from '../../src/bitcoin/script.ts'
import {
  type OutPoint,
  outPointKey,
  type Transaction,
  type TxOutput,
  transactionId,
} from '../../src/bitcoin/transaction.ts'
import type { Coin } from '../../src/chain/coin.ts'
import type { AdmissionContext } from '../../src/mempool/describe-entry.ts'
import { utf8 } from '../../src/primitives/bytes.ts'
import { txidFromBytes } from '../../src/primitives/hashes.ts'
import { sha256 } from '../../src/primitives/sha256.ts'
import { sats } from '../../src/primitives/units.ts'

const COIN_SATS = 100_000_000n
const PAID_SATS = 1_000n
const CONTEXT = { height: 1_000, medianTimePast: 1_700_000_000 }
/** A signature's length; nobody looks at it. */
const UNCHECKED_WITNESS = [new Uint8Array(64)]

/** Coins of the chain, and where it stands. */
export class MempoolLoad {
  readonly #coins = new Map<string, Coin>()
  #serial = 0

  get at(): AdmissionContext {
    return {
      coins: { findCoin: (outPoint) => this.#coins.get(outPointKey(outPoint)) },
      context: CONTEXT,
      nowMs: 1_700_000_000_000,
    }
  }

  addCoin(outPoint: OutPoint, output: TxOutput): void {
    const coin: Coin = { ...output, height: 1, medianTimeBefore: 0, origin: 'ordinary' }
    this.#coins.set(outPointKey(outPoint), coin)
  }

  /** Spends `prevout`, or a new coin, into two outputs. */
  payment(fee: bigint, prevout?: OutPoint, value = COIN_SATS): Transaction {
    const outputs = [this.#output(PAID_SATS), this.#output(value - fee - PAID_SATS)]
    const input = {
      prevout: prevout ?? this.newCoin(),
      scriptSig: new Uint8Array(),
      sequence: 0xffff_fffd,
      witness: UNCHECKED_WITNESS,
    }
    return { version: 2, inputs: [input], outputs, lockTime: 0 }
  }

  newCoin(): OutPoint {
    const txid = txidFromBytes(sha256(utf8(`benchmark coin ${this.#serial++}`)))
    const outPoint = { txid, vout: 0 }
    this.addCoin(outPoint, this.#output(COIN_SATS))
    return outPoint
  }

  /** Each spends the second output of the one before. */
  chain(length: number, fee: bigint): readonly Transaction[] {
    const made: Transaction[] = []
    let prevout: OutPoint | undefined
    let value = COIN_SATS
    for (let index = 0; index < length; index++) {
      const transaction = this.payment(fee, prevout, value)
      made.push(transaction)
      prevout = { txid: transactionId(transaction), vout: 1 }
      value = transaction.outputs[1]?.value ?? 0n
    }
    return made
  }

  #output(value: bigint): TxOutput {
    return { value: sats(value), script: p2trScript(sha256(utf8(`key ${this.#serial++}`))) }
  }
}
