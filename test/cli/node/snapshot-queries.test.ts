/** What the HTTP API of a node from a snapshot says of what lies before it. */

import { beforeAll, describe, expect, it } from 'vitest'
import { openMembershipPool } from '../../../federation/membership-pool.ts'
import { devnetGenesis } from '../../../genesis/devnet.ts'
import { parseGenesis } from '../../../genesis/network.ts'
import { DEFAULT_API_LIMITS } from '../../../src/api/limits.ts'
import { type ApiApplication, createApiApplication } from '../../../src/api/server.ts'
import { encodeAddress } from '../../../src/bitcoin/address.ts'
import { transactionId } from '../../../src/bitcoin/transaction.ts'
import { checkChainProof } from '../../../src/chain/verify-proof.ts'
import { createChainQueries, createNodeFacade } from '../../../src/cli/node/node-facade.ts'
import { hexToBytes } from '../../../src/primitives/bytes.ts'
import { openMemoryStore } from '../../../src/storage/memory-store.ts'
import { importSnapshot } from '../../../src/storage/snapshot-import.ts'
import { aUser, testParams } from '../../support/chain-world.ts'
import { COIN_SATS, fundingPeg, NodeWorld, type Seat } from '../../support/node-world.ts'
import { snapshotOf, sourceOf } from '../../support/snapshot-bytes.ts'

const params = testParams()
let world: NodeWorld
let late: Seat
let api: ApiApplication
let height = 0

async function pay(at: Seat) {
  const payment = world.payment()
  expect(at.node.submit(payment).ok).toBe(true)
  await world.time.until(
    () => world.seats.every((seat) => world.isConfirmed(payment, seat)),
    'the payment is everywhere',
  )
  return payment
}

beforeAll(async () => {
  world = new NodeWorld(params, fundingPeg(params))
  await world.start()
  for (let i = 0; i < 3; i++) await pay(world.seat(0))
  const { chain } = world.seat(0).node
  height = chain.database.tip()!.height
  late = world.observer('late')
  const store = openMemoryStore(late.disk)
  await importSnapshot(params, sourceOf(await snapshotOf(chain)), store)
  await store.close()
  await late.start()
  const genesis = parseGenesis(
    devnetGenesis({
      validators: params.validators,
      recoveryKeys: params.peg.recovery.keys,
      salt: '00'.repeat(32),
    }),
  )
  const runtime = world.time.runtime('membership', () => true)
  const membership = await openMembershipPool({
    params,
    view: () => late.node.chain.state().view,
    network: { publish: async () => false, onGossip: () => undefined },
    record: { read: async () => undefined, write: async () => undefined },
    runtime,
  })
  const facade = {
    node: late.node,
    member: undefined,
    membership,
    genesis,
    publicKey: undefined,
    version: '1',
    networkActivity: () => ({ trustedPeers: 0, observers: 0, totals: {} }),
  }
  api = createApiApplication(
    {
      queries: createChainQueries(late.node),
      node: createNodeFacade(facade),
      ...world.time.runtime('api', () => true),
    },
    DEFAULT_API_LIMITS,
  )
})

async function status(path: string): Promise<number> {
  return (await api.app.request(path)).status
}

async function answer(path: string): Promise<unknown> {
  const response = await api.app.request(path)
  expect(response.status, path).toBe(200)
  return response.json()
}

const alice = encodeAddress(aUser('alice').script, { bech32: params.addressPrefix })!

describe('a node from a snapshot', () => {
  it('has the balance and the coins of every address', async () => {
    expect(await answer(`/api/address/${alice}`)).toMatchObject({
      chain_stats: { funded_txo_count: 37, spent_txo_count: 0 },
    })
    const coins = await answer(`/api/address/${alice}/utxo`)
    expect(coins).toHaveLength(37)
    expect(coins).toContainEqual(
      expect.objectContaining({
        value: Number(COIN_SATS),
        status: { confirmed: true, block_height: 2 },
      }),
    )
    expect(await answer(`/api/address/${alice}/txs`)).toEqual([])
  })

  it('does not know older blocks and transactions, and says so', async () => {
    const whole = world.seat(0).node.chain.database
    const hash = whole.blockHashAt(2)!
    const txid = transactionId(whole.findBlock(hash)!.block.transactions[1]!)
    for (const path of [
      '/api/block-height/2',
      `/api/block/${hash}`,
      `/api/block/${hash}/txs`,
      `/api/tx/${txid}`,
      `/api/tx/${txid}/status`,
      `/api/tx/${txid}/merkle-proof`,
      '/v1/blocks/2/certificate',
    ]) {
      expect([200, 404], path).toContain(await status(path))
    }
    expect(await status('/api/block-height/2')).toBe(404)
    expect(await status(`/api/tx/${txid}`)).toBe(404)
    expect(await status('/v1/blocks/2/certificate')).toBe(404)
    expect(await status('/api/block-height/0')).toBe(200)
    expect(await status(`/api/block-height/${height}`)).toBe(200)
    expect(await answer('/api/blocks')).toHaveLength(
      late.height - height + 1 + (height < 10 ? 1 : 0),
    )
    // The blocks that proved its reserves on L1 are not here either.
    expect(await status('/v1/proofs/reserves')).toBe(503)
    await answer('/v1/status')
    await answer('/v1/reserves')
    await answer('/v1/deposits?recipient=' + alice)
    await answer('/v1/releases')
  })

  it('proves its coins', async () => {
    const [coin] = (await answer(`/api/address/${alice}/utxo`)) as { txid: string; vout: number }[]
    const proved = (await answer(`/v1/proofs/coin/${coin!.txid}/${coin!.vout}`)) as {
      proof: string
    }
    expect(checkChainProof(params, hexToBytes(proved.proof))).toMatchObject({
      ok: true,
      value: {
        height: late.height,
        coin: { kind: 'unspent', outPoint: { txid: coin!.txid, vout: coin!.vout } },
      },
    })
  })

  it('shows what a payment spends, waiting and final, when the coin is older', async () => {
    const before = late.height
    const payment = world.payment()
    expect(late.node.submit(payment).ok).toBe(true)
    const path = `/api/tx/${transactionId(payment)}`
    const shown = {
      fee: 1_000,
      vin: [{ prevout: { value: Number(COIN_SATS), scriptpubkey_address: alice } }],
    }
    expect(await answer(path)).toMatchObject({ ...shown, status: { confirmed: false } })
    await world.time.until(() => late.height > before, 'it is final')
    expect(await answer(path)).toMatchObject({ ...shown, status: { confirmed: true } })
  })
})
