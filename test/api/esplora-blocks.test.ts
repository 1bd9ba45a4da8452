import { Block } from 'bitcoinjs-lib'
import { describe, expect, it } from 'vitest'
import { transactionId } from '../../src/bitcoin/transaction.ts'
import { apiFixture } from '../support/api-fixture.ts'
import {
  ALICE,
  ChainFixture,
  GENESIS_TIME,
  output,
  payment,
  storyChain,
} from '../support/chain-fixture.ts'

const UNKNOWN = 'ee'.repeat(32)
const IMMUTABLE = 'public, max-age=157784630'

describe('the tip', () => {
  it('is given as text, height and hash', async () => {
    const { chain } = storyChain()
    const api = apiFixture(chain)
    const height = await api.get('/api/blocks/tip/height')
    expect(await height.text()).toBe('3')
    expect(height.headers.get('Content-Type')).toMatch(/^text\/plain/)
    expect(height.headers.get('Cache-Control')).toBe('public, max-age=10')
    expect(height.headers.get('Access-Control-Allow-Origin')).toBe('*')
    expect(await api.text('/api/blocks/tip/hash')).toBe(chain.tip.hash)
  })
})

describe('a block', () => {
  it('has the fields of Esplora, in its order', async () => {
    const { chain } = storyChain()
    const api = apiFixture(chain)
    const stored = chain.blocks[2]!
    const response = await api.get(`/api/block/${stored.hash}`)
    expect(response.headers.get('Cache-Control')).toBe(IMMUTABLE)
    expect(await response.text()).toBe(
      JSON.stringify({
        id: stored.hash,
        height: 2,
        version: 0x2000_0000,
        timestamp: GENESIS_TIME + 2,
        tx_count: 2,
        size: stored.sizeBytes,
        weight: stored.weight,
        merkle_root: stored.block.header.merkleRoot,
        previousblockhash: chain.blocks[1]!.hash,
        mediantime: GENESIS_TIME + 1,
        nonce: 0,
        bits: 0x207f_ffff,
        difficulty: 4.6565423739069247e-10,
      }),
    )
  })

  it('zero is the genesis of regtest and has no previous block', async () => {
    const api = apiFixture(new ChainFixture())
    const hash = await api.text('/api/block-height/0')
    expect(hash).toBe('0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206')
    expect(await api.json(`/api/block/${hash}`)).toMatchObject({
      height: 0,
      previousblockhash: null,
      tx_count: 1,
      size: 285,
      weight: 1140,
    })
  })

  it('comes raw as Bitcoin tools parse it, and as an 80-byte header', async () => {
    const { chain } = storyChain()
    const api = apiFixture(chain)
    const { hash, sizeBytes, weight } = chain.blocks[2]!
    const raw = await api.get(`/api/block/${hash}/raw`)
    expect(raw.headers.get('Content-Type')).toBe('application/octet-stream')
    const bytes = new Uint8Array(await raw.arrayBuffer())
    const parsed = Block.fromBuffer(bytes)
    expect(parsed.getId()).toBe(hash)
    expect(parsed.checkTxRoots()).toBe(true)
    expect(parsed.weight()).toBe(weight)
    expect(bytes.length).toBe(sizeBytes)
    const header = await api.text(`/api/block/${hash}/header`)
    expect(header).toBe(parsed.toHex(true))
  })

  it('says whether it is in the chain and what follows', async () => {
    const { chain } = storyChain()
    const api = apiFixture(chain)
    expect(await api.json(`/api/block/${chain.blocks[1]!.hash}/status`)).toEqual({
      in_best_chain: true,
      height: 1,
      next_best: chain.blocks[2]!.hash,
    })
    const tip = await api.get(`/api/block/${chain.tip.hash}/status`)
    expect(tip.headers.get('Cache-Control')).toBe('public, max-age=10')
    expect(await tip.json()).toEqual({ in_best_chain: true, height: 3, next_best: null })
    expect(await api.json(`/api/block/${UNKNOWN}/status`)).toEqual({
      in_best_chain: false,
      height: null,
      next_best: null,
    })
  })

  it('accepts hashes in capitals', async () => {
    const { chain } = storyChain()
    expect((await apiFixture(chain).get(`/api/block/${chain.tip.hash.toUpperCase()}`)).status).toBe(
      200,
    )
  })
})

