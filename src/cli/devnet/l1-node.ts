/**
 * The devnet's L1: the embedded regtest chain, a bitcoind started for it, or one that runs already.
 * All three are spoken to the same way, as bitcoind's JSON-RPC.
 */

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { BitcoinL1 } from '../../../federation/l1/bitcoin-l1.ts'
import { createBitcoindL1 } from '../../../federation/l1/bitcoind.ts'
import { createJsonRpcClient, type JsonRpcClient } from '../../../federation/l1/json-rpc-client.ts'
import { RegtestChain } from '../../../federation/l1/regtest-chain.ts'
import { startRegtestServer } from '../../../federation/l1/regtest-server.ts'
import type { NodeConfig } from '../../node/config.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import { openAppendLog } from '../../storage/append-log.ts'
import { type Child, startChild } from './child-process.ts'
import { DevnetError, type DevnetFiles } from './devnet-files.ts'
import { until } from './until.ts'

export interface L1Node {
  readonly l1: BitcoinL1
  readonly rpc: JsonRpcClient
  readonly description: string
  stop(): Promise<void>
}

const START_TIMEOUT_MS = 60_000

/** How validators reach it; known before it runs. */
export function l1Access(folder: string, l1: DevnetFiles['l1']): NonNullable<NodeConfig['l1']> {
  if (l1.kind === 'url') return { url: l1.target, ...credentialsOf(l1.target) }
  const dataFolder = join(folder, 'l1')
  const cookie =
    l1.kind === 'bitcoind' ? join(dataFolder, 'regtest', '.cookie') : join(dataFolder, '.cookie')
  return { url: `http://127.0.0.1:${l1.rpcPort}`, cookie_file: cookie }
}

function credentialsOf(text: string): { user: string; password: string } {
  const url = new URL(text)
  return { user: decodeURIComponent(url.username), password: decodeURIComponent(url.password) }
}

/** A client of a devnet's L1 that runs already. */
export function openDevnetL1(
  folder: string,
  l1: DevnetFiles['l1'],
  runtime: Runtime,
): { readonly l1: BitcoinL1; readonly rpc: JsonRpcClient; close(): Promise<void> } {
  const access = l1Access(folder, l1)
  const target = {
    url: access.url,
    ...(access.cookie_file === undefined ? {} : { cookiePath: access.cookie_file }),
  }
  const client = createBitcoindL1({ network: 'regtest', ...target }, runtime)
  const rpc = createJsonRpcClient(target)
  return {
    l1: client,
    rpc,
    async close() {
      rpc.close()
      await client.close()
    },
  }
}

/** @throws DevnetError when it does not come up. */
export async function startL1(
  folder: string,
  l1: DevnetFiles['l1'],
  runtime: Runtime,
): Promise<L1Node> {
  await mkdir(join(folder, 'l1'), { recursive: true, mode: 0o700 })
  const stopServer = await startServer(folder, l1, runtime)
  const opened = openDevnetL1(folder, l1, runtime)
  await until(() => opened.l1.checkNetwork().then(() => true), {
    timeoutMs: START_TIMEOUT_MS,
    what: 'L1 to answer',
  })
  return {
    l1: opened.l1,
    rpc: opened.rpc,
    description: describe(l1),
    async stop() {
      await opened.close()
      await stopServer()
    },
  }
}

function describe(l1: DevnetFiles['l1']): string {
  switch (l1.kind) {
    case 'embedded':
      return `embedded regtest, JSON-RPC on 127.0.0.1:${l1.rpcPort}`
    case 'bitcoind':
      return `${l1.target}, JSON-RPC on 127.0.0.1:${l1.rpcPort}`
    case 'url':
      return new URL(l1.target).host
  }
}

async function startServer(
  folder: string,
  l1: DevnetFiles['l1'],
  runtime: Runtime,
): Promise<() => Promise<void>> {
  const dataFolder = join(folder, 'l1')
  switch (l1.kind) {
    case 'embedded': {
      const log = await openAppendLog(join(dataFolder, 'blocks.log'))
      const chain = new RegtestChain({ clock: runtime.clock, log })
      const server = await startRegtestServer(
        {
          chain,
          port: l1.rpcPort,
          cookiePath: join(dataFolder, '.cookie'),
        },
        runtime,
      )
      return async () => {
        await server.stop()
        await log.close()
      }
    }
    case 'bitcoind': {
      const child = startBitcoind(l1.target, dataFolder, l1.rpcPort)
      return () => child.stop()
    }
    case 'url':
      return async () => undefined
  }
}

function startBitcoind(program: string, dataFolder: string, rpcPort: number): Child {
  const child = startChild({
    name: 'bitcoind',
    program,
    logFile: join(dataFolder, 'bitcoind.log'),
    args: [
      '-regtest',
      `-datadir=${dataFolder}`,
      `-rpcport=${rpcPort}`,
      '-server=1',
      '-listen=0',
      '-connect=0',
      '-dnsseed=0',
      '-discover=0',
      '-disablewallet=1',
      '-printtoconsole=0',
    ],
  })
  if (child.pid === undefined) throw new DevnetError(`cannot run ${program}`)
  return child
}
