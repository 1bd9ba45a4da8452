/**
 * Blocks as agreement knows them, by their bytes, and what they decode to. One block comes several times:
 * directly, by topic, in answer to a STATUS, out of the own producer; it is decoded and bound to its hash once.
 */

import { type Block, blockHash, decodeBlock, encodeBlock } from '../chain/block.ts'
import { checkBinding } from '../chain/connect-block.ts'
import { endsEpoch } from '../chain/handover.ts'
import type { ConsensusBlock } from '../consensus/block.ts'
import { equalBytes } from '../primitives/bytes.ts'
import { DecodeError } from '../primitives/codec.ts'
import type { BlockHash } from '../primitives/hashes.ts'
import { blockHashFromBytes } from '../primitives/hashes.ts'
import { sha256d } from '../primitives/sha256.ts'

/** Candidates of one height, and the last decided blocks. */
const REMEMBERED_MAX = 8
const HEADER_BYTES = 80

export class OpenedBlocks {
  /** Agreement holds bytes; what they decode to lives as long as it holds them. */
  readonly #blocks = new WeakMap<ConsensusBlock, Block>()
  /** The last ones, oldest first. */
  readonly #recent = new Map<BlockHash, ConsensusBlock>()

  /** Decodes a block and checks that all of it is bound to its hash; undefined when it is not. */
  open(bytes: Uint8Array): ConsensusBlock | undefined {
    if (bytes.length < HEADER_BYTES) return undefined
    const known = this.#recent.get(blockHashFromBytes(sha256d(bytes.subarray(0, HEADER_BYTES))))
    if (known !== undefined && equalBytes(known.bytes, bytes)) return known
    const block = decodeOrUndefined(bytes)
    if (block === undefined || !checkBinding(block).ok) return undefined
    return this.#remember(block, bytes)
  }

  /** A block that this node has built. */
  adopt(block: Block): ConsensusBlock {
    return this.#remember(block, encodeBlock(block))
  }

  /** What an opened block decodes to. */
  contentOf(opened: ConsensusBlock): Block {
    return this.#blocks.get(opened) ?? decodeBlock(opened.bytes)
  }

  #remember(block: Block, bytes: Uint8Array): ConsensusBlock {
    const { height, view, proposer } = block.extension
    const parentHash = block.header.previousHash
    const opened = {
      hash: blockHash(block),
      bytes,
      height,
      view,
      proposer,
      parentHash,
      endsEpoch: endsEpoch(block),
    }
    this.#blocks.set(opened, block)
    this.#recent.set(opened.hash, opened)
    for (const oldest of this.#recent.keys()) {
      if (this.#recent.size <= REMEMBERED_MAX) break
      this.#recent.delete(oldest)
    }
    return opened
  }
}

function decodeOrUndefined(bytes: Uint8Array): Block | undefined {
  try {
    return decodeBlock(bytes)
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}