describe('pages', () => {
  it('of blocks have ten, newest first', async () => {
    const chain = new ChainFixture()
    for (let i = 0; i < 25; i++) chain.addBlock()
    const api = apiFixture(chain)
    const heights = async (path: string): Promise<number[]> =>
      ((await api.json(path)) as { height: number }[]).map((block) => block.height)
    expect(await heights('/api/blocks')).toEqual([25, 24, 23, 22, 21, 20, 19, 18, 17, 16])
    expect(await heights('/api/blocks/12')).toEqual([12, 11, 10, 9, 8, 7, 6, 5, 4, 3])
    expect(await heights('/api/blocks/3')).toEqual([3, 2, 1, 0])
    expect(await heights('/api/blocks/4000000000')).toHaveLength(10)
  })

  it('of transactions have 25 and start at multiples of 25', async () => {
    const { chain, mintTx } = storyChain()
    const spends = Array.from({ length: 30 }, (_, vout) =>
      payment([{ txid: transactionId(mintTx), vout }], [output(1_000 + vout, ALICE)]),
    )
    const { hash, block } = chain.addBlock(spends)
    const ids = block.transactions.map(transactionId)
    const api = apiFixture(chain)
    const page = async (path: string): Promise<string[]> =>
      ((await api.json(path)) as { txid: string }[]).map((one) => one.txid)
    expect(await page(`/api/block/${hash}/txs`)).toEqual(ids.slice(0, 25))
    expect(await page(`/api/block/${hash}/txs/25`)).toEqual(ids.slice(25))
    expect(await api.json(`/api/block/${hash}/txids`)).toEqual(ids)
    expect(await api.text(`/api/block/${hash}/txid/30`)).toBe(ids[30])
  })
})

describe('bad requests for blocks', () => {
  it.each([
    ['/api/block/xyz', 400, 'Invalid hash string'],
    [`/api/block/${UNKNOWN}`, 404, 'Block not found'],
    [`/api/block/${UNKNOWN}/raw`, 404, 'Block not found'],
    [`/api/block/${UNKNOWN}/txs`, 404, 'Block not found'],
    ['/api/block-height/99', 404, 'Block not found'],
    ['/api/block-height/-1', 400, 'Invalid number'],
    ['/api/block-height/4294967296', 400, 'Invalid number'],
    ['/api/block-height/1e3', 400, 'Invalid number'],
    ['/api/blocks/abc', 400, 'Invalid number'],
    ['/api/nothing', 404, 'endpoint does not exist "/nothing"'],
  ])('%s gives %i %s as text', async (path, status, text) => {
    const response = await apiFixture(storyChain().chain).get(path)
    expect(response.status).toBe(status)
    expect(response.headers.get('Content-Type')).toMatch(/^text\/plain/)
    expect(await response.text()).toBe(text)
  })

  it('say what is wrong with an index', async () => {
    const { chain } = storyChain()
    const api = apiFixture(chain)
    const path = `/api/block/${chain.tip.hash}`
    const start = await api.get(`${path}/txs/7`)
    expect(start.status).toBe(400)
    expect(await start.text()).toBe('start index must be a multipication of 25')
    const beyond = await api.get(`${path}/txs/25`)
    expect(beyond.status).toBe(404)
    expect(await beyond.text()).toBe('start index out of range')
    const index = await api.get(`${path}/txid/9`)
    expect(index.status).toBe(404)
    expect(await index.text()).toBe('tx index out of range')
  })
})
