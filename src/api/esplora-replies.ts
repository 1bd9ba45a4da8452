/** How Esplora's replies are sent: cache lifetimes as electrs sets them, and bytes. */

import type { Context } from 'hono'
import type { ApiEnv } from './api-context.ts'

/** Seconds: five years, for what can never change. */
export const TTL_LONG = 157_784_630
/** For what the next block may change. */
export const TTL_SHORT = 10
export const TTL_MEMPOOL_RECENT = 5

export function cacheFor(c: Context<ApiEnv>, ttlSeconds: number): void {
  c.header('Cache-Control', `public, max-age=${ttlSeconds}`)
}

export function octets(c: Context<ApiEnv>, bytes: Uint8Array): Response {
  c.header('Content-Type', 'application/octet-stream')
  return c.body(new Uint8Array(bytes))
}
