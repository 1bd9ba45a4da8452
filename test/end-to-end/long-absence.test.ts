import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { findFreePorts } from '../../src/cli/devnet/free-ports.ts'
import { until } from '../../src/cli/devnet/until.ts'
import { homePaths, openNodeHome } from '../../src/cli/node/node-home.ts'
import { NodeClient } from '../../src/cli/node-client.ts'
import { TEST_TIMEOUT_MS } from '../support/devnet.ts'
import { DIRECT_NETWORK } from '../support/faulty-network.ts'
import { expectNoDoubleVotes, type Fleet, statusWhen, votesAbove } from '../support/fleet.ts'
import { numberOf, useFleet } from '../support/fleet-world.ts'
import { type NodeProcess, runCauseway, startNodeProcess } from '../support/node-process.ts'
import { expectAllKept } from '../support/payment-load.ts'

/** Blocks that pass while a validator is away. */
const ABSENT_BLOCKS = numberOf('CAUSEWAY_TEST_ABSENT_BLOCKS', 300)
/** For the blocks to come, at the slowest. */
const BLOCK_PATIENCE_MS = 1_000
const PATIENCE_MS = 100_000 + ABSENT_BLOCKS * BLOCK_PATIENCE_MS
const AWAY = 3

describe('a chain that never rests', () => {
  const world = useFleet({
    title: 'long absence',
    validators: 4,
    createNetwork: () => DIRECT_NETWORK,
    // Blocks without work, as fast as agreement makes them.
    genesis: { minBlockIntervalMs: 10, heartbeatMs: 10 },
  })
  let observer: NodeProcess | undefined
  afterAll(async () => observer?.stop())

  it(
    `takes a validator back after ${ABSENT_BLOCKS} blocks, which votes again`,
    async () => {
      const { fleet, load, log } = world()
      const left = await fleet.validator(AWAY).client.status()
      await fleet.validator(AWAY).kill()
      const madeMs = await timed(() => reaches(fleet, 0, left.height + ABSENT_BLOCKS))
      await load.pay(fleet.validator(1))
      const { height: target } = await fleet.validator(0).client.status()
      const away = target - left.height
      log.count(`absence of ${away} blocks`)
      fleet.validator(AWAY).start()
      const caughtUpMs = await timed(() => reaches(fleet, AWAY, target))
      await statusWhen(fleet.validator(AWAY), 'is in sync', ({ synced }) => synced)
      await votesAbove(fleet, AWAY, target, async () => undefined)
      await expectOneChain(fleet)
      await expectAllKept(fleet.validators, load.final)
      expectNoDoubleVotes(fleet)
      log.note(`blocks made: ${perSecond(ABSENT_BLOCKS, madeMs)}`)
      log.note(`blocks caught up, start included: ${perSecond(away, caughtUpMs)}`)
    },
    TEST_TIMEOUT_MS + 2 * PATIENCE_MS,
  )

  it(
    'is followed by an observer that begins with a snapshot',
    async () => {
      const { fleet, load, log } = world()
      const { folder } = fleet
      const source = fleet.validator(AWAY)
      const file = join(folder, 'state.snapshot')
      await source.stop()
      await runCauseway('chain', 'snapshot', 'export', '--out', file, '--home', source.home)
      source.start()

      const home = join(folder, 'observer')
      const { config } = await openNodeHome(join(source.home, 'node'))
      const [apiPort = 0] = await findFreePorts(1)
      await runCauseway(
        'node',
        'init',
        `--home=${home}`,
        `--api-port=${apiPort}`,
        `--genesis=${homePaths(join(source.home, 'node')).genesis}`,
        '--listen=/ip4/127.0.0.1/tcp/0',
        ...config.p2p.peers.map((peer) => `--peer=${peer}`),
      )
      await runCauseway('chain', 'snapshot', 'import', file, '--home', home)
      const logFile = join(folder, 'observer.log')
      observer = startNodeProcess({ name: 'observer', home, logFile })
      const client = new NodeClient({
        apiUrl: `http://127.0.0.1:${apiPort}`,
        signal: new AbortController().signal,
      })
      const paid = await load.pay(fleet.validator(0))
      await until(async () => (await client.status()).height >= paid.height, {
        timeoutMs: PATIENCE_MS,
        what: 'the observer to follow',
      })
      expect(await client.blockHash(paid.height)).toBe(paid.blockHash)
      expect((await client.transaction(paid.txid)).status.confirmed).toBe(true)
      expect((await client.status()).halted).toBeNull()
      // It has the state, not the past.
      await expect(client.blockHash(1)).rejects.toThrow()
      log.count('start from a snapshot')
    },
    TEST_TIMEOUT_MS,
  )
})

async function reaches(fleet: Fleet, index: number, height: number): Promise<void> {
  const { client } = fleet.validator(index)
  await until(async () => (await client.status()).height >= height, {
    timeoutMs: PATIENCE_MS,
    what: `validator ${index} to reach height ${height}`,
  })
}

/** The highest block that all have is the same. */
async function expectOneChain(fleet: Fleet): Promise<void> {
  const statuses = await Promise.all(fleet.validators.map(({ client }) => client.status()))
  const height = Math.min(...statuses.map((status) => status.height))
  const hashes = await Promise.all(fleet.validators.map(({ client }) => client.blockHash(height)))
  expect(new Set(hashes).size).toBe(1)
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now()
  await run()
  return performance.now() - startedMs
}

const perSecond = (count: number, ms: number): string => `${((count * 1_000) / ms).toFixed(1)}/s`
