/**
 * A real bitcoind that connects blocks, with a fresh data directory for every run, and what its own
 * `-debug=bench` says of them. `Connect block` leaves out deserialising, ids and Merkle roots, which come
 * before its timer; the whole `submitblock` call adds those, the block file and the hex JSON.
 */

import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createJsonRpcClient, type JsonRpcClient } from '../../federation/l1/json-rpc-client.ts'
import { encodeTransaction, type Transaction } from '../../src/bitcoin/transaction.ts'
import { type Child, startChild } from '../../src/cli/devnet/child-process.ts'
import { findFreePorts } from '../../src/cli/devnet/free-ports.ts'
import { until } from '../../src/cli/devnet/until.ts'
import { bytesToHex } from '../../src/primitives/bytes.ts'
import { BenchmarkError } from './benchmark.ts'
import type { BitcoinBlocks } from './bitcoin-blocks.ts'

/** Milliseconds of one block, as its log has them. */
export interface ConnectedByBitcoind {
  readonly inputs: number
  readonly connectMs: number
  readonly verifyMs: number
  /** The whole call, as this process sees it. */
  readonly submitMs: number
}

export interface BitcoindRun {
  readonly program: string
  /** -par: threads that check scripts, the main one included. */
  readonly threads: number
  readonly blocks: BitcoinBlocks
  /** Sent to its mempool before the first measured block, so that its caches are warm for it. */
  readonly announced?: readonly Transaction[]
  readonly signal: AbortSignal
}

const FINDER = resolve(import.meta.dirname, '../bitcoind')
const START_TIMEOUT_MS = 60_000

/** Its path; undefined where none can be had. */
export function findBitcoind(): string | undefined {
  try {
    return execFileSync(FINDER, ['--print'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  } catch {
    return undefined
  }
}

/** The first line of what it says of itself. */
export function bitcoindVersion(program: string): string {
  const text = execFileSync(program, ['-version'], { encoding: 'utf8' })
  return text.slice(0, text.indexOf('\n'))
}

/** A bitcoind on regtest while it runs. */
export interface ServingBitcoind {
  readonly rpc: JsonRpcClient
  readonly pid: number
  /** Ends it and returns its log. */
  readonly finish: () => Promise<string>
}

/** Starts one with a fresh data directory, and removes both whatever `use` does. */
export async function withBitcoind<T>(
  { program, threads, signal }: Pick<BitcoindRun, 'program' | 'threads' | 'signal'>,
  use: (serving: ServingBitcoind) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'causeway-bench-bitcoind-'))
  const [port = 0] = await findFreePorts(1)
  const child = startChild({
    name: 'bitcoind',
    program,
    args: argumentsOf(folder, port, threads),
    logFile: join(folder, 'output.log'),
    watched: true,
  })
  const rpc = createJsonRpcClient({
    url: `http://127.0.0.1:${port}`,
    cookiePath: join(folder, 'regtest', '.cookie'),
  })
  const finish = async (): Promise<string> => {
    rpc.close()
    await child.stop()
    return readFile(join(folder, 'regtest', 'debug.log'), 'utf8')
  }
  try {
    await untilServing(child, rpc, signal)
    const pid = Number(await readFile(join(folder, 'regtest', 'bitcoind.pid'), 'utf8'))
    return await use({ rpc, pid, finish })
  } finally {
    rpc.close()
    await child.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

/** Connects all blocks; tells of the measured ones. @throws BenchmarkError when it refuses one. */
export async function connectByBitcoind(run: BitcoindRun): Promise<readonly ConnectedByBitcoind[]> {
  return withBitcoind(run, async ({ rpc, finish }) => {
    for (const block of run.blocks.setUp) await submitBlock(rpc, block)
    for (const transaction of run.announced ?? []) {
      await rpc.call('sendrawtransaction', [bytesToHex(encodeTransaction(transaction))])
    }
    const submitMs: number[] = []
    for (const block of run.blocks.measured) {
      run.signal.throwIfAborted()
      submitMs.push(await submitBlock(rpc, block))
    }
    const height = run.blocks.setUp.length + run.blocks.measured.length
    const count = await rpc.call('getblockcount', [])
    if (count !== height) throw new BenchmarkError(`bitcoind stands at ${String(count)}`)
    const connected = parseBenchLog(await finish()).slice(-submitMs.length)
    if (connected.length !== submitMs.length) throw new BenchmarkError('blocks are not in its log')
    return connected.map((each, index) => ({ ...each, submitMs: submitMs[index] ?? 0 }))
  })
}

function argumentsOf(folder: string, port: number, threads: number): readonly string[] {
  return [
    '-regtest',
    `-datadir=${folder}`,
    `-rpcport=${port}`,
    '-server=1',
    '-listen=0',
    '-connect=0',
    '-dnsseed=0',
    '-discover=0',
    '-natpmp=0',
    '-disablewallet=1',
    '-printtoconsole=0',
    '-logtimemicros=1',
    '-debug=bench',
    // The blocks' times are those of regtest's first day.
    '-maxtipage=999999999',
    // Regtest's defaults, which cost milliseconds for every block and transaction.
    '-checkmempool=0',
    '-checkblockindex=0',
    `-par=${threads}`,
  ]
}

async function untilServing(child: Child, rpc: JsonRpcClient, signal: AbortSignal): Promise<void> {
  await until(
    async () => {
      await rpc.call('getblockcount', [])
      return true
    },
    { timeoutMs: START_TIMEOUT_MS, what: 'bitcoind to answer', signal },
  )
  if (!child.isRunning()) throw new BenchmarkError('bitcoind ended by itself')
}

/** Milliseconds. */
export async function submitBlock(rpc: JsonRpcClient, block: string): Promise<number> {
  const startedMs = performance.now()
  const refusal = await rpc.call('submitblock', [block])
  if (refusal !== null)
    throw new BenchmarkError(`bitcoind refuses a block: ${JSON.stringify(refusal)}`)
  return performance.now() - startedMs
}

/**
 * Every block of a log with `-debug=bench`. Lines belong to the block that the next `Connect block` line
 * ends; the totals in brackets are running sums and left out.
 */
export function parseBenchLog(log: string): readonly Omit<ConnectedByBitcoind, 'submitMs'>[] {
  const connected: Omit<ConnectedByBitcoind, 'submitMs'>[] = []
  let inputs = 0
  let verifyMs = 0
  for (const line of log.split('\n')) {
    const verify = /\[bench\] +- Verify (\d+) txins: ([\d.]+)ms/.exec(line)
    if (verify !== null) {
      inputs = Number(verify[1])
      verifyMs = Number(verify[2])
    }
    const connect = /\[bench\] +- Connect block: ([\d.]+)ms/.exec(line)
    if (connect !== null) connected.push({ inputs, verifyMs, connectMs: Number(connect[1]) })
  }
  return connected
}
