import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  createJsonRpcClient,
  type JsonRpcClient,
  type JsonRpcClientOptions,
} from '../../../federation/l1/json-rpc-client.ts'
import { L1ConfigurationError, L1UnavailableError } from '../../../federation/l1/l1-error.ts'
import { type HostileNode, result, type Script, startHostileNode } from './hostile-node.ts'

describe('the JSON-RPC client', () => {
  let directory: string
  let node: HostileNode | undefined
  let client: JsonRpcClient | undefined

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'causeway-rpc-'))
  })
  afterEach(async () => {
    client?.close()
    await node?.stop()
    node = undefined
    await rm(directory, { recursive: true })
  })

  function connect(options: JsonRpcClientOptions): JsonRpcClient {
    client = createJsonRpcClient(options)
    return client
  }

  async function serve(script: Script): Promise<string> {
    node = await startHostileNode(script)
    return node.url
  }

  it('sends user and password of its URL', async () => {
    const rpc = connect({ url: await serve(result(5)) })
    expect(await rpc.call('getblockcount', [1, 'a'])).toBe(5)
    expect(node!.calls[0]).toMatchObject({
      method: 'getblockcount',
      params: [1, 'a'],
      authorization: `Basic ${btoa('user:password')}`,
    })
  })

  it('reads the cookie file again when the node was restarted', async () => {
    const cookiePath = join(directory, '.cookie')
    let accepted = '__cookie__:first'
    const url = await serve((call, response) => {
      if (call.authorization !== `Basic ${btoa(accepted)}`) response.writeHead(401).end()
      else result('ok')(call, response)
    })
    const rpc = connect({ url: url.replace('user:password@', ''), cookiePath })
    await expect(rpc.call('uptime', [])).rejects.toThrow(/is the L1 node running/)
    await writeFile(cookiePath, accepted)
    expect(await rpc.call('uptime', [])).toBe('ok')
    accepted = '__cookie__:second'
    await expect(rpc.call('uptime', [])).rejects.toThrow(/credentials/)
    await writeFile(cookiePath, accepted)
    expect(await rpc.call('uptime', [])).toBe('ok')
    await writeFile(cookiePath, 'no colon')
    accepted = '__cookie__:third'
    await expect(rpc.call('uptime', [])).rejects.toBeInstanceOf(L1UnavailableError)
  })

  it('takes 401 with a fixed password for an answer', async () => {
    const rpc = connect({ url: await serve((_, response) => response.writeHead(401).end()) })
    await expect(rpc.call('uptime', [])).rejects.toThrow(/credentials/)
    expect(node!.calls).toHaveLength(1)
  })

  it.each([403, 503])('waits when the node answers HTTP %i', async (status) => {
    const rpc = connect({ url: await serve((_, response) => response.writeHead(status).end()) })
    await expect(rpc.call('uptime', [])).rejects.toBeInstanceOf(L1UnavailableError)
  })

  it('gives up after its time limit', async () => {
    const rpc = connect({ url: await serve(() => undefined), timeoutMs: 20 })
    await expect(rpc.call('uptime', [])).rejects.toThrow(/no answer within 20 ms/)
  })

  it('gives up on an answer that never ends', async () => {
    const rpc = connect({
      url: await serve((_, response) => response.write('{"result":')),
      timeoutMs: 20,
    })
    await expect(rpc.call('uptime', [])).rejects.toThrow(/no answer within 20 ms/)
  })

  it('says that nobody listens', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    server.close()
    await once(server, 'close')
    const rpc = connect({ url: `http://user:password@127.0.0.1:${port}` })
    await expect(rpc.call('uptime', [])).rejects.toBeInstanceOf(L1UnavailableError)
  })

  it('sends again when a kept connection has died', async () => {
    let count = 0
    const rpc = connect({
      url: await serve((call, response) => {
        count += 1
        if (count === 2) response.socket?.resetAndDestroy()
        else result(count)(call, response)
      }),
    })
    expect(await rpc.call('uptime', [])).toBe(1)
    expect(await rpc.call('uptime', [])).toBe(3)
  })

  it('does not send again on a connection that dies at once', async () => {
    const rpc = connect({ url: await serve((_, response) => response.socket?.resetAndDestroy()) })
    await expect(rpc.call('uptime', [])).rejects.toBeInstanceOf(L1UnavailableError)
    expect(node!.calls).toHaveLength(1)
  })

  it('does not pile up calls without end', async () => {
    const rpc = connect({ url: await serve(() => undefined) })
    const waiting = Array.from({ length: 256 }, () => rpc.call('uptime', []))
    await expect(rpc.call('uptime', [])).rejects.toThrow(/256 calls already wait/)
    rpc.close()
    const outcomes = await Promise.allSettled(waiting)
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ reason: { name: 'L1UnavailableError' } })
    }
  })

  it.each(['https://user:pw@localhost', 'localhost:8332', '', 'http://127.0.0.1:1'])(
    'refuses the settings %o',
    (url) => {
      expect(() => createJsonRpcClient({ url })).toThrow(L1ConfigurationError)
    },
  )
})
