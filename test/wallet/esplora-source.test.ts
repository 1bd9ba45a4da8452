import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import { afterEach, describe, expect, test } from 'vitest'
import { bytesToHex } from '../../src/primitives/bytes.ts'
import { sha256 } from '../../src/primitives/sha256.ts'
import type { ChainSource } from '../../src/wallet/chain-source.ts'
import { createEsploraSource } from '../../src/wallet/esplora-source.ts'

const SCRIPT = Uint8Array.of(0x51, 0x02, 0x4e, 0x73)
const HASH = bytesToHex(sha256(SCRIPT))
const TXID = 'ab'.repeat(32)

let server: Server | undefined
afterEach(() => {
  server?.closeAllConnections()
  server?.close()
})

/** A real HTTP server that gives one answer per path. */
async function serve(
  answers: Readonly<Record<string, unknown>>,
  options: { readonly timeoutMs?: number } = {},
): Promise<ChainSource> {
  server = createServer((request, response) => {
    const answer = answers[`${request.method} ${request.url}`] ?? answers[request.url ?? '']
    if (answer === undefined) response.writeHead(404).end('Transaction not found')
    else if (typeof answer === 'function') answer(response)
    else response.end(typeof answer === 'string' ? answer : JSON.stringify(answer))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') expect.unreachable()
  return createEsploraSource({ baseUrl: `http://127.0.0.1:${address.port}`, ...options })
}

const confirmed = { confirmed: true, block_height: 7, block_time: 1_700_000_000 }

function transaction(txid: string, status: object = confirmed): object {
  const output = { scriptpubkey: bytesToHex(SCRIPT), value: 5_000 }
  return { txid, fee: 200, vin: [{ prevout: output }, { prevout: null }], vout: [output], status }
}

describe('answers', () => {
  test('counts confirmed and unconfirmed transactions', async () => {
    const source = await serve({
      [`/scripthash/${HASH}`]: { chain_stats: { tx_count: 2 }, mempool_stats: { tx_count: 1 } },
    })
    expect(await source.countTransactions(SCRIPT)).toBe(3)
  })

  test('coins carry their height, or none while unconfirmed', async () => {
    const source = await serve({
      [`/scripthash/${HASH}/utxo`]: [
        { txid: TXID, vout: 1, value: 5_000, status: confirmed },
        { txid: TXID, vout: 2, value: 6_000, status: { confirmed: false } },
      ],
    })
    expect(await source.listCoins(SCRIPT)).toEqual([
      { outPoint: { txid: TXID, vout: 1 }, value: 5_000n, height: 7 },
      { outPoint: { txid: TXID, vout: 2 }, value: 6_000n, height: undefined },
    ])
  })

  test('transactions are paged until a short page', async () => {
    const ids = Array.from({ length: 30 }, (_, i) => i.toString(16).padStart(64, '0'))
    const source = await serve({
      [`/scripthash/${HASH}/txs`]: ids.slice(0, 25).map((id) => transaction(id)),
      [`/scripthash/${HASH}/txs/chain/${ids[24]}`]: ids.slice(25).map((id) => transaction(id)),
    })
    const found = await source.listTransactions(SCRIPT, 100)
    expect(found.map(({ txid }) => txid)).toEqual(ids)
    expect(found[0]?.spent[1]).toBeUndefined()
    expect(await source.listTransactions(SCRIPT, 3)).toHaveLength(3)
  })

  test('fee estimates have a floor of one and are rounded up', async () => {
    const low = await serve({ '/fee-estimates': { 1: 0.5, 3: 0.2 } })
    expect(await low.estimateFeeRate()).toBe(1_000n)
  })

  test('a broadcast returns the txid', async () => {
    const source = await serve({ 'POST /tx': `${TXID}\n` })
    expect(await source.broadcast(Uint8Array.of(1, 2))).toBe(TXID)
  })
})

describe('trouble', () => {
  test('a refused broadcast carries the node’s reason, made printable', async () => {
    const source = await serve({
      'POST /tx': (response: ServerResponse) =>
        response.writeHead(400).end('bad-txns-\u001b[31minputs-missingorspent'),
    })
    await expect(source.broadcast(Uint8Array.of(1))).rejects.toMatchObject({
      kind: 'rejected',
      message: expect.not.stringContaining('\u001b'),
    })
  })

  test.each([
    ['not JSON', '<html>'],
    ['another shape', { chain_stats: {} }],
    ['a negative count', { chain_stats: { tx_count: -1 }, mempool_stats: { tx_count: 0 } }],
  ])('%s is a bad answer', async (_name, answer) => {
    const source = await serve({ [`/scripthash/${HASH}`]: answer })
    await expect(source.countTransactions(SCRIPT)).rejects.toMatchObject({ kind: 'bad-answer' })
  })

  test('an amount above all the money there is is a bad answer', async () => {
    const coin = { txid: TXID, vout: 0, value: 2_100_000_000_000_001, status: confirmed }
    const source = await serve({ [`/scripthash/${HASH}/utxo`]: [coin] })
    await expect(source.listCoins(SCRIPT)).rejects.toMatchObject({ kind: 'bad-answer' })
  })

  test('an absurd fee estimate is not followed', async () => {
    const source = await serve({ '/fee-estimates': { 3: 5_000 } })
    await expect(source.estimateFeeRate()).rejects.toMatchObject({ kind: 'bad-answer' })
  })

  test('an endless answer is cut off', async () => {
    const source = await serve({
      '/fee-estimates': (response: ServerResponse) => {
        const block = 'x'.repeat(1_000_000)
        const more = (): void => {
          while (response.write(block));
        }
        response.on('drain', more)
        more()
      },
    })
    await expect(source.estimateFeeRate()).rejects.toMatchObject({ kind: 'bad-answer' })
  })

  test('a node that never answers is a timeout, one that is not there unreachable', async () => {
    const silent = await serve({ '/fee-estimates': () => undefined }, { timeoutMs: 50 })
    await expect(silent.estimateFeeRate()).rejects.toMatchObject({ kind: 'timeout' })
    server?.closeAllConnections()
    server?.close()
    await expect(silent.estimateFeeRate()).rejects.toMatchObject({ kind: 'unreachable' })
  })

  test('other statuses are refusals with the status', async () => {
    const source = await serve({})
    await expect(source.listCoins(SCRIPT)).rejects.toMatchObject({ kind: 'refused', status: 404 })
  })
})
