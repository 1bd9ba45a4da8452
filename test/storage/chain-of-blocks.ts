/** Final blocks with real transactions for the database's tests; no rule of the chain is checked. */

import {
  headerHash,
  REGTEST_GENESIS_HEADER,
  REGTEST_GENESIS_TRANSACTION,
} from '../../src/bitcoin/header.ts'
import { merkleRoot } from '../../src/bitcoin/merkle.ts'
import { p2trScript } from '../../src/bitcoin/script.ts'
import {
  NULL_OUTPOINT,
  type OutPoint,
  outPointKey,
  type Transaction,
  type TxOutput,
  transactionId,
} from '../../src/bitcoin/transaction.ts'
import { type Block, encodeBitcoinBlock, encodeBlock } from '../../src/chain/block.ts'
import type { Coin } from '../../src/chain/coin.ts'
import type { BlockExtension } from '../../src/chain/extension.ts'
import { EMPTY_L1_SECTION } from '../../src/chain/l1-section.ts'
import type { StateDelta } from '../../src/chain/state.ts'
import type { SpentCoin } from '../../src/chain/transition.ts'
import type { Evidence } from '../../src/consensus/evidence.ts'
import { utf8 } from '../../src/primitives/bytes.ts'
import { type BlockHash, ZERO_BLOCK_HASH, ZERO_HASH32 } from '../../src/primitives/hashes.ts'
import { sats } from '../../src/primitives/units.ts'
import type { CommittedBlock } from '../../src/storage/index-rows.ts'

const NO_CHANGE: StateDelta = { puts: new Map(), deletes: new Set() }

/** A taproot script for each number; its key need not be on the curve here. */
export function scriptOf(owner: number): Uint8Array {
  return p2trScript(new Uint8Array(32).fill(owner + 1))
}

export function pay(owner: number, value: number): TxOutput {
  return { value: sats(value), script: scriptOf(owner) }
}

export function spendTo(
  prevouts: readonly OutPoint[],
  outputs: readonly TxOutput[],
  lockTime = 0,
): Transaction {
  const inputs = prevouts.map((prevout) => ({
    prevout,
    scriptSig: new Uint8Array(),
    sequence: 0xffff_fffd,
    witness: [],
  }))
  return { version: 2, inputs, outputs, lockTime }
}

export interface BlockContents {
  readonly coinbaseOutputs?: readonly TxOutput[]
  readonly deposits?: CommittedBlock['mintPrevouts']
  /** Pays the deposits out. */
  readonly mint?: Transaction
  readonly transactions?: readonly Transaction[]
  readonly delta?: StateDelta
  readonly evidence?: readonly Evidence[]
}

/** Grows a chain from Bitcoin's regtest genesis, and knows its coins. */
export class ChainOfBlocks {
  #height = -1
  #hash: BlockHash = ZERO_BLOCK_HASH
  #time = REGTEST_GENESIS_HEADER.time
  readonly coins = new Map<string, SpentCoin>()

  genesis(): CommittedBlock {
    const block: Block = {
      header: REGTEST_GENESIS_HEADER,
      extension: extensionAt(0),
      l1Section: EMPTY_L1_SECTION,
      transactions: [REGTEST_GENESIS_TRANSACTION],
    }
    return this.#committed(block, encodeBitcoinBlock(block), {})
  }

  next(contents: BlockContents = {}): CommittedBlock {
    const height = this.#height + 1
    const transactions = [
      coinbase(height, contents.coinbaseOutputs ?? []),
      ...(contents.mint === undefined ? [] : [contents.mint]),
      ...(contents.transactions ?? []),
    ]
    const block: Block = {
      header: {
        ...REGTEST_GENESIS_HEADER,
        previousHash: this.#hash,
        merkleRoot: merkleRoot(transactions.map(transactionId)).root,
        // Not evenly, so that a median is not the middle of a line.
        time: this.#time + ((height * 7) % 11),
      },
      extension: { ...extensionAt(height), evidence: contents.evidence ?? [] },
      l1Section: EMPTY_L1_SECTION,
      transactions,
    }
    return this.#committed(block, encodeBlock(block), contents)
  }

  #committed(block: Block, blockBytes: Uint8Array, contents: BlockContents): CommittedBlock {
    this.#height++
    this.#hash = headerHash(block.header)
    this.#time = block.header.time
    const spent = block.transactions.map((transaction, position) => {
      const isOrdinary = position > 0 && transaction !== contents.mint
      const coins = isOrdinary ? transaction.inputs.map(({ prevout }) => this.#take(prevout)) : []
      this.#addOutputs(transaction)
      return coins
    })
    return {
      height: this.#height,
      hash: this.#hash,
      blockBytes,
      block,
      certificate: utf8(`certificate ${this.#height}`),
      delta: contents.delta ?? NO_CHANGE,
      undo: utf8(`undo ${this.#height}`),
      spent,
      mintPrevouts: contents.deposits ?? [],
    }
  }

  #take(outPoint: OutPoint): SpentCoin {
    const key = outPointKey(outPoint)
    const coin = this.coins.get(key)!
    this.coins.delete(key)
    return coin
  }

  #addOutputs(transaction: Transaction): void {
    const txid = transactionId(transaction)
    for (const [vout, { value, script }] of transaction.outputs.entries()) {
      const coin: Coin = {
        value,
        script,
        height: this.#height,
        medianTimeBefore: 0,
        origin: 'ordinary',
      }
      this.coins.set(outPointKey({ txid, vout }), { outPoint: { txid, vout }, coin })
    }
  }
}

function coinbase(height: number, outputs: readonly TxOutput[]): Transaction {
  const scriptSig = Uint8Array.of(4, height & 0xff, height >> 8, 0, 0)
  const note: TxOutput = { value: sats(0), script: Uint8Array.of(0x6a) }
  return {
    version: 2,
    inputs: [{ prevout: NULL_OUTPOINT, scriptSig, sequence: 0, witness: [new Uint8Array(32)] }],
    outputs: [...outputs, note],
    lockTime: 0,
  }
}

function extensionAt(height: number): BlockExtension {
  const none = sats(0)
  return {
    height,
    view: 0,
    timeMs: height * 1_000,
    proposer: 0,
    stateRoot: ZERO_HASH32,
    validatorSetHash: ZERO_HASH32,
    nextValidatorSetHash: ZERO_HASH32,
    paramsHash: ZERO_HASH32,
    l1Height: 0,
    l1Hash: ZERO_BLOCK_HASH,
    l1SectionHash: ZERO_HASH32,
    feeRate: 1_000,
    totals: {
      supply: none,
      pendingReleases: none,
      feeReserve: none,
      inFlightFees: none,
      reserves: none,
    },
    evidence: [],
    freezeVotes: [],
  }
}
