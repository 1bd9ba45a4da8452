/**
 * The simulator's blocks: header facts, a time, and a list of transaction numbers. Hard validity is
 * that a transaction is final once and that times rise; soft validity, that the time is not too far
 * ahead of the own clock.
 */

import type { ConsensusBlock } from '../consensus/block.ts'
import { DecodeError, decodeAll, encodeWith } from '../primitives/codec.ts'
import {
  type BlockHash,
  blockHashFromBytes,
  readBlockHash,
  writeReversed,
} from '../primitives/hashes.ts'
import { sha256d } from '../primitives/sha256.ts'

export interface CounterBlock extends ConsensusBlock {
  readonly timeMs: number
  readonly transactions: readonly number[]
}

const MAX_TRANSACTIONS = 1_000

export function makeCounterBlock(
  facts: {
    readonly height: number
    readonly view: number
    readonly proposer: number
    readonly parentHash: BlockHash
    /** Of the proposer's wall clock; default 0. */
    readonly timeMs?: number
    readonly endsEpoch?: boolean
  },
  transactions: readonly number[],
): CounterBlock {
  const { height, view, proposer, parentHash, timeMs = 0, endsEpoch = false } = facts
  const bytes = encodeWith((writer) => {
    writer.safeU64(height).u32(view).u16(proposer).safeU64(timeMs)
    writeReversed(writer, parentHash)
    writer.bool(endsEpoch)
    writer.list(transactions, (out, transaction) => out.u32(transaction))
  })
  const hash = blockHashFromBytes(sha256d(bytes))
  return { height, view, proposer, parentHash, endsEpoch, timeMs, transactions, bytes, hash }
}

export function openCounterBlock(bytes: Uint8Array): CounterBlock | undefined {
  try {
    return decodeAll(bytes, (reader) => ({
      height: reader.safeU64(),
      view: reader.u32(),
      proposer: reader.u16(),
      timeMs: reader.safeU64(),
      parentHash: readBlockHash(reader),
      endsEpoch: reader.bool(),
      transactions: reader.list(MAX_TRANSACTIONS, (item) => item.u32()),
      bytes,
      hash: blockHashFromBytes(sha256d(bytes)),
    }))
  } catch (cause) {
    if (cause instanceof DecodeError) return undefined
    throw cause
  }
}
