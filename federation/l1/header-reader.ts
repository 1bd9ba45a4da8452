/**
 * Headers for a proposal: those that follow the chain's last one, as this member's own L1 has them.
 * They are kept from one proposal to the next, so a catch-up reads each once.
 */

import { decodeHeader, headerHash } from '../../src/bitcoin/header.ts'
import type { BlockHash } from '../../src/primitives/hashes.ts'
import type { BitcoinL1 } from './bitcoin-l1.ts'

/** A catch-up after days offline takes a few blocks; each stays quick to check. */
const HEADERS_PER_BLOCK = 500

export interface L1Tip {
  readonly height: number
  readonly hash: BlockHash
}

export interface HeaderReader {
  /**
   * The headers (80 bytes each) after `last`, up to the height `until`, at most 500; empty when L1 is
   * on another branch. Throws what the L1 client throws.
   */
  after(last: L1Tip, until: number): Promise<readonly Uint8Array[]>
}

export function createHeaderReader(l1: BitcoinL1): HeaderReader {
  /** The header that follows a hash, as own L1 had it last time. */
  let followers = new Map<BlockHash, Uint8Array>()

  async function read(height: number): Promise<Uint8Array | undefined> {
    const hash = await l1.blockHashAt(height)
    return hash === undefined ? undefined : (await l1.header(hash))?.header
  }

  return {
    async after(last, until) {
      const end = Math.min(until, last.height + HEADERS_PER_BLOCK)
      const next = new Map<BlockHash, Uint8Array>()
      const headers: Uint8Array[] = []
      let previous = last.hash
      for (let height = last.height + 1; height <= end; height++) {
        const header = followers.get(previous) ?? (await read(height))
        // L1 moved while we read, or is on another branch than the chain: say what is sure.
        if (header === undefined || decodeHeader(header).previousHash !== previous) break
        next.set(previous, header)
        headers.push(header)
        previous = headerHash(decodeHeader(header))
      }
      followers = next
      if (headers.length === 0) return []
      if ((await l1.blockHashAt(last.height + headers.length)) === previous) return headers
      // What was read before a reorganisation is no longer in the best chain.
      followers = new Map()
      return []
    },
  }
}
