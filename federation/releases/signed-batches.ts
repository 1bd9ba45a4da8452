/**
 * Batches that this member has seen signed: kept on disk until they are confirmed, and sent to L1
 * again and again until then, since any L1 node may forget a transaction. Of a batch's versions the
 * latest that is signed is sent. A convenience: the members can sign the same transaction again at any
 * time.
 */

import {
  decodeTransaction,
  encodeTransaction,
  type Transaction,
  transactionId,
} from '../../src/bitcoin/transaction.ts'
import { type Batch, findBatch } from '../../src/chain/peg/batches.ts'
import type { StateView } from '../../src/chain/state.ts'
import { decodeAll, encodeWith } from '../../src/primitives/codec.ts'
import type { Clock, KeyValueStore, Logger } from '../../src/runtime/runtime.ts'
import type { BitcoinL1 } from '../l1/bitcoin-l1.ts'
import { isL1Failure } from '../l1-failure.ts'
import type { ConfirmationFinder } from './confirmation-finder.ts'

export interface SignedBatches {
  /** The current version with its signatures. */
  find(batch: Batch): Transaction | undefined
  /** True once L1 has taken the latest version that is signed. */
  isBroadcast(batch: Batch): boolean
  /** Own L1's words for not taking that. */
  refusal(batch: Batch): string | undefined
  /** Signatures of the current version; the first of several is kept. Throws what the store throws; it is kept even so. */
  add(batch: Batch, signed: Transaction): Promise<void>
  /**
   * Sends what L1 may not have; forgets what the chain has confirmed. A batch that is found in L1's blocks
   * needs nothing: of any other version L1 would say that it is refused. Throws what the store throws.
   */
  broadcast(
    view: StateView,
    l1TipHash: string,
    mined: Pick<ConfirmationFinder, 'find'>,
  ): Promise<void>
}

const PREFIX = 0x10
const END = Uint8Array.of(PREFIX + 1)
/** L1 is asked again with every block, and this often between. */
const AGAIN_MS = 30_000
/** The same transaction with other signatures of the same members. */
const SAME_TRANSACTION = 'txn-same-nonwitness-data-in-mempool'

interface Entry {
  readonly batchId: number
  readonly version: number
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
  const entries = new Map<string, Entry>()
  for await (const [key, value] of parts.store.range(Uint8Array.of(PREFIX), END)) {
    const [batchId, version] = decodeAll(key, (reader) => {
      reader.u8()
      return [reader.u32be(), reader.u8()] as const
    })
    entries.set(nameOf(batchId, version), newEntry(batchId, version, decodeTransaction(value)))
  }
  return new Store(parts, entries)
}

class Store implements SignedBatches {
  readonly #parts: SignedBatchesParts
  readonly #entries: Map<string, Entry>

  constructor(parts: SignedBatchesParts, entries: Map<string, Entry>) {
    this.#parts = parts
    this.#entries = entries
  }

  find(batch: Batch): Transaction | undefined {
    return this.#entryOf(batch, batch.versions.length - 1)?.transaction
  }

  isBroadcast(batch: Batch): boolean {
    return this.#latestOf(batch)?.taken ?? false
  }

  refusal(batch: Batch): string | undefined {
    return this.#latestOf(batch)?.refusal
  }

  async add(batch: Batch, signed: Transaction): Promise<void> {
    const version = batch.versions.length - 1
    if (this.#entryOf(batch, version) !== undefined) return
    this.#entries.set(nameOf(batch.id, version), newEntry(batch.id, version, signed))
    const key = keyOf(batch.id, version)
    const row = { kind: 'put', key, value: encodeTransaction(signed) } as const
    await this.#parts.store.write([row], { sync: true })
  }

  async broadcast(
    view: StateView,
    l1TipHash: string,
    mined: Pick<ConfirmationFinder, 'find'>,
  ): Promise<void> {
    for (const [name, entry] of this.#entries) {
      const { batchId, version } = entry
      const batch = findBatch(view, batchId)
      // Not known yet: this node's chain is a little behind what it signed before a crash.
      if (batch === undefined || version >= batch.versions.length) continue
      if (batch.status.kind === 'open' && this.#entryOf(batch, version) === entry) {
        const isWanted = this.#latestOf(batch) === entry && mined.find(batch) === undefined
        if (isWanted) await this.#trySend(entry, l1TipHash)
        continue
      }
      this.#entries.delete(name)
      const row = { kind: 'delete', key: keyOf(batchId, version) } as const
      await this.#parts.store.write([row], { sync: false })
    }
  }

  /** What is stored must be this version's own transaction. */
  #entryOf(batch: Batch, version: number): Entry | undefined {
    const entry = this.#entries.get(nameOf(batch.id, version))
    const wanted = batch.versions[version]?.transaction
    if (entry === undefined || wanted === undefined) return undefined
    return transactionId(entry.transaction) === transactionId(wanted) ? entry : undefined
  }

  /** The latest version that is signed. */
  #latestOf(batch: Batch): Entry | undefined {
    for (let version = batch.versions.length - 1; version >= 0; version--) {
      const entry = this.#entryOf(batch, version)
      if (entry !== undefined) return entry
    }
    return undefined
  }

  async #send(entry: Entry): Promise<void> {
    const { l1, log } = this.#parts
    const { batchId: batch, version } = entry
    const { result, reason } = await l1.broadcast(encodeTransaction(entry.transaction))
    if (result === 'rejected' && reason !== SAME_TRANSACTION) {
      const refusal = reason ?? 'refused without a reason'
      if (entry.refusal !== refusal) {
        log.warn({ batch, version, reason }, 'L1 refuses a signed batch')
      }
      entry.taken = false
      entry.refusal = refusal
      return
    }
    if (!entry.taken) log.info({ batch, version, result }, 'batch sent to L1')
    entry.taken = true
    entry.refusal = undefined
  }

  /** One that fails must not keep the others from L1. */
  async #trySend(entry: Entry, l1TipHash: string): Promise<void> {
    const { clock, log } = this.#parts
    const nowMs = clock.monotonicMs()
    if (entry.sentOn === l1TipHash && nowMs - entry.sentAtMs < AGAIN_MS) return
    try {
      await this.#send(entry)
      entry.sentAtMs = nowMs
      entry.sentOn = l1TipHash
    } catch (error) {
      if (!isL1Failure(error)) throw error
      const { batchId: batch } = entry
      log.debug({ batch, error: error.message }, 'a signed batch was not sent; later again')
    }
  }
}

function newEntry(batchId: number, version: number, transaction: Transaction): Entry {
  const unsent = { taken: false, refusal: undefined, sentAtMs: 0, sentOn: undefined }
  return { batchId, version, transaction, ...unsent }
}

function nameOf(batchId: number, version: number): string {
  return `${batchId}:${version}`
}

function keyOf(batchId: number, version: number): Uint8Array {
  return encodeWith((writer) => writer.u8(PREFIX).u32be(batchId).u8(version))
}
