/**
 * When each validator told of each block: its server-sent events (`/v1/events`), with the time of
 * arrival here, on one clock for all of them.
 */

import { BenchmarkError } from './benchmark.ts'

export interface SeenBlock {
  readonly height: number
  readonly hash: string
  /** The coinbase included. */
  readonly txCount: number
  /** `performance.now()` when the event was here. */
  readonly atMs: number
}

export interface BlockWatch {
  /** Blocks that a validator told of since the watch began, in order. */
  seenBy(validator: number): readonly SeenBlock[]
  /** @throws BenchmarkError when that validator never told of the height. */
  arrivalMs(validator: number, height: number): number
  /** Waits until `enough` is true, asking again after each event. @throws BenchmarkError */
  until(enough: () => boolean, what: string, timeoutMs?: number): Promise<void>
  /** Makes those who wait ask again: what they wait for hangs on more than blocks. */
  recheck(): void
  stop(): Promise<void>
}

const DEFAULT_TIMEOUT_MS = 60_000

/** Resolves when every stream is open. @throws BenchmarkError */
export async function watchBlocks(
  apiUrls: readonly string[],
  signal: AbortSignal,
): Promise<BlockWatch> {
  const stopped = new AbortController()
  const either = AbortSignal.any([signal, stopped.signal])
  const seen = apiUrls.map((): SeenBlock[] => [])
  const waiting = new Set<() => void>()
  const failures: unknown[] = []
  const wake = (): void => {
    for (const resume of waiting) resume()
  }
  const bodies = await Promise.all(apiUrls.map((url) => openStream(`${url}/v1/events`, either)))
  const readers = bodies.map(async (body, validator) => {
    try {
      await readBlocks(body, (block) => {
        seen[validator]?.push(block)
        wake()
      })
      failures.push(new BenchmarkError(`validator ${validator} closed its event stream`))
    } catch (error) {
      if (!either.aborted) failures.push(error)
    }
    wake()
  })

  async function until(
    enough: () => boolean,
    what: string,
    timeoutMs = DEFAULT_TIMEOUT_MS,
  ): Promise<void> {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
    while (!enough()) {
      if (failures.length > 0) {
        throw new BenchmarkError('an event stream ended', { cause: failures[0] })
      }
      signal.throwIfAborted()
      if (deadline.aborted) throw new BenchmarkError(`waited ${timeoutMs / 1000} s for ${what}`)
      await nextEvent(deadline)
    }
  }

  async function nextEvent(deadline: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const resume = (): void => {
        waiting.delete(resume)
        deadline.removeEventListener('abort', resume)
        resolve()
      }
      waiting.add(resume)
      deadline.addEventListener('abort', resume)
    })
  }

  return {
    seenBy: (validator) => seen[validator] ?? [],
    arrivalMs(validator, height) {
      const block = seen[validator]?.find((each) => each.height === height)
      if (block === undefined) {
        throw new BenchmarkError(`validator ${validator} told nothing of block ${height}`)
      }
      return block.atMs
    },
    until,
    recheck: wake,
    async stop() {
      stopped.abort()
      await Promise.all(readers)
    },
  }
}

async function openStream(url: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
  const response = await fetch(url, { signal })
  if (!response.ok || response.body === null) {
    throw new BenchmarkError(`${url} answered ${response.status}`)
  }
  return response.body
}

async function readBlocks(
  body: ReadableStream<Uint8Array>,
  onBlock: (block: SeenBlock) => void,
): Promise<void> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of body) {
    const atMs = performance.now()
    text += decoder.decode(chunk, { stream: true })
    const frames = text.split('\n\n')
    text = frames.pop() ?? ''
    for (const frame of frames) {
      const block = blockOf(frame, atMs)
      if (block !== undefined) onBlock(block)
    }
  }
}

/** The block that a frame of the stream tells of; undefined for any other event. */
export function blockOf(frame: string, atMs: number): SeenBlock | undefined {
  const fields = new Map(
    frame.split('\n').map((line) => {
      const colon = line.indexOf(': ')
      return [line.slice(0, colon), line.slice(colon + 2)] as const
    }),
  )
  if (fields.get('event') !== 'block') return undefined
  const data: unknown = JSON.parse(fields.get('data') ?? '')
  if (typeof data !== 'object' || data === null) return undefined
  const { height, hash, txCount } = { height: 0, hash: '', txCount: 0, ...data }
  return { height, hash, txCount, atMs }
}
