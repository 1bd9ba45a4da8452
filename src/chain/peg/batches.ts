/**
 * Batches: L1 transactions that pay releases. The state transition builds them, so every node holds
 * the same unsigned bytes before any member signs; a member signs what its own final state holds and
 * nothing else. A batch is open until its transaction is proved in the L1 section.
 */

import {
  decodeTransaction,
  encodeTransaction,
  type Transaction,
  transactionId,
} from '../../bitcoin/transaction.ts'
import { present } from '../../primitives/assert.ts'
import { decodeAll, encodeWith } from '../../primitives/codec.ts'
import type { Txid } from '../../primitives/hashes.ts'
import { decodeSats, type Sats } from '../../primitives/units.ts'
import {
  NAMESPACE,
  numberOfStateKey,
  numberStateKey,
  type StateOverlay,
  type StateView,
} from '../state.ts'

export interface Batch {
  readonly id: number
  readonly status: 'open' | 'confirmed'
  /** Inputs, outputs, change: everything but the signatures. */
  readonly transaction: Transaction
  readonly releaseIds: readonly number[]
  /** What L1 miners get. */
  readonly fee: Sats
  /** Each release's part of it (rounded up; the surplus goes to the fee reserve). */
  readonly feeShare: Sats
  /** Whose address the change pays; meaningless when there is none. */
  readonly changeKeyEpoch: number
  readonly hasChange: boolean
  readonly height: number
  readonly timeMs: number
  /** Last L1 header in the state when it was built: its transaction is in a later L1 block, if any. */
  readonly afterL1Height: number
  /** L1 height of the confirmation; 0 while open. */
  readonly l1Height: number
}

const TRANSACTION_BYTES_MAX = 400_000
const RELEASES_MAX = 10_000

export function putBatch(overlay: StateOverlay, batch: Batch): void {
  const bytes = encodeWith((writer) => {
    writer
      .u32(batch.id)
      .bool(batch.status === 'open')
      .varBytes(encodeTransaction(batch.transaction))
      .list(batch.releaseIds, (w, id) => w.u32(id))
      .u64(batch.fee)
      .u64(batch.feeShare)
      .u32(batch.changeKeyEpoch)
      .bool(batch.hasChange)
      .u32(batch.height)
      .safeU64(batch.timeMs)
      .u32(batch.afterL1Height)
      .u32(batch.l1Height)
  })
  overlay.put(numberStateKey(NAMESPACE.batch, batch.id), bytes)
  const openKey = numberStateKey(NAMESPACE.openBatch, batch.id)
  if (batch.status === 'open') overlay.put(openKey, new Uint8Array())
  else overlay.delete(openKey)
}

export function findBatch(view: StateView, id: number): Batch | undefined {
  const bytes = view.get(numberStateKey(NAMESPACE.batch, id))
  if (bytes === undefined) return undefined
  return decodeAll(bytes, (reader) => ({
    id: reader.u32(),
    status: reader.bool() ? ('open' as const) : ('confirmed' as const),
    transaction: decodeTransaction(reader.varBytes(TRANSACTION_BYTES_MAX)),
    releaseIds: reader.list(RELEASES_MAX, (r) => r.u32()),
    fee: decodeSats(reader.u64()),
    feeShare: decodeSats(reader.u64()),
    changeKeyEpoch: reader.u32(),
    hasChange: reader.bool(),
    height: reader.u32(),
    timeMs: reader.safeU64(),
    afterL1Height: reader.u32(),
    l1Height: reader.u32(),
  }))
}

/** Batches not yet confirmed on L1, oldest first. */
export function* openBatches(view: StateView): Iterable<Batch> {
  for (const [key] of view.range(NAMESPACE.openBatch)) {
    yield present(findBatch(view, numberOfStateKey(key)), 'open batch')
  }
}

export function countOpenBatches(view: StateView): number {
  return [...view.range(NAMESPACE.openBatch)].length
}

export function findOpenBatchByTxid(view: StateView, txid: Txid): Batch | undefined {
  for (const batch of openBatches(view)) {
    if (transactionId(batch.transaction) === txid) return batch
  }
  return undefined
}
