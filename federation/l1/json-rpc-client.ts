/**
 * bitcoind's JSON-RPC 1.0 over HTTP with keep-alive: one call, one answer. Everything that comes back
 * is hostile until it is checked: bytes are counted before they are kept, the envelope is validated
 * here, the result by the caller. Left out: batches, TLS (put a tunnel in front), wallets' own paths.
 */

import { readFile } from 'node:fs/promises'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { z } from 'zod'
import { concatBytes, utf8 } from '../../src/primitives/bytes.ts'
import {
  L1ConfigurationError,
  L1ProtocolError,
  L1RpcError,
  L1UnavailableError,
} from './l1-error.ts'

export interface JsonRpcClientOptions {
  /** `http://host:port`, or with `user:password@` before the host. */
  readonly url: string
  /** bitcoind's `.cookie` file, where the URL holds no credentials; read again when refused. */
  readonly cookiePath?: string
  /** For a whole call; by default 30 seconds. */
  readonly timeoutMs?: number
}

export interface CallLimits {
  /** Of the answer; by default 1 MiB. */
  readonly responseBytesMax?: number
}

export interface JsonRpcClient {
  /** @throws L1UnavailableError, L1ProtocolError, L1RpcError */
  call(method: string, parameters: readonly unknown[], limits?: CallLimits): Promise<unknown>
  /** Calls under way reject. */
  close(): void
}

const TIMEOUT_MS = 30_000
const RESPONSE_BYTES_MAX = 1 << 20
/** bitcoind serves a handful of calls at a time and queues 16 more. */
const CONNECTIONS_MAX = 4
/** Calls waiting here; beyond it the node is too slow for us, which is as good as down. */
const PENDING_MAX = 256
const COOKIE_BYTES_MAX = 1_024
const MESSAGE_LENGTH_MAX = 300
/** RPC_IN_WARMUP */
const CODE_WARMING_UP = -28

const ENVELOPE = z.object({
  result: z.unknown().optional(),
  error: z.object({ code: z.int(), message: z.string() }).nullish(),
  id: z.union([z.string(), z.number(), z.null()]),
})

interface Target {
  readonly hostname: string
  readonly port: string
  readonly path: string
  /** `user:password`; undefined when a cookie file is used. */
  readonly credentials: string | undefined
}

interface Answer {
  readonly status: number
  readonly body: Uint8Array
}

/** @throws L1ConfigurationError when the URL is not `http:` or there are no credentials. */
export function createJsonRpcClient(options: JsonRpcClientOptions): JsonRpcClient {
  return new HttpJsonRpcClient(options)
}

class HttpJsonRpcClient implements JsonRpcClient {
  readonly #target: Target
  readonly #cookiePath: string | undefined
  readonly #timeoutMs: number
  readonly #agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS_MAX })
  readonly #closing = new AbortController()
  #cookie: string | undefined
  #pending = 0
  #lastId = 0

  constructor(options: JsonRpcClientOptions) {
    this.#target = parseTarget(options.url)
    this.#cookiePath = options.cookiePath
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS
    if (this.#target.credentials === undefined && this.#cookiePath === undefined) {
      throw new L1ConfigurationError('neither user and password nor a cookie file for the L1 node')
    }
  }

  async call(
    method: string,
    parameters: readonly unknown[],
    limits: CallLimits = {},
  ): Promise<unknown> {
    if (this.#pending >= PENDING_MAX) {
      throw new L1UnavailableError(`${PENDING_MAX} calls already wait for the L1 node`)
    }
    this.#pending += 1
    try {
      this.#lastId += 1
      const id = this.#lastId
      const body = utf8(JSON.stringify({ jsonrpc: '1.0', id, method, params: parameters }))
      const bytesMax = limits.responseBytesMax ?? RESPONSE_BYTES_MAX
      const answer = await this.#authorised(body, bytesMax)
      return readResult(method, id, answer)
    } finally {
      this.#pending -= 1
    }
  }

  close(): void {
    this.#closing.abort()
    this.#agent.destroy()
  }

