/**
 * Batches: L1 transactions of the federation. The state transition builds them, so every node holds
 * the same unsigned bytes before any member signs; a member signs what its own final state holds and
 * nothing else. A batch is open until one of its versions is proved in the L1 section. A version that
 * L1 does not take in time is replaced; all are remembered, since any of them may confirm, and every
 * later one spends all that the earlier ones spend, so only one can.
 */

import {
  decodeTransaction,
  encodeTransaction,
  type Transaction,
  type TxOutput,
  transactionId,
} from '../../bitcoin/transaction.ts'
import { present } from '../../primitives/assert.ts'
import {
  type ByteReader,
  type ByteWriter,
  DecodeError,
  decodeAll,
  encodeWith,
} from '../../primitives/codec.ts'
import type { Txid } from '../../primitives/hashes.ts'
import { decodeSats, type Sats } from '../../primitives/units.ts'
import {
  NAMESPACE,
  numberOfStateKey,
  numberStateKey,
  type StateOverlay,
  type StateView,
} from '../state.ts'

/** One form of a batch's transaction. */
export interface BatchVersion {
  /** Inputs, payments in the order of the releases, change: everything but the signatures. */
  readonly transaction: Transaction
  /** What L1 miners get. */
  readonly fee: Sats
  /** That fee in satoshis per 1,000 virtual bytes. */
  readonly feeRate: number
  /** Of the block here that made it. */
  readonly height: number
  /** Last L1 header in the state then: a block of L1 that contains it is later. */
  readonly l1Height: number
}

export type BatchStatus =
  | { readonly kind: 'open' }
  | {
      readonly kind: 'confirmed'
      /** Index of the version that L1 has. */
      readonly version: number
      readonly l1Height: number
    }

export interface Batch {
  readonly id: number
  /**
   * Payments pay releases; upkeep moves the federation's own coins and pays nobody. A probe gives a new
   * key a small coin, and a proof spends it.
   */
  readonly kind: BatchKind
  readonly status: BatchStatus
  /** Of every coin that it spends: one set of members signs. */
  readonly keyEpoch: number
  /** Whose address the change pays; of a probe, the first output: the rest returns to `keyEpoch`. */
  readonly changeKeyEpoch: number
  readonly releaseIds: readonly number[]
  /** Oldest first, 1 … `MAX_BATCH_VERSIONS`; the last is the one that members sign. */
  readonly versions: readonly BatchVersion[]
  /** Block time of the first version. */
  readonly timeMs: number
}

export const MAX_BATCH_VERSIONS = 16

const TRANSACTION_BYTES_MAX = 400_000
const RELEASES_MAX = 10_000
const KINDS = ['payment', 'upkeep', 'probe', 'proof'] as const
export type BatchKind = (typeof KINDS)[number]

export function putBatch(overlay: StateOverlay, batch: Batch): void {
  overlay.put(numberStateKey(NAMESPACE.batch, batch.id), encodeBatch(batch))
  const openKey = numberStateKey(NAMESPACE.openBatch, batch.id)
  if (batch.status.kind === 'open') overlay.put(openKey, Uint8Array.of(KINDS.indexOf(batch.kind)))
  else overlay.delete(openKey)
}

function encodeBatch(batch: Batch): Uint8Array {
  return encodeWith((writer) => {
    writer
      .u32(batch.id)
      .u8(KINDS.indexOf(batch.kind))
      .bool(batch.status.kind === 'confirmed')
    if (batch.status.kind === 'confirmed') {
      writer.u8(batch.status.version).u32(batch.status.l1Height)
    }
    writer.u32(batch.keyEpoch).u32(batch.changeKeyEpoch)
    writer.list(batch.releaseIds, (w, id) => w.u32(id))
    writer.list(batch.versions, writeVersion)
    writer.safeU64(batch.timeMs)
  })
}

function writeVersion(writer: ByteWriter, version: BatchVersion): void {
  writer
    .varBytes(encodeTransaction(version.transaction))
    .u64(version.fee)
    .u32(version.feeRate)
    .u32(version.height)
    .u32(version.l1Height)
}

export function findBatch(view: StateView, id: number): Batch | undefined {
  const bytes = view.get(numberStateKey(NAMESPACE.batch, id))
  return bytes === undefined ? undefined : decodeAll(bytes, readBatch)
}

function readBatch(reader: ByteReader): Batch {
  const id = reader.u32()
  const kind = KINDS[reader.u8()]
  if (kind === undefined) throw new DecodeError('unknown kind of batch')
  const status: BatchStatus = reader.bool()
    ? { kind: 'confirmed', version: reader.u8(), l1Height: reader.u32() }
    : { kind: 'open' }
  const batch: Batch = {
    id,
    kind,
    status,
    keyEpoch: reader.u32(),
    changeKeyEpoch: reader.u32(),
    releaseIds: reader.list(RELEASES_MAX, (r) => r.u32()),
    versions: reader.list(MAX_BATCH_VERSIONS, readVersion),
    timeMs: reader.safeU64(),
  }
  const known = status.kind === 'confirmed' ? status.version : 0
  if (known >= batch.versions.length) throw new DecodeError('a batch lacks a version')
  return batch
}

function readVersion(reader: ByteReader): BatchVersion {
  return {
    transaction: decodeTransaction(reader.varBytes(TRANSACTION_BYTES_MAX)),
    fee: decodeSats(reader.u64()),
    feeRate: reader.u32(),
    height: reader.u32(),
    l1Height: reader.u32(),
  }
}

/** Batches not yet confirmed on L1, oldest first. */
export function* openBatches(view: StateView): Iterable<Batch> {
  for (const [key] of view.range(NAMESPACE.openBatch)) {
    yield present(findBatch(view, numberOfStateKey(key)), 'open batch')
  }
}

/** How many open batches pay releases. */
export function countOpenPayments(view: StateView): number {
  let count = 0
  for (const [, [kind]] of view.range(NAMESPACE.openBatch)) {
    if (kind === KINDS.indexOf('payment')) count += 1
  }
  return count
}

/** The version that members sign, and that stands in for the batch while it is open. */
export function currentVersion(batch: Batch): BatchVersion {
  return present(batch.versions.at(-1), 'version of a batch')
}

/** What L1 has of a confirmed batch; the current version of an open one. */
export function settledVersion(batch: Batch): BatchVersion {
  if (batch.status.kind === 'open') return currentVersion(batch)
  return present(batch.versions[batch.status.version], 'confirmed version of a batch')
}

export interface ChangeOutput {
  readonly vout: number
  /** Whose address it pays. */
  readonly keyEpoch: number
  readonly output: TxOutput
}

/** Outputs after those of the releases: all of them return to the federation. */
export function changeOutputs(
  batch: Pick<Batch, 'kind' | 'keyEpoch' | 'changeKeyEpoch' | 'releaseIds'>,
  { transaction }: BatchVersion,
): readonly ChangeOutput[] {
  const first = batch.releaseIds.length
  return transaction.outputs.slice(first).map((output, index) => {
    const keyEpoch = batch.kind === 'probe' && index > 0 ? batch.keyEpoch : batch.changeKeyEpoch
    return { vout: first + index, keyEpoch, output }
  })
}

export interface FoundVersion {
  readonly batch: Batch
  readonly version: number
}

/** The open batch of which this is a version, whichever. */
export function findOpenBatchByTxid(view: StateView, txid: Txid): FoundVersion | undefined {
  for (const batch of openBatches(view)) {
    const version = batch.versions.findIndex(
      ({ transaction }) => transactionId(transaction) === txid,
    )
    if (version !== -1) return { batch, version }
  }
  return undefined
}
