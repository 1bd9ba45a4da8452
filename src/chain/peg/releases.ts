/**
 * Releases: what the peg owes on L1. A burn output creates one; it waits in the queue until a batch
 * takes it, and it is paid when the batch's transaction is proved in the L1 section.
 */

import { classifyOutput } from '../../bitcoin/script.ts'
import type { Transaction } from '../../bitcoin/transaction.ts'
import { transactionId } from '../../bitcoin/transaction.ts'
import { DecodeError, decodeAll, encodeWith } from '../../primitives/codec.ts'
import { readTxid, type Txid, writeReversed } from '../../primitives/hashes.ts'
import { ok, type Rejection, type Result, reject } from '../../primitives/result.ts'
import { decodeSats, type Sats } from '../../primitives/units.ts'
import type { ChainParams } from '../params.ts'
import {
  NAMESPACE,
  numberOfStateKey,
  numberStateKey,
  type StateOverlay,
  type StateView,
} from '../state.ts'
import { dustLimit } from './batch-transaction.ts'
import { adjustTotals, getPegBooks, putPegBooks } from './books.ts'
import { chargedFeeRate, releaseFee } from './release-fees.ts'
import { isFederationScript } from './reserves.ts'

export type ReleaseStage =
  | { readonly kind: 'queued' }
  | { readonly kind: 'batched'; readonly batchId: number }
  | { readonly kind: 'paid'; readonly batchId: number; readonly l1Height: number }

export interface Release {
  readonly id: number
  /** The burn. */
  readonly txid: Txid
  readonly vout: number
  /** What was burned; the payment is this less the fee. */
  readonly value: Sats
  /** Its part of what moving the reserves costs, fixed by the burn. */
  readonly fee: Sats
  readonly l1Script: Uint8Array
  readonly height: number
  /** Last L1 header in the state at the burn. */
  readonly l1Height: number
  /** Block time of the burn, milliseconds. */
  readonly timeMs: number
  readonly stage: ReleaseStage
}

const L1_SCRIPT_BYTES_MAX = 34
/** Ids are u32 in keys and records. */
const RELEASE_ID_MAX = 0xffff_ffff
const STAGES = ['queued', 'batched', 'paid'] as const

function encodeRelease(release: Release): Uint8Array {
  return encodeWith((writer) => {
    writer.u32(release.id)
    writeReversed(writer, release.txid)
    writer
      .u32(release.vout)
      .u64(release.value)
      .u64(release.fee)
      .varBytes(release.l1Script)
      .u32(release.height)
      .u32(release.l1Height)
      .safeU64(release.timeMs)
      .u8(STAGES.indexOf(release.stage.kind))
    if (release.stage.kind !== 'queued') writer.u32(release.stage.batchId)
    if (release.stage.kind === 'paid') writer.u32(release.stage.l1Height)
  })
}

/** @throws DecodeError */
function decodeRelease(bytes: Uint8Array): Release {
  return decodeAll(bytes, (reader) => {
    const head = {
      id: reader.u32(),
      txid: readTxid(reader),
      vout: reader.u32(),
      value: decodeSats(reader.u64()),
      fee: decodeSats(reader.u64()),
      l1Script: reader.varBytes(L1_SCRIPT_BYTES_MAX),
      height: reader.u32(),
      l1Height: reader.u32(),
      timeMs: reader.safeU64(),
    }
    const kind = STAGES[reader.u8()]
    if (kind === undefined) throw new DecodeError('unknown release stage')
    if (kind === 'queued') return { ...head, stage: { kind } }
    const batchId = reader.u32()
    if (kind === 'batched') return { ...head, stage: { kind, batchId } }
    return { ...head, stage: { kind, batchId, l1Height: reader.u32() } }
  })
}

export function findRelease(view: StateView, id: number): Release | undefined {
  const bytes = view.get(numberStateKey(NAMESPACE.release, id))
  return bytes === undefined ? undefined : decodeRelease(bytes)
}

export function putRelease(overlay: StateOverlay, release: Release): void {
  overlay.put(numberStateKey(NAMESPACE.release, release.id), encodeRelease(release))
  const queueKey = numberStateKey(NAMESPACE.queuedRelease, release.id)
  if (release.stage.kind === 'queued') overlay.put(queueKey, new Uint8Array())
  else overlay.delete(queueKey)
}

/** Releases that no batch has taken yet, oldest first. */
export function* queuedReleases(view: StateView): Iterable<Release> {
  for (const [key] of view.range(NAMESPACE.queuedRelease)) {
    const release = findRelease(view, numberOfStateKey(key))
    if (release !== undefined) yield release
  }
}

/** What its L1 output is worth, satoshis. */
export function netValue({ value, fee }: Pick<Release, 'value' | 'fee'>): bigint {
  return value - fee
}

/** Where in the chain a transaction stands. */
export interface BurnContext {
  readonly height: number
  readonly timeMs: number
}

/** Adds a release for every burn output of a transaction, and moves its value out of the supply. */
export function queueBurns(
  overlay: StateOverlay,
  params: ChainParams,
  transaction: Transaction,
  context: BurnContext,
): Result<void, Rejection> {
  for (const [vout, output] of transaction.outputs.entries()) {
    const kind = classifyOutput(output.script)
    if (kind.kind !== 'withdraw') continue
    if (output.value < params.peg.minReleaseSats) return reject('burn-below-minimum')
    // Change is nobody's deposit: what is paid there could never be minted again.
    if (isFederationScript(overlay, kind.l1Script)) return reject('burn-to-federation')
    const books = getPegBooks(overlay)
    const fee = releaseFee(params, chargedFeeRate(books), kind.l1Script)
    // Never queued when it could not be paid: what is burned is gone.
    if (output.value - fee < dustLimit(kind.l1Script)) return reject('burn-below-fee')
    if (books.nextReleaseId >= RELEASE_ID_MAX) return reject('burn-beyond-ids')
    putRelease(overlay, {
      id: books.nextReleaseId,
      txid: transactionId(transaction),
      vout,
      value: output.value,
      fee,
      l1Script: kind.l1Script,
      height: context.height,
      l1Height: books.l1Height,
      timeMs: context.timeMs,
      stage: { kind: 'queued' },
    })
    putPegBooks(overlay, {
      ...books,
      nextReleaseId: books.nextReleaseId + 1,
      totals: adjustTotals(books.totals, {
        supply: 0n - output.value,
        pendingReleases: output.value,
      }),
    })
  }
  return ok(undefined)
}
