/**
 * TCP connections through a lane in each direction, which can hold bytes back, delay them, and let
 * them pass only so fast. Nothing is lost or reordered, since TCP repairs that: a lost segment shows
 * as the pause until it is sent again, with everything behind it waiting.
 */

import { connect, createServer, type Server, type Socket } from 'node:net'
import type { SeededRandom } from '../../src/simulator/seeded-random.ts'
import type { SocketAddress } from './faulty-network.ts'

export interface LaneConditions {
  /** One way. */
  readonly delayMs: number
  /** Of segments. */
  readonly lossRate: number
  readonly bytesPerSecond: number
}

export const PERFECT: LaneConditions = {
  delayMs: 0,
  lossRate: 0,
  bytesPerSecond: Number.POSITIVE_INFINITY,
}

const SEGMENT_BYTES = 1_400
/** Linux: a retransmission never comes sooner. */
const RETRANSMIT_MS = 200
/** Read ahead of what has been passed on; beyond it the sender's own buffers fill. */
const QUEUE_BYTES_MAX = 512 * 1024

/** One direction between two nodes, for all their connections. */
export class Lane {
  readonly #random: SeededRandom
  readonly #listeners = new Set<() => void>()
  #conditions = PERFECT
  #isCut = false
  /** Monotonic, ms: when the last byte so far leaves a narrow lane. */
  #busyUntilMs = 0

  constructor(random: SeededRandom) {
    this.#random = random
  }

  get isCut(): boolean {
    return this.#isCut
  }

  cut(isCut: boolean): void {
    this.#isCut = isCut
    for (const listener of this.#listeners) listener()
  }

  set(conditions: LaneConditions): void {
    this.#conditions = conditions
  }

  /** Returns the function that ends the subscription. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** When bytes that enter now come out, monotonic ms. */
  arrivalMs(bytes: number): number {
    const { delayMs, lossRate, bytesPerSecond } = this.#conditions
    const nowMs = performance.now()
    this.#busyUntilMs = Math.max(nowMs, this.#busyUntilMs) + (bytes * 1_000) / bytesPerSecond
    let arrivalMs = this.#busyUntilMs + delayMs
    const segments = Math.ceil(bytes / SEGMENT_BYTES)
    if (this.#random.chance(1 - (1 - lossRate) ** segments))
      arrivalMs += RETRANSMIT_MS + 2 * delayMs
    return arrivalMs
  }
}

export interface SocketProxy extends SocketAddress {
  /** Resets every connection of now. */
  breakConnections(): void
  close(): Promise<void>
}

/** `there` carries what the dialling side sends, `back` what the other side does. */
export async function startSocketProxy(
  target: SocketAddress,
  there: Lane,
  back: Lane,
  host = '127.0.0.1',
): Promise<SocketProxy> {
  const open = new Set<Socket>()
  const track = (socket: Socket): void => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    // What matters of an error is that the socket closes.
    socket.on('error', () => undefined)
  }
  const server = createServer({ pauseOnConnect: true }, (near) => {
    track(near)
    whenUncut([there, back], near, () => {
      const far = connect(target.port, target.host)
      track(far)
      pump(near, far, there)
      pump(far, near, back)
    })
  })
  const port = await listen(server, host)
  const breakConnections = (): void => {
    for (const socket of open) socket.resetAndDestroy()
  }
  return {
    host,
    port,
    breakConnections,
    async close() {
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve())
      })
      breakConnections()
      await closed
    },
  }
}

async function listen(server: Server, host: string): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, host, resolve)
  })
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** A handshake needs both directions. */
function whenUncut(lanes: readonly Lane[], near: Socket, run: () => void): void {
  if (lanes.every((lane) => !lane.isCut)) {
    run()
    return
  }
  const ends = lanes.map((lane) =>
    lane.onChange(() => {
      if (lanes.some((other) => other.isCut)) return
      for (const end of ends) end()
      if (!near.destroyed) run()
    }),
  )
}

interface Parcel {
  readonly arrivalMs: number
  /** Undefined: the connection has ended. */
  readonly bytes: Uint8Array | undefined
}

/** Moves what `from` sends to `to`, its end included, as the lane permits. */
function pump(from: Socket, to: Socket, lane: Lane): void {
  const queue: Parcel[] = []
  let queuedBytes = 0
  let lastArrivalMs = 0
  let timer: NodeJS.Timeout | undefined
  let isFull = false

  const push = (bytes: Uint8Array | undefined): void => {
    // In order, whatever each would take by itself.
    lastArrivalMs = Math.max(lastArrivalMs, lane.arrivalMs(bytes?.length ?? 0))
    queue.push({ arrivalMs: lastArrivalMs, bytes })
    queuedBytes += bytes?.length ?? 0
    if (queuedBytes > QUEUE_BYTES_MAX) from.pause()
    deliver()
  }
  const deliver = (): void => {
    clearTimeout(timer)
    if (lane.isCut || isFull) return
    const [next] = queue
    if (next === undefined) return
    const waitMs = next.arrivalMs - performance.now()
    if (waitMs > 0) {
      timer = setTimeout(deliver, waitMs)
      return
    }
    queue.shift()
    pass(next)
    deliver()
  }
  const pass = ({ bytes }: Parcel): void => {
    if (bytes === undefined) {
      endSubscription()
      to.destroySoon()
      return
    }
    queuedBytes -= bytes.length
    if (queuedBytes <= QUEUE_BYTES_MAX && !from.destroyed) from.resume()
    if (to.writable) isFull = !to.write(bytes)
  }
  const endSubscription = lane.onChange(deliver)
  to.on('drain', () => {
    isFull = false
    deliver()
  })
  from.on('data', (bytes: Uint8Array) => push(bytes))
  from.once('close', () => push(undefined))
  from.resume()
}
