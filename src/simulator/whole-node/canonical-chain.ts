/**
 * The chain as the run's judge has it: the first block of each height that any honest node has made
 * durable, and what follows from the blocks alone: coins of the users, burns, mints. It asks no node's
 * state, so that a mistake in the rules does not pass for the truth.
 */

import { classifyOutput } from '../../bitcoin/script.ts'
import {
  type OutPoint,
  outPointKey,
  type Transaction,
  transactionId,
} from '../../bitcoin/transaction.ts'
import { type Block, blockHash } from '../../chain/block.ts'
import type { ChainParams } from '../../chain/params.ts'
import { releaseFee } from '../../chain/peg/release-fees.ts'
import { bytesToHex } from '../../primitives/bytes.ts'
import type { BlockHash, Txid } from '../../primitives/hashes.ts'

export interface CanonicalCoin {
  readonly outPoint: OutPoint
  readonly value: bigint
  readonly script: string
  /** Spendable at once: not the output of a coinbase. */
  readonly isOrdinary: boolean
}

export interface Burn {
  readonly outPoint: OutPoint
  readonly value: bigint
  /** What L1 has to pay: the value without the fee of its day. */
  readonly net: bigint
  /** Hex. */
  readonly l1Script: string
  readonly height: number
}

export class CanonicalChain {
  readonly blocks: Block[] = []
  readonly hashes: BlockHash[] = []
  readonly coins = new Map<string, CanonicalCoin>()
  /** By L1 script: in a run every burn has its own. */
  readonly burns = new Map<string, Burn>()
  /** L1 outpoint of each deposit that was minted. */
  readonly claims = new Map<string, { readonly height: number }>()
  /** By which transaction a coin was spent. */
  readonly spent = new Map<string, Txid>()

  readonly #params: ChainParams
  /** What burns are charged by: the lower of the fee rates that came with the last two L1 headers. */
  #feeRates: readonly [current: number, previous: number]

  constructor(params: ChainParams) {
    this.#params = params
    this.#feeRates = [params.peg.feeRateFloor, params.peg.feeRateFloor]
  }

  /** Block 0 is not in it. */
  get height(): number {
    return this.blocks.length
  }

  /** The peg has its first key. */
  get isOpen(): boolean {
    return this.blocks.some(({ l1Section }) => l1Section.keyEpochs.length > 0)
  }

  hashAt(height: number): BlockHash | undefined {
    return this.hashes[height - 1]
  }

  append(block: Block): void {
    this.blocks.push(block)
    this.hashes.push(blockHash(block))
    const { l1Section, extension } = block
    if (l1Section.headers.length > 0) this.#feeRates = [extension.feeRate, this.#feeRates[0]]
    for (const [position, transaction] of block.transactions.entries()) {
      this.#apply(transaction, position === 0)
    }
  }

  #apply(transaction: Transaction, isCoinbase: boolean): void {
    const txid = transactionId(transaction)
    for (const { prevout } of transaction.inputs) {
      this.coins.delete(outPointKey(prevout))
      this.spent.set(outPointKey(prevout), txid)
    }
    for (const [vout, output] of transaction.outputs.entries()) {
      const kind = classifyOutput(output.script)
      const outPoint = { txid, vout }
      if (kind.kind === 'withdraw') {
        const l1Script = bytesToHex(kind.l1Script)
        const { value } = output
        const net = value - releaseFee(this.#params, Math.min(...this.#feeRates), kind.l1Script)
        this.burns.set(l1Script, { outPoint, value, net, l1Script, height: this.height })
      } else if (output.value > 0n && kind.kind !== 'op_return') {
        this.coins.set(outPointKey(outPoint), {
          outPoint,
          value: output.value,
          script: bytesToHex(output.script),
          isOrdinary: !isCoinbase,
        })
      }
    }
  }
}
