/** Esplora's block routes. A block here is final, so whatever is under its hash never changes. */

import { type Context, Hono } from 'hono'
import { encodeHeader } from '../bitcoin/header.ts'
import { transactionId } from '../bitcoin/transaction.ts'
import { encodeBitcoinBlock } from '../chain/block.ts'
import { bytesToHex } from '../primitives/bytes.ts'
import type { BlockHash } from '../primitives/hashes.ts'
import type { ApiContext, ApiEnv } from './api-context.ts'
import { parseBlockHash, parseNumber } from './esplora-parameters.ts'
import { cacheFor, octets, TTL_LONG, TTL_SHORT } from './esplora-replies.ts'
import { transactionReader } from './esplora-transactions.ts'
import { type BlockJson, blockJson } from './esplora-views.ts'
import type { ChainQueries, StoredBlock } from './ports.ts'
import { HttpError } from './problem.ts'

const BLOCKS_PER_PAGE = 10
const TRANSACTIONS_PER_PAGE = 25

function mustFindBlock(queries: ChainQueries, text: string): StoredBlock {
  const block = queries.findBlock(parseBlockHash(text))
  if (block === undefined) throw new HttpError(404, 'Block not found')
  return block
}

/** From a height downwards, at most ten. */
function blockPage(queries: ChainQueries, fromHeight: number): BlockJson[] {
  const page: BlockJson[] = []
  const last = Math.max(0, fromHeight - BLOCKS_PER_PAGE + 1)
  for (let height = fromHeight; height >= last; height--) {
    const hash = queries.blockHashAt(height)
    const block = hash === undefined ? undefined : queries.findBlock(hash)
    if (block !== undefined) page.push(blockJson(block))
  }
  return page
}

export function blockRoutes(api: ApiContext): Hono<ApiEnv> {
  const { queries } = api
  const routes = new Hono<ApiEnv>()
  routes.get('/blocks/tip/height', (c) => {
    cacheFor(c, TTL_SHORT)
    return c.text(String(queries.tip().height))
  })
  routes.get('/blocks/tip/hash', (c) => {
    cacheFor(c, TTL_SHORT)
    return c.text(queries.tip().hash)
  })
  routes.get('/blocks', (c) => {
    cacheFor(c, TTL_SHORT)
    return c.json(blockPage(queries, queries.tip().height))
  })
  routes.get('/blocks/:height', (c) => {
    const height = parseNumber(c.req.param('height'))
    cacheFor(c, TTL_SHORT)
    return c.json(blockPage(queries, Math.min(height, queries.tip().height)))
  })
  routes.get('/block-height/:height', (c) => {
    const hash = queries.blockHashAt(parseNumber(c.req.param('height')))
    if (hash === undefined) throw new HttpError(404, 'Block not found')
    cacheFor(c, TTL_LONG)
    return c.text(hash)
  })
  addBlockRoutes(routes, api)
  addContentRoutes(routes, api)
  return routes
}

function addBlockRoutes(routes: Hono<ApiEnv>, { queries }: ApiContext): void {
  routes.get('/block/:hash', (c) => {
    const block = mustFindBlock(queries, c.req.param('hash'))
    cacheFor(c, TTL_LONG)
    return c.json(blockJson(block))
  })
  routes.get('/block/:hash/header', (c) => {
    const { block } = mustFindBlock(queries, c.req.param('hash'))
    cacheFor(c, TTL_LONG)
    return c.text(bytesToHex(encodeHeader(block.header)))
  })
  routes.get('/block/:hash/raw', (c) => {
    const { block } = mustFindBlock(queries, c.req.param('hash'))
    cacheFor(c, TTL_LONG)
    return octets(c, encodeBitcoinBlock(block))
  })
  routes.get('/block/:hash/status', (c) => blockStatus(c, queries, c.req.param('hash')))
}

/** 200 also for a hash that nobody knows, as electrs answers. */
function blockStatus(c: Context<ApiEnv>, queries: ChainQueries, text: string): Response {
  const hash: BlockHash = parseBlockHash(text)
  const block = queries.findBlock(hash)
  cacheFor(c, TTL_SHORT)
  if (block === undefined) return c.json({ in_best_chain: false, height: null, next_best: null })
  const next = queries.blockHashAt(block.height + 1)
  if (next !== undefined) cacheFor(c, TTL_LONG)
  return c.json({ in_best_chain: true, height: block.height, next_best: next ?? null })
}

function addContentRoutes(routes: Hono<ApiEnv>, api: ApiContext): void {
  const { queries, scans } = api
  const reader = transactionReader(api)

  async function transactionPage(
    c: Context<ApiEnv>,
    hash: string,
    start: number,
  ): Promise<Response> {
    const stored = mustFindBlock(queries, hash)
    const { transactions } = stored.block
    if (start % TRANSACTIONS_PER_PAGE !== 0) {
      // Electrs' own spelling.
      const text = `start index must be a multipication of ${TRANSACTIONS_PER_PAGE}`
      throw new HttpError(400, text)
    }
    if (start >= transactions.length) throw new HttpError(404, 'start index out of range')
    const page = transactions.slice(start, start + TRANSACTIONS_PER_PAGE)
    const place = {
      blockHash: stored.hash,
      height: stored.height,
      time: stored.block.header.time,
    }
    const views = await scans.run(async () => {
      const out = []
      for (const [index, transaction] of page.entries()) {
        const confirmed = { ...place, transaction, position: start + index }
        out.push(await reader.confirmed(confirmed, c.get('budget')))
      }
      return out
    })
    cacheFor(c, TTL_LONG)
    return c.json(views)
  }

  routes.get('/block/:hash/txs', (c) => transactionPage(c, c.req.param('hash'), 0))
  routes.get('/block/:hash/txs/:start', (c) =>
    transactionPage(c, c.req.param('hash'), parseNumber(c.req.param('start'))),
  )
  routes.get('/block/:hash/txids', (c) => {
    const { block } = mustFindBlock(queries, c.req.param('hash'))
    cacheFor(c, TTL_LONG)
    return c.json(block.transactions.map(transactionId))
  })
  routes.get('/block/:hash/txid/:index', (c) => {
    const { block } = mustFindBlock(queries, c.req.param('hash'))
    const transaction = block.transactions[parseNumber(c.req.param('index'))]
    if (transaction === undefined) throw new HttpError(404, 'tx index out of range')
    cacheFor(c, TTL_LONG)
    return c.text(transactionId(transaction))
  })
}
