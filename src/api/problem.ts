/**
 * Failures as clients see them: Esplora's plain text under `/api`, RFC 9457 problem+json elsewhere. A
 * failure that we did not foresee is logged and shown as 500 without its text.
 */

import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { Rejection, RejectionClass } from '../primitives/result.ts'
import type { Logger } from '../runtime/runtime.ts'
import type { ApiEnv } from './api-context.ts'
import type { ProblemView } from './schemas.ts'

export interface HttpErrorOptions {
  readonly code?: string
  readonly retryAfterSeconds?: number
  readonly cause?: unknown
}

/** A refusal that the client may read. Thrown by handlers, answered by `respondToError`. */
export class HttpError extends Error {
  override readonly name = 'HttpError'
  readonly status: ContentfulStatusCode
  /** Stable, for programs. */
  readonly code: string
  readonly retryAfterSeconds: number | undefined

  constructor(status: ContentfulStatusCode, message: string, options: HttpErrorOptions = {}) {
    super(message, { cause: options.cause })
    this.status = status
    this.code = options.code ?? defaultCode(status)
    this.retryAfterSeconds = options.retryAfterSeconds
  }
}

const TITLES = new Map<number, string>([
  [400, 'Bad Request'],
  [404, 'Not Found'],
  [413, 'Payload Too Large'],
  [415, 'Unsupported Media Type'],
  [429, 'Too Many Requests'],
  [500, 'Internal Server Error'],
  [503, 'Service Unavailable'],
  [504, 'Gateway Timeout'],
])

function titleOf(status: number): string {
  return TITLES.get(status) ?? 'Error'
}

function defaultCode(status: number): string {
  return titleOf(status).toLowerCase().replaceAll(' ', '-')
}

/** Refusals that are about the node's condition and not about the request. */
const UNAVAILABLE_CODES: ReadonlySet<string> = new Set([
  'not-synced',
  'peg-closed',
  'peg-frozen',
  'halted',
])

/** What a rule's refusal is in HTTP. */
export function rejectionError(rejection: Rejection): HttpError {
  const { code, detail } = rejection
  const status = UNAVAILABLE_CODES.has(code) ? 503 : CLASS_STATUS[rejection.class]
  return new HttpError(status, detail === undefined ? code : `${code}: ${detail}`, { code })
}

const CLASS_STATUS: Readonly<Record<RejectionClass, ContentfulStatusCode>> = {
  invalid: 400,
  policy: 400,
  missing: 404,
  premature: 503,
}

export function isEsploraPath(path: string): boolean {
  return path === '/api' || path.startsWith('/api/')
}

/** Answers anything that a handler threw. */
export function respondToError(c: Context<ApiEnv>, thrown: unknown, log: Logger): Response {
  if (thrown instanceof HttpError) return respondToHttpError(c, thrown)
  const { method, path } = c.req
  log.error({ err: thrown, method, path: path.slice(0, 200) }, 'request failed')
  return respondToHttpError(c, new HttpError(500, 'internal error'))
}

function respondToHttpError(c: Context<ApiEnv>, error: HttpError): Response {
  const headers: Record<string, string> = { 'Cache-Control': 'no-store' }
  if (error.retryAfterSeconds !== undefined) {
    headers['Retry-After'] = String(error.retryAfterSeconds)
  }
  if (isEsploraPath(c.req.path)) return c.text(error.message, error.status, headers)
  const problem: ProblemView = {
    type: 'about:blank',
    title: titleOf(error.status),
    status: error.status,
    code: error.code,
    detail: error.message,
  }
  headers['Content-Type'] = 'application/problem+json'
  return c.body(JSON.stringify(problem), error.status, headers)
}
