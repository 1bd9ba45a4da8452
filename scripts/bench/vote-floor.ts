/**
 * What agreement cannot be faster than on this machine: three message delays over the streams that votes
 * travel on, and two records synced to the disk; and how many signatures all its cores can check.
 */

import { randomBytes } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import { createLibp2pNetwork } from '../../src/p2p/network.ts'
import { present } from '../../src/primitives/assert.ts'
import { hash32FromBytes } from '../../src/primitives/hashes.ts'
import type { Network } from '../../src/runtime/runtime.ts'
import { createSystemRuntime } from '../../src/runtime/system-runtime.ts'
import { BenchmarkError } from './benchmark.ts'
import { median } from './distribution.ts'
import { syncDurationsMs } from './references.ts'

export interface VoteFloor {
  /** There and back, milliseconds. */
  readonly roundTripsMs: readonly number[]
  readonly syncsMs: readonly number[]
  /** Three delays, half a round trip each, and two syncs. */
  readonly floorMs: number
}

const VOTE_BYTES = 200
const ROUND_TRIPS = 500
const SYNCS = 200
const CONNECT_TIMEOUT_MS = 10_000
const ANSWER_TIMEOUT_MS = 5_000

export async function measureVoteFloor(folder: string): Promise<VoteFloor> {
  const roundTripsMs = await streamRoundTripsMs(ROUND_TRIPS)
  const syncsMs = await syncDurationsMs(folder, SYNCS)
  const roundTripMs = present(median(roundTripsMs), 'round trips')
  const syncMs = present(median(syncsMs), 'syncs')
  return { roundTripsMs, syncsMs, floorMs: 1.5 * roundTripMs + 2 * syncMs }
}

/** Two nodes in this process, with encryption and multiplexing as between validators. */
async function streamRoundTripsMs(count: number): Promise<readonly number[]> {
  const chainId = hash32FromBytes(new Uint8Array(randomBytes(32)))
  const create = (): Promise<Network> =>
    createLibp2pNetwork(
      {
        chainId,
        privateKeySeed: new Uint8Array(randomBytes(32)),
        listen: ['/ip4/127.0.0.1/tcp/0'],
      },
      createSystemRuntime({ logLevel: 'silent' }),
    )
  const [near, far] = [await create(), await create()]
  let answered: (() => void) | undefined
  near.onFrame('consensus', () => answered?.())
  far.onFrame('consensus', (from, frame) => void far.send(from, 'consensus', frame))
  try {
    await near.start()
    await far.start()
    await connect(near, far)
    const durations: number[] = []
    for (let index = 0; index < count; index++) {
      const startedMs = performance.now()
      const { promise, resolve } = Promise.withResolvers<void>()
      answered = resolve
      near.send(far.peerId, 'consensus', new Uint8Array(VOTE_BYTES))
      await inTime(promise, ANSWER_TIMEOUT_MS, 'an echo')
      durations.push(performance.now() - startedMs)
    }
    return durations
  } finally {
    await Promise.all([near.stop(), far.stop()])
  }
}

/** And to trust each other, as validators do that have proved who they are. */
async function connect(near: Network, far: Network): Promise<void> {
  const connected = [near, far].map(async (node) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    node.onPeerConnected((peer) => {
      node.setTrusted(peer, true)
      resolve()
    })
    return promise
  })
  near.keepConnected(present(far.addresses()[0], 'listening address'))
  await inTime(Promise.all(connected), CONNECT_TIMEOUT_MS, 'a connection')
}

async function inTime<T>(promise: Promise<T>, timeoutMs: number, what: string): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new BenchmarkError(`waited for ${what}`)), timeoutMs)
  try {
    return await Promise.race([promise, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

/** BIP340 checks per second of that many threads at once. */
export async function signatureChecksOfThreads(threads: number): Promise<number> {
  const program = new URL('./signature-thread.ts', import.meta.url)
  const rates = await Promise.all(
    Array.from({ length: threads }, async () => {
      const place = new SharedArrayBuffer(Float64Array.BYTES_PER_ELEMENT)
      const worker = new Worker(program, { workerData: place })
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      worker.once('exit', () => resolve())
      worker.once('error', reject)
      await promise
      return new Float64Array(place)[0] ?? 0
    }),
  )
  return rates.reduce((sum, rate) => sum + rate, 0)
}
