import { beforeEach, describe, expect, it } from 'vitest'
import {
  encodeTransaction,
  type Transaction,
  transactionId,
  transactionVsize,
  witnessTransactionId,
} from '../../src/bitcoin/transaction.ts'
import { bytesToHex } from '../../src/primitives/bytes.ts'
import {
  anchor,
  COIN_SATS,
  outputOf,
  padding,
  spend,
  transactionOf,
  World,
} from '../mempool/coins.ts'
import { apiFixture, connectionFrom } from '../support/api-fixture.ts'
import { ChainFixture } from '../support/chain-fixture.ts'

let world: World
let chain: ChainFixture

beforeEach(() => {
  world = new World()
  chain = new ChainFixture()
})

const bodyOf = (...transactions: readonly Transaction[]): string =>
  JSON.stringify(transactions.map((one) => bytesToHex(encodeTransaction(one))))

async function post(path: string, body: string): Promise<{ status: number; answer: unknown }> {
  chain.admission = world.at
  const response = await apiFixture(chain).post(path, body)
  const text = await response.text()
  return { status: response.status, answer: response.ok ? (JSON.parse(text) as unknown) : text }
}

/** A parent without fee and a child that pays for both. */
function family(fee: number): readonly [Transaction, Transaction] {
  const outputs = [anchor(COIN_SATS - 240), anchor(240)]
  const parent = transactionOf([world.coin()], outputs, { version: 3 })
  const child = transactionOf(
    [outputOf(parent, 1), world.coin()],
    [anchor(COIN_SATS + 240 - fee), padding(1)],
    { version: 3 },
  )
  return [parent, child]
}

