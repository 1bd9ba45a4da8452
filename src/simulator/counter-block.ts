/**
 * The simulator's blocks: header facts and a list of transaction numbers. A transaction may be final
 * once; that is the whole of hard validity.
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
  readonly transactions: readonly number[]
}

const MAX_TRANSACTIONS = 1_000

export function makeCounterBlock(
  facts: {
    readonly height: number
    readonly view: number
    readonly proposer: number
    readonly parentHash: BlockHash
  },
  transactions: readonly number[],
): CounterBlock {
  const bytes = encodeWith((writer) => {
    writer.safeU64(facts.height).u32(facts.view).u16(facts.proposer)
    writeReversed(writer, facts.parentHash)
    writer.list(transactions, (out, transaction) => out.u32(transaction))
  })
  return { ...facts, transactions, bytes, hash: blockHashFromBytes(sha256d(bytes)) }
}

export function openCounterBlock(bytes: Uint8Array): CounterBlock | undefined {
  try {
    return decodeAll(bytes, (reader) => ({
      height: reader.safeU64(),
      view: reader.u32(),
      proposer: reader.u16(),
      parentHash: readBlockHash(reader),
      transactions: reader.list(MAX_TRANSACTIONS, (item) => item.u32()),
      bytes,
      hash: blockHashFromBytes(sha256d(bytes)),
    }))
  } catch (cause) {
    if (cause instanceof DecodeError) return undefined
    throw cause
  }
}
