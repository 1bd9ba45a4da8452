import { mkdtempSync } from 'node:fs'
import { readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createJsonRpcClient, type JsonRpcClient } from '../../../federation/l1/json-rpc-client.ts'
import { L1ConfigurationError, L1RpcError } from '../../../federation/l1/l1-error.ts'
import { RegtestChain } from '../../../federation/l1/regtest-chain.ts'
import { type RegtestServer, startRegtestServer } from '../../../federation/l1/regtest-server.ts'
import { encodeAddress, L1_ADDRESS_NETWORKS } from '../../../src/bitcoin/address.ts'
import { transactionId } from '../../../src/bitcoin/transaction.ts'
import { bytesToHex } from '../../../src/primitives/bytes.ts'
import { bitcoindPath, type RunningBitcoind, startBitcoind } from '../../support/bitcoind.ts'
import { runtime } from './l1-worlds.ts'
import { signSpend, sweep, WALLET_SCRIPT, type WalletCoin } from './taproot-spender.ts'

const ADDRESS = encodeAddress(WALLET_SCRIPT, L1_ADDRESS_NETWORKS.regtest)!
const CREDENTIALS = 'user:pass word'

function rewardAt(chain: RegtestChain, height: number): WalletCoin {
  const [coinbase] = chain.blockAt(height)!.block.transactions
  const outPoint = { txid: transactionId(coinbase!), vout: 0 }
  return { outPoint, value: coinbase!.outputs[0]!.value }
}

async function blockHex(from: JsonRpcClient, height: number): Promise<string> {
  const hash = await from.call('getblockhash', [height])
  return String(await from.call('getblock', [hash, 0]))
}

