/**
 * A new node beside a chain that is there already: how fast it fetches, checks and stores the blocks, against
 * the same blocks checked and stored by one process that has them in memory.
 */

import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { chainParams } from '../../genesis/network.ts'
import { decodeBlock } from '../../src/chain/block.ts'
import { checkBinding } from '../../src/chain/connect-block.ts'
import { NO_SCRIPT_CACHE } from '../../src/chain/connect-transaction.ts'
import { genesisValidators } from '../../src/chain/validators.ts'
import { startChild } from '../../src/cli/devnet/child-process.ts'
import type { Devnet } from '../../src/cli/devnet/devnet.ts'
import { findFreePorts } from '../../src/cli/devnet/free-ports.ts'
import { createNodeHome, homePaths, openNodeHome } from '../../src/cli/node/node-home.ts'
import { NodeClient } from '../../src/cli/node-client.ts'
import { decodeCertificate, verifyCertificate } from '../../src/consensus/certificate.ts'
import { openChainService } from '../../src/node/chain-service.ts'
import { present } from '../../src/primitives/assert.ts'
import { createCheckPool, defaultCheckThreads } from '../../src/runtime/check-pool.ts'
import { openChainDatabase } from '../../src/storage/chain-database.ts'
import { openLevelStore } from '../../src/storage/level-store.ts'
import { BenchmarkError } from './benchmark.ts'

/** Over the blocks between two heights. */
export interface Pace {
  readonly fromHeight: number
  readonly toHeight: number
  readonly tookMs: number
}

const PROGRAM = new URL('../causeway.ts', import.meta.url).pathname
const POLL_MS = 20
const TIMEOUT_MS = 300_000

/**
 * Runs a node without validator key in `home` until it stands where the first validator stood. What it did
 * before its API answered does not count.
 */
export async function catchUp(devnet: Devnet, home: string, signal: AbortSignal): Promise<Pace> {
  const target = (await devnet.status()).height
  const client = await makeHome(devnet, home, signal)
  const child = startChild({
    name: 'new node',
    program: process.execPath,
    args: [PROGRAM, 'node', 'start', '--home', home, '--stop-with-parent', '--quiet'],
    logFile: join(devnet.folder, 'new-node.log'),
  })
  try {
    const deadlineMs = performance.now() + TIMEOUT_MS
    let start: { readonly height: number; readonly atMs: number } | undefined
    for (;;) {
      const status = await client.status().catch(() => undefined)
      const atMs = performance.now()
      if (status !== undefined) start ??= { height: status.height, atMs }
      if (start !== undefined && status !== undefined && status.height >= target) {
        return { fromHeight: start.height, toHeight: target, tookMs: atMs - start.atMs }
      }
      if (!child.isRunning()) throw new BenchmarkError(`the new node ended; see ${child.logFile}`)
      if (atMs > deadlineMs) throw new BenchmarkError('the new node does not catch up')
      await delay(POLL_MS, undefined, { signal })
    }
  } finally {
    await child.stop()
  }
}

async function makeHome(devnet: Devnet, home: string, signal: AbortSignal): Promise<NodeClient> {
  const [first, second] = await Promise.all(
    devnet.validators.slice(0, 2).map((validator) => openNodeHome(join(validator.home, 'node'))),
  )
  const { genesis, config } = present(first, 'home of the first validator')
  // Nobody names himself.
  const others = present(second, 'home of the second validator').config.p2p.peers
  const [port] = await findFreePorts(1)
  await createNodeHome(join(home, 'node'), {
    genesis,
    nodeSecret: new Uint8Array(randomBytes(32)),
    validatorSecret: undefined,
    config: {
      listen: ['/ip4/127.0.0.1/tcp/0'],
      peers: [...new Set([...config.p2p.peers, ...others])],
      apiPort: present(port, 'free port'),
      logLevel: 'warn',
      l1: undefined,
    },
  })
  return new NodeClient({ apiUrl: `http://127.0.0.1:${port}`, signal })
}

interface StoredBlocks {
  readonly bytes: Uint8Array
  readonly certificate: Uint8Array
}

/** The same blocks, from the stopped node's database: opened, checked on all cores, stored in `folder`. */
export async function validateAlone(home: string, folder: string, pace: Pace): Promise<Pace> {
  const { genesis } = await openNodeHome(join(home, 'node'))
  const params = chainParams(genesis)
  const blocks = await storedBlocks(homePaths(join(home, 'node')).chain, params.chainId, pace)
  const store = await openLevelStore(join(folder, 'alone'))
  const batches = createCheckPool({ threads: defaultCheckThreads() })
  try {
    const database = await openChainDatabase(store, { chainId: params.chainId })
    const service = await openChainService(params, database, { cache: NO_SCRIPT_CACHE, batches })
    const set = genesisValidators(params)
    const context = { chainId: params.chainId, epoch: set.epoch, validators: set.keys }
    let startedMs = performance.now()
    let stored = Promise.resolve()
    for (const [index, { bytes, certificate }] of blocks.entries()) {
      if (index === pace.fromHeight) startedMs = performance.now()
      const block = decodeBlock(bytes)
      const isGood = verifyCertificate(decodeCertificate(certificate), context)
      if (!isGood || !checkBinding(block).ok) throw new BenchmarkError('a stored block is bad')
      const durable = service.apply(block, certificate, bytes)
      // One on its way to the disk while the next is checked.
      await stored
      stored = durable
    }
    await stored
    return { ...pace, tookMs: performance.now() - startedMs }
  } finally {
    await batches.close()
    await store.close()
  }
}

async function storedBlocks(
  path: string,
  chainId: Parameters<typeof openChainDatabase>[1]['chainId'],
  { toHeight }: Pace,
): Promise<readonly StoredBlocks[]> {
  const store = await openLevelStore(path)
  try {
    const database = await openChainDatabase(store, { chainId })
    return Array.from({ length: toHeight }, (_, index) =>
      present(database.findBlockBytes(index + 1), `block ${index + 1}`),
    )
  } finally {
    await store.close()
  }
}
