import { beforeAll, describe, expect, it } from 'vitest'
import { type Block, blockHash, encodeBlock } from '../../src/chain/block.ts'
import { OpenedBlocks } from '../../src/node/opened-blocks.ts'
import { mintedWorld } from '../support/chain-world.ts'

let block: Block

beforeAll(() => {
  block = mintedWorld(1_000_000n).chain.extend()
})

describe('opened blocks', () => {
  it('are opened once, however often their bytes come', () => {
    const blocks = new OpenedBlocks()
    const opened = blocks.open(encodeBlock(block))
    expect(opened?.hash).toBe(blockHash(block))
    expect(blocks.open(encodeBlock(block))).toBe(opened)
  })

  it('know an own block by its bytes, without decoding it', () => {
    const blocks = new OpenedBlocks()
    const own = blocks.adopt(block)
    expect(blocks.contentOf(own)).toBe(block)
    expect(blocks.open(encodeBlock(block))).toBe(own)
  })

  it('do not take another body under a known header', () => {
    const blocks = new OpenedBlocks()
    blocks.adopt(block)
    const bytes = encodeBlock(block)
    const last = bytes.length - 1
    bytes[last] = (bytes[last] ?? 0) ^ 1
    expect(blocks.open(bytes)).toBeUndefined()
    expect(blocks.open(bytes.subarray(0, 79))).toBeUndefined()
  })

  it('decode again what they have forgotten', () => {
    const { hash, bytes, height, view, proposer, parentHash, endsEpoch } = new OpenedBlocks().adopt(
      block,
    )
    const foreign = { hash, bytes, height, view, proposer, parentHash, endsEpoch }
    expect(blockHash(new OpenedBlocks().contentOf(foreign))).toBe(hash)
  })
})
