/**
 * A chain in memory behind the API's ports, made of real blocks and transactions. Signatures are
 * dummies, for nobody checks them behind these ports.
 */

import type {
  ChainQueries,
  ConfirmedTransaction,
  HistoryEntry,
  MempoolItem,
  NodeFacadeEvent,
  ScriptStats,
  StoredBlock,
} from '../../src/api/ports.ts'
import type { EvidenceView, ReleaseView } from '../../src/api/schemas.ts'
import {
  type BlockHeader,
  headerHash,
  medianTime,
  REGTEST_GENESIS_HEADER,
  REGTEST_GENESIS_TRANSACTION,
} from '../../src/bitcoin/header.ts'
import { merkleRoot } from '../../src/bitcoin/merkle.ts'
import { P2A_SCRIPT, p2trScript, p2wpkhScript, withdrawScript } from '../../src/bitcoin/script.ts'
import {
  isCoinbase,
  type OutPoint,
  outPointKey,
  type Transaction,
  type TxOutput,
  transactionId,
  transactionVsize,
} from '../../src/bitcoin/transaction.ts'
import { type Block, blockWeight, encodeBitcoinBlock } from '../../src/chain/block.ts'
import { buildCoinbase } from '../../src/chain/coinbase.ts'
import { EMPTY_L1_SECTION } from '../../src/chain/l1-section.ts'
import type { MemberChange } from '../../src/chain/member-change.ts'
import { BLOCK_BITS, BLOCK_VERSION } from '../../src/chain/params.ts'
import type { FreezeVote } from '../../src/chain/peg/freeze-vote.ts'
import { assembleCertificate, encodeCertificate } from '../../src/consensus/certificate.ts'
import type { AdmissionContext } from '../../src/mempool/describe-entry.ts'
import { createMempool } from '../../src/mempool/mempool.ts'
import {
  type Hash32,
  hash32FromBytes,
  type Txid,
  toTxid,
  ZERO_BLOCK_HASH,
  ZERO_HASH32,
} from '../../src/primitives/hashes.ts'
import type { Rejection, Result } from '../../src/primitives/result.ts'
import { sha256 } from '../../src/primitives/sha256.ts'
import { sats } from '../../src/primitives/units.ts'
import type { Clock, Logger } from '../../src/runtime/runtime.ts'

export const ALICE: Uint8Array = p2wpkhScript(new Uint8Array(20).fill(0xa1))
export const BOB: Uint8Array = p2trScript(new Uint8Array(32).fill(0xb0))
export const L1_TARGET: Uint8Array = p2wpkhScript(new Uint8Array(20).fill(0x11))
/** Pays the federation on L1. */
export const DEPOSIT_SCRIPT: Uint8Array = p2trScript(new Uint8Array(32).fill(0xfe))
export const GENESIS_TIME = 1_700_000_000

export function scriptHash(script: Uint8Array): Hash32 {
  return hash32FromBytes(sha256(script))
}

export function l1OutPoint(byte: number): OutPoint {
  return { txid: toTxid(byte.toString(16).padStart(2, '0').repeat(32)), vout: 1 }
}

export function payment(spends: readonly OutPoint[], outputs: readonly TxOutput[]): Transaction {
  return {
    version: 2,
    inputs: spends.map((prevout) => ({
      prevout,
      scriptSig: new Uint8Array(),
      sequence: 0xffff_fffd,
      witness: [new Uint8Array(64).fill(7)],
    })),
    outputs,
    lockTime: 0,
  }
}

export function output(value: number, script: Uint8Array): TxOutput {
  return { value: sats(value), script }
}

/** The mint transaction of one deposit. */
function mint(deposit: OutPoint, value: number, recipient: Uint8Array): Transaction {
  const [input] = payment([deposit], []).inputs
  return {
    version: 2,
    inputs: [{ ...input!, sequence: 0xffff_ffff, witness: [] }],
    outputs: [output(value, recipient)],
    lockTime: 0,
  }
}

export class ChainFixture {
  readonly blocks: StoredBlock[] = []
  readonly deposits = new Map<string, TxOutput>()
  mempool: MempoolItem[] = []
  /** What `submitTransaction` answers; its txid unless told. */
  verdict: Result<Txid, Rejection> | undefined
  readonly submitted: Transaction[] = []
  readonly memberChanges: MemberChange[] = []
  readonly handovers: Uint8Array[] = []
  /** A real one, for packages and dry runs; it knows no coins unless `admission` gives them. */
  readonly pool = createMempool()
  admission: AdmissionContext = {
    coins: { findCoin: () => undefined },
    context: { height: 1, medianTimePast: GENESIS_TIME },
    nowMs: GENESIS_TIME * 1_000,
  }
  readonly claims: OutPoint[] = []
  readonly freezeVotes: FreezeVote[] = []
  freezeVerdict: Result<void, Rejection> | undefined
  readonly logged: string[] = []
  monotonicMs = 0
  reasons: string[] = []
  depositAddressVerdict: Rejection | undefined
  releases: ReleaseView[] = []
  /** Newest first. */
  evidence: EvidenceView[] = []
  /** What a proof of reserves is made of here. */
  proofPieces: Iterable<Uint8Array> = []
  readonly handlers = new Set<(event: NodeFacadeEvent) => void>()

