import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { benchmarkParams } from '../../../scripts/bench/seeded-state.ts'
import { scattered } from '../../../scripts/bench/state-coins.ts'
import { loadState } from '../../../scripts/bench/state-load.ts'
import { seedState } from '../../../scripts/bench/state-seed.ts'
import { installNativeBackends } from '../../../src/runtime/native-backends.ts'

installNativeBackends()

const COINS = 100
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'causeway-state-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('a seeded data directory', () => {
  it('is opened by a node, which goes on from it and opens it again', async () => {
    const path = join(folder, 'database')
    const params = benchmarkParams()
    await seedState(params, path, COINS)
    // More payments than coins: the later blocks spend what the earlier ones made.
    const { openMs, blocks } = await loadState(params, path, {
      coins: COINS,
      blocks: 2,
      payments: 40,
    })
    expect(openMs).toBeGreaterThan(0)
    expect(blocks).toHaveLength(2)
    for (const time of blocks.flatMap(Object.values)) expect(time).toBeGreaterThan(0)
    const again = await loadState(params, path, { coins: COINS, blocks: 0, payments: 0 })
    expect(again.blocks).toEqual([])
  })

  it.each([1, 10_000, 1_000_000])('has %i coins, each taken once', (count) => {
    const taken = new Set(
      Array.from({ length: Math.min(count, 10_000) }, (_, n) => scattered(n, count)),
    )
    expect(taken.size).toBe(Math.min(count, 10_000))
  })
})
