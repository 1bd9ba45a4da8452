/**
 * A real bitcoind for tests: regtest unless told, a fresh data directory, a port of its own, no peers, no
 * wallet. Where none can be had the tests that need one are skipped by name, except under
 * CAUSEWAY_REQUIRE_BITCOIND=1 or CI=true: there they fail.
 */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { access, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createJsonRpcClient, type JsonRpcClient } from '../../federation/l1/json-rpc-client.ts'
import { L1UnavailableError } from '../../federation/l1/l1-error.ts'
import { concatBytes } from '../../src/primitives/bytes.ts'

const FINDER = resolve(import.meta.dirname, '../../scripts/bitcoind')
const START_ATTEMPTS = 600
const START_POLL_MS = 50
const STOP_MS = 20_000

export interface RunningBitcoind {
  /** `http://127.0.0.1:port`, without credentials. */
  readonly url: string
  readonly cookiePath: string
  readonly dataDirectory: string
  /** For the methods that only tests need: mining, invalidateblock. */
  readonly rpc: JsonRpcClient
  readonly pid: number
  /** Asks the process to end, waits for it, removes its data. */
  stop(): Promise<void>
}

/** The daemon's path; undefined where none can be had, which is told on standard error. */
export const bitcoindPath: string | undefined = findBitcoind()

function findBitcoind(): string | undefined {
  try {
    return execFileSync(FINDER, ['--print'], { encoding: 'utf8' }).trim()
  } catch (cause) {
    const { CAUSEWAY_REQUIRE_BITCOIND, CI } = process.env
    if (CAUSEWAY_REQUIRE_BITCOIND === '1' || CI === 'true') {
      throw new Error('these tests need a bitcoind (scripts/bitcoind)', { cause })
    }
    return undefined
  }
}

export interface StartOptions {
  /** @default 'regtest' */
  readonly network?: 'regtest' | 'signet'
  /** Kept when the process stops, so that another can be started on it. */
  readonly dataDirectory?: string
  readonly extraArguments?: readonly string[]
}

export async function startBitcoind(options: StartOptions = {}): Promise<RunningBitcoind> {
  if (bitcoindPath === undefined) throw new Error('no bitcoind here: skip the test instead')
  const dataDirectory = options.dataDirectory ?? mkdtempSync(join(tmpdir(), 'causeway-bitcoind-'))
  const network = options.network ?? 'regtest'
  const port = await freePort()
  const child = spawn(
    bitcoindPath,
    [
      `-${network}`,
      `-datadir=${dataDirectory}`,
      `-rpcport=${port}`,
      '-server=1',
      '-listen=0',
      '-connect=0',
      '-dnsseed=0',
      '-discover=0',
      '-natpmp=0',
      '-disablewallet=1',
      '-printtoconsole=0',
      '-dbcache=16',
      '-maxmempool=50',
      '-par=1',
      ...(options.extraArguments ?? []),
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  const complaints: Uint8Array[] = []
  child.stderr.on('data', (chunk: Uint8Array) => complaints.push(chunk))
  const url = `http://127.0.0.1:${port}`
  const cookiePath = join(dataDirectory, network, '.cookie')
  const rpc = createJsonRpcClient({ url, cookiePath })
  try {
    await untilServing(child, cookiePath, rpc)
  } catch (cause) {
    child.kill('SIGKILL')
    throw new Error(
      `bitcoind did not start: ${new TextDecoder().decode(concatBytes(...complaints))}`,
      { cause },
    )
  }
  return {
    url,
    cookiePath,
    dataDirectory,
    rpc,
    pid: child.pid ?? 0,
    async stop() {
      rpc.close()
      await stopProcess(child)
      if (options.dataDirectory === undefined) {
        await rm(dataDirectory, { recursive: true, force: true })
      }
    },
  }
}

/** bitcoind announces its readiness in no other way than by answering. */
async function untilServing(
  child: ChildProcess,
  cookiePath: string,
  rpc: JsonRpcClient,
): Promise<void> {
  for (let attempt = 0; attempt < START_ATTEMPTS; attempt++) {
    if (child.exitCode !== null) throw new Error(`it exited with code ${child.exitCode}`)
    try {
      await access(cookiePath)
      await rpc.call('getblockcount', [])
      return
    } catch (error) {
      if (error instanceof L1UnavailableError || (error as { code?: string }).code === 'ENOENT') {
        await delay(START_POLL_MS)
        continue
      }
      throw error
    }
  }
  throw new Error('it does not answer')
}

async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const kill = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
  await exited
  clearTimeout(kill)
}

/** bitcoind cannot be told to choose a port; a clash with another process shows at start. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  return address.port
}
