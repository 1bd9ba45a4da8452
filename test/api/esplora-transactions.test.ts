import { describe, expect, it } from 'vitest'
import { encodeAddress, L1_ADDRESS_NETWORKS } from '../../src/bitcoin/address.ts'
import { withdrawScript } from '../../src/bitcoin/script.ts'
import {
  encodeTransaction,
  type Transaction,
  transactionId,
  transactionVsize,
  transactionWeight,
} from '../../src/bitcoin/transaction.ts'
import { bytesToHex } from '../../src/primitives/bytes.ts'
import { toTxid } from '../../src/primitives/hashes.ts'
import { reject } from '../../src/primitives/result.ts'
import { apiFixture } from '../support/api-fixture.ts'
import {
  ALICE,
  BOB,
  DEPOSIT_SCRIPT,
  GENESIS_TIME,
  L1_TARGET,
  l1OutPoint,
  output,
  payment,
  storyChain,
} from '../support/chain-fixture.ts'

const HERE = { bech32: 'cway' }
const UNKNOWN = 'ee'.repeat(32)
const hexOf = (transaction: Transaction): string => bytesToHex(encodeTransaction(transaction))

describe('a transaction', () => {
  it('that is a payment has the fields of Esplora, in its order', async () => {
    const { chain, mintTx, payTx } = storyChain()
    const api = apiFixture(chain)
    const response = await api.get(`/api/tx/${transactionId(payTx)}`)
    expect(response.headers.get('Cache-Control')).toBe('public, max-age=157784630')
    const aliceOutput = {
      scriptpubkey: bytesToHex(ALICE),
      scriptpubkey_asm: `OP_0 OP_PUSHBYTES_20 ${'a1'.repeat(20)}`,
      scriptpubkey_type: 'v0_p2wpkh',
      scriptpubkey_address: encodeAddress(ALICE, HERE),
    }
    expect(await response.text()).toBe(
      JSON.stringify({
        txid: transactionId(payTx),
        version: 2,
        locktime: 0,
        vin: [
          {
            txid: transactionId(mintTx),
            vout: 0,
            prevout: { ...aliceOutput, value: 100_000 },
            scriptsig: '',
            scriptsig_asm: '',
            witness: ['07'.repeat(64)],
            is_coinbase: false,
            sequence: 0xffff_fffd,
          },
        ],
        vout: [
          {
            scriptpubkey: bytesToHex(BOB),
            scriptpubkey_asm: `OP_PUSHNUM_1 OP_PUSHBYTES_32 ${'b0'.repeat(32)}`,
            scriptpubkey_type: 'v1_p2tr',
            scriptpubkey_address: encodeAddress(BOB, HERE),
            value: 60_000,
          },
          { ...aliceOutput, value: 39_560 },
          {
            scriptpubkey: '51024e73',
            scriptpubkey_asm: 'OP_PUSHNUM_1 OP_PUSHBYTES_2 4e73',
            scriptpubkey_type: 'unknown',
            scriptpubkey_address: encodeAddress(Uint8Array.of(0x51, 2, 0x4e, 0x73), HERE),
            value: 240,
          },
        ],
        size: encodeTransaction(payTx).length,
        weight: transactionWeight(payTx),
        fee: 200,
        status: {
          confirmed: true,
          block_height: 2,
          block_hash: chain.blocks[2]!.hash,
          block_time: GENESIS_TIME + 2,
        },
      }),
    )
  })

  it('that mints is a peg-in: its prevout is the L1 output, its fee zero', async () => {
    const { chain, mintTx } = storyChain()
    expect(await apiFixture(chain).json(`/api/tx/${transactionId(mintTx)}`)).toMatchObject({
      fee: 0,
      vin: [
        {
          ...l1OutPoint(0xd1),
          is_pegin: true,
          is_coinbase: false,
          prevout: {
            scriptpubkey: bytesToHex(DEPOSIT_SCRIPT),
            scriptpubkey_address: encodeAddress(DEPOSIT_SCRIPT, L1_ADDRESS_NETWORKS.regtest),
            value: 100_000,
          },
        },
      ],
    })
  })

  it('that burns shows the L1 address as a peg-out', async () => {
    const { chain, burnTx } = storyChain()
    const view = (await apiFixture(chain).json(`/api/tx/${transactionId(burnTx)}`)) as {
      vout: object[]
    }
    expect(view.vout[0]).toEqual({
      scriptpubkey: bytesToHex(withdrawScript(L1_TARGET)),
      scriptpubkey_asm: `OP_PUSHNUM_16 OP_PUSHBYTES_22 ${bytesToHex(L1_TARGET)}`,
      scriptpubkey_type: 'unknown',
      scriptpubkey_address: encodeAddress(withdrawScript(L1_TARGET), HERE),
      value: 30_000,
      pegout: {
        scriptpubkey: bytesToHex(L1_TARGET),
        scriptpubkey_asm: `OP_0 OP_PUSHBYTES_20 ${'11'.repeat(20)}`,
        scriptpubkey_address: encodeAddress(L1_TARGET, L1_ADDRESS_NETWORKS.regtest),
      },
    })
    expect(view.vout[1]).not.toHaveProperty('pegout')
  })

  it('that is a coinbase has neither prevout nor fee', async () => {
    const { chain } = storyChain()
    const [coinbase] = chain.blocks[2]!.block.transactions
    const view = await apiFixture(chain).json(`/api/tx/${transactionId(coinbase!)}`)
    expect(view).toMatchObject({
      fee: 0,
      vin: [{ is_coinbase: true, prevout: null, vout: 0xffff_ffff, scriptsig: '5200' }],
    })
  })

  it('that waits is unconfirmed, with its fee', async () => {
    const { chain, waitingTx } = storyChain()
    const api = apiFixture(chain)
    const response = await api.get(`/api/tx/${transactionId(waitingTx)}`)
    expect(response.headers.get('Cache-Control')).toBe('public, max-age=10')
    expect(await response.json()).toMatchObject({ fee: 200, status: { confirmed: false } })
  })

  it('comes as hex and as bytes', async () => {
    const { chain, payTx } = storyChain()
    const api = apiFixture(chain)
    const path = `/api/tx/${transactionId(payTx)}`
    expect(await api.text(`${path}/hex`)).toBe(hexOf(payTx))
    const raw = await api.get(`${path}/raw`)
    expect(new Uint8Array(await raw.arrayBuffer())).toEqual(encodeTransaction(payTx))
  })

  it('that nobody knows has the status unconfirmed', async () => {
    const api = apiFixture(storyChain().chain)
    const response = await api.get(`/api/tx/${UNKNOWN}/status`)
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ confirmed: false })
  })

  it.each([
    ['/api/tx/12', 400, 'Invalid hash string'],
    [`/api/tx/${UNKNOWN}`, 404, 'Transaction not found'],
    [`/api/tx/${UNKNOWN}/hex`, 404, 'Transaction not found'],
    [`/api/tx/${UNKNOWN}/outspends`, 404, 'Transaction not found'],
    [`/api/tx/${UNKNOWN}/merkle-proof`, 404, 'Transaction not found or is unconfirmed'],
    [`/api/tx/${UNKNOWN}/merkleblock-proof`, 404, 'Transaction not found or is unconfirmed'],
    [`/api/tx/${UNKNOWN}/outspend/x`, 400, 'Invalid number'],
  ])('%s gives %i %s', async (path, status, text) => {
    const response = await apiFixture(storyChain().chain).get(path)
    expect(response.status).toBe(status)
    expect(await response.text()).toBe(text)
  })
})

