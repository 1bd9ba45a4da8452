/**
 * Esplora's transaction, mempool and fee routes, and mempool.space's recommended fees. Sending is in
 * `esplora-broadcast.ts`.
 */

import { type Context, Hono } from 'hono'
import { buildMerkleProof } from '../bitcoin/merkle.ts'
import {
  encodeTransaction,
  type OutPoint,
  type Transaction,
  transactionId,
} from '../bitcoin/transaction.ts'
import { bytesToHex } from '../primitives/bytes.ts'
import type { Txid } from '../primitives/hashes.ts'
import type { ApiContext, ApiEnv, RequestBudget } from './api-context.ts'
import { parseNumber, parseTxid } from './esplora-parameters.ts'
import { cacheFor, octets, TTL_LONG, TTL_MEMPOOL_RECENT, TTL_SHORT } from './esplora-replies.ts'
import {
  confirmedStatus,
  type TransactionJson,
  type TransactionStatusJson,
  transactionJson,
  UNCONFIRMED,
} from './esplora-views.ts'
import { mempoolDigester } from './mempool-digest.ts'
import { encodeMerkleBlock } from './merkle-block.ts'
import type { ConfirmedTransaction, StoredBlock } from './ports.ts'
import { isMint } from './prevouts.ts'
import { HttpError } from './problem.ts'

// --- reading --------------------------------------------------------------------------------

export interface TransactionReader {
  confirmed(found: ConfirmedTransaction, budget: RequestBudget): Promise<TransactionJson>
  waiting(transaction: Transaction, budget: RequestBudget): Promise<TransactionJson>
  /** Where an output went: Esplora's "outspend". */
  outspend(outPoint: OutPoint): object
}

export function transactionReader({ queries, node, prevouts }: ApiContext): TransactionReader {
  const networks = { here: node.addressNetwork, l1: node.l1AddressNetwork }

  function statusAt(height: number): TransactionStatusJson {
    const blockHash = queries.blockHashAt(height)
    const time = queries.blockTimeAt(height)
    if (blockHash === undefined || time === undefined) return UNCONFIRMED
    return confirmedStatus({ height, blockHash, time })
  }

  return {
    async confirmed(found, budget) {
      const { transaction, position } = found
      const mint = isMint(transaction, position, queries)
      return transactionJson(transaction, {
        prevouts: await prevouts.find(transaction, mint, budget),
        isMint: mint,
        status: confirmedStatus(found),
        networks,
      })
    },
    async waiting(transaction, budget) {
      return transactionJson(transaction, {
        prevouts: await prevouts.find(transaction, false, budget),
        isMint: false,
        status: UNCONFIRMED,
        networks,
      })
    },
    outspend(outPoint) {
      const spend = queries.findSpend(outPoint)
      if (spend !== undefined) {
        const { txid, vin, height } = spend
        return { spent: true, txid, vin, status: statusAt(height) }
      }
      const waiting = node.mempool.spender(outPoint)
      return waiting === undefined
        ? { spent: false }
        : { spent: true, txid: waiting.txid, vin: waiting.vin, status: UNCONFIRMED }
    },
  }
}

interface Found {
  readonly transaction: Transaction
  readonly confirmed: ConfirmedTransaction | undefined
}

function mustFind({ queries, node }: ApiContext, text: string): Found {
  const txid = parseTxid(text)
  const confirmed = queries.findTransaction(txid)
  const transaction = confirmed?.transaction ?? node.mempool.find(txid)
  if (transaction === undefined) throw new HttpError(404, 'Transaction not found')
  return { transaction, confirmed }
}

function cacheAs(c: Context<ApiEnv>, confirmed: ConfirmedTransaction | undefined): void {
  cacheFor(c, confirmed === undefined ? TTL_SHORT : TTL_LONG)
}

// --- routes ---------------------------------------------------------------------------------

export function transactionRoutes(api: ApiContext): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>()
  addTransactionRoutes(routes, api)
  addProofRoutes(routes, api)
  addSpendRoutes(routes, api)
  addMempoolRoutes(routes, api)
  return routes
}