describe('the embedded regtest server', () => {
  let chain: RegtestChain
  let server: RegtestServer
  let directory: string
  let cookiePath: string
  let stopsAsked: number

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'causeway-server-'))
    cookiePath = join(directory, '.cookie')
    chain = new RegtestChain({ clock: runtime.clock })
    stopsAsked = 0
    const onStopRequested = (): void => void (stopsAsked += 1)
    server = await startRegtestServer(
      { chain, port: 0, cookiePath, credentials: CREDENTIALS, onStopRequested },
      runtime,
    )
  })
  afterEach(async () => {
    await server.stop()
    await rm(directory, { recursive: true })
  })

  function post(body: string, credentials = CREDENTIALS): Promise<Response> {
    const headers = { authorization: `Basic ${btoa(credentials)}` }
    return fetch(server.url, { method: 'POST', body, headers })
  }

  async function answerTo(request: unknown): Promise<unknown> {
    return (await post(JSON.stringify(request))).json()
  }

  it('keeps its cookie to its owner, and takes it away at the end', async () => {
    expect((await stat(cookiePath)).mode & 0o777).toBe(0o600)
    const cookie = await readFile(cookiePath, 'utf8')
    expect(cookie).toMatch(/^__cookie__:[0-9a-f]{64}$/)
    expect((await post('{"method":"getblockcount"}', cookie)).status).toBe(200)
    const other = new RegtestChain({ clock: runtime.clock })
    const path = join(directory, 'other')
    const second = await startRegtestServer({ chain: other, port: 0, cookiePath: path }, runtime)
    expect(await readFile(path, 'utf8')).not.toBe(cookie)
    await second.stop()
    await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('lets nobody in without credentials', async () => {
    for (const credentials of ['', 'user:', 'user:pass', `${CREDENTIALS} `]) {
      expect((await post('{"method":"getblockcount"}', credentials)).status).toBe(401)
    }
    expect((await fetch(server.url, { method: 'POST', body: '{}' })).status).toBe(401)
    expect((await fetch(server.url)).status).toBe(405)
    const started = startRegtestServer({ chain, port: 0 }, runtime)
    await expect(started).rejects.toBeInstanceOf(L1ConfigurationError)
  })

  it('says that its port is taken', async () => {
    const port = Number(new URL(server.url).port)
    const started = startRegtestServer({ chain, port, credentials: CREDENTIALS }, runtime)
    await expect(started).rejects.toMatchObject({ name: 'L1UnavailableError' })
  })

  it('speaks JSON-RPC 1.0, 2.0 and batches', async () => {
    expect(await answerTo({ id: 'a', method: 'getblockcount' })).toEqual({
      result: 0,
      error: null,
      id: 'a',
    })
    expect(await answerTo({ jsonrpc: '2.0', id: 1, method: 'getblockcount', params: {} })).toEqual({
      jsonrpc: '2.0',
      result: 0,
      id: 1,
    })
    const batch = [
      { id: 1, method: 'getblockhash', params: { height: 9 } },
      { jsonrpc: '2.0', method: 'getblockcount' },
      { id: 2, method: 'getblockhash', params: [0] },
    ]
    expect(await answerTo(batch)).toEqual([
      { result: null, error: { code: -8, message: 'Block height out of range' }, id: 1 },
      { result: chain.tip().hash, error: null, id: 2 },
    ])
  })

  it.each([
    ['no JSON', '{', 500, -32_700],
    ['no request', '5', 400, -32_600],
    ['an empty batch', '[]', 400, -32_600],
    ['an unknown method', '{"method":"nosuch"}', 404, -32_601],
    ['too many arguments', '{"method":"getblockcount","params":[1]}', 500, -1],
    ['an unknown name', '{"method":"getblockhash","params":{"hight":1}}', 500, -8],
    ['a missing argument', '{"method":"getblockhash"}', 500, -1],
    ['a wrong type', '{"method":"getblockhash","params":["1"]}', 500, -3],
    ['a short hash', '{"method":"getblock","params":["00"]}', 500, -8],
    ['an unknown block', `{"method":"getblock","params":["${'00'.repeat(32)}"]}`, 500, -5],
    ['a wrong address', '{"method":"generatetoaddress","params":[1,"x"]}', 500, -5],
    ['too many blocks', `{"method":"generatetoaddress","params":[10001,"${ADDRESS}"]}`, 500, -8],
    ['no transaction', '{"method":"sendrawtransaction","params":["00"]}', 500, -22],
    ['no block', '{"method":"submitblock","params":["zz"]}', 500, -22],
    ['a target of 0', '{"method":"estimatesmartfee","params":[0]}', 500, -8],
  ])('answers %s with an error', async (_, body, status, code) => {
    const response = await post(body)
    expect(response.status).toBe(status)
    expect(await response.json()).toMatchObject({ result: null, error: { code } })
  })

  it('refuses a body beyond its limit and goes on', async () => {
    const huge = post(' '.repeat((9 << 20) + 1)).then(
      (response) => response.status,
      () => 413,
    )
    expect(await huge).toBe(413)
    expect((await post('{"method":"getblockcount"}')).status).toBe(200)
  })

  it('passes a request to stop to its owner, after the answer', async () => {
    expect(await answerTo({ id: 1, method: 'stop' })).toMatchObject({ error: null })
    await expect.poll(() => stopsAsked).toBe(1)
  })

  it('mines a block of exactly the given transactions', async () => {
    await chain.mine(102, WALLET_SCRIPT)
    const first = sweep(rewardAt(chain, 1), 1_000n)
    const second = sweep(rewardAt(chain, 2), 1_000n)
    chain.mempool.add(first.transaction)
    const params = [ADDRESS, [first.txid, bytesToHex(second.raw)]]
    expect(await answerTo({ id: 1, method: 'generateblock', params })).toMatchObject({
      error: null,
    })
    expect(chain.tip().block.transactions.slice(1).map(transactionId)).toEqual([
      first.txid,
      second.txid,
    ])
    const again = await answerTo({
      id: 1,
      method: 'generateblock',
      params: [ADDRESS, [bytesToHex(first.raw)]],
    })
    expect(again).toMatchObject({ error: { code: -25 } })
  })

  it('protects a careless sender from absurd fees', async () => {
    await chain.mine(101, WALLET_SCRIPT)
    const raw = bytesToHex(sweep(rewardAt(chain, 1), 100_000_000n).raw)
    expect(await answerTo({ method: 'sendrawtransaction', params: [raw] })).toMatchObject({
      error: { code: -25 },
    })
    expect(await answerTo({ method: 'testmempoolaccept', params: [[raw]] })).toMatchObject({
      result: [{ allowed: false, 'reject-reason': 'max-fee-exceeded' }],
    })
    expect(await answerTo({ method: 'sendrawtransaction', params: [raw, '0'] })).toMatchObject({
      error: null,
    })
  })
})

