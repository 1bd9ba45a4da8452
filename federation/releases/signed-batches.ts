/**
 * Batches that this member has seen signed: kept on disk until they are confirmed, and sent to L1
 * again and again until then, since any L1 node may forget a transaction.
 */

import { decodeTransaction, encodeTransaction, type Transaction } from '../../src/bitcoin/transaction.ts'
import { encodeWith } from '../../src/primitives/codec.ts'
import type { KeyValueStore, Logger } from '../../src/runtime/runtime.ts'
import type { BitcoinL1 } from '../l1/bitcoin-l1.ts'

export interface SignedBatches {
  find(batchId: number): Transaction | undefined
  /** True once L1 has taken it. */
  isBroadcast(batchId: number): boolean
  /** Resolves when it is on disk. */
  add(batchId: number, signed: Transaction): Promise<void>
  /** Sends what L1 may not have. Throws what the L1 client throws. */
  broadcast(openIds: ReadonlySet<number>): Promise<void>
}

const PREFIX = 0x10
const END = Uint8Array.of(PREFIX + 1)

export async function openSignedBatches(
  store: KeyValueStore,
  l1: BitcoinL1,
  log: Logger,
): Promise<SignedBatches> {
  const signed = new Map<number, Transaction>()
  const taken = new Set<number>()
  for await (const [key, value] of store.range(Uint8Array.of(PREFIX), END)) {
    const view = new DataView(key.buffer, key.byteOffset, key.byteLength)
    signed.set(view.getUint32(1), decodeTransaction(value))
  }

  async function send(id: number, transaction: Transaction): Promise<void> {
    const { result, reason } = await l1.broadcast(encodeTransaction(transaction))
    if (result === 'rejected') {
      taken.delete(id)
      log.warn({ batch: id, reason }, 'L1 refuses a signed batch')
      return
    }
    if (!taken.has(id)) log.info({ batch: id, result }, 'batch sent to L1')
    taken.add(id)
  }

  return {
    find: (id) => signed.get(id),
    isBroadcast: (id) => taken.has(id),
    async add(id, transaction) {
      const row = { kind: 'put', key: keyOf(id), value: encodeTransaction(transaction) } as const
      await store.write([row], { sync: true })
      signed.set(id, transaction)
    },
    async broadcast(openIds) {
      for (const [id, transaction] of signed) {
        if (openIds.has(id)) {
          await send(id, transaction)
          continue
        }
        signed.delete(id)
        taken.delete(id)
        await store.write([{ kind: 'delete', key: keyOf(id) }], { sync: false })
      }
    },
  }
}

function keyOf(batchId: number): Uint8Array {
  return encodeWith((writer) => writer.u8(PREFIX).u32be(batchId))
}
