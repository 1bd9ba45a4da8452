import { createServer, type Server, type ServerResponse } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { BenchmarkError } from '../../../scripts/bench/benchmark.ts'
import { type BlockWatch, blockOf, watchBlocks } from '../../../scripts/bench/block-watch.ts'

const never = new AbortController().signal
const closers: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

const event = (height: number): string =>
  `id: ${height}.0\nevent: block\ndata: ${JSON.stringify({ height, hash: 'aa', txCount: 2 })}\n\n`

/** A server of one event stream, and the response to write to. */
async function aStream(): Promise<{ url: string; response: Promise<ServerResponse> }> {
  const opened = Promise.withResolvers<ServerResponse>()
  const server: Server = createServer((_request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    response.write('retry: 2000\n\n')
    opened.resolve(response)
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve())
  })
  closers.push(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const address = server.address()
  const port = typeof address === 'object' ? address!.port : 0
  return { url: `http://127.0.0.1:${port}`, response: opened.promise }
}

async function watchOf(urls: readonly string[]): Promise<BlockWatch> {
  const watch = await watchBlocks(urls, never)
  closers.unshift(() => watch.stop())
  return watch
}

describe('an event of the stream', () => {
  it('is a block, or nothing', () => {
    expect(blockOf(event(7).trim(), 12)).toEqual({ height: 7, hash: 'aa', txCount: 2, atMs: 12 })
    expect(blockOf(': heartbeat', 12)).toBeUndefined()
    expect(blockOf('retry: 2000', 12)).toBeUndefined()
    expect(blockOf('id: 1.1\nevent: deposit\ndata: {}', 12)).toBeUndefined()
  })
})

describe('watching blocks', () => {
  it('puts events together from pieces, for each validator', async () => {
    const [first, second] = [await aStream(), await aStream()]
    const watch = await watchOf([first.url, second.url])
    const text = event(1) + event(2)
    const stream = await first.response
    for (const piece of [text.slice(0, 30), text.slice(30)]) stream.write(piece)
    await watch.until(() => watch.seenBy(0).length === 2, 'two blocks')
    expect(watch.seenBy(0).map(({ height }) => height)).toEqual([1, 2])
    expect(watch.arrivalMs(0, 2)).toBeGreaterThanOrEqual(watch.arrivalMs(0, 1))
    expect(() => watch.arrivalMs(1, 2)).toThrow('told nothing of block 2')
  })

  it('asks again when told to', async () => {
    const only = await aStream()
    const watch = await watchOf([only.url])
    let isDone = false
    const waiting = watch.until(() => isDone, 'a word')
    isDone = true
    watch.recheck()
    await waiting
  })

  it('fails when a validator goes away, instead of waiting for ever', async () => {
    const only = await aStream()
    const watch = await watchOf([only.url])
    const waiting = watch.until(() => false, 'a block')
    const response = await only.response
    response.destroy()
    await expect(waiting).rejects.toThrow(BenchmarkError)
  })
})