describe('where outputs went', () => {
  it('is told for chain and mempool', async () => {
    const { chain, payTx, burnTx, waitingTx } = storyChain()
    const api = apiFixture(chain)
    const path = `/api/tx/${transactionId(payTx)}`
    const burnt = {
      spent: true,
      txid: transactionId(burnTx),
      vin: 0,
      status: {
        confirmed: true,
        block_height: 3,
        block_hash: chain.tip.hash,
        block_time: GENESIS_TIME + 3,
      },
    }
    const waiting = {
      spent: true,
      txid: transactionId(waitingTx),
      vin: 0,
      status: { confirmed: false },
    }
    expect(await api.json(`${path}/outspends`)).toEqual([burnt, waiting, { spent: false }])
    expect(await api.json(`${path}/outspend/0`)).toEqual(burnt)
    expect(await api.json(`${path}/outspend/77`)).toEqual({ spent: false })
  })
})

describe('a broadcast', () => {
  const payTx = payment([l1OutPoint(0x42)], [output(1_000, ALICE)])

  it('hands the transaction to the node and answers its txid', async () => {
    const { chain } = storyChain()
    const response = await apiFixture(chain).post('/api/tx', `${hexOf(payTx)}\n`)
    expect(response.status).toBe(200)
    expect(response.headers.get('Cache-Control')).toBe('public, max-age=0')
    expect(await response.text()).toBe(transactionId(payTx))
    expect(chain.submitted.map(transactionId)).toEqual([transactionId(payTx)])
  })

  it.each([
    [
      reject('bad-txns-inputs-missingorspent', 'missing'),
      'sendrawtransaction RPC error: {"code":-25,"message":"bad-txns-inputs-missingorspent"}',
    ],
    [
      reject('min relay fee not met', 'policy', '10 < 110'),
      'sendrawtransaction RPC error: {"code":-26,"message":"min relay fee not met, 10 < 110"}',
    ],
    [
      reject('txn-already-known', 'policy'),
      'sendrawtransaction RPC error: {"code":-27,"message":"txn-already-known"}',
    ],
  ])('that the node refuses is 400 in bitcoind’s words', async (verdict, text) => {
    const { chain } = storyChain()
    chain.verdict = verdict
    const response = await apiFixture(chain).post('/api/tx', hexOf(payTx))
    expect(response.status).toBe(400)
    expect(await response.text()).toBe(text)
  })

  it('again while it waits is no error', async () => {
    const { chain, waitingTx } = storyChain()
    chain.verdict = reject('txn-already-in-mempool', 'policy')
    const response = await apiFixture(chain).post('/api/tx', hexOf(waitingTx))
    expect(await response.text()).toBe(transactionId(waitingTx))
  })

  it('of what is in the chain already says so', async () => {
    const { chain, burnTx } = storyChain()
    const response = await apiFixture(chain).post('/api/tx', hexOf(burnTx))
    expect(await response.text()).toBe(
      'sendrawtransaction RPC error: {"code":-27,"message":"Transaction outputs already in utxo set"}',
    )
    expect(chain.submitted).toEqual([])
  })

  it.each(['', 'zz', 'abc', '00', '01000000000000000000', '{"hex":"00"}'])(
    'of %j cannot be decoded',
    async (body) => {
      const response = await apiFixture(storyChain().chain).post('/api/tx', body)
      expect(response.status).toBe(400)
      expect(await response.text()).toBe(
        'sendrawtransaction RPC error: {"code":-22,"message":' +
          '"TX decode failed. Make sure the tx has at least one input."}',
      )
    },
  )

  it('longer than a megabyte is 413', async () => {
    const { chain } = storyChain()
    const response = await apiFixture(chain).post('/api/tx', '00'.repeat(500_001))
    expect(response.status).toBe(413)
    expect(chain.submitted).toEqual([])
  })
})

