/**
 * A block as agreement sees it: opaque bytes, their hash, and the facts of its header that the
 * voting rules need. Whoever makes one has checked that *all* of the bytes are bound to the hash
 * (Merkle root without a duplicated tail, witness commitment, extension): bytes that are not are a
 * bad message, never a verdict on the hash.
 */

import type { BlockHash } from '../primitives/hashes.ts'

export interface ConsensusBlock {
  readonly hash: BlockHash
  readonly bytes: Uint8Array
  readonly height: number
  /** Of the first proposal, with its proposer: a proposal repeated later keeps them. */
  readonly view: number
  readonly proposer: number
  readonly parentHash: BlockHash
  /** The block says that another validator set agrees on the next height. */
  readonly endsEpoch: boolean
}
