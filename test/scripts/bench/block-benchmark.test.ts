import { describe, expect, it } from 'vitest'
import { optionReader } from '../../../scripts/bench/benchmark.ts'
import { blockBenchmark } from '../../../scripts/bench/block-benchmark.ts'
import { createFullBlock } from '../../../scripts/bench/full-block.ts'
import { checkBinding, connectBlock } from '../../../src/chain/connect-block.ts'
import { installSecp256k1Backend } from '../../../src/primitives/secp256k1.ts'
import { chooseSecp256k1Backend } from '../../../src/runtime/secp256k1-backend.ts'

installSecp256k1Backend(chooseSecp256k1Backend())

describe('the full block', () => {
  it('is valid under the rules of the chain', () => {
    const { params, state, block, records } = createFullBlock({ coins: 50, transactions: 20 })
    expect(block.transactions).toHaveLength(21)
    expect(records).toHaveLength(20)
    expect(checkBinding(block).ok).toBe(true)
    expect(connectBlock(params, state, block).ok).toBe(true)
  })
})

describe('the block benchmark', () => {
  it('reports figures for every phase beside the signatures alone', async () => {
    const sections = await blockBenchmark.run({
      ...optionReader({ rounds: 1, coins: 20, transactions: 20 }),
      signal: new AbortController().signal,
      progress: () => undefined,
    })
    expect(sections.map(({ title }) => title)).toEqual(['Validation', 'Reference', 'The block'])
    const names = sections.flatMap(({ figures }) => figures.map(({ name }) => name))
    expect(names).toContain('cold, all, median')
    expect(names).toContain('signature check, median')
    for (const { value } of sections.flatMap(({ figures }) => figures)) {
      expect(value).toBeGreaterThan(0)
    }
  })
})