  constructor() {
    this.#store(REGTEST_GENESIS_HEADER, [REGTEST_GENESIS_TRANSACTION])
  }

  get tip(): StoredBlock {
    return this.blocks.at(-1)!
  }

  /** Puts transactions behind a coinbase that pays `fees` to ALICE. */
  addBlock(transactions: readonly Transaction[] = [], fees = 0): StoredBlock {
    const height = this.blocks.length
    const coinbase = buildCoinbase({
      height,
      fees: sats(fees),
      payoutScript: ALICE,
      extensionHash: ZERO_HASH32,
      others: transactions,
    })
    const all = [coinbase, ...transactions]
    const header: BlockHeader = {
      version: BLOCK_VERSION,
      previousHash: this.tip.hash,
      merkleRoot: merkleRoot(all.map(transactionId)).root,
      time: GENESIS_TIME + height,
      bits: BLOCK_BITS,
      nonce: 0,
    }
    const mined = new Set(transactions.map(transactionId))
    this.mempool = this.mempool.filter((item) => !mined.has(transactionId(item.transaction)))
    return this.#store(header, all)
  }

  /** A deposit on L1 and the block that mints it. */
  addMint(deposit: OutPoint, value: number, recipient: Uint8Array): StoredBlock {
    this.deposits.set(outPointKey(deposit), output(value, DEPOSIT_SCRIPT))
    return this.addBlock([mint(deposit, value, recipient)])
  }

  addWaiting(transaction: Transaction, fee: number): void {
    this.mempool.push({
      transaction,
      fee: sats(fee),
      vsize: transactionVsize(transaction),
      timeS: GENESIS_TIME + this.mempool.length,
    })
  }

  emit(event: NodeFacadeEvent): void {
    for (const handler of this.handlers) handler(event)
  }

  emitBlock(height: number): void {
    const hash = this.blocks[height]?.hash ?? ZERO_BLOCK_HASH
    this.emit({ kind: 'block', height, hash, txCount: 1 })
  }

