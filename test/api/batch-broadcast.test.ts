import { beforeEach, describe, expect, it } from 'vitest'
import {
  encodeTransaction,
  type Transaction,
  transactionId,
} from '../../src/bitcoin/transaction.ts'
import { bytesToHex } from '../../src/primitives/bytes.ts'
import { reject } from '../../src/primitives/result.ts'
import { spend, World } from '../mempool/coins.ts'
import { apiFixture, connectionFrom } from '../support/api-fixture.ts'
import { ChainFixture } from '../support/chain-fixture.ts'

let world: World
let chain: ChainFixture
let transaction: Transaction

beforeEach(() => {
  world = new World()
  chain = new ChainFixture()
  transaction = spend([world.coin()], 500)
})

const hexOf = (one: Transaction): string => bytesToHex(encodeTransaction(one))
const JSON_TYPE = 'application/json'

async function post(...hexes: readonly string[]): Promise<{ status: number; answer: unknown }> {
  const body = JSON.stringify({ transactions: hexes })
  const response = await apiFixture(chain).post('/v1/transactions', body, JSON_TYPE)
  return { status: response.status, answer: await response.json() }
}

describe('POST /v1/transactions', () => {
  it('says of each what became of it, in order', async () => {
    const [one, other] = [spend([world.coin()], 500), spend([world.coin()], 500)]
    expect(await post(hexOf(one), 'ff', hexOf(other))).toEqual({
      status: 200,
      answer: {
        results: [
          { status: 'accepted', txid: transactionId(one) },
          { status: 'refused', code: 'malformed-transaction', detail: null },
          { status: 'accepted', txid: transactionId(other) },
        ],
      },
    })
  })

  it('goes on after a refusal, in the words of the rules', async () => {
    chain.verdict = reject('min relay fee not met', 'policy', '1 < 20')
    const refused = { status: 'refused', code: 'min relay fee not met', detail: '1 < 20' }
    expect((await post(hexOf(transaction), hexOf(transaction))).answer).toEqual({
      results: [refused, refused],
    })
  })

  it('takes what waits already as accepted', async () => {
    chain.verdict = reject('txn-already-in-mempool', 'policy')
    expect((await post(hexOf(transaction))).answer).toEqual({
      results: [{ status: 'accepted', txid: transactionId(transaction) }],
    })
  })

  it('ends with the first one whose scripts fail, which counts against its sender', async () => {
    chain.verdict = reject('mandatory-script-verify-flag-failed (SCHNORR_SIG)')
    const { app } = apiFixture(chain, { failedScriptsPerMinute: 1 })
    const hexes = [transaction, spend([world.coin()], 500)].map(hexOf)
    const request = {
      method: 'POST',
      body: JSON.stringify({ transactions: hexes }),
      headers: { 'Content-Type': JSON_TYPE },
    }
    const from = connectionFrom('192.0.2.1')
    const first = await app.request('/v1/transactions', request, from)
    expect(await first.json()).toMatchObject({
      results: [{ status: 'refused' }, { status: 'unevaluated' }],
    })
    expect((await app.request('/v1/transactions', request, from)).status).toBe(429)
  })

  it.each([
    { transactions: [] },
    { transactions: ['0'] },
    { transactions: ['ZZ'] },
    { transactions: [''] },
    { transactions: Array.from({ length: 501 }, () => '00') },
    { transactions: ['00'], more: 1 },
    {},
  ])('refuses another body', async (body) => {
    const response = await apiFixture(chain).post(
      '/v1/transactions',
      JSON.stringify(body),
      JSON_TYPE,
    )
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ code: 'invalid-request' })
  })

  it('insists on JSON, which no page of another origin can send unasked', async () => {
    const response = await apiFixture(chain).post('/v1/transactions', '{"transactions":["00"]}')
    expect(response.status).toBe(415)
  })
})