describe.skipIf(bitcoindPath === undefined)('the embedded server beside a real bitcoind', () => {
  let daemon: RunningBitcoind
  let server: RegtestServer
  let embedded: JsonRpcClient
  let chain: RegtestChain

  beforeAll(async () => {
    daemon = await startBitcoind()
    chain = new RegtestChain({ clock: runtime.clock })
    server = await startRegtestServer({ chain, port: 0, credentials: 'a:b' }, runtime)
    embedded = createJsonRpcClient({ url: server.url.replace('//', '//a:b@') })
  })
  afterAll(async () => {
    embedded.close()
    await server.stop()
    await daemon.stop()
  })

  it('makes blocks that the real one accepts, halving included, and accepts the real one’s', async () => {
    await chain.mine(150, WALLET_SCRIPT)
    const spends = [1, 2, 3].map((height) =>
      sweep(rewardAt(chain, height), 1_000n * BigInt(height)),
    )
    for (const { transaction } of spends) expect(chain.mempool.add(transaction).ok).toBe(true)
    await chain.mine(2, WALLET_SCRIPT)
    for (let height = 1; height <= 152; height++) {
      expect(await daemon.rpc.call('submitblock', [await blockHex(embedded, height)])).toBeNull()
    }
    const child = sweep(
      { outPoint: { txid: spends[0]!.txid, vout: 0 }, value: 4_999_999_000n },
      500n,
    )
    await daemon.rpc.call('sendrawtransaction', [bytesToHex(child.raw)])
    await daemon.rpc.call('generatetoaddress', [3, ADDRESS])
    for (let height = 153; height <= 155; height++) {
      expect(await embedded.call('submitblock', [await blockHex(daemon.rpc, height)])).toBeNull()
    }
    expect(await embedded.call('getbestblockhash', [])).toBe(
      await daemon.rpc.call('getbestblockhash', []),
    )
    expect(chain.coins.findCoin({ txid: child.txid, vout: 0 })).toBeDefined()
  })

  it('answers like the real one, field by field', async () => {
    const coin = rewardAt(chain, 10)
    const pending = signSpend({
      coins: [coin],
      outputs: [
        { value: 1_234_567n, script: WALLET_SCRIPT },
        { value: coin.value - 1_236_567n, script: WALLET_SCRIPT },
        { value: 0n, script: Uint8Array.of(0x6a, 2, 0xca, 0xfe) },
      ],
    })
    const raw = bytesToHex(pending.raw)
    const tip = await embedded.call('getbestblockhash', [])
    const spendBlock = chain.blockAt(151)!
    const [, spend] = spendBlock.block.transactions
    const calls: readonly (readonly [string, readonly unknown[]])[] = [
      ['testmempoolaccept', [[raw]]],
      ['sendrawtransaction', [raw]],
      ['testmempoolaccept', [[raw]]],
      ['getblockcount', []],
      ['getblockchaininfo', []],
      ['getblockheader', [tip]],
      ['getblockheader', [chain.blockAt(20)!.hash]],
      ['getblock', [spendBlock.hash, 1]],
      ['getblock', [spendBlock.hash, 2]],
      ['getblock', [chain.blockAt(0)!.hash, 1]],
      ['getrawtransaction', [pending.txid, true]],
      ['getrawtransaction', [transactionId(spend!), 1, spendBlock.hash]],
      ['gettxout', [pending.txid, 0]],
      ['gettxout', [coin.outPoint.txid, 0]],
      ['gettxout', [coin.outPoint.txid, 0, false]],
      ['getrawmempool', []],
      ['getrawmempool', [true]],
      ['getmempoolentry', [pending.txid]],
      ['estimatesmartfee', [6]],
    ]
    for (const [method, parameters] of calls) {
      const ours = await embedded.call(method, parameters)
      const theirs = await daemon.rpc.call(method, parameters)
      expect(comparable(ours), `${method} ${JSON.stringify(parameters)}`).toEqual(
        comparable(restrict(theirs, ours)),
      )
    }
  })

  it.each<readonly [string, readonly unknown[]]>([
    ['getblockhash', [10_000]],
    ['getblockhash', ['x']],
    ['getblock', ['00']],
    ['getblock', ['00'.repeat(32)]],
    ['getblockheader', ['00'.repeat(32)]],
    ['getmempoolentry', ['00'.repeat(32)]],
    ['getrawtransaction', ['00'.repeat(32)]],
    ['sendrawtransaction', ['00']],
    ['testmempoolaccept', [['00']]],
    ['testmempoolaccept', [[]]],
    ['submitblock', ['00']],
    ['generatetoaddress', [1, 'nowhere']],
    ['estimatesmartfee', [0]],
    ['nosuchmethod', []],
  ])('refuses with the real one’s code: %s %j', async (method, parameters) => {
    const codes = await Promise.all(
      [embedded, daemon.rpc].map((client) => client.call(method, parameters).catch(codeOf)),
    )
    expect(codes[0]).toBeLessThan(0)
    expect(codes[0]).toBe(codes[1])
  })
})

function codeOf(error: unknown): number {
  if (error instanceof L1RpcError) return error.code
  throw error
}

/** What the two may differ in: when, how big on disk, and what one of them wants to tell. */
const INCOMPARABLE = new Set([
  'time',
  'size_on_disk',
  'warnings',
  'verificationprogress',
  'initialblockdownload',
  'blocks',
  'unbroadcast',
])

/** The real answer, cut to the fields that the embedded server gives. */
function restrict(theirs: unknown, ours: unknown): unknown {
  if (Array.isArray(theirs) && Array.isArray(ours)) {
    return theirs.map((item, i) => restrict(item, ours[i]))
  }
  if (!isRecord(theirs) || !isRecord(ours)) return theirs
  return Object.fromEntries(Object.keys(ours).map((key) => [key, restrict(theirs[key], ours[key])]))
}

function comparable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(comparable)
  if (!isRecord(value)) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, item]) =>
      INCOMPARABLE.has(key) ? [] : [[key, comparable(item)]],
    ),
  )
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
