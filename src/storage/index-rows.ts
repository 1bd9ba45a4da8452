/**
 * From a committed block to every row that it adds to or removes from the database: a pure function, so
 * that one atomic batch holds state, block, certificate and indexes. Only outputs that somebody can
 * spend are indexed by script; burns and OP_RETURN are found through their transactions.
 */

import { classifyOutput } from '../bitcoin/script.ts'
import {
  encodeOutPoint,
  isCoinbase,
  type OutPoint,
  type Transaction,
  type TxOutput,
  transactionId,
  transactionSizes,
} from '../bitcoin/transaction.ts'
import { type Block, blockWeight, encodeBlock } from '../chain/block.ts'
import { offenceOf } from '../chain/evidence.ts'
import type { StateDelta } from '../chain/state.ts'
import type { SpentCoin } from '../chain/transition.ts'
import { assert, present } from '../primitives/assert.ts'
import {
  type BlockHash,
  type Hash32,
  hash32FromBytes,
  hashToBytes,
  reversedToBytes,
} from '../primitives/hashes.ts'
import { sha256, sha256d } from '../primitives/sha256.ts'
import type { Write } from '../runtime/runtime.ts'
import {
  depositPrevoutKey,
  evidenceKey,
  heightByHashKey,
  heightKey,
  l1TransactionKey,
  metaKey,
  STATE_KEY_BYTES_MAX,
  scriptHistoryKey,
  scriptStatsKey,
  scriptUnspentKey,
  spendKey,
  stateKey,
  transactionKey,
} from './keys.ts'
import {
  type BlockInfo,
  blockInfoRecord,
  evidenceRecord,
  heightRecord,
  locationRecord,
  outPointBytes,
  outputRecord,
  type ScriptStats,
  scriptEventRecord,
  scriptStatsRecord,
  spendRecord,
  tipRecord,
  unspentRecord,
} from './records.ts'

/** A final block with everything that connecting it has shown. */
export interface CommittedBlock {
  readonly height: number
  readonly hash: BlockHash
  /** As peers exchange it; for block 0 whatever the network's genesis says. */
  readonly blockBytes: Uint8Array
  readonly block: Block
  readonly certificate: Uint8Array
  readonly delta: StateDelta
  readonly undo: Uint8Array
  /** Of a block that ends its epoch: the handover to the next validators. */
  readonly handover?: Uint8Array
  /** For each transaction the coins it spends, in input order; none for coinbase and mint. */
  readonly spent: readonly (readonly SpentCoin[])[]
  /** The L1 outputs that the mint transaction's inputs name. */
  readonly mintPrevouts: readonly { readonly outPoint: OutPoint; readonly output: TxOutput }[]
}

/** What the rows depend on besides the block. */
export interface RowContext {
  /** Of this block, seconds. */
  readonly medianTime: number
  /** A script's totals before this block. */
  stats(scriptHash: Hash32): ScriptStats
}

export interface BlockRows {
  readonly writes: readonly Write[]
  readonly info: BlockInfo
  /** New totals of every script that the block touches. */
  readonly stats: ReadonlyMap<Hash32, ScriptStats>
}

/** SHA-256 of an output script: how Esplora and Electrum name it (Electrum reverses the bytes). */
export function scriptHash(script: Uint8Array): Hash32 {
  return hash32FromBytes(sha256(script))
}

export function blockRows(committed: CommittedBlock, context: RowContext): BlockRows {
  const { transactions } = committed.block
  assert(committed.spent.length === transactions.length, 'spent coins for every transaction')
  const writes: Write[] = []
  const info = blockInfo(committed, context.medianTime)
  addStateRows(writes, committed.delta)
  addBlockRows(writes, committed, info)
  for (const { outPoint, output } of committed.mintPrevouts) {
    writes.push(put(depositPrevoutKey(encodeOutPoint(outPoint)), outputRecord.encode(output)))
  }
  const scripts = new ScriptRows(committed.height, context)
  for (const [position, transaction] of transactions.entries()) {
    const spent = present(committed.spent[position], 'coins spent by a transaction')
    const placed = placeTransaction(transaction, committed.height, position, spent)
    addTransactionRows(writes, placed)
    scripts.add(writes, placed)
  }
  for (const [hash, stats] of scripts.stats) {
    writes.push(put(scriptStatsKey(hashToBytes(hash)), scriptStatsRecord.encode(stats)))
  }
  return { writes, info, stats: scripts.stats }
}

