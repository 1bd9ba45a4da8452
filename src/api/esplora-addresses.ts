/**
 * Esplora's routes by address and by script hash. Chain totals come from the index; what waits in the
 * mempool is added up on demand, over a bounded number of transactions.
 */

import { type Context, Hono } from 'hono'
import { outPointKey, type Transaction, transactionId } from '../bitcoin/transaction.ts'
import { type Hash32, hash32FromBytes, type Txid } from '../primitives/hashes.ts'
import { sha256 } from '../primitives/sha256.ts'
import type { ApiContext, ApiEnv, RequestBudget } from './api-context.ts'
import { parseAddress, parseScriptHash, parseTxid } from './esplora-parameters.ts'
import { cacheFor, TTL_SHORT } from './esplora-replies.ts'
import { type TransactionReader, transactionReader } from './esplora-transactions.ts'
import {
  confirmedStatus,
  statsJson,
  type TransactionJson,
  type TransactionStatusJson,
  UNCONFIRMED,
} from './esplora-views.ts'
import type { HistoryEntry, ScriptStats } from './ports.ts'
import { HttpError } from './problem.ts'

const CHAIN_PER_PAGE = 25
const MEMPOOL_PER_PAGE = 50
/** Beyond it the client has to follow the script's history. */
const UNSPENT_MAX = 5_000
/** Waiting transactions of one script that are looked at; its totals leave the others out. */
const MEMPOOL_SCANNED_MAX = 1_000

interface ScriptRequest {
  readonly scriptHash: Hash32
  readonly budget: RequestBudget
}

interface UtxoJson {
  readonly txid: Txid
  readonly vout: number
  readonly status: TransactionStatusJson
  readonly value: number
}

export function addressRoutes(api: ApiContext): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>()
  const network = api.node.addressNetwork
  addScriptRoutes(routes, api, '/scripthash/:script', 'scripthash', parseScriptHash)
  addScriptRoutes(routes, api, '/address/:script', 'address', (text) => parseAddress(text, network))
  return routes
}

function addScriptRoutes(
  routes: Hono<ApiEnv>,
  api: ApiContext,
  path: '/scripthash/:script' | '/address/:script',
  name: 'scripthash' | 'address',
  parse: (text: string) => Hash32,
): void {
  const scripts = new ScriptReader(api)
  /** One reply within the gate for scans. */
  const reply = async (
    c: Context<ApiEnv>,
    text: string,
    work: (request: ScriptRequest) => Promise<object>,
  ): Promise<Response> => {
    const request = { scriptHash: parse(text), budget: c.get('budget') }
    const json = await api.scans.run(() => work(request))
    cacheFor(c, TTL_SHORT)
    return c.json(json)
  }
  routes.get(path, (c) => {
    const text = c.req.param('script')
    return reply(c, text, async (request) => ({
      [name]: text,
      ...(await scripts.summary(request)),
    }))
  })
  routes.get(`${path}/txs`, (c) =>
    reply(c, c.req.param('script'), (request) => scripts.transactions(request)),
  )
  routes.get(`${path}/txs/chain`, (c) =>
    reply(c, c.req.param('script'), (request) => scripts.confirmed(request, undefined)),
  )
  routes.get(`${path}/txs/chain/:last`, (c) => {
    const last = parseTxid(c.req.param('last'))
    return reply(c, c.req.param('script'), (request) => scripts.confirmed(request, last))
  })
  routes.get(`${path}/txs/mempool`, (c) =>
    reply(c, c.req.param('script'), (request) => scripts.waiting(request)),
  )
  routes.get(`${path}/utxo`, (c) =>
    reply(c, c.req.param('script'), (request) => scripts.unspent(request)),
  )
}

class ScriptReader {
  readonly #api: ApiContext
  readonly #reader: TransactionReader

  constructor(api: ApiContext) {
    this.#api = api
    this.#reader = transactionReader(api)
  }

  async summary(request: ScriptRequest): Promise<object> {
    const chain = await this.#api.queries.stats(request.scriptHash)
    const waiting = await this.#mempoolStats(request)
    return { chain_stats: statsJson(chain), mempool_stats: statsJson(waiting) }
  }

  /** What waits, then the newest page of the chain. */
  async transactions(request: ScriptRequest): Promise<readonly TransactionJson[]> {
    // The mempool first: a transaction that a block takes meanwhile shows twice, never not at all.
    const waiting = await this.waiting(request)
    const confirmed = await this.confirmed(request, undefined)
    const known = new Set(confirmed.map((view) => view.txid))
    return [...waiting.filter((view) => !known.has(view.txid)), ...confirmed]
  }

