/** A small world of coins and transactions for the pool's tests; anchors (P2A) need no signature. */

import { P2A_SCRIPT } from '../../src/bitcoin/script.ts'
import {
  type OutPoint,
  outPointKey,
  type Transaction,
  type TxInput,
  type TxOutput,
  transactionId,
} from '../../src/bitcoin/transaction.ts'
import type { Coin } from '../../src/chain/coin.ts'
import type { AdmissionContext } from '../../src/mempool/describe-entry.ts'
import { type Txid, toTxid } from '../../src/primitives/hashes.ts'
import type { Rejection, Result } from '../../src/primitives/result.ts'
import { sats } from '../../src/primitives/units.ts'

export const COIN_SATS = 100_000

export function anchor(value: number): TxOutput {
  return { value: sats(value), script: P2A_SCRIPT }
}

/** An OP_RETURN output of that many script bytes, to make transactions larger. */
export function padding(scriptBytes: number): TxOutput {
  const script = new Uint8Array(scriptBytes)
  script[0] = 0x6a
  return { value: sats(0), script }
}

function inputOf(prevout: OutPoint, sequence = 0xffff_fffd): TxInput {
  return { prevout, scriptSig: new Uint8Array(), sequence, witness: [] }
}

export interface TransactionParts {
  readonly version?: number
  readonly lockTime?: number
  readonly sequence?: number
}

export function transactionOf(
  prevouts: readonly OutPoint[],
  outputs: readonly TxOutput[],
  parts: TransactionParts = {},
): Transaction {
  return {
    version: parts.version ?? 2,
    inputs: prevouts.map((prevout) => inputOf(prevout, parts.sequence)),
    outputs,
    lockTime: parts.lockTime ?? 0,
  }
}

export function outputOf(transaction: Transaction, vout = 0): OutPoint {
  return { txid: transactionId(transaction), vout }
}

/**
 * Spends coins of `COIN_SATS` each (or what `from` says) into one anchor, leaving a fee. The data output
 * keeps it from having the 64 bytes that no transaction may have.
 */
export function spend(
  prevouts: readonly OutPoint[],
  fee: number,
  from = COIN_SATS * prevouts.length,
): Transaction {
  return transactionOf(prevouts, [anchor(from - fee), padding(1)])
}

/** The chain's coins, and where it stands. */
export class World {
  readonly #coins = new Map<string, Coin>()
  #serial = 0
  height = 100
  medianTimePast = 1_700_000_000
  nowMs = 1_700_000_000_000

  /** A new confirmed coin that anybody can spend. */
  coin(output: TxOutput = anchor(COIN_SATS), height = 50): OutPoint {
    this.#serial++
    const outPoint = { txid: serialTxid(this.#serial), vout: this.#serial % 3 }
    this.put(outPoint, output, height)
    return outPoint
  }

  put(outPoint: OutPoint, output: TxOutput, height = 50): void {
    const coin: Coin = { ...output, height, medianTimeBefore: 1_600_000_000, origin: 'ordinary' }
    this.#coins.set(outPointKey(outPoint), coin)
  }

  /** As a block does with its transactions. */
  confirm(transaction: Transaction): void {
    for (const { prevout } of transaction.inputs) this.#coins.delete(outPointKey(prevout))
    for (const [vout, output] of transaction.outputs.entries()) {
      this.put(outputOf(transaction, vout), output, this.height)
    }
  }

  get at(): AdmissionContext {
    return {
      coins: { findCoin: (outPoint) => this.#coins.get(outPointKey(outPoint)) },
      context: { height: this.height, medianTimePast: this.medianTimePast },
      nowMs: this.nowMs,
    }
  }
}

function serialTxid(serial: number): Txid {
  return toTxid(serial.toString(16).padStart(64, '0'))
}

/** Every input with this witness. */
export function withWitness(transaction: Transaction, witness: readonly Uint8Array[]): Transaction {
  const inputs: TxInput[] = []
  for (const input of transaction.inputs) inputs.push({ ...input, witness })
  return { ...transaction, inputs }
}

/** What the pool said. */
export const codeOf = (result: Result<unknown, Rejection>): string =>
  result.ok ? 'ok' : result.error.code

/** The same, with what it means for the sender. */
export const refusalOf = (result: Result<unknown, Rejection>): unknown =>
  result.ok ? 'ok' : [result.error.code, result.error.class]