describe('POST /api/txs/package', () => {
  it('answers as submitpackage does', async () => {
    const [parent, child] = family(3_000)
    const vsize = transactionVsize(parent) + transactionVsize(child)
    const together = {
      'effective-feerate': Math.floor(3_000_000 / vsize) / 1e8,
      'effective-includes': [parent, child].map(witnessTransactionId),
    }
    expect(await post('/api/txs/package', bodyOf(parent, child))).toEqual({
      status: 200,
      answer: {
        package_msg: 'success',
        'tx-results': {
          [witnessTransactionId(parent)]: {
            txid: transactionId(parent),
            vsize: transactionVsize(parent),
            fees: { base: 0, ...together },
          },
          [witnessTransactionId(child)]: {
            txid: transactionId(child),
            vsize: transactionVsize(child),
            fees: { base: 0.00003, ...together },
          },
        },
        'replaced-transactions': [],
      },
    })
    const again = await post('/api/txs/package', bodyOf(parent, child))
    expect(again.answer).toMatchObject({
      package_msg: 'success',
      'tx-results': { [witnessTransactionId(child)]: { fees: { base: 0.00003 } } },
    })
  })

  it('says of each why it is refused, and of all what they are not', async () => {
    const [parent, child] = family(100)
    const refused = await post('/api/txs/package', bodyOf(parent, child))
    expect(refused.answer).toMatchObject({
      package_msg: 'transaction failed',
      'tx-results': {
        [witnessTransactionId(parent)]: { error: expect.stringMatching(/^min relay fee not met/) },
      },
    })
    expect(await post('/api/txs/package', bodyOf(child, parent))).toEqual({
      status: 400,
      answer: 'submitpackage RPC error: {"code":-25,"message":"package-not-sorted"}',
    })
  })

  it('knows the same transaction with another witness', async () => {
    const transaction = spend([world.coin()], 500)
    await post('/api/txs/package', bodyOf(transaction))
    const [input] = transaction.inputs
    const other = { ...transaction, inputs: [{ ...input!, witness: [new Uint8Array(1)] }] }
    expect((await post('/api/txs/package', bodyOf(other))).answer).toMatchObject({
      'tx-results': {
        [witnessTransactionId(other)]: { 'other-wtxid': witnessTransactionId(transaction) },
      },
    })
  })

  it('limits what is paid by mistake, unless told otherwise', async () => {
    const dear = spend([world.coin()], 90_000)
    const limited = await post('/api/txs/test?maxfeerate=0.00100000', bodyOf(dear))
    expect(limited.answer).toMatchObject([{ allowed: false, 'reject-reason': 'max-fee-exceeded' }])
    expect((await post('/api/txs/package?maxfeerate=0', bodyOf(dear))).answer).toMatchObject({
      package_msg: 'success',
    })
    const bad = await post('/api/txs/package?maxfeerate=2', bodyOf(dear))
    expect(bad.status).toBe(400)
  })

  it.each(['', '{}', '[]', '["00"]', '[1]', JSON.stringify(Array(26).fill('00')), '["zz"]'])(
    'refuses a body of %s',
    async (body) => {
      for (const path of ['/api/txs/package', '/api/txs/test']) {
        const { status, answer } = await post(path, body)
        expect([status, answer]).toEqual([
          400,
          expect.stringMatching(/RPC error: \{"code":-(?:8|22)/),
        ])
      }
    },
  )
})

describe('POST /api/txs/test', () => {
  it('answers as testmempoolaccept does, and takes nothing in', async () => {
    const parent = spend([world.coin()], 500)
    const child = spend([outputOf(parent)], 700, COIN_SATS - 500)
    const { answer } = await post('/api/txs/test', bodyOf(parent, child))
    expect(answer).toMatchObject([
      { txid: transactionId(parent), allowed: true, fees: { base: 0.000005 } },
      { wtxid: witnessTransactionId(child), allowed: true, vsize: transactionVsize(child) },
    ])
    expect(chain.pool.size).toBe(0)
    expect((await post('/api/txs/test', bodyOf(child))).answer).toMatchObject([
      { allowed: false, 'reject-reason': 'missing-inputs' },
    ])
    expect((await post('/api/txs/test', bodyOf(child, parent))).answer).toEqual(
      [child, parent].map((one) => ({
        txid: transactionId(one),
        wtxid: witnessTransactionId(one),
        'package-error': 'package-not-sorted',
      })),
    )
  })

  it('is limited by the time that it takes', async () => {
    chain.admission = world.at
    const api = apiFixture(chain, { dryRunMsPerMinute: 1_000 })
    const { coins } = world.at
    const transaction = spend([world.coin()], 500)
    chain.admission = {
      ...world.at,
      coins: {
        findCoin(outPoint) {
          chain.monotonicMs += 600
          return coins.findCoin(outPoint)
        },
      },
    }
    const ask = async (address: string): Promise<number> => {
      const init = { method: 'POST', body: bodyOf(transaction) }
      return (await api.app.request('/api/txs/test', init, connectionFrom(address))).status
    }
    const statuses = [await ask('192.0.2.1'), await ask('192.0.2.1'), await ask('192.0.2.1')]
    expect(statuses).toEqual([200, 200, 429])
    expect(await ask('192.0.2.2')).toBe(200)
    for (let i = 0; i < 5; i++) expect(await ask('127.0.0.1')).toBe(200)
  })

  it('counts scripts that fail like those of transactions that are sent', async () => {
    const good = spend([world.coin()], 500)
    const [input] = good.inputs
    const forged = { ...good, inputs: [{ ...input!, witness: [new Uint8Array(1)] }] }
    chain.admission = world.at
    const api = apiFixture(chain, { failedScriptsPerMinute: 2 })
    const ask = async (path: string): Promise<number> => {
      const init = { method: 'POST', body: bodyOf(forged) }
      return (await api.app.request(path, init, connectionFrom('192.0.2.1'))).status
    }
    const paths = ['/api/txs/test', '/api/txs/package', '/api/txs/test', '/api/tx']
    const statuses: number[] = []
    for (const path of paths) statuses.push(await ask(path))
    expect(statuses).toEqual([200, 200, 429, 429])
  })
})