  #store(header: BlockHeader, transactions: readonly Transaction[]): StoredBlock {
    const height = this.blocks.length
    const hash = headerHash(header)
    const zero = sats(0)
    const block: Block = {
      header,
      extension: {
        height,
        view: 2,
        timeMs: header.time * 1_000,
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
          supply: zero,
          pendingReleases: zero,
          feeReserve: zero,
          inFlightFees: zero,
          reserves: zero,
        },
        evidence: [],
        freezeVotes: [],
      },
      l1Section: EMPTY_L1_SECTION,
      transactions,
    }
    const signature = new Uint8Array(64)
    const votes = [0, 2, 3].map((signer) => ({
      type: 'finalize' as const,
      height,
      view: 2,
      blockHash: hash,
      signer,
      signature,
    }))
    const times = [...this.blocks.slice(-10).map((one) => one.block.header.time), header.time]
    const stored: StoredBlock = {
      height,
      hash,
      block,
      certificate:
        height === 0 ? new Uint8Array() : encodeCertificate(assembleCertificate(votes, 4)),
      sizeBytes: encodeBitcoinBlock(block).length,
      weight: blockWeight(block),
      medianTime: medianTime(times),
    }
    this.blocks.push(stored)
    return stored
  }

  // --- the ports ------------------------------------------------------------------------------

  #findTransaction(txid: Txid): ConfirmedTransaction | undefined {
    for (const { height, hash, block } of this.blocks) {
      const position = block.transactions.findIndex((one) => transactionId(one) === txid)
      const transaction = block.transactions[position]
      if (transaction === undefined) continue
      return { transaction, blockHash: hash, height, position, time: block.header.time }
    }
    return undefined
  }

  #outputOf(outPoint: OutPoint): TxOutput | undefined {
    const waiting = this.mempool.find((item) => transactionId(item.transaction) === outPoint.txid)
    const found = this.#findTransaction(outPoint.txid)?.transaction ?? waiting?.transaction
    return found?.outputs[outPoint.vout]
  }

  touches(transaction: Transaction, hash: Hash32): boolean {
    const spent = isCoinbase(transaction)
      ? []
      : transaction.inputs.map((input) => this.#outputOf(input.prevout))
    return [...spent, ...transaction.outputs].some(
      (one) => one !== undefined && scriptHash(one.script) === hash,
    )
  }

  #findSpend(outPoint: OutPoint): { txid: Txid; vin: number; height: number } | undefined {
    for (const { height, block } of this.blocks) {
      for (const transaction of block.transactions) {
        const vin = spendingInput(transaction, outPoint)
        if (vin >= 0) return { txid: transactionId(transaction), vin, height }
      }
    }
    return undefined
  }

  #history(hash: Hash32): HistoryEntry[] {
    return this.blocks
      .flatMap(({ height, block }) =>
        block.transactions.map((transaction, position) => ({ transaction, height, position })),
      )
      .filter(({ transaction }) => this.touches(transaction, hash))
      .map(({ transaction, height, position }) => ({
        txid: transactionId(transaction),
        height,
        position,
      }))
      .toReversed()
  }

  #coins(hash: Hash32): { outPoint: OutPoint; value: bigint; height: number; spent: boolean }[] {
    return this.#history(hash).flatMap(({ txid, height }) =>
      this.#findTransaction(txid)!.transaction.outputs.flatMap((one, vout) => {
        if (scriptHash(one.script) !== hash) return []
        const outPoint = { txid, vout }
        const spent = this.#findSpend(outPoint) !== undefined
        return [{ outPoint, value: one.value, height, spent }]
      }),
    )
  }

  queries(): ChainQueries {
    return {
      tip: () => ({ height: this.tip.height, hash: this.tip.hash }),
      blockHashAt: (height) => this.blocks[height]?.hash,
      blockTimeAt: (height) => this.blocks[height]?.block.header.time,
      handovers: () => this.handovers,
      findBlock: (hash) => this.blocks.find((one) => one.hash === hash),
      findTransaction: (txid) => this.#findTransaction(txid),
      findOutput: ({ txid, vout }) => this.#findTransaction(txid)?.transaction.outputs[vout],
      findSpend: (outPoint) => this.#findSpend(outPoint),
      history: async (hash, { after, limit }) => {
        const all = this.#history(hash)
        const rest =
          after === undefined
            ? all
            : all.filter(
                (one) =>
                  one.height < after.height ||
                  (one.height === after.height && one.position < after.position),
              )
        return rest.slice(0, limit)
      },
      unspent: async (hash, limit) =>
        this.#coins(hash)
          .filter((coin) => !coin.spent)
          .slice(0, limit)
          .map(({ outPoint, value, height }) => ({
            outPoint,
            coin: { value: sats(value), height },
          })),
      stats: async (hash): Promise<ScriptStats> => {
        const coins = this.#coins(hash)
        const spent = coins.filter((coin) => coin.spent)
        const sum = (list: typeof coins): bigint =>
          list.reduce((total, one) => total + one.value, 0n)
        return {
          txCount: this.#history(hash).length,
          fundedCount: coins.length,
          fundedSum: sum(coins),
          spentCount: spent.length,
          spentSum: sum(spent),
        }
      },
      depositPrevout: (outPoint) => this.deposits.get(outPointKey(outPoint)),
    }
  }

  clock(): Clock {
    return { nowMs: () => GENESIS_TIME * 1_000, monotonicMs: () => this.monotonicMs }
  }

  log(): Logger {
    const write = (data: object, message: string): void => {
      this.logged.push(`${message} ${Object.values(data).map(String).join(' ')}`)
    }
    const log: Logger = { debug: write, info: write, warn: write, error: write, child: () => log }
    return log
  }
}

/** Index of the input that spends a coin, or -1. */
export function spendingInput(transaction: Transaction, outPoint: OutPoint): number {
  if (isCoinbase(transaction)) return -1
  return transaction.inputs.findIndex(
    ({ prevout }) => prevout.txid === outPoint.txid && prevout.vout === outPoint.vout,
  )
}

export interface StoryChain {
  readonly chain: ChainFixture
  readonly mintTx: Transaction
  readonly payTx: Transaction
  readonly burnTx: Transaction
  /** Waits in the mempool, spends the payment's change. */
  readonly waitingTx: Transaction
}

/**
 * Block 1 mints 100,000 to ALICE; block 2 pays 60,000 to BOB with an anchor and fee 200; block 3 burns
 * 30,000 of BOB's for a release; ALICE spends her change in the mempool.
 */
export function storyChain(): StoryChain {
  const chain = new ChainFixture()
  const mintTx = chain.addMint(l1OutPoint(0xd1), 100_000, ALICE).block.transactions[1]!
  const payTx = payment(
    [{ txid: transactionId(mintTx), vout: 0 }],
    [output(60_000, BOB), output(39_560, ALICE), output(240, P2A_SCRIPT)],
  )
  chain.addBlock([payTx], 200)
  const burnTx = payment(
    [{ txid: transactionId(payTx), vout: 0 }],
    [output(30_000, withdrawScript(L1_TARGET)), output(29_700, BOB)],
  )
  chain.addBlock([burnTx], 300)
  const waitingTx = payment(
    [{ txid: transactionId(payTx), vout: 1 }],
    [output(10_000, BOB), output(29_360, ALICE)],
  )
  chain.addWaiting(waitingTx, 200)
  return { chain, mintTx, payTx, burnTx, waitingTx }
}
