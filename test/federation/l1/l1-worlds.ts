/** The three L1s that keep one contract: embedded in process, embedded over HTTP, a real bitcoind. */

import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BitcoinL1 } from '../../../federation/l1/bitcoin-l1.ts'
import { createBitcoindL1 } from '../../../federation/l1/bitcoind.ts'
import { createJsonRpcClient } from '../../../federation/l1/json-rpc-client.ts'
import { createRegtestL1 } from '../../../federation/l1/regtest.ts'
import { RegtestChain } from '../../../federation/l1/regtest-chain.ts'
import { startRegtestServer } from '../../../federation/l1/regtest-server.ts'
import { encodeAddress, L1_ADDRESS_NETWORKS } from '../../../src/bitcoin/address.ts'
import { type BlockHash, toBlockHash } from '../../../src/primitives/hashes.ts'
import { createSystemRuntime } from '../../../src/runtime/system-runtime.ts'
import { bitcoindPath, startBitcoind } from '../../support/bitcoind.ts'
import { WALLET_SCRIPT } from './taproot-spender.ts'

export const runtime = createSystemRuntime({ logLevel: 'silent' })

export interface L1Remote {
  readonly url: string
  readonly cookiePath: string
}

export interface L1World {
  readonly l1: BitcoinL1
  /** Blocks of what the mempool holds, paying the test wallet. */
  mine(count: number): Promise<readonly BlockHash[]>
  mineEmpty(): Promise<BlockHash>
  invalidate(hash: BlockHash): Promise<void>
  /** Undefined where no RPC is between the test and the chain. */
  readonly remote: L1Remote | undefined
  stop(): Promise<void>
}

export interface L1WorldKind {
  readonly name: string
  readonly isAvailable: boolean
  /** Between the test and the chain is an RPC. */
  readonly isRemote: boolean
  readonly start: () => Promise<L1World>
}

export const L1_WORLDS: readonly L1WorldKind[] = [
  {
    name: 'the embedded chain in process',
    isAvailable: true,
    isRemote: false,
    start: startInProcess,
  },
  { name: 'the embedded chain over HTTP', isAvailable: true, isRemote: true, start: startOverHttp },
  {
    name: 'a real bitcoind',
    isAvailable: bitcoindPath !== undefined,
    isRemote: true,
    start: startReal,
  },
]

const WALLET_ADDRESS = encodeAddress(WALLET_SCRIPT, L1_ADDRESS_NETWORKS.regtest)!

function startInProcess(): Promise<L1World> {
  const chain = new RegtestChain({ clock: runtime.clock })
  const l1 = createRegtestL1(chain)
  return Promise.resolve({
    l1,
    remote: undefined,
    mine: (count) => chain.mine(count, WALLET_SCRIPT),
    async mineEmpty() {
      const mined = await chain.mineExactly(WALLET_SCRIPT, [])
      if (!mined.ok) throw new Error(mined.error.code)
      return mined.value
    },
    async invalidate(hash) {
      await chain.invalidate(hash)
    },
    stop: () => l1.close(),
  })
}

async function startOverHttp(): Promise<L1World> {
  const directory = mkdtempSync(join(tmpdir(), 'causeway-l1-'))
  const cookiePath = join(directory, '.cookie')
  const chain = new RegtestChain({ clock: runtime.clock })
  const server = await startRegtestServer({ chain, port: 0, cookiePath }, runtime)
  return overRpc(server.url, cookiePath, async () => {
    await server.stop()
    await rm(directory, { recursive: true })
  })
}

async function startReal(): Promise<L1World> {
  const daemon = await startBitcoind()
  return overRpc(daemon.url, daemon.cookiePath, () => daemon.stop())
}

function overRpc(url: string, cookiePath: string, stopServer: () => Promise<void>): L1World {
  const rpc = createJsonRpcClient({ url, cookiePath })
  const l1 = createBitcoindL1({ network: 'regtest', url, cookiePath, pollIntervalMs: 10 }, runtime)
  return {
    l1,
    remote: { url, cookiePath },
    async mine(count) {
      const hashes = await rpc.call('generatetoaddress', [count, WALLET_ADDRESS])
      return (hashes as string[]).map(toBlockHash)
    },
    async mineEmpty() {
      const mined = await rpc.call('generateblock', [WALLET_ADDRESS, []])
      return toBlockHash((mined as { hash: string }).hash)
    },
    async invalidate(hash) {
      await rpc.call('invalidateblock', [hash])
    },
    async stop() {
      await l1.close()
      rpc.close()
      await stopServer()
    },
  }
}
