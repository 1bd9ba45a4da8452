/**
 * The HTTP server: Esplora's API under `/api`, our own under `/v1`, `/healthz`, `/metrics`, and the first page. One
 * Hono application on Node's HTTP server, without TLS: a reverse proxy adds it. What comes first is
 * what protects: rates, time, size; nothing that a client sends can stop the node.
 */

import { createServer, type Server } from 'node:http'
import type { Server as NetServer, Socket } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { type Context, Hono, type MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import {
  type ApiContext,
  type ApiDependencies,
  type ApiEnv,
  isLoopback,
  limitKey,
} from './api-context.ts'
import { addressRoutes } from './esplora-addresses.ts'
import { blockRoutes } from './esplora-blocks.ts'
import { broadcastRoutes } from './esplora-broadcast.ts'
import { transactionRoutes } from './esplora-transactions.ts'
import { EventStreams } from './events-stream.ts'
import { firstPageRoutes, type PageFile, readFirstPage } from './first-page.ts'
import { type ApiLimits, DEFAULT_API_LIMITS } from './limits.ts'
import { respondMetrics } from './metrics.ts'
import { PrevoutReader } from './prevouts.ts'
import { HttpError, isEsploraPath, respondToError } from './problem.ts'
import { dryRunLimit, failedScriptLimit, rateLimit, scarceRateLimit } from './rate-limit.ts'
import { requestBudget } from './request-budget.ts'
import { ScanGate } from './scan-gate.ts'
import { respondHealth, v1Routes } from './v1-routes.ts'

/** For answers that are under way when the server stops. */
const STOP_GRACE_MS = 1_000
const CHECK_CONNECTIONS_MS = 2_000

export interface ApiServerOptions {
  /** Address to listen on. */
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
  /** Overrides of `DEFAULT_API_LIMITS`. */
  readonly limits?: Partial<ApiLimits>
}

export interface ApiServer {
  /** @throws ApiListenError */
  start(): Promise<{ readonly port: number }>
  /** Ends event streams and connections. */
  stop(): Promise<void>
}

/** The server cannot listen where it was told to. */
export class ApiListenError extends Error {
  override readonly name = 'ApiListenError'
}

export interface ApiApplication {
  readonly app: Hono<ApiEnv>
  readonly events: EventStreams
}

/** The application without a socket. `pageFiles` is what `readFirstPage` read. */
export function createApiApplication(
  dependencies: ApiDependencies,
  limits: ApiLimits = DEFAULT_API_LIMITS,
  pageFiles: readonly PageFile[] = [],
): ApiApplication {
  const { queries, node, log, clock } = dependencies
  const api: ApiContext = {
    ...dependencies,
    limits,
    prevouts: new PrevoutReader(queries, node.mempool),
    scans: new ScanGate(limits.concurrentScans, limits.queuedScansMax),
  }
  const events = new EventStreams(queries, node, limits, log)
  const app = new Hono<ApiEnv>()
  app.onError((thrown, c) => respondToError(c, thrown, log))
  app.notFound((c) => respondToError(c, notFoundError(c.req.path), log))
  app.use(securityHeaders)
  app.use(rateLimit(limits, clock))
  const scarce = scarceRateLimit(limits, clock)
  for (const path of ['/v1/deposit-address', '/v1/deposits/claim', '/v1/proofs/reserves']) {
    app.use(path, scarce)
  }
  const failing = failedScriptLimit(limits, clock)
  for (const path of ['/api/tx', '/api/txs/package', '/api/txs/test', '/v1/transactions']) {
    app.use(path, failing)
  }
  app.use('/api/txs/test', dryRunLimit(limits, clock))
  app.use(requestBudget(limits.requestTimeoutMs, clock))
  app.use(
    bodyLimit({
      maxSize: limits.bodyBytesMax,
      onError: () => {
        throw new HttpError(413, `body larger than ${limits.bodyBytesMax} bytes`)
      },
    }),
  )
  app.options('*', respondPreflight)
  app.get('/healthz', (c) => respondHealth(c, api))
  app.get('/metrics', (c) => respondMetrics(c, api))
  app.route('/v1', v1Routes(api, events))
  for (const routes of [blockRoutes, transactionRoutes, broadcastRoutes, addressRoutes]) {
    app.route('/api', routes(api))
  }
  app.route('/', firstPageRoutes(pageFiles))
  return { app, events }
}

function notFoundError(path: string): HttpError {
  const shown = path.slice(0, 200)
  if (!isEsploraPath(path)) return new HttpError(404, `there is nothing at ${shown}`)
  return new HttpError(404, `endpoint does not exist "${shown.slice('/api'.length)}"`)
}

/** Everybody may read; other origins' pages may not post. */
const securityHeaders: MiddlewareHandler<ApiEnv> = async (c, next) => {
  await next()
  c.header('X-Content-Type-Options', 'nosniff')
  c.header('Referrer-Policy', 'no-referrer')
  if (!c.res.headers.has('Content-Security-Policy')) {
    c.header('Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'")
  }
  const { method } = c.req
  if (method === 'GET' || method === 'HEAD') c.header('Access-Control-Allow-Origin', '*')
}

/** What a browser asks before an unusual request of another origin's page. */
function respondPreflight(c: Context<ApiEnv>): Response {
  return c.body(null, 204, {
    'Access-Control-Allow-Origin': '*',
    'Access-Control-Allow-Methods': 'GET, HEAD',
    'Access-Control-Allow-Headers': 'Last-Event-ID',
    'Access-Control-Max-Age': '86400',
  })
}

export function createApiServer(
  options: ApiServerOptions,
  dependencies: ApiDependencies,
): ApiServer {
  const limits = { ...DEFAULT_API_LIMITS, ...options.limits }
  const { log } = dependencies
  let server: Server | undefined
  let events: EventStreams | undefined
  let heartbeat: NodeJS.Timeout | undefined

  return {
    async start() {
      const application = createApiApplication(dependencies, limits, await readFirstPage())
      events = application.events
      server = createNodeServer(application.app, limits)
      const port = await listen(server, options)
      heartbeat = setInterval(() => application.events.heartbeat(), limits.heartbeatMs)
      log.info({ host: options.host, port }, 'HTTP API is listening')
      return { port }
    },
    async stop() {
      clearInterval(heartbeat)
      events?.close()
      const stopping = server
      server = undefined
      if (stopping === undefined) return
      const { promise, resolve } = Promise.withResolvers<void>()
      stopping.close(() => resolve())
      // Event streams get to send their end; whoever then still holds on is cut off.
      const cutOff = setTimeout(() => stopping.closeAllConnections(), STOP_GRACE_MS)
      await promise
      clearTimeout(cutOff)
    },
  }
}

/** With Node's own limits on slow and numerous connections. */
function createNodeServer(app: Hono<ApiEnv>, limits: ApiLimits): Server {
  const listener = getRequestListener(app.fetch)
  const server = createServer(
    {
      headersTimeout: limits.requestTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      // Node looks every 30 s otherwise: slow requests would live that much longer.
      connectionsCheckingInterval: CHECK_CONNECTIONS_MS,
    },
    (incoming, outgoing) => {
      void listener(incoming, outgoing)
    },
  )
  server.maxConnections = limits.connectionsMax
  limitConnections(server, limits.connectionsPerAddressMax)
  return server
}

/** No remote address may hold all the connections that there are. Surplus ones are cut at once. */
export function limitConnections(server: NetServer, perAddressMax: number): void {
  const open = new Map<string, number>()
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? 'local'
    if (isLoopback(address)) return
    const key = limitKey(address)
    const count = open.get(key) ?? 0
    if (count >= perAddressMax) {
      socket.destroy()
      return
    }
    open.set(key, count + 1)
    socket.once('close', () => {
      const left = (open.get(key) ?? 1) - 1
      if (left === 0) open.delete(key)
      else open.set(key, left)
    })
  })
}

async function listen(server: Server, { host, port }: ApiServerOptions): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const fail = (cause: Error): void => {
    reject(new ApiListenError(`cannot listen on ${host}:${port}: ${cause.message}`, { cause }))
  }
  server.once('error', fail)
  server.listen(port, host, () => {
    server.off('error', fail)
    const address = server.address()
    resolve(typeof address === 'object' && address !== null ? address.port : port)
  })
  return promise
}
