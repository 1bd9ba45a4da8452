/** Reading a request's query and JSON body through a schema; what does not fit is 400. */

import type { Context } from 'hono'
import { z } from 'zod'
import type { ApiEnv } from './api-context.ts'
import { HttpError } from './problem.ts'

/** Characters of an explanation; the input it may quote can be long. */
const DETAIL_MAX = 300

function parse<T>(schema: z.ZodType<T>, data: unknown): T {
  const parsed = schema.safeParse(data)
  if (parsed.success) return parsed.data
  const detail = z.prettifyError(parsed.error).slice(0, DETAIL_MAX)
  throw new HttpError(400, detail, { code: 'invalid-request' })
}

/** @throws HttpError 400 */
export function parseQuery<T>(c: Context<ApiEnv>, schema: z.ZodType<T>): T {
  return parse(schema, c.req.query())
}

/**
 * Insists on the JSON content type: a page of another origin cannot send it without asking first.
 * @throws HttpError 400 or 415
 */
export async function parseBody<T>(c: Context<ApiEnv>, schema: z.ZodType<T>): Promise<T> {
  const type = c.req.header('Content-Type') ?? ''
  if (!/^application\/json\s*(?:;|$)/i.test(type)) {
    throw new HttpError(415, 'send Content-Type: application/json')
  }
  return parse(schema, parseJson(await c.req.text()))
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new HttpError(400, 'the body is not JSON', { code: 'malformed-json', cause })
  }
}
