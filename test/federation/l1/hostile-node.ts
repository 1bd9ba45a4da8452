/** An HTTP server that answers JSON-RPC as the test tells it to, byte for byte. */

import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

export interface RpcCall {
  readonly id: number
  readonly method: string
  readonly params: readonly unknown[]
  readonly authorization: string | undefined
}

export type Script = (call: RpcCall, response: ServerResponse) => void

export interface HostileNode {
  readonly url: string
  readonly calls: readonly RpcCall[]
  stop(): Promise<void>
}

export async function startHostileNode(script: Script): Promise<HostileNode> {
  const calls: RpcCall[] = []
  const server = createServer((request, response) => {
    void serve(request, response)
  })
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const call = await readCall(request)
    calls.push(call)
    script(call, response)
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    url: `http://user:password@127.0.0.1:${port}`,
    calls,
    async stop() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

async function readCall(request: IncomingMessage): Promise<RpcCall> {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  const call = JSON.parse(text) as Omit<RpcCall, 'authorization'>
  return { ...call, authorization: request.headers.authorization }
}

/** Answers with this result. */
export function result(value: unknown): Script {
  return ({ id }, response) => response.end(JSON.stringify({ result: value, error: null, id }))
}

/** Answers with this error, as bitcoind does: HTTP 500. */
export function failure(code: number, message: string): Script {
  return ({ id }, response) => {
    response.writeHead(500)
    response.end(JSON.stringify({ result: null, error: { code, message }, id }))
  }
}

/** By method; others get null. */
export function byMethod(scripts: Readonly<Record<string, Script>>): Script {
  return (call, response) => (scripts[call.method] ?? result(null))(call, response)
}