function addTransactionRoutes(routes: Hono<ApiEnv>, api: ApiContext): void {
  const reader = transactionReader(api)
  routes.get('/tx/:txid', async (c) => {
    const { transaction, confirmed } = mustFind(api, c.req.param('txid'))
    const budget = c.get('budget')
    const view = await api.scans.run(() =>
      confirmed === undefined
        ? reader.waiting(transaction, budget)
        : reader.confirmed(confirmed, budget),
    )
    cacheAs(c, confirmed)
    return c.json(view)
  })
  routes.get('/tx/:txid/status', (c) => {
    const confirmed = api.queries.findTransaction(parseTxid(c.req.param('txid')))
    cacheAs(c, confirmed)
    return c.json(confirmed === undefined ? UNCONFIRMED : confirmedStatus(confirmed))
  })
  routes.get('/tx/:txid/hex', (c) => {
    const { transaction, confirmed } = mustFind(api, c.req.param('txid'))
    cacheAs(c, confirmed)
    return c.text(bytesToHex(encodeTransaction(transaction)))
  })
  routes.get('/tx/:txid/raw', (c) => {
    const { transaction, confirmed } = mustFind(api, c.req.param('txid'))
    cacheAs(c, confirmed)
    return octets(c, encodeTransaction(transaction))
  })
}

function addProofRoutes(routes: Hono<ApiEnv>, { queries }: ApiContext): void {
  /** A confirmed transaction with its block and the ids of that block. */
  function mustFindInBlock(text: string): {
    confirmed: ConfirmedTransaction
    stored: StoredBlock
    ids: readonly Txid[]
  } {
    const confirmed = queries.findTransaction(parseTxid(text))
    const stored = confirmed === undefined ? undefined : queries.findBlock(confirmed.blockHash)
    if (confirmed === undefined || stored === undefined) {
      throw new HttpError(404, 'Transaction not found or is unconfirmed')
    }
    return { confirmed, stored, ids: stored.block.transactions.map(transactionId) }
  }
  routes.get('/tx/:txid/merkle-proof', (c) => {
    const { confirmed, ids } = mustFindInBlock(c.req.param('txid'))
    const proof = buildMerkleProof(ids, confirmed.position)
    cacheFor(c, TTL_LONG)
    return c.json({ block_height: confirmed.height, merkle: proof.branch, pos: proof.position })
  })
  routes.get('/tx/:txid/merkleblock-proof', (c) => {
    const { confirmed, stored, ids } = mustFindInBlock(c.req.param('txid'))
    const bytes = encodeMerkleBlock(stored.block.header, ids, confirmed.position)
    cacheFor(c, TTL_LONG)
    return c.text(bytesToHex(bytes))
  })
}

function addSpendRoutes(routes: Hono<ApiEnv>, api: ApiContext): void {
  const reader = transactionReader(api)
  routes.get('/tx/:txid/outspend/:vout', (c) => {
    const txid = parseTxid(c.req.param('txid'))
    const vout = parseNumber(c.req.param('vout'))
    cacheFor(c, TTL_SHORT)
    return c.json(reader.outspend({ txid, vout }))
  })
  routes.get('/tx/:txid/outspends', (c) => {
    const { transaction } = mustFind(api, c.req.param('txid'))
    const txid = transactionId(transaction)
    cacheFor(c, TTL_SHORT)
    return c.json(transaction.outputs.map((_output, vout) => reader.outspend({ txid, vout })))
  })
}

function addMempoolRoutes(routes: Hono<ApiEnv>, { node, clock }: ApiContext): void {
  const digest = mempoolDigester(node.mempool, clock)
  routes.get('/mempool', (c) => {
    cacheFor(c, TTL_SHORT)
    return c.json(digest().summary)
  })
  routes.get('/mempool/txids', (c) => {
    cacheFor(c, TTL_SHORT)
    return c.json(node.mempool.all().map((item) => transactionId(item.transaction)))
  })
  routes.get('/mempool/recent', (c) => {
    cacheFor(c, TTL_MEMPOOL_RECENT)
    return c.json(digest().recent)
  })
  routes.get('/fee-estimates', (c) => {
    cacheFor(c, TTL_SHORT)
    return c.json(digest().estimates)
  })
  routes.get('/v1/fees/recommended', (c) => {
    cacheFor(c, TTL_SHORT)
    return c.json(digest().recommended)
  })
}
