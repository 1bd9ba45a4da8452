import { describe, expect, it } from 'vitest'
import { encodeAddress } from '../../src/bitcoin/address.ts'
import { transactionId } from '../../src/bitcoin/transaction.ts'
import { apiFixture } from '../support/api-fixture.ts'
import {
  ALICE,
  BOB,
  GENESIS_TIME,
  l1OutPoint,
  scriptHash,
  storyChain,
} from '../support/chain-fixture.ts'

const UNKNOWN = 'ee'.repeat(32)
const alice = encodeAddress(ALICE, { bech32: 'cway' })!
const bob = encodeAddress(BOB, { bech32: 'cway' })!
const ids = (views: unknown): string[] => (views as { txid: string }[]).map((one) => one.txid)

describe('an address', () => {
  it('has totals of the chain and of the mempool', async () => {
    const { chain } = storyChain()
    const api = apiFixture(chain)
    const stats = {
      chain_stats: {
        funded_txo_count: 2,
        funded_txo_sum: 89_700,
        spent_txo_count: 1,
        spent_txo_sum: 60_000,
        tx_count: 2,
      },
      mempool_stats: {
        funded_txo_count: 1,
        funded_txo_sum: 10_000,
        spent_txo_count: 0,
        spent_txo_sum: 0,
        tx_count: 1,
      },
    }
    expect(await api.json(`/api/address/${bob}`)).toEqual({ address: bob, ...stats })
    const hash = scriptHash(BOB)
    expect(await api.json(`/api/scripthash/${hash}`)).toEqual({ scripthash: hash, ...stats })
  })

  it('that spends in the mempool shows it', async () => {
    expect(await apiFixture(storyChain().chain).json(`/api/address/${alice}`)).toMatchObject({
      mempool_stats: {
        funded_txo_count: 1,
        funded_txo_sum: 29_360,
        spent_txo_count: 1,
        spent_txo_sum: 39_560,
        tx_count: 1,
      },
    })
  })

  it('nobody used has zeros and empty lists', async () => {
    const api = apiFixture(storyChain().chain)
    const path = `/api/scripthash/${'12'.repeat(32)}`
    expect(await api.json(path)).toMatchObject({ chain_stats: { tx_count: 0 } })
    expect(await api.json(`${path}/txs`)).toEqual([])
    expect(await api.json(`${path}/utxo`)).toEqual([])
  })

  it('lists what waits, then the chain, newest first', async () => {
    const { chain, payTx, burnTx, waitingTx } = storyChain()
    const api = apiFixture(chain)
    const path = `/api/address/${bob}/txs`
    const [waiting, burn, pay] = [waitingTx, burnTx, payTx].map(transactionId)
    expect(ids(await api.json(path))).toEqual([waiting, burn, pay])
    expect(ids(await api.json(`${path}/mempool`))).toEqual([waiting])
    expect(ids(await api.json(`${path}/chain`))).toEqual([burn, pay])
    expect(ids(await api.json(`${path}/chain/${burn}`))).toEqual([pay])
    expect(await api.json(`${path}/chain/${pay}`)).toEqual([])
    expect(await api.json(`${path}/chain/${UNKNOWN}`)).toEqual([])
  })

  it('pages through its history by 25', async () => {
    const { chain } = storyChain()
    const expected: string[] = []
    for (let i = 1; i <= 60; i++) {
      const [, minted] = chain.addMint(l1OutPoint(i), 1_000, BOB).block.transactions
      expected.unshift(transactionId(minted!))
    }
    const api = apiFixture(chain)
    const first = ids(await api.json(`/api/address/${bob}/txs/chain`))
    expect(first).toEqual(expected.slice(0, 25))
    const second = ids(await api.json(`/api/address/${bob}/txs/chain/${first[24]}`))
    expect(second).toEqual(expected.slice(25, 50))
    expect(ids(await api.json(`/api/address/${bob}/txs`))).toHaveLength(26)
  })

  it('lists unspent outputs, without those that the mempool spends', async () => {
    const { chain, burnTx, waitingTx } = storyChain()
    const api = apiFixture(chain)
    const waiting = { txid: transactionId(waitingTx), status: { confirmed: false } }
    expect(await api.json(`/api/address/${bob}/utxo`)).toEqual([
      {
        txid: transactionId(burnTx),
        vout: 1,
        status: {
          confirmed: true,
          block_height: 3,
          block_hash: chain.tip.hash,
          block_time: GENESIS_TIME + 3,
        },
        value: 29_700,
      },
      { ...waiting, vout: 0, value: 10_000 },
    ])
    const fees = chain.blocks.slice(2).map((one) => transactionId(one.block.transactions[0]!))
    expect(ids(await api.json(`/api/address/${alice}/utxo`))).toEqual([
      ...fees.toReversed(),
      waiting.txid,
    ])
  })

  it.each([
    ['/api/address/nonsense', 'Invalid Bitcoin address'],
    [`/api/address/${alice.slice(0, -1)}x`, 'Invalid Bitcoin address'],
    [`/api/address/${encodeAddress(ALICE, { bech32: 'bc' })}`, 'Address on invalid network'],
    ['/api/scripthash/xyz', 'Invalid hex string'],
    ['/api/scripthash/abcd', 'Invalid scripthash'],
    [`/api/address/${alice}/txs/chain/12`, 'Invalid hash string'],
  ])('%s gives 400 %s', async (path, text) => {
    const response = await apiFixture(storyChain().chain).get(path)
    expect(response.status).toBe(400)
    expect(await response.text()).toBe(text)
  })
})
