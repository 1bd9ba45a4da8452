/**
 * BIP37's `merkleblock` message for one transaction, as bitcoind's `gettxoutproof` gives it: header,
 * number of transactions, hashes in depth-first order, and the flags that tell how to put the tree
 * together. The branch of an ordinary Merkle proof holds every hash that is needed.
 */

import { type BlockHeader, encodeHeader } from '../bitcoin/header.ts'
import { buildMerkleProof } from '../bitcoin/merkle.ts'
import { present } from '../primitives/assert.ts'
import { encodeWith } from '../primitives/codec.ts'
import { type Txid, writeReversed } from '../primitives/hashes.ts'

/** @throws AssertionError when `position` is outside the block. */
export function encodeMerkleBlock(
  header: BlockHeader,
  ids: readonly Txid[],
  position: number,
): Uint8Array {
  const { branch } = buildMerkleProof(ids, position)
  const hashes: Txid[] = []
  const flags: boolean[] = []
  /** Nodes on a level, the leaves being level 0. */
  const width = (level: number): number => Math.ceil(ids.length / 2 ** level)
  const skip = (level: number): void => {
    flags.push(false)
    hashes.push(present(branch[level], 'sibling'))
  }
  // "TraverseAndBuild" along the path from the root to the transaction.
  const descend = (level: number): void => {
    flags.push(true)
    if (level === 0) {
      hashes.push(present(ids[position], 'transaction id'))
      return
    }
    const child = Math.floor(position / 2 ** (level - 1))
    const isRight = child % 2 === 1
    if (isRight) skip(level - 1)
    descend(level - 1)
    // The last node of an odd level is its own sibling, and is not sent twice.
    if (!isRight && child + 1 < width(level - 1)) skip(level - 1)
  }
  descend(branch.length)
  return encodeWith((writer) => {
    writer.bytes(encodeHeader(header)).u32(ids.length)
    writer.list(hashes, writeReversed)
    writer.varBytes(packBits(flags))
  })
}

/** Lowest bit first. */
function packBits(flags: readonly boolean[]): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(flags.length / 8))
  for (const [index, flag] of flags.entries()) {
    if (flag) bytes[index >> 3] = (bytes[index >> 3] ?? 0) | (1 << (index & 7))
  }
  return bytes
}
