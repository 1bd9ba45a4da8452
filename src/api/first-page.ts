/**
 * The page at `/`: a few files, read once at the start. It asks this server and nobody else, which the
 * content security policy enforces.
 */

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { Hono } from 'hono'
import type { ApiEnv } from './api-context.ts'

const FILES = [
  { path: '/', name: 'index.html', type: 'text/html; charset=utf-8' },
  { path: '/page.js', name: 'page.js', type: 'text/javascript; charset=utf-8' },
  { path: '/peg.js', name: 'peg.js', type: 'text/javascript; charset=utf-8' },
  { path: '/draw.js', name: 'draw.js', type: 'text/javascript; charset=utf-8' },
  { path: '/style.css', name: 'style.css', type: 'text/css; charset=utf-8' },
] as const

export const PAGE_SECURITY_POLICY =
  "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

export interface PageFile {
  readonly path: string
  readonly type: string
  readonly text: string
  readonly etag: string
}

/** The page is part of the program and cannot be read. */
export class FirstPageError extends Error {
  override readonly name = 'FirstPageError'
}

/** @throws FirstPageError */
export async function readFirstPage(): Promise<readonly PageFile[]> {
  try {
    return await Promise.all(
      FILES.map(async ({ path, name, type }) => {
        const text = await readFile(new URL(`page/${name}`, import.meta.url), 'utf8')
        const etag = `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"`
        return { path, type, text, etag }
      }),
    )
  } catch (cause) {
    throw new FirstPageError('cannot read the files of the first page', { cause })
  }
}

export function firstPageRoutes(files: readonly PageFile[]): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>()
  for (const { path, type, text, etag } of files) {
    routes.get(path, (c) => {
      c.header('Content-Security-Policy', PAGE_SECURITY_POLICY)
      c.header('Cache-Control', 'no-cache')
      c.header('ETag', etag)
      if (c.req.header('If-None-Match') === etag) return c.body(null, 304)
      return c.body(text, 200, { 'Content-Type': type })
    })
  }
  return routes
}
