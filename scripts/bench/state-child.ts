/**
 * One process of the benchmark `state`, so that each size starts with clean memory:
 * `state-child.ts seed PATH COINS` or `state-child.ts load PATH COINS BLOCKS`. Prints JSON.
 */

import { installNativeBackends } from '../../src/runtime/native-backends.ts'
import { BenchmarkError } from './benchmark.ts'
import { benchmarkParams } from './seeded-state.ts'
import { loadState } from './state-load.ts'
import { seedState } from './state-seed.ts'

/** As many payments with one input and two outputs as a block takes. */
const FULL_BLOCK_PAYMENTS = 1_600

const [task, path = '', coins = '', blocks = ''] = process.argv.slice(2)
installNativeBackends()
const params = benchmarkParams()
if (task === 'seed') {
  await seedState(params, path, Number(coins))
} else if (task === 'load') {
  const plan = { coins: Number(coins), blocks: Number(blocks), payments: FULL_BLOCK_PAYMENTS }
  const figures = await loadState(params, path, plan)
  process.stdout.write(JSON.stringify(figures))
} else {
  throw new BenchmarkError(`no such task: ${task}`)
}