/** A block that is known without what it did to the state. */
export type BareBlock = Pick<
  CommittedBlock,
  'height' | 'hash' | 'blockBytes' | 'block' | 'certificate' | 'undo'
>

/** The rows of a block itself and where its transactions and spends are; none of state or scripts. */
export function bareBlockRows(bare: BareBlock, medianTime: number): readonly Write[] {
  const writes: Write[] = []
  addBlockRows(writes, bare, blockInfo(bare, medianTime))
  for (const [position, transaction] of bare.block.transactions.entries()) {
    addTransactionRows(writes, placeTransaction(transaction, bare.height, position, []))
  }
  return writes
}

function put(key: Uint8Array, value: Uint8Array): Write {
  return { kind: 'put', key, value }
}

function addStateRows(writes: Write[], delta: StateDelta): void {
  for (const [key, value] of delta.puts) {
    assert(key.length <= STATE_KEY_BYTES_MAX * 2, 'state key within its limit')
    writes.push(put(stateKey(key), value))
  }
  for (const key of delta.deletes) {
    assert(!delta.puts.has(key), 'a state key is put or deleted, not both')
    writes.push({ kind: 'delete', key: stateKey(key) })
  }
}

function addBlockRows(writes: Write[], committed: BareBlock, info: BlockInfo): void {
  const { height, hash } = committed
  writes.push(
    put(heightKey('block', height), committed.blockBytes),
    put(heightKey('blockInfo', height), blockInfoRecord.encode(info)),
    put(heightByHashKey(reversedToBytes(hash)), heightRecord.encode(height)),
    put(heightKey('certificate', height), committed.certificate),
    put(heightKey('undo', height), committed.undo),
    put(metaKey('tip'), tipRecord.encode({ height, hash })),
  )
  addEvidenceRows(writes, committed)
  addL1Rows(writes, committed)
  // Block 0 may be Bitcoin's own, whose bytes say nothing of the extension.
  if (height === 0) writes.push(put(metaKey('genesis'), encodeBlock(committed.block)))
}

function addEvidenceRows(writes: Write[], { height, block }: BareBlock): void {
  for (const evidence of block.extension.evidence) {
    const offence = offenceOf(evidence)
    const row = evidenceRecord.encode({ blockHeight: height, evidence })
    writes.push(put(evidenceKey('evidence', offence), row), {
      kind: 'delete',
      key: evidenceKey('waitingEvidence', offence),
    })
  }
}

function addL1Rows(writes: Write[], { height, block }: BareBlock): void {
  const { confirmations, deposits } = block.l1Section
  for (const { transaction } of [...confirmations, ...deposits]) {
    // Without witness, so this is its txid.
    writes.push(put(l1TransactionKey(sha256d(transaction)), heightRecord.encode(height)))
  }
}

function blockInfo(committed: BareBlock, medianTime: number): BlockInfo {
  const { header, transactions } = committed.block
  let sizeBytes = 80 + (transactions.length < 0xfd ? 1 : 3)
  for (const transaction of transactions) sizeBytes += transactionSizes(transaction).totalBytes
  const weight = blockWeight(committed.block)
  return { hash: committed.hash, time: header.time, medianTime, sizeBytes, weight }
}

/** A transaction with the bytes that its rows share. */
interface PlacedTransaction {
  readonly transaction: Transaction
  readonly height: number
  readonly position: number
  /** 32 bytes, SHA256d's order. */
  readonly txid: Uint8Array
  /** 36 bytes for each input; none for a coinbase. */
  readonly outPoints: readonly Uint8Array[]
  /** In input order; none for coinbase and mint. */
  readonly spent: readonly SpentCoin[]
}

