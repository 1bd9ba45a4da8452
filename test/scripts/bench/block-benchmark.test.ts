import { describe, expect, it } from 'vitest'
import { optionReader } from '../../../scripts/bench/benchmark.ts'
import { parseBenchLog } from '../../../scripts/bench/bitcoind-run.ts'
import { blockBenchmark } from '../../../scripts/bench/block-benchmark.ts'
import { installNativeBackends } from '../../../src/runtime/native-backends.ts'
import { bitcoindPath } from '../../support/bitcoind.ts'

installNativeBackends()

const OPTIONS = { rounds: 1, blocks: 2, inputs: 20, coins: 50 }

describe('the block benchmark', () => {
  it('connects the payments without a bitcoind, every phase timed', async () => {
    const sections = await blockBenchmark.run({
      ...optionReader({ ...OPTIONS, alone: true }),
      signal: new AbortController().signal,
      progress: () => undefined,
    })
    expect(sections.map(({ table }) => table?.rows.length ?? 0)).toEqual([3, 3, 3, 0, 0])
    const parts = sections.find(({ title }) => title === 'Where the time goes')?.figures ?? []
    expect(parts).toHaveLength(7)
    for (const { value } of parts) expect(value).not.toBeNull()
  })

  it.skipIf(bitcoindPath === undefined)(
    'has a real bitcoind connect the same payments',
    async () => {
      const sections = await blockBenchmark.run({
        ...optionReader({ ...OPTIONS, alone: false }),
        signal: new AbortController().signal,
        progress: () => undefined,
      })
      for (const { table, figures } of sections.slice(0, 3)) {
        expect(table?.rows.map((row) => row[0])).toContain('bitcoind: Connect block')
        for (const cell of table?.rows.flat() ?? []) expect(cell).not.toBeNull()
        expect(figures.map(({ name }) => name)).toContain('bytes to new state, times Connect block')
      }
    },
  )
})

describe("bitcoind's own figures", () => {
  it('are read block by block, without the running totals', () => {
    const log = [
      '2026-01-01T00:00:00.000001Z [bench]     - Sanity checks: 0.00ms [0.00s (0.00ms/blk)]',
      '2026-01-01T00:00:00.000002Z [bench]       - Connect 2 transactions: 8.33ms (4.1ms/tx)',
      '2026-01-01T00:00:00.000003Z [bench]     - Verify 1 txins: 9.50ms (9.50ms/txin) [1.00s]',
      '2026-01-01T00:00:00.000004Z [bench] - Connect block: 11.25ms [1.71s (15.26ms/blk)]',
      '2026-01-01T00:00:00.000005Z UpdateTip: new best=00 height=1',
      '2026-01-01T00:00:00.000006Z [bench]     - Verify 3 txins: 1.00ms (0.33ms/txin) [2.00s]',
      '2026-01-01T00:00:00.000007Z [bench] - Connect block: 2.00ms [1.72s (15.26ms/blk)]',
    ].join('\n')
    expect(parseBenchLog(log)).toEqual([
      { inputs: 1, verifyMs: 9.5, connectMs: 11.25 },
      { inputs: 3, verifyMs: 1, connectMs: 2 },
    ])
  })
})
