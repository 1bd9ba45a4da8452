/**
 * HTTP requests to a server that may be slow or hostile: a deadline over the whole exchange,
 * redirects refused, and a body read only as far as a stated limit.
 */

import { SourceError } from './chain-source.ts'

export interface FetchLimits {
  readonly timeoutMs: number
  readonly maxBytes: number
  /** Ends the request early; the caller's reason is thrown. */
  readonly signal?: AbortSignal | undefined
}

export interface HttpAnswer {
  readonly status: number
  readonly body: Uint8Array
  readonly contentType: string
}

/** @throws SourceError `unreachable`, `timeout` or `bad-answer` (too long); never for a status. */
export async function boundedFetch(
  url: string,
  limits: FetchLimits,
  request: RequestInit = {},
): Promise<HttpAnswer> {
  const deadline = AbortSignal.timeout(limits.timeoutMs)
  const signal = limits.signal === undefined ? deadline : AbortSignal.any([deadline, limits.signal])
  try {
    const response = await fetch(url, { ...request, redirect: 'error', signal })
    return {
      status: response.status,
      body: await readBody(response, limits.maxBytes),
      contentType: response.headers.get('content-type') ?? '',
    }
  } catch (cause) {
    if (cause instanceof SourceError) throw cause
    if (limits.signal?.aborted === true) throw limits.signal.reason
    const { origin } = new URL(url)
    if (deadline.aborted) {
      const seconds = limits.timeoutMs / 1_000
      throw new SourceError('timeout', `${origin} did not answer within ${seconds} s`, { cause })
    }
    throw new SourceError('unreachable', `cannot reach ${origin}: ${reason(cause)}`, { cause })
  }
}

async function readBody(response: Response, maxBytes: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let length = 0
  if (response.body !== null) {
    for await (const part of response.body) {
      length += part.length
      if (length > maxBytes) {
        throw new SourceError('bad-answer', `the answer is longer than ${maxBytes} bytes`)
      }
      parts.push(part)
    }
  }
  const body = new Uint8Array(length)
  let offset = 0
  for (const part of parts) {
    body.set(part, offset)
    offset += part.length
  }
  return body
}

/** undici hides the system's reason one level down. */
function reason(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  return cause.cause instanceof Error && cause.cause.message !== ''
    ? cause.cause.message
    : cause.message
}
