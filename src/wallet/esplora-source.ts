/**
 * `ChainSource` over Esplora's HTTP API (Blockstream/esplora, API.md): scripthash stats, coins and
 * transactions, fee estimates, broadcast. Script hashes are SHA256 of the script in natural order.
 */

import { z } from 'zod'
import { bytesToHex, hexToBytes, isHex } from '../primitives/bytes.ts'
import { type Txid, toTxid } from '../primitives/hashes.ts'
import { sha256 } from '../primitives/sha256.ts'
import { MAX_SATS, sats } from '../primitives/units.ts'
import { boundedFetch, type HttpAnswer } from './bounded-fetch.ts'
import {
  type ChainSource,
  type SourceCoin,
  SourceError,
  type SourceOutput,
  type SourceTransaction,
} from './chain-source.ts'
import { type FeeRate, feeRate, MIN_FEE_RATE } from './fee-rate.ts'

export interface EsploraOptions {
  /** Without trailing slash, e.g. `http://127.0.0.1:3080/api`. */
  readonly baseUrl: string
  /** For each request. @default 15_000 */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal | undefined
}

/** A page of 25 transactions at the relay limit of 400 kB, in hex and JSON, stays below. */
const MAX_ANSWER_BYTES = 32_000_000
/** Esplora's page of confirmed transactions. */
const PAGE_LENGTH = 25
const MAX_COINS = 10_000
const MAX_PARTS = 25_000
/** Highest estimate believed, sat/vB: beyond, the user must say so himself. */
const MAX_ESTIMATE = 1_000

const txidSchema = z
  .string()
  .refine((text) => isHex(text, 32), 'not a txid')
  .transform(toTxid)
const satsSchema = z
  .int()
  .min(0)
  .max(Number(MAX_SATS))
  .transform((value) => sats(value))
const scriptSchema = z
  .string()
  .max(20_000)
  .refine((text) => isHex(text), 'not hex')
  .transform(hexToBytes)
const statusSchema = z.object({
  confirmed: z.boolean(),
  block_height: z.int().min(0).nullish(),
  block_time: z.int().min(0).nullish(),
})
const countSchema = z.object({ tx_count: z.int().min(0) })
const statsSchema = z.object({ chain_stats: countSchema, mempool_stats: countSchema })
const coinsSchema = z
  .array(
    z.object({
      txid: txidSchema,
      vout: z.int().min(0).max(0xffffffff),
      value: satsSchema,
      status: statusSchema,
    }),
  )
  .max(MAX_COINS)
const outputSchema = z.object({ scriptpubkey: scriptSchema, value: satsSchema })
const transactionsSchema = z
  .array(
    z.object({
      txid: txidSchema,
      fee: satsSchema,
      vin: z.array(z.object({ prevout: outputSchema.nullish() })).max(MAX_PARTS),
      vout: z.array(outputSchema).max(MAX_PARTS),
      status: statusSchema,
    }),
  )
  .max(PAGE_LENGTH * 3)
const estimatesSchema = z.record(z.string(), z.number().min(0))

export function createEsploraSource(options: EsploraOptions): ChainSource {
  const limits = {
    timeoutMs: options.timeoutMs ?? 15_000,
    maxBytes: MAX_ANSWER_BYTES,
    signal: options.signal,
  }

  async function get<T>(path: string, schema: z.ZodType<T>): Promise<T> {
    const answer = await boundedFetch(`${options.baseUrl}${path}`, limits)
    if (answer.status !== 200) throw refusal(answer)
    return parse(answer, schema)
  }

  return {
    async countTransactions(script) {
      const stats = await get(`/scripthash/${scriptHash(script)}`, statsSchema)
      return stats.chain_stats.tx_count + stats.mempool_stats.tx_count
    },

    async listCoins(script): Promise<readonly SourceCoin[]> {
      const coins = await get(`/scripthash/${scriptHash(script)}/utxo`, coinsSchema)
      return coins.map(({ txid, vout, value, status }) => ({
        outPoint: { txid, vout },
        value,
        height: heightOf(status),
      }))
    },

    async listTransactions(script, limit) {
      const root = `/scripthash/${scriptHash(script)}/txs`
      const found = (await get(root, transactionsSchema)).map(toTransaction)
      while (found.length < limit) {
        const last = found.at(-1)
        const confirmed = found.filter(({ height }) => height !== undefined)
        // A full page of confirmed transactions may have a next one.
        if (last === undefined || confirmed.length === 0) break
        if (confirmed.length % PAGE_LENGTH !== 0) break
        const page = await get(`${root}/chain/${last.txid}`, transactionsSchema)
        if (page.length === 0) break
        found.push(...page.map(toTransaction))
      }
      return found.slice(0, limit)
    },

    async estimateFeeRate(): Promise<FeeRate> {
      const estimates = await get('/fee-estimates', estimatesSchema)
      const soon = estimates['3'] ?? estimates['1'] ?? Object.values(estimates)[0] ?? 1
      if (soon > MAX_ESTIMATE) {
        throw new SourceError('bad-answer', `the node estimates ${soon} sat/vB, beyond belief`)
      }
      const rate = feeRate(BigInt(Math.ceil(soon * 1_000)))
      return rate < MIN_FEE_RATE ? MIN_FEE_RATE : rate
    },

    async broadcast(transaction): Promise<Txid> {
      const answer = await boundedFetch(`${options.baseUrl}/tx`, limits, {
        method: 'POST',
        headers: { 'content-type': 'text/plain' },
        body: bytesToHex(transaction),
      })
      const text = shortText(answer)
      if (answer.status === 400) {
        throw new SourceError('rejected', `the node rejected the transaction: ${text}`, {
          status: 400,
        })
      }
      if (answer.status !== 200) throw refusal(answer)
      if (!isHex(text, 32)) throw new SourceError('bad-answer', 'the node answered no txid')
      return toTxid(text)
    },
  }
}

/** SHA256 of the script, hex, natural order. */
function scriptHash(script: Uint8Array): string {
  return bytesToHex(sha256(script))
}

function parse<T>(answer: HttpAnswer, schema: z.ZodType<T>): T {
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(answer.body))
  } catch (cause) {
    throw new SourceError('bad-answer', 'the node answered something that is not JSON', { cause })
  }
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data
  throw new SourceError('bad-answer', `unexpected answer: ${z.prettifyError(parsed.error)}`, {
    cause: parsed.error,
  })
}

function refusal(answer: HttpAnswer): SourceError {
  return new SourceError('refused', `the node answered ${answer.status}: ${shortText(answer)}`, {
    status: answer.status,
  })
}

/** The body as one short printable line: it goes to a terminal. */
function shortText(answer: HttpAnswer): string {
  const text = new TextDecoder().decode(answer.body.subarray(0, 500))
  return text.replaceAll(/[^\x20-\x7e]+/g, ' ').trim()
}

type Status = z.infer<typeof statusSchema>

function heightOf(status: Status): number | undefined {
  return status.confirmed ? (status.block_height ?? undefined) : undefined
}

function toOutput(output: z.infer<typeof outputSchema>): SourceOutput {
  return { script: output.scriptpubkey, value: output.value }
}

function toTransaction(tx: z.infer<typeof transactionsSchema>[number]): SourceTransaction {
  return {
    txid: tx.txid,
    fee: tx.fee,
    spent: tx.vin.map(({ prevout }) =>
      prevout === null || prevout === undefined ? undefined : toOutput(prevout),
    ),
    outputs: tx.vout.map(toOutput),
    height: heightOf(tx.status),
    blockTime: tx.status.confirmed ? (tx.status.block_time ?? undefined) : undefined,
  }
}
