import { describe, expect, it } from 'vitest'
import { type ApiFixture, apiFixture, connectionFrom } from '../support/api-fixture.ts'
import { ChainFixture } from '../support/chain-fixture.ts'
import { evidenceView, releaseView } from '../support/node-facade-fixture.ts'

interface Stream {
  /** Reads until so many events (not comments) are there; their ids and kinds. */
  take(count: number): Promise<string[]>
  /** The rest of the stream as text. */
  rest(): Promise<string>
  cancel(): Promise<void>
}

/** Id and kind of each. */
function eventsIn(text: string): string[] {
  const matches = text.matchAll(/id: (\d+\.\d+)\nevent: ([\w-]+)\ndata: .*\n\n/g)
  return [...matches].map((match) => `${match[1]} ${match[2]}`)
}

async function subscribe(api: ApiFixture, lastEventId?: string): Promise<Stream> {
  const response = await api.get(
    '/v1/events',
    lastEventId === undefined ? {} : { 'Last-Event-ID': lastEventId },
  )
  expect(response.status).toBe(200)
  expect(response.headers.get('Content-Type')).toBe('text/event-stream')
  const reader = response.body!.getReader()
  const decoder = new TextDecoder()
  let text = ''
  return {
    async take(count) {
      while (eventsIn(text).length < count) {
        const { done, value } = await reader.read()
        expect(done, `stream ended after: ${text}`).toBe(false)
        text += decoder.decode(value)
      }
      return eventsIn(text)
    },
    async rest() {
      for (;;) {
        const { done, value } = await reader.read()
        if (done) return text
        text += decoder.decode(value)
      }
    },
    cancel: () => reader.cancel(),
  }
}

function tenBlocks(): ChainFixture {
  const chain = new ChainFixture()
  for (let i = 0; i < 10; i++) chain.addBlock()
  return chain
}

describe('the event stream', () => {
  it('numbers events by height and place', async () => {
    const chain = tenBlocks()
    const api = apiFixture(chain)
    const stream = await subscribe(api)
    chain.emit({ kind: 'release', release: releaseView(1) })
    chain.emitBlock(11)
    chain.emit({ kind: 'release', release: releaseView(1) })
    chain.emit({ kind: 'release', release: releaseView(2) })
    chain.emitBlock(12)
    expect(await stream.take(5)).toEqual([
      '10.1 release',
      '11.0 block',
      '11.1 release',
      '11.2 release',
      '12.0 block',
    ])
    api.events.close()
    expect(await stream.rest()).toMatch(/data: {"height":12,"hash":"0{64}","txCount":1}\n\n$/)
  })

  it('tells of evidence, when it is found and when a block carries it', async () => {
    const chain = tenBlocks()
    const api = apiFixture(chain)
    const stream = await subscribe(api)
    const evidence = evidenceView(11, 3)
    chain.emit({ kind: 'evidence', evidence })
    chain.emitBlock(11)
    const block = { height: 11, hash: '00'.repeat(32) }
    chain.emit({ kind: 'evidence', evidence: { ...evidence, block } })
    expect(await stream.take(3)).toEqual(['10.1 evidence', '11.0 block', '11.1 evidence'])
    api.events.close()
    expect(await stream.rest()).toContain(JSON.stringify({ ...evidence, block }))
  })

  it('tells of a freeze, of its end and of a new key', async () => {
    const chain = tenBlocks()
    const api = apiFixture(chain)
    const stream = await subscribe(api)
    const keyEpoch = {
      epoch: 1,
      groupKey: `02${'ab'.repeat(32)}`,
      threshold: 3,
      members: 4,
      height: 12,
    }
    chain.emitBlock(11)
    chain.emit({ kind: 'freeze', freeze: { frozen: true, height: 11 } })
    chain.emitBlock(12)
    chain.emit({ kind: 'freeze', freeze: { frozen: false, height: 12 } })
    chain.emit({ kind: 'key-epoch', keyEpoch })
    expect(await stream.take(5)).toEqual([
      '11.0 block',
      '11.1 freeze',
      '12.0 block',
      '12.1 freeze',
      '12.2 key-epoch',
    ])
    api.events.close()
    const text = await stream.rest()
    expect(text).toContain('data: {"frozen":true,"height":11}\n')
    expect(text).toContain(`data: ${JSON.stringify(keyEpoch)}\n`)
  })

  it('gives a returning client what it missed, once', async () => {
    const chain = tenBlocks()
    const api = apiFixture(chain)
    for (let height = 11; height <= 14; height++) chain.emitBlock(height)
    const stream = await subscribe(api, '12.0')
    chain.emitBlock(15)
    expect(await stream.take(3)).toEqual(['13.0 block', '14.0 block', '15.0 block'])
    const upToDate = await subscribe(api, '15.0')
    chain.emitBlock(16)
    expect(await upToDate.take(1)).toEqual(['16.0 block'])
  })

  it.each(['3.0', '99.0', 'nonsense', '1.1.1'])(
    'tells a client that comes back with %s to start anew',
    async (lastEventId) => {
      const chain = tenBlocks()
      const api = apiFixture(chain, { replayEventsMax: 2 })
      for (let height = 11; height <= 14; height++) chain.emitBlock(height)
      const stream = await subscribe(api, lastEventId)
      expect(await stream.take(1)).toEqual(['14.0 reset'])
    },
  )

  it('beats while nothing happens', async () => {
    const api = apiFixture(new ChainFixture())
    const stream = await subscribe(api)
    api.events.heartbeat()
    api.events.close()
    expect(await stream.rest()).toBe('retry: 2000\n\n: heartbeat\n\n')
  })

  it('forgets clients that leave', async () => {
    const api = apiFixture(new ChainFixture())
    const stream = await subscribe(api)
    expect(api.events.subscriberCount).toBe(1)
    await stream.cancel()
    expect(api.events.subscriberCount).toBe(0)
  })

  it('cuts off a client that does not read', async () => {
    const chain = new ChainFixture()
    const api = apiFixture(chain, { subscriberBacklogBytesMax: 2_000 })
    const idle = await subscribe(api)
    for (let height = 1; height <= 100; height++) chain.emitBlock(height)
    expect(api.events.subscriberCount).toBe(0)
    expect((await idle.rest()).length).toBeLessThan(2_500)
    expect(chain.logged.join()).toContain('reads too slowly')
  })

  it('is limited in all and for each address', async () => {
    const api = apiFixture(new ChainFixture(), { subscribersMax: 3, subscribersPerAddressMax: 2 })
    const open = async (address: string): Promise<number> => {
      const response = await api.app.request('/v1/events', {}, connectionFrom(address))
      return response.status
    }
    expect(await open('192.0.2.1')).toBe(200)
    expect(await open('::ffff:192.0.2.1')).toBe(200)
    expect(await open('192.0.2.1')).toBe(429)
    expect(await open('192.0.2.2')).toBe(200)
    expect(await open('192.0.2.3')).toBe(503)
  })
})
