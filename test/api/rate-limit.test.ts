import type { EventEmitter } from 'node:events'
import { Server } from 'node:net'
import { Duplex } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { isLoopback, limitKey } from '../../src/api/api-context.ts'
import { TokenBuckets } from '../../src/api/rate-limit.ts'
import { limitConnections } from '../../src/api/server.ts'
import { encodeTransaction } from '../../src/bitcoin/transaction.ts'
import { bytesToHex } from '../../src/primitives/bytes.ts'
import { reject } from '../../src/primitives/result.ts'
import { apiFixture, connectionFrom } from '../support/api-fixture.ts'
import { BOB, ChainFixture, l1OutPoint, output, payment } from '../support/chain-fixture.ts'

describe('the rate of requests', () => {
  it('is limited for each remote address, and recovers', async () => {
    const chain = new ChainFixture()
    const api = apiFixture(chain, { requestsPerSecond: 2, requestBurst: 3 })
    const ask = async (address: string, path = '/v1/status'): Promise<Response> =>
      api.app.request(path, {}, connectionFrom(address))
    for (let i = 0; i < 3; i++) expect((await ask('192.0.2.1')).status).toBe(200)
    const refused = await ask('192.0.2.1')
    expect(refused.status).toBe(429)
    expect(refused.headers.get('Retry-After')).toBe('1')
    expect(await refused.json()).toMatchObject({ code: 'too-many-requests', status: 429 })
    const text = await ask('192.0.2.1', '/api/blocks/tip/height')
    expect(text.status).toBe(429)
    expect(await text.text()).toBe('Too many requests')
    expect((await ask('192.0.2.2')).status).toBe(200)
    chain.monotonicMs += 500
    expect((await ask('192.0.2.1')).status).toBe(200)
    expect((await ask('192.0.2.1')).status).toBe(429)
  })

  it('is generous to programs on the same machine', async () => {
    const api = apiFixture(new ChainFixture(), { requestBurst: 1, loopbackRequestBurst: 5 })
    for (const address of ['127.0.0.1', '::ffff:127.0.0.1', '127.0.0.1', '127.0.0.1']) {
      const response = await api.app.request('/v1/status', {}, connectionFrom(address))
      expect(response.status).toBe(200)
    }
  })

  it('keeps one remote address from using up what all clients share', async () => {
    const chain = new ChainFixture()
    const api = apiFixture(chain, { scarcePerMinute: 2 })
    const ask = async (address: string, path: string): Promise<number> => {
      const headers = { 'Content-Type': 'application/json' }
      const init = { method: 'POST', headers, body: '{}' }
      return (await api.app.request(path, init, connectionFrom(address))).status
    }
    const paths = ['/v1/deposit-address', '/v1/deposits/claim']
    for (const path of paths) expect(await ask('192.0.2.1', path)).toBe(400)
    for (const path of paths) expect(await ask('192.0.2.1', path)).toBe(429)
    for (const path of paths) expect(await ask('192.0.2.2', path)).toBe(400)
    for (let i = 0; i < 5; i++) expect(await ask('127.0.0.1', '/v1/deposit-address')).toBe(400)
    chain.monotonicMs += 30_000
    expect(await ask('192.0.2.1', '/v1/deposit-address')).toBe(400)
    expect(await ask('192.0.2.1', '/v1/deposit-address')).toBe(429)
  })

  it('of transactions whose signatures fail is limited, and of good ones it is not', async () => {
    const chain = new ChainFixture()
    const api = apiFixture(chain, { failedScriptsPerMinute: 2 })
    const hex = bytesToHex(encodeTransaction(payment([l1OutPoint(1)], [output(1_000, BOB)])))
    const send = async (address: string): Promise<number> => {
      const init = { method: 'POST', body: hex }
      return (await api.app.request('/api/tx', init, connectionFrom(address))).status
    }
    for (let i = 0; i < 5; i++) expect(await send('192.0.2.1')).toBe(200)
    chain.verdict = reject('mandatory-script-verify-flag-failed (SCHNORR_SIG)')
    for (const status of [400, 400, 429, 429]) expect(await send('192.0.2.1')).toBe(status)
    expect(await send('192.0.2.2')).toBe(400)
    expect(await send('127.0.0.1')).toBe(400)
    chain.verdict = reject('bad-txns-inputs-missingorspent', 'missing')
    for (let i = 0; i < 5; i++) expect(await send('192.0.2.3')).toBe(400)
    chain.monotonicMs += 30_000
    chain.verdict = undefined
    expect(await send('192.0.2.1')).toBe(200)
  })

  it('remembers a bounded number of addresses', () => {
    const buckets = new TokenBuckets(100, new ChainFixture().clock())
    for (let i = 0; i < 1_000; i++) buckets.take(`address ${i}`, { perSecond: 1, burst: 1 })
    expect(buckets.size).toBe(100)
  })
})

/** A connection that has come in from an address; nothing travels on it. */
function incoming(server: EventEmitter, remoteAddress: string): Duplex {
  const socket = new Duplex({ read: () => undefined, write: () => undefined })
  Object.defineProperty(socket, 'remoteAddress', { value: remoteAddress })
  server.emit('connection', socket)
  return socket
}

describe('the number of connections', () => {
  it('is limited for each remote address, and a closed one makes room', async () => {
    const server = new Server()
    limitConnections(server, 2)
    const held = [incoming(server, '192.0.2.1'), incoming(server, '::ffff:192.0.2.1')]
    expect(held.map((socket) => socket.destroyed)).toEqual([false, false])
    expect(incoming(server, '192.0.2.1').destroyed).toBe(true)
    expect(incoming(server, '192.0.2.2').destroyed).toBe(false)
    for (let i = 0; i < 5; i++) expect(incoming(server, '127.0.0.1').destroyed).toBe(false)
    const [first] = held
    const closed = new Promise((resolve) => first?.once('close', resolve))
    first?.destroy()
    await closed
    expect(incoming(server, '192.0.2.1').destroyed).toBe(false)
    expect(incoming(server, '192.0.2.1').destroyed).toBe(true)
  })
})

describe('whom a limit counts', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
  ])('%s counts as %s', (address, key) => {
    expect(limitKey(address)).toBe(key)
  })

  it('knows this machine', () => {
    const own = ['127.0.0.1', '127.1.2.3', '::1', '::ffff:127.0.0.1', 'local']
    expect(own.filter(isLoopback)).toEqual(own)
    expect(['10.0.0.1', '::2', '128.0.0.1', '::ffff:10.0.0.1'].filter(isLoopback)).toEqual([])
  })
})