  /** bitcoind writes a new cookie at every start: refused once, read the file again. */
  async #authorised(body: Uint8Array, bytesMax: number): Promise<Answer> {
    const fixed = this.#target.credentials
    const first = await this.#send(
      body,
      fixed ?? this.#cookie ?? (await this.#readCookie()),
      bytesMax,
    )
    if (first.status !== 401) return first
    if (fixed === undefined) {
      const second = await this.#send(body, await this.#readCookie(), bytesMax)
      if (second.status !== 401) return second
    }
    throw new L1UnavailableError('the L1 node refuses our credentials')
  }

  async #readCookie(): Promise<string> {
    const path = this.#cookiePath ?? ''
    let text: string
    try {
      text = await readFile(path, 'utf8')
    } catch (cause) {
      throw new L1UnavailableError(`no cookie file ${path}: is the L1 node running?`, { cause })
    }
    const cookie = text.trim()
    if (cookie.length > COOKIE_BYTES_MAX || !/^[\x21-\x7e]+:[\x21-\x7e]+$/.test(cookie)) {
      throw new L1UnavailableError(`${path} is no cookie file`)
    }
    this.#cookie = cookie
    return cookie
  }

  /** Sends again, once, when a kept connection turns out to have died: every call is idempotent. */
  async #send(body: Uint8Array, credentials: string, bytesMax: number): Promise<Answer> {
    try {
      return await this.#attempt(body, credentials, bytesMax)
    } catch (thrown) {
      if (thrown instanceof StaleConnection) return await this.#attempt(body, credentials, bytesMax)
      throw thrown
    }
  }

  async #attempt(body: Uint8Array, credentials: string, bytesMax: number): Promise<Answer> {
    const timeout = AbortSignal.timeout(this.#timeoutMs)
    const signal = AbortSignal.any([timeout, this.#closing.signal])
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const request = httpRequest({
      agent: this.#agent,
      host: this.#target.hostname,
      port: this.#target.port,
      path: this.#target.path,
      method: 'POST',
      signal,
      headers: {
        'content-type': 'application/json',
        'content-length': body.length,
        authorization: `Basic ${base64(credentials)}`,
      },
    })
    const fail = (cause: Error): void => {
      const isStale = request.reusedSocket && isReset(cause) && !signal.aborted
      const why = timeout.aborted ? `no answer within ${this.#timeoutMs} ms` : cause.message
      reject(
        isStale
          ? new StaleConnection(cause.message, { cause })
          : new L1UnavailableError(`cannot reach the L1 node: ${why}`, { cause }),
      )
    }
    request.on('error', fail)
    request.on('response', (response) => {
      readBody(response, bytesMax).then(resolve, (thrown: unknown) => {
        request.destroy()
        if (thrown instanceof L1ProtocolError) reject(thrown)
        else fail(thrown instanceof Error ? thrown : new TypeError(String(thrown)))
      })
    })
    request.end(body)
    return await promise
  }
}

/** A kept connection was closed by the other side before the answer began. */
class StaleConnection extends Error {
  override readonly name = 'StaleConnection'
}

function isReset(error: Error): boolean {
  return 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
}

async function readBody(response: IncomingMessage, bytesMax: number): Promise<Answer> {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response) {
    if (!(chunk instanceof Uint8Array)) continue
    bytes += chunk.length
    if (bytes > bytesMax) {
      throw new L1ProtocolError(`an answer of more than ${bytesMax} bytes`)
    }
    parts.push(chunk)
  }
  return { status: response.statusCode ?? 0, body: concatBytes(...parts) }
}

/** @throws L1UnavailableError, L1ProtocolError, L1RpcError */
function readResult(method: string, id: number, { status, body }: Answer): unknown {
  // 403: not in -rpcallowip; 503: the work queue is full.
  if (status === 403 || status === 503) {
    throw new L1UnavailableError(`the L1 node refuses to serve us (HTTP ${status})`)
  }
  const parsed = ENVELOPE.safeParse(parseJson(method, status, body))
  if (!parsed.success) {
    throw new L1ProtocolError(`${method}: the answer is no JSON-RPC response (HTTP ${status})`)
  }
  const { error, result } = parsed.data
  if (parsed.data.id !== id && !(parsed.data.id === null && error !== null)) {
    throw new L1ProtocolError(`${method}: an answer to another call`)
  }
  if (error === null || error === undefined) return result
  const message = printable(error.message)
  if (error.code === CODE_WARMING_UP) {
    throw new L1UnavailableError(`the L1 node is starting: ${message}`)
  }
  throw new L1RpcError(method, error.code, message)
}

function parseJson(method: string, status: number, body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch (cause) {
    throw new L1ProtocolError(`${method}: the answer is not JSON (HTTP ${status})`, { cause })
  }
}

/** The node's words go to logs and terminals: one bounded line of visible characters. */
function printable(text: string): string {
  return text.slice(0, MESSAGE_LENGTH_MAX).replaceAll(/[^\x20-\x7e]+/g, ' ')
}

function base64(text: string): string {
  return btoa(String.fromCharCode(...utf8(text)))
}

function parseTarget(text: string): Target {
  const url = URL.parse(text)
  if (url === null || url.protocol !== 'http:' || url.hostname === '') {
    throw new L1ConfigurationError('the L1 node is named as http://host:port')
  }
  const credentials =
    url.username === ''
      ? undefined
      : `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
  return {
    hostname: url.hostname.replaceAll(/^\[|\]$/g, ''),
    port: url.port === '' ? '80' : url.port,
    path: url.pathname,
    credentials,
  }
}
