/**
 * Serves an embedded regtest chain as a bitcoind does: JSON-RPC 1.0 and 2.0 over HTTP on 127.0.0.1,
 * batches, Basic authentication with a fixed password or a fresh cookie file. So every process of a
 * devnet, and any client of bitcoind, can use it like the real thing.
 */

import { timingSafeEqual } from 'node:crypto'
import { rename, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { z } from 'zod'
import { bytesToHex, concatBytes, utf8 } from '../../src/primitives/bytes.ts'
import { sha256 } from '../../src/primitives/sha256.ts'
import type { Logger, Random } from '../../src/runtime/runtime.ts'
import { L1ConfigurationError, L1UnavailableError } from './l1-error.ts'
import type { RegtestChain } from './regtest-chain.ts'
import { REGTEST_METHODS } from './regtest-rpc.ts'
import { RpcArguments, RpcCode, RpcFailure } from './rpc-arguments.ts'

export interface RegtestServerOptions {
  readonly chain: RegtestChain
  /** On 127.0.0.1; 0 lets the system choose. */
  readonly port: number
  /** Written at start with mode 600, removed at stop. */
  readonly cookiePath?: string
  /** `user:password`, beside or instead of the cookie. */
  readonly credentials?: string
  /** Upon the method `stop`, after it was answered. */
  readonly onStopRequested?: () => void
}

export interface RegtestServer {
  /** `http://127.0.0.1:port`, without credentials. */
  readonly url: string
  stop(): Promise<void>
}

const HOST = '127.0.0.1'
/** A block in hex, and the envelope. */
const BODY_BYTES_MAX = 9 << 20
const BATCH_MAX = 1_000
const CONNECTIONS_MAX = 256
const REQUEST_TIMEOUT_MS = 30_000
const COOKIE_USER = '__cookie__'
const COOKIE_BYTES = 32

const REQUEST = z.object({
  jsonrpc: z.string().optional(),
  id: z.union([z.string(), z.number(), z.null()]).optional(),
  method: z.string(),
  params: z.unknown().optional(),
})
type Request = z.infer<typeof REQUEST>

interface Reply {
  readonly status: number
  readonly body: unknown
  readonly stops: boolean
}

/**
 * Listens, then writes the cookie: a client that finds it can connect.
 * @throws L1UnavailableError when the port is taken, L1ConfigurationError without credentials.
 */
export async function startRegtestServer(
  options: RegtestServerOptions,
  runtime: { readonly random: Random; readonly log: Logger },
): Promise<RegtestServer> {
  const { cookiePath, credentials } = options
  if (cookiePath === undefined && credentials === undefined) {
    throw new L1ConfigurationError('neither a cookie file nor credentials for the L1 server')
  }
  const cookie = `${COOKIE_USER}:${bytesToHex(runtime.random.bytes(COOKIE_BYTES))}`
  const accepted = [
    ...(cookiePath === undefined ? [] : [cookie]),
    ...(credentials === undefined ? [] : [credentials]),
  ]
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) => {
    void serve({ request, response, options, accepted, log: runtime.log })
  })
  server.maxConnections = CONNECTIONS_MAX
  const port = await listen(server, options.port)
  if (cookiePath !== undefined) await writeCookie(cookiePath, cookie)
  return {
    url: `http://${HOST}:${port}`,
    async stop() {
      if (cookiePath !== undefined) await rm(cookiePath, { force: true })
      const { promise, resolve } = Promise.withResolvers<undefined>()
      server.close(() => resolve(undefined))
      server.closeAllConnections()
      await promise
    },
  }
}

async function listen(server: Server, port: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>()
  server.once('error', (cause) => {
    reject(new L1UnavailableError(`cannot listen on ${HOST}:${port}`, { cause }))
  })
  server.listen(port, HOST, () => resolve(undefined))
  await promise
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : port
}

/** Never readable half-written, nor by others. */
async function writeCookie(path: string, cookie: string): Promise<void> {
  const temporary = `${path}.new`
  await rm(temporary, { force: true })
  await writeFile(temporary, cookie, { mode: 0o600, flag: 'wx' })
  await rename(temporary, path)
}

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly options: RegtestServerOptions
  readonly accepted: readonly string[]
  readonly log: Logger
}

