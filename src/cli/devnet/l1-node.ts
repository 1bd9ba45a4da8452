/**
 * The devnet's L1: the embedded regtest chain, a bitcoind started for it, or one that runs already.
 * All three are spoken to the same way, as bitcoind's JSON-RPC.
 */

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { BitcoinL1 } from '../../../federation/l1/bitcoin-l1.ts'
import { createBitcoindL1 } from '../../../federation/l1/bitcoind.ts'
import { createJsonRpcClient, type JsonRpcClient } from '../../../federation/l1/json-rpc-client.ts'
import { L1WrongNetworkError } from '../../../federation/l1/l1-error.ts'
import { RegtestChain } from '../../../federation/l1/regtest-chain.ts'
import { startRegtestServer } from '../../../federation/l1/regtest-server.ts'
import type { NodeConfig } from '../../node/config.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import { openAppendLog } from '../../storage/append-log.ts'
import { type Child, startChild } from './child-process.ts'
import { DevnetError, type DevnetFiles } from './devnet-files.ts'
import { isPortFree } from './free-ports.ts'
import { until } from './until.ts'

export interface L1Node {
  readonly l1: BitcoinL1
  readonly rpc: JsonRpcClient
  readonly description: string
  /** Starts it (again); resolves when it answers. One that runs already only has to answer. */
  start(): Promise<void>
  /** Clients see it gone until the next start. One that ran already is left alone. */
  stop(): Promise<void>
  /** As `stop`, by SIGKILL where it is a process of its own. */
  kill(): Promise<void>
  /** Stops it and its clients for good. */
  close(): Promise<void>
}

/** What serves the JSON-RPC. */
interface L1Server {
  start(): Promise<void>
  /** False when it ended by itself. */
  isRunning(): boolean
  stop(): Promise<void>
  kill(): Promise<void>
}

const START_TIMEOUT_MS = 60_000
const START_POLL_MS = 100
const RESTARTS_MAX = 50
const LOG_NAME = 'bitcoind.log'

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

/** Not started yet. */
export function createL1Node(
  folder: string,
  l1: DevnetFiles['l1'],
  runtime: Runtime,
  signal: AbortSignal,
): L1Node {
  const server = createServer(folder, l1, runtime, signal)
  const opened = openDevnetL1(folder, l1, runtime)

  async function askNetwork(): Promise<true> {
    try {
      await opened.l1.checkNetwork()
      return true
    } catch (cause) {
      if (!(cause instanceof L1WrongNetworkError)) throw cause
      throw new DevnetError(`a devnet's L1 must be on regtest: ${cause.message}`, { cause })
    }
  }

  return {
    l1: opened.l1,
    rpc: opened.rpc,
    description: describe(l1),
    async start() {
      await mkdir(join(folder, 'l1'), { recursive: true, mode: 0o700 })
      await server.start()
      let restarts = 0
      await until(
        async () => {
          if (server.isRunning()) return askNetwork()
          // It may have met the last moments of an earlier one that held its lock.
          restarts += 1
          if (restarts > RESTARTS_MAX) {
            throw new DevnetError(`bitcoind ends at once; see ${join(folder, 'l1', LOG_NAME)}`)
          }
          await server.start()
          return false
        },
        { timeoutMs: START_TIMEOUT_MS, intervalMs: START_POLL_MS, what: 'L1 to answer', signal },
      )
    },
    stop: () => server.stop(),
    kill: () => server.kill(),
    async close() {
      await opened.close()
      await server.stop()
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

function createServer(
  folder: string,
  l1: DevnetFiles['l1'],
  runtime: Runtime,
  signal: AbortSignal,
): L1Server {
  const dataFolder = join(folder, 'l1')
  switch (l1.kind) {
    case 'embedded':
      return embeddedServer(dataFolder, l1.rpcPort, runtime)
    case 'bitcoind':
      return bitcoindServer(l1.target, dataFolder, l1.rpcPort, signal)
    case 'url':
      return {
        start: async () => {},
        isRunning: () => true,
        stop: async () => {},
        kill: async () => {},
      }
  }
}

function embeddedServer(dataFolder: string, rpcPort: number, runtime: Runtime): L1Server {
  let stopServer: (() => Promise<void>) | undefined
  const stop = async (): Promise<void> => {
    const stopping = stopServer
    stopServer = undefined
    await stopping?.()
  }
  return {
    async start() {
      const log = await openAppendLog(join(dataFolder, 'blocks.log'))
      const chain = new RegtestChain({ clock: runtime.clock, log })
      const cookiePath = join(dataFolder, '.cookie')
      const server = await startRegtestServer({ chain, port: rpcPort, cookiePath }, runtime)
      stopServer = async () => {
        await server.stop()
        await log.close()
      }
    },
    isRunning: () => stopServer !== undefined,
    stop,
    kill: stop,
  }
}

function bitcoindServer(
  program: string,
  dataFolder: string,
  rpcPort: number,
  signal: AbortSignal,
): L1Server {
  let child: Child | undefined
  return {
    async start() {
      // After a supervisor's violent end its bitcoind is still on its way out.
      await until(() => isPortFree(rpcPort), {
        timeoutMs: START_TIMEOUT_MS,
        what: `port ${rpcPort}, L1's, to be free`,
        signal,
      })
      child = startBitcoind(program, dataFolder, rpcPort)
    },
    isRunning: () => child?.isRunning() === true,
    stop: async () => child?.stop(),
    kill: async () => child?.kill(),
  }
}

function startBitcoind(program: string, dataFolder: string, rpcPort: number): Child {
  const child = startChild({
    name: 'bitcoind',
    program,
    watched: true,
    logFile: join(dataFolder, LOG_NAME),
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