describe('the mempool', () => {
  it('is summed up', async () => {
    const { chain, waitingTx } = storyChain()
    const vsize = transactionVsize(waitingTx)
    const api = apiFixture(chain)
    expect(await api.json('/api/mempool')).toEqual({
      count: 1,
      vsize,
      total_fee: 200,
      fee_histogram: [[200 / vsize, vsize]],
    })
    expect(await api.json('/api/mempool/txids')).toEqual([transactionId(waitingTx)])
  })

  it('shows the last ten, newest first', async () => {
    const { chain, waitingTx } = storyChain()
    const later = Array.from({ length: 12 }, (_, vout) =>
      payment([{ txid: toTxid(UNKNOWN), vout }], [output(500 + vout, ALICE)]),
    )
    for (const transaction of later) chain.addWaiting(transaction, 150)
    const api = apiFixture(chain)
    const response = await api.get('/api/mempool/recent')
    expect(response.headers.get('Cache-Control')).toBe('public, max-age=5')
    const recent = (await response.json()) as { txid: string }[]
    expect(recent).toHaveLength(10)
    expect(recent[0]).toEqual({
      txid: transactionId(later[11]!),
      fee: 150,
      vsize: transactionVsize(later[11]!),
      value: 511,
    })
    expect(recent.map((one) => one.txid)).not.toContain(transactionId(waitingTx))
  })
})