  async waiting({ scriptHash, budget }: ScriptRequest): Promise<readonly TransactionJson[]> {
    const views: TransactionJson[] = []
    const found = this.#api.node.mempool.byScript(scriptHash).slice(0, MEMPOOL_PER_PAGE)
    for (const transaction of found) views.push(await this.#reader.waiting(transaction, budget))
    return views
  }

  /** A page of the chain, newest first; after a transaction that is not in the chain, nothing. */
  async confirmed(
    { scriptHash, budget }: ScriptRequest,
    last: Txid | undefined,
  ): Promise<readonly TransactionJson[]> {
    const after = last === undefined ? undefined : this.#entryOf(last)
    if (last !== undefined && after === undefined) return []
    const page = { limit: CHAIN_PER_PAGE, ...(after === undefined ? {} : { after }) }
    const views: TransactionJson[] = []
    for (const { txid } of await this.#api.queries.history(scriptHash, page)) {
      const found = this.#api.queries.findTransaction(txid)
      if (found !== undefined) views.push(await this.#reader.confirmed(found, budget))
      await budget.breathe()
    }
    return views
  }

  #entryOf(txid: Txid): HistoryEntry | undefined {
    const found = this.#api.queries.findTransaction(txid)
    return found === undefined
      ? undefined
      : { txid, height: found.height, position: found.position }
  }

  /** Unspent outputs, counting what waits in the mempool. */
  async unspent({ scriptHash, budget }: ScriptRequest): Promise<readonly UtxoJson[]> {
    const { queries, node } = this.#api
    const coins = await queries.unspent(scriptHash, UNSPENT_MAX + 1)
    if (coins.length > UNSPENT_MAX) {
      throw new HttpError(400, `Too many unspent transaction outputs (>${UNSPENT_MAX})`)
    }
    await budget.breathe()
    const utxos = new Map<string, UtxoJson>()
    for (const { outPoint, coin } of coins) {
      if (node.mempool.spender(outPoint) !== undefined) continue
      const { height, value } = coin
      utxos.set(outPointKey(outPoint), {
        ...outPoint,
        status: this.#statusAt(height),
        value: Number(value),
      })
    }
    for (const transaction of this.#scanned(scriptHash)) {
      const txid = transactionId(transaction)
      for (const [vout, output] of transaction.outputs.entries()) {
        const outPoint = { txid, vout }
        if (scriptHashOf(output.script) !== scriptHash) continue
        if (node.mempool.spender(outPoint) !== undefined) continue
        const key = outPointKey(outPoint)
        if (utxos.has(key)) continue
        utxos.set(key, { ...outPoint, status: UNCONFIRMED, value: Number(output.value) })
      }
    }
    return [...utxos.values()]
  }

  #statusAt(height: number): TransactionStatusJson {
    const { queries } = this.#api
    const blockHash = queries.blockHashAt(height)
    const time = queries.blockTimeAt(height)
    if (blockHash !== undefined && time !== undefined) {
      return confirmedStatus({ height, blockHash, time })
    }
    return height <= queries.tip().height ? { confirmed: true, block_height: height } : UNCONFIRMED
  }

  #scanned(scriptHash: Hash32): readonly Transaction[] {
    return this.#api.node.mempool.byScript(scriptHash).slice(0, MEMPOOL_SCANNED_MAX)
  }

  async #mempoolStats({ scriptHash, budget }: ScriptRequest): Promise<ScriptStats> {
    const transactions = this.#scanned(scriptHash)
    let [fundedCount, fundedSum, spentCount, spentSum] = [0, 0n, 0, 0n]
    for (const transaction of transactions) {
      for (const output of transaction.outputs) {
        if (scriptHashOf(output.script) !== scriptHash) continue
        fundedCount++
        fundedSum += output.value
      }
      const prevouts = await this.#api.prevouts.find(transaction, false, budget)
      for (const output of prevouts.values()) {
        if (scriptHashOf(output.script) !== scriptHash) continue
        spentCount++
        spentSum += output.value
      }
    }
    return { txCount: transactions.length, fundedCount, fundedSum, spentCount, spentSum }
  }
}

function scriptHashOf(script: Uint8Array): Hash32 {
  return hash32FromBytes(sha256(script))
}
