import { describe, expect, it } from 'vitest'
import { optionReader } from '../../../scripts/bench/benchmark.ts'
import { mempoolBenchmark } from '../../../scripts/bench/mempool-benchmark.ts'
import { installNativeBackends } from '../../../src/runtime/native-backends.ts'
import { bitcoindPath } from '../../support/bitcoind.ts'

installNativeBackends()

const OPTIONS = { transactions: 50, rounds: 1, pool: 60 }

async function runWith(alone: boolean): Promise<readonly unknown[]> {
  const sections = await mempoolBenchmark.run({
    ...optionReader({ ...OPTIONS, alone }),
    signal: new AbortController().signal,
    progress: () => undefined,
  })
  expect(sections).toHaveLength(3)
  const cells = sections.flatMap(({ table }) => table?.rows.flat() ?? [])
  expect(cells).toHaveLength(24)
  expect(cells).not.toContain(null)
  return sections.flatMap(({ figures }) => figures.map(({ value }) => value))
}

describe('the mempool benchmark', () => {
  it('measures every load without a bitcoind', async () => {
    const values = await runWith(true)
    expect(values.filter((value) => value === null)).toHaveLength(4)
  })

  it.skipIf(bitcoindPath === undefined)('asks a real bitcoind the same', async () => {
    expect(await runWith(false)).not.toContain(null)
  })
})