async function serve({ request, response, options, accepted, log }: Exchange): Promise<void> {
  if (request.method !== 'POST') {
    response.writeHead(405).end('JSONRPC server handles only POST requests')
    return
  }
  if (!isAuthorised(request.headers.authorization, accepted)) {
    response.writeHead(401, { 'www-authenticate': 'Basic realm="jsonrpc"' }).end()
    return
  }
  let body: Uint8Array | undefined
  try {
    body = await readBody(request)
  } catch (cause) {
    // The caller went away in the middle of its request.
    log.debug({ cause }, 'L1 request not received')
    response.destroy()
    return
  }
  if (body === undefined) {
    response.writeHead(413, { connection: 'close' }).end()
    return
  }
  const reply = await answer(options.chain, body, log)
  if (reply.stops) response.once('finish', () => options.onStopRequested?.())
  if (reply.body === undefined) {
    response.writeHead(reply.status).end()
    return
  }
  const text = utf8(`${JSON.stringify(reply.body)}\n`)
  response.writeHead(reply.status, {
    'content-type': 'application/json',
    'content-length': text.length,
  })
  response.end(text)
}

/** Compares hashes, so that neither length nor content shows in the time it takes. */
function isAuthorised(header: string | undefined, accepted: readonly string[]): boolean {
  const given = sha256(utf8(header ?? ''))
  return accepted
    .map((credentials) => `Basic ${btoa(String.fromCharCode(...utf8(credentials)))}`)
    .some((expected) => timingSafeEqual(given, sha256(utf8(expected))))
}

async function readBody(request: IncomingMessage): Promise<Uint8Array | undefined> {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of request) {
    if (!(chunk instanceof Uint8Array)) continue
    bytes += chunk.length
    if (bytes > BODY_BYTES_MAX) return undefined
    parts.push(chunk)
  }
  return concatBytes(...parts)
}

async function answer(chain: RegtestChain, body: Uint8Array, log: Logger): Promise<Reply> {
  let parsed: unknown
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch {
    return failure(undefined, RpcCode.PARSE, 'Parse error')
  }
  if (!Array.isArray(parsed)) return await answerOne(chain, parsed, log)
  if (parsed.length === 0 || parsed.length > BATCH_MAX) {
    return failure(undefined, RpcCode.INVALID_REQUEST, `1 to ${BATCH_MAX} requests in a batch`)
  }
  const bodies: unknown[] = []
  let stops = false
  for (const item of parsed) {
    const reply = await answerOne(chain, item, log)
    if (reply.body !== undefined) bodies.push(reply.body)
    stops ||= reply.stops
  }
  return bodies.length === 0
    ? { status: 204, body: undefined, stops }
    : { status: 200, body: bodies, stops }
}

async function answerOne(chain: RegtestChain, item: unknown, log: Logger): Promise<Reply> {
  const parsed = REQUEST.safeParse(item)
  if (!parsed.success) {
    return failure(undefined, RpcCode.INVALID_REQUEST, 'Invalid Request object')
  }
  const request = parsed.data
  try {
    const result = await run(chain, request)
    return success(request, result)
  } catch (error) {
    if (error instanceof RpcFailure) return failure(request, error.code, error.message)
    log.error({ err: error, method: request.method }, 'L1 method failed')
    return failure(request, RpcCode.INTERNAL, 'Internal error')
  }
}

async function run(chain: RegtestChain, { method, params }: Request): Promise<unknown> {
  if (method === 'stop') return 'Bitcoin Core stopping'
  const found = REGTEST_METHODS.get(method)
  if (found === undefined) throw new RpcFailure(RpcCode.UNKNOWN_METHOD, 'Method not found')
  return await found.run(chain, new RpcArguments(found.parameters, params))
}

function success(request: Request, result: unknown): Reply {
  const stops = request.method === 'stop'
  if (request.jsonrpc !== '2.0') {
    return { status: 200, body: { result, error: null, id: request.id ?? null }, stops }
  }
  // JSON-RPC 2.0: a request without id is a notification and gets no answer.
  if (request.id === undefined) return { status: 204, body: undefined, stops }
  return { status: 200, body: { jsonrpc: '2.0', result, id: request.id }, stops }
}

function failure(request: Request | undefined, code: number, message: string): Reply {
  const id = request?.id ?? null
  const error = { code, message }
  if (request?.jsonrpc === '2.0') {
    return request.id === undefined
      ? { status: 204, body: undefined, stops: false }
      : { status: 200, body: { jsonrpc: '2.0', error, id }, stops: false }
  }
  return { status: failureStatus(code), body: { result: null, error, id }, stops: false }
}

function failureStatus(code: number): number {
  if (code === RpcCode.INVALID_REQUEST) return 400
  return code === RpcCode.UNKNOWN_METHOD ? 404 : 500
}
