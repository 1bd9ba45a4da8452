/**
 * Batches that this member has seen signed: kept on disk until they are confirmed, and sent to L1
 * again and again until then, since any L1 node may forget a transaction. A convenience: the members
 * can sign the same transaction again at any time.
 */

import {
  decodeTransaction,
  encodeTransaction,
  type Transaction,
  transactionId,
} from '../../src/bitcoin/transaction.ts'
import { type Batch, findBatch } from '../../src/chain/peg/batches.ts'
import type { StateView } from '../../src/chain/state.ts'
import { encodeWith } from '../../src/primitives/codec.ts'
import type { Clock, KeyValueStore, Logger } from '../../src/runtime/runtime.ts'
import type { BitcoinL1 } from '../l1/bitcoin-l1.ts'
import { isL1Failure } from '../l1-failure.ts'

export interface SignedBatches {
  find(batch: Batch): Transaction | undefined
  /** True once L1 has taken it. */
  isBroadcast(batch: Batch): boolean
  /** Own L1's words for not taking a signed batch. */
  refusal(batch: Batch): string | undefined
  /** Keeps the first of several signed forms. Throws what the store throws; it is kept even so. */
  add(batch: Batch, signed: Transaction): Promise<void>
  /** Sends what L1 may not have; forgets what the chain has confirmed. Throws what the store throws. */
  broadcast(view: StateView, l1TipHash: string): Promise<void>
}

const PREFIX = 0x10
const END = Uint8Array.of(PREFIX + 1)
/** L1 is asked again with every block, and this often between. */
const AGAIN_MS = 30_000
/** The same transaction with other signatures of the same members. */
const SAME_TRANSACTION = 'txn-same-nonwitness-data-in-mempool'

interface Entry {
  readonly transaction: Transaction
  taken: boolean
  refusal: string | undefined
  /** When and on which L1 tip it was sent last. */
  sentAtMs: number
  sentOn: string | undefined
}

export interface SignedBatchesParts {
  readonly store: KeyValueStore
  readonly l1: BitcoinL1
  readonly clock: Clock
  readonly log: Logger
}

/** Throws what the store throws, DecodeError for damaged rows. */
export async function openSignedBatches(parts: SignedBatchesParts): Promise<SignedBatches> {
  const { store, l1, clock, log } = parts
  const entries = new Map<number, Entry>()
  for await (const [key, value] of store.range(Uint8Array.of(PREFIX), END)) {
    const view = new DataView(key.buffer, key.byteOffset, key.byteLength)
    entries.set(view.getUint32(1), newEntry(decodeTransaction(value)))
  }

  /** What is stored must be this batch's own transaction. */
  function entryOf(batch: Batch): Entry | undefined {
    const entry = entries.get(batch.id)
    if (entry === undefined) return undefined
    return transactionId(entry.transaction) === transactionId(batch.transaction) ? entry : undefined
  }

  async function send(id: number, entry: Entry): Promise<void> {
    const { result, reason } = await l1.broadcast(encodeTransaction(entry.transaction))
    if (result === 'rejected' && reason !== SAME_TRANSACTION) {
      const refusal = reason ?? 'refused without a reason'
      if (entry.refusal !== refusal) log.warn({ batch: id, reason }, 'L1 refuses a signed batch')
      entry.taken = false
      entry.refusal = refusal
      return
    }
    if (!entry.taken) log.info({ batch: id, result }, 'batch sent to L1')
    entry.taken = true
    entry.refusal = undefined
  }

  /** One that fails must not keep the others from L1. */
  async function trySend(id: number, entry: Entry, l1TipHash: string): Promise<void> {
    const nowMs = clock.monotonicMs()
    if (entry.sentOn === l1TipHash && nowMs - entry.sentAtMs < AGAIN_MS) return
    try {
      await send(id, entry)
      entry.sentAtMs = nowMs
      entry.sentOn = l1TipHash
    } catch (error) {
      if (!isL1Failure(error)) throw error
      log.debug({ batch: id, error: error.message }, 'a signed batch was not sent; later again')
    }
  }

  return {
    find: (batch) => entryOf(batch)?.transaction,
    isBroadcast: (batch) => entryOf(batch)?.taken ?? false,
    refusal: (batch) => entryOf(batch)?.refusal,
    async add(batch, signed) {
      if (entryOf(batch) !== undefined) return
      entries.set(batch.id, newEntry(signed))
      const row = { kind: 'put', key: keyOf(batch.id), value: encodeTransaction(signed) } as const
      await store.write([row], { sync: true })
    },
    async broadcast(view, l1TipHash) {
      for (const [id, entry] of entries) {
        const batch = findBatch(view, id)
        // Not known yet: this node's chain is a little behind what it signed before a crash.
        if (batch === undefined) continue
        if (batch.status === 'open' && entryOf(batch) === entry) {
          await trySend(id, entry, l1TipHash)
          continue
        }
        entries.delete(id)
        await store.write([{ kind: 'delete', key: keyOf(id) }], { sync: false })
      }
    },
  }
}

function newEntry(transaction: Transaction): Entry {
  return { transaction, taken: false, refusal: undefined, sentAtMs: 0, sentOn: undefined }
}

function keyOf(batchId: number): Uint8Array {
  return encodeWith((writer) => writer.u8(PREFIX).u32be(batchId))
}
