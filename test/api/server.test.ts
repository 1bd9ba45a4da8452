import * as fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { PAGE_SECURITY_POLICY } from '../../src/api/first-page.ts'
import type { ApiLimits } from '../../src/api/limits.ts'
import { type ApiServer, createApiServer } from '../../src/api/server.ts'
import { apiFixture } from '../support/api-fixture.ts'
import { ChainFixture, storyChain } from '../support/chain-fixture.ts'
import { nodeFacade } from '../support/node-facade-fixture.ts'

const servers: ApiServer[] = []

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()))
})

async function startServer(
  chain: ChainFixture,
  limits: Partial<ApiLimits> = {},
): Promise<{ server: ApiServer; url: string; port: number }> {
  const server = createApiServer(
    { host: '127.0.0.1', port: 0, limits },
    { queries: chain.queries(), node: nodeFacade(chain), log: chain.log(), clock: chain.clock() },
  )
  servers.push(server)
  const { port } = await server.start()
  return { server, port, url: `http://127.0.0.1:${port}` }
}

describe('the server on a socket', () => {
  it('serves the API, the page and events', async () => {
    const { chain } = storyChain()
    const { url } = await startServer(chain)
    expect(await (await fetch(`${url}/api/blocks/tip/height`)).text()).toBe('3')
    const page = await fetch(url)
    expect(page.headers.get('Content-Security-Policy')).toBe(PAGE_SECURITY_POLICY)
    expect(await page.text()).toContain('<title>Causeway node</title>')
    for (const path of ['/page.js', '/peg.js', '/draw.js', '/style.css']) {
      expect((await fetch(url + path)).status, path).toBe(200)
    }
    const cached = await fetch(url, {
      headers: { 'If-None-Match': page.headers.get('ETag') ?? '' },
    })
    expect(cached.status).toBe(304)

    const events = await fetch(`${url}/v1/events`)
    const reader = events.body!.pipeThrough(new TextDecoderStream()).getReader()
    expect((await reader.read()).value).toBe('retry: 2000\n\n')
    chain.emitBlock(4)
    expect((await reader.read()).value).toMatch(/^id: 4\.0\nevent: block\n/)
    await reader.cancel()
  })

  it('reads chunked bodies, and refuses long ones', async () => {
    const { chain } = storyChain()
    const { url } = await startServer(chain, { bodyBytesMax: 1_000 })
    const send = async (text: string): Promise<Response> =>
      fetch(`${url}/api/tx`, {
        method: 'POST',
        body: new Blob([text]).stream(),
        duplex: 'half',
      })
    expect(await (await send('00')).text()).toContain('TX decode failed')
    expect((await send('00'.repeat(600))).status).toBe(413)
  })

  it('ends open streams when it stops, and can say why it cannot listen', async () => {
    const { chain } = storyChain()
    const { url, port, server } = await startServer(chain)
    const other = createApiServer(
      { host: '127.0.0.1', port },
      { queries: chain.queries(), node: nodeFacade(chain), log: chain.log(), clock: chain.clock() },
    )
    await expect(other.start()).rejects.toThrow(`cannot listen on 127.0.0.1:${port}`)
    await other.stop()
    const events = await fetch(`${url}/v1/events`)
    await server.stop()
    await expect(events.text()).resolves.toContain('retry')
    await expect(fetch(url)).rejects.toThrow('fetch failed')
  })
})

describe('failures of our own', () => {
  it('are 500 without internals, and logged', async () => {
    const chain = new ChainFixture()
    const api = apiFixture(chain)
    chain.blocks.length = 0
    const response = await api.get('/api/blocks/tip/height')
    expect(response.status).toBe(500)
    expect(await response.text()).toBe('internal error')
    expect(chain.logged.join()).toMatch(/request failed TypeError/)
    const problem = await api.get('/v1/status')
    expect(await problem.json()).toMatchObject({ status: 500, detail: 'internal error' })
  })

  it('do not hang a client: what takes too long is 504', async () => {
    const { chain } = storyChain()
    const queries = { ...chain.queries(), stats: async () => new Promise<never>(() => undefined) }
    const { url } = await (async () => {
      const server = createApiServer(
        { host: '127.0.0.1', port: 0, limits: { requestTimeoutMs: 20 } },
        { queries, node: nodeFacade(chain), log: chain.log(), clock: chain.clock() },
      )
      servers.push(server)
      return { url: `http://127.0.0.1:${(await server.start()).port}` }
    })()
    const response = await fetch(`${url}/api/scripthash/${'00'.repeat(32)}`)
    expect(response.status).toBe(504)
    expect(await response.text()).toBe('Request timed out')
  })
})

describe('other origins', () => {
  it('may read and may not post JSON', async () => {
    const api = apiFixture(new ChainFixture())
    const preflight = await api.app.request('/v1/deposit-address', { method: 'OPTIONS' })
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get('Access-Control-Allow-Methods')).toBe('GET, HEAD')
    const read = await api.get('/v1/status')
    expect(read.headers.get('Access-Control-Allow-Origin')).toBe('*')
    expect(read.headers.get('X-Content-Type-Options')).toBe('nosniff')
    const written = await api.post('/v1/deposit-address', '{}', 'application/json')
    expect(written.headers.has('Access-Control-Allow-Origin')).toBe(false)
  })
})

describe('hostile requests', () => {
  it('get an answer, and never a failure of ours', async () => {
    const { chain } = storyChain()
    const api = apiFixture(chain)
    const prefixes = [
      '/api/',
      '/api/tx/',
      '/api/block/',
      '/api/address/',
      '/api/scripthash/',
      '/api/blocks/',
      '/v1/releases/',
      '/v1/blocks/',
      '/v1/deposits?recipient=',
      '/v1/withdraw-address?l1Address=',
      '/',
    ]
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...prefixes),
        fc.oneof(
          fc.webPath(),
          fc.string(),
          fc.string({ unit: fc.constantFrom('0', '7', '9', 'a', 'f') }),
          fc.string({ unit: 'binary' }),
        ),
        fc.constantFrom('', '/txs', '/status', '/utxo', '/certificate'),
        async (prefix, text, suffix) => {
          const response = await api.get(prefix + encodeURIComponent(text) + suffix)
          expect(response.status).toBeLessThan(500)
        },
      ),
      { numRuns: 500 },
    )
    expect(chain.logged).toEqual([])
  })

  it('with broken escapes or bodies are refused', async () => {
    const { chain } = storyChain()
    const api = apiFixture(chain)
    for (const path of ['/api/tx/%', '/api/address/%ff%fe', '/v1/deposits?recipient=%', '/%00']) {
      const { status } = await api.get(path)
      expect(status, path).toBeGreaterThanOrEqual(400)
      expect(status, path).toBeLessThan(500)
    }
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('/api/tx', '/v1/deposit-address', '/v1/deposits/claim'),
        fc.oneof(fc.string(), fc.json(), fc.constant('00')),
        async (path, body) => {
          const response = await api.post(path, body, 'application/json')
          expect(response.status).toBeGreaterThanOrEqual(400)
          expect(response.status).toBeLessThan(500)
        },
      ),
      { numRuns: 200 },
    )
    expect(chain.submitted).toEqual([])
  })
})