function placeTransaction(
  transaction: Transaction,
  height: number,
  position: number,
  spent: readonly SpentCoin[],
): PlacedTransaction {
  const txid = reversedToBytes(transactionId(transaction))
  const inputs = isCoinbase(transaction) ? [] : transaction.inputs
  const outPoints = inputs.map(({ prevout: { txid: spentTxid, vout } }) =>
    outPointBytes(reversedToBytes(spentTxid), vout),
  )
  assert(spent.length === 0 || spent.length === outPoints.length, 'a spent coin for every input')
  return { transaction, height, position, txid, outPoints, spent }
}

/** Spends also for a mint's inputs: the L1 outpoint leads to the transaction that minted it. */
function addTransactionRows(writes: Write[], placed: PlacedTransaction): void {
  const { txid, height, position, outPoints } = placed
  writes.push(put(transactionKey(txid), locationRecord.encode({ height, position })))
  for (const [vin, outPoint] of outPoints.entries()) {
    writes.push(put(spendKey(outPoint), spendRecord.encode({ txid, vin, height })))
  }
}

const INDEXED_KINDS: ReadonlySet<string> = new Set(['p2wpkh', 'p2wsh', 'p2tr', 'p2a'])

/** Is a script one under which outputs are found? */
export function isIndexed(script: Uint8Array): boolean {
  return INDEXED_KINDS.has(classifyOutput(script).kind)
}

/** What a transaction does to one script. */
interface Change {
  readonly scriptHash: Uint8Array
  fundedCount: number
  fundedSum: bigint
  spentCount: number
  spentSum: bigint
}

/** The rows under script hashes, and the totals that grow from transaction to transaction. */
class ScriptRows {
  readonly stats = new Map<Hash32, ScriptStats>()
  readonly #height: number
  readonly #context: RowContext

  constructor(height: number, context: RowContext) {
    this.#height = height
    this.#context = context
  }

  add(writes: Write[], placed: PlacedTransaction): void {
    const { transaction, txid, position, outPoints, spent } = placed
    const changes = new Map<Hash32, Change>()
    for (const [index, { coin }] of spent.entries()) {
      if (!isIndexed(coin.script)) continue
      const change = changeOf(changes, coin.script)
      change.spentCount++
      change.spentSum += coin.value
      const outPoint = present(outPoints[index], 'outpoint of a spent coin')
      writes.push({ kind: 'delete', key: scriptUnspentKey(change.scriptHash, outPoint) })
    }
    for (const [vout, output] of transaction.outputs.entries()) {
      if (!isIndexed(output.script)) continue
      const change = changeOf(changes, output.script)
      change.fundedCount++
      change.fundedSum += output.value
      const key = scriptUnspentKey(change.scriptHash, outPointBytes(txid, vout))
      const row = { value: output.value, height: this.#height, position }
      writes.push(put(key, unspentRecord.encode(row)))
    }
    for (const [hash, change] of changes) {
      const event = { funds: change.fundedCount > 0, spends: change.spentCount > 0, txid }
      const key = scriptHistoryKey(change.scriptHash, this.#height, position)
      writes.push(put(key, scriptEventRecord.encode(event)))
      this.#addStats(hash, change)
    }
  }

  #addStats(hash: Hash32, change: Change): void {
    const before = this.stats.get(hash) ?? this.#context.stats(hash)
    this.stats.set(hash, {
      txCount: before.txCount + 1,
      fundedCount: before.fundedCount + change.fundedCount,
      fundedSum: before.fundedSum + change.fundedSum,
      spentCount: before.spentCount + change.spentCount,
      spentSum: before.spentSum + change.spentSum,
    })
  }
}

function changeOf(changes: Map<Hash32, Change>, script: Uint8Array): Change {
  const hashBytes = sha256(script)
  const hash = hash32FromBytes(hashBytes)
  let change = changes.get(hash)
  if (change === undefined) {
    change = {
      scriptHash: hashBytes,
      fundedCount: 0,
      fundedSum: 0n,
      spentCount: 0,
      spentSum: 0n,
    }
    changes.set(hash, change)
  }
  return change
}
