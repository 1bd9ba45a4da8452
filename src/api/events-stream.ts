/**
 * `/v1/events`: server-sent events (WHATWG HTML, section 9.2) of blocks, deposits, releases, evidence, freezes
 * and new keys. Ids are "height.seq": the height of the last block, and a counter that starts over with each block. A client
 * that comes back with Last-Event-ID gets what it missed; when that is no longer known it gets the event
 * `reset` and should ask for everything anew. Who reads too slowly is cut off, and may come back.
 */

import type { Context } from 'hono'
import { utf8 } from '../primitives/bytes.ts'
import type { Logger } from '../runtime/runtime.ts'
import { type ApiEnv, disconnect, limitKey, remoteAddress } from './api-context.ts'
import type { ApiLimits } from './limits.ts'
import type { ChainQueries, NodeFacade, NodeFacadeEvent } from './ports.ts'
import { HttpError } from './problem.ts'
import { eventIdText } from './schemas.ts'

interface EventId {
  readonly height: number
  readonly seq: number
}

interface PastEvent {
  readonly id: EventId
  readonly frame: Uint8Array
}

interface Subscriber {
  readonly key: string
  send(frame: Uint8Array): void
  end(): void
}

const RETRY_MS = 2_000
const HEARTBEAT = utf8(': heartbeat\n\n')

export class EventStreams {
  readonly #limits: ApiLimits
  readonly #log: Logger
  readonly #subscribers = new Set<Subscriber>()
  readonly #past: PastEvent[] = []
  readonly #unsubscribe: () => void
  #last: EventId

  constructor(queries: ChainQueries, node: NodeFacade, limits: ApiLimits, log: Logger) {
    this.#limits = limits
    this.#log = log
    this.#last = { height: queries.tip().height, seq: 0 }
    this.#unsubscribe = node.onEvent((event) => this.#publish(event))
  }

  get subscriberCount(): number {
    return this.#subscribers.size
  }

  /** Keeps connections through proxies alive, and finds those that are gone. */
  heartbeat(): void {
    for (const subscriber of this.#subscribers) subscriber.send(HEARTBEAT)
  }

  close(): void {
    this.#unsubscribe()
    for (const subscriber of this.#subscribers) subscriber.end()
  }

  /** Opens a stream. @throws HttpError 503 or 429 when there are too many. */
  open(c: Context<ApiEnv>): Response {
    const key = limitKey(remoteAddress(c.env))
    this.#checkRoom(key)
    const start = [utf8(`retry: ${RETRY_MS}\n\n`), ...this.#missed(c.req.header('Last-Event-ID'))]
    const body = this.#stream(key, start, () => disconnect(c.env))
    return c.body(body, 200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-store',
      // nginx would otherwise hold events back.
      'X-Accel-Buffering': 'no',
    })
  }

  #checkRoom(key: string): void {
    if (this.#subscribers.size >= this.#limits.subscribersMax) {
      throw new HttpError(503, 'Too many event streams', { code: 'busy', retryAfterSeconds: 30 })
    }
    let own = 0
    for (const subscriber of this.#subscribers) if (subscriber.key === key) own++
    if (own >= this.#limits.subscribersPerAddressMax) {
      throw new HttpError(429, 'Too many event streams from this address', {
        code: 'too-many-streams',
        retryAfterSeconds: 30,
      })
    }
  }

  /** What the client has not seen, or a reset when nobody can tell. */
  #missed(lastEventId: string | undefined): Uint8Array[] {
    if (lastEventId === undefined) return []
    const seen = parseEventId(lastEventId)
    const first = this.#past[0]
    const isKnown =
      seen !== undefined &&
      compareIds(seen, this.#last) <= 0 &&
      (compareIds(seen, this.#last) === 0 ||
        (first !== undefined && compareIds(seen, first.id) >= 0))
    if (!isKnown) return [frameOf(this.#last, 'reset', {})]
    return this.#past.filter(({ id }) => compareIds(id, seen) > 0).map(({ frame }) => frame)
  }

  #stream(
    key: string,
    start: readonly Uint8Array[],
    destroyConnection: () => void,
  ): ReadableStream<Uint8Array> {
    const backlogMax = this.#limits.subscriberBacklogBytesMax
    let subscriber: Subscriber | undefined
    const remove = (): void => {
      if (subscriber !== undefined) this.#subscribers.delete(subscriber)
    }
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          for (const frame of start) controller.enqueue(frame)
          subscriber = {
            key,
            send: (frame) => {
              // Negative by what waits beyond the mark of zero.
              if (-(controller.desiredSize ?? 0) > backlogMax) {
                this.#log.info({ backlogMax }, 'event stream cut off: the client reads too slowly')
                remove()
                controller.close()
                destroyConnection()
              } else controller.enqueue(frame)
            },
            end: () => {
              remove()
              controller.close()
            },
          }
          this.#subscribers.add(subscriber)
        },
        cancel: remove,
      },
      { highWaterMark: 0, size: (frame) => frame.length },
    )
  }

  #publish(event: NodeFacadeEvent): void {
    const isBlock = event.kind === 'block'
    const { height, seq } = this.#last
    this.#last = isBlock ? { height: event.height, seq: 0 } : { height, seq: seq + 1 }
    const frame = frameOf(this.#last, event.kind, eventData(event))
    this.#past.push({ id: this.#last, frame })
    if (this.#past.length > this.#limits.replayEventsMax) this.#past.shift()
    for (const subscriber of this.#subscribers) subscriber.send(frame)
  }
}

function eventData(event: NodeFacadeEvent): object {
  switch (event.kind) {
    case 'deposit':
      return event.deposit
    case 'release':
      return event.release
    case 'evidence':
      return event.evidence
    case 'freeze':
      return event.freeze
    case 'key-epoch':
      return event.keyEpoch
    case 'block':
      return { height: event.height, hash: event.hash, txCount: event.txCount }
  }
}

/** JSON has no line breaks of its own, so one data line is enough. */
function frameOf(id: EventId, kind: string, data: object): Uint8Array {
  const lines = `id: ${id.height}.${id.seq}\nevent: ${kind}\ndata: ${JSON.stringify(data)}\n\n`
  return utf8(lines)
}

function parseEventId(text: string): EventId | undefined {
  const parsed = eventIdText.safeParse(text)
  if (!parsed.success) return undefined
  const [height = 0, seq = 0] = parsed.data.split('.').map(Number)
  return { height, seq }
}

function compareIds(a: EventId, b: EventId): number {
  return a.height === b.height ? a.seq - b.seq : a.height - b.height
}
