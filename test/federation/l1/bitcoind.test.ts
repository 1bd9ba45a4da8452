import * as fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import type { BitcoinL1 } from '../../../federation/l1/bitcoin-l1.ts'
import { L1_GENESIS } from '../../../federation/l1/bitcoin-l1.ts'
import { createBitcoindL1 } from '../../../federation/l1/bitcoind.ts'
import { encodeBitcoinBlock } from '../../../federation/l1/block-codec.ts'
import { L1ProtocolError, L1RpcError } from '../../../federation/l1/l1-error.ts'
import {
  encodeHeader,
  REGTEST_GENESIS_HEADER,
  REGTEST_GENESIS_TRANSACTION,
} from '../../../src/bitcoin/header.ts'
import { encodeTransaction, transactionId } from '../../../src/bitcoin/transaction.ts'
import { bytesToHex } from '../../../src/primitives/bytes.ts'
import { toBlockHash, toTxid } from '../../../src/primitives/hashes.ts'
import {
  byMethod,
  failure,
  type HostileNode,
  result,
  type Script,
  startHostileNode,
} from './hostile-node.ts'
import { runtime } from './l1-worlds.ts'

const HASH = L1_GENESIS.regtest
const HEADER = bytesToHex(encodeHeader(REGTEST_GENESIS_HEADER))
const BLOCK = encodeBitcoinBlock({
  header: REGTEST_GENESIS_HEADER,
  transactions: [REGTEST_GENESIS_TRANSACTION],
})
const OUT_POINT = { txid: toTxid('11'.repeat(32)), vout: 0 }
const RAW = encodeTransaction(REGTEST_GENESIS_TRANSACTION)

const goodHeader: Script = ({ params, id }, response) => {
  const verbose = { hash: HASH, height: 0, confirmations: 1 }
  response.end(JSON.stringify({ result: params[1] === true ? verbose : HEADER, error: null, id }))
}

type Ask = (l1: BitcoinL1) => Promise<unknown>

function header(value: unknown): Script {
  return byMethod({ getblockheader: result(value) })
}

describe('bitcoind over JSON-RPC', () => {
  let node: HostileNode | undefined
  let l1: BitcoinL1 | undefined

  afterEach(async () => {
    await l1?.close()
    await node?.stop()
  })

  async function against(script: Script): Promise<BitcoinL1> {
    node = await startHostileNode(script)
    l1 = createBitcoindL1({ network: 'regtest', url: node.url, timeoutMs: 5_000 }, runtime)
    return l1
  }

  const lies: readonly (readonly [string, Script, Ask])[] = [
    ['a tip that is no hash', result('zz'), (it_) => it_.tip()],
    ['an upper-case hash', result(HASH.toUpperCase()), (it_) => it_.tip()],
    ['a hash that is null', result(null), (it_) => it_.blockHashAt(1)],
    ['a header of text', header('abc'), (it_) => it_.header(HASH)],
    [
      'a negative height',
      header({ hash: HASH, height: -1, confirmations: 1 }),
      (it_) => it_.header(HASH),
    ],
    [
      'half a confirmation',
      header({ hash: HASH, height: 1, confirmations: 0.5 }),
      (it_) => it_.header(HASH),
    ],
    ['the header of another block', goodHeader, (it_) => it_.header(toBlockHash('22'.repeat(32)))],
    [
      'a block whose transactions are not those of its header',
      byMethod({
        getblockheader: goodHeader,
        getblock: result(
          bytesToHex(
            encodeBitcoinBlock({
              header: REGTEST_GENESIS_HEADER,
              transactions: [{ ...REGTEST_GENESIS_TRANSACTION, lockTime: 1 }],
            }),
          ),
        ),
      }),
      (it_) => it_.block(HASH),
    ],
    [
      'a block with bytes left over',
      byMethod({ getblockheader: goodHeader, getblock: result(`${bytesToHex(BLOCK)}00`) }),
      (it_) => it_.block(HASH),
    ],
    [
      'a coin of more than all bitcoin',
      result({ value: 21_000_001, confirmations: 1, coinbase: false, scriptPubKey: { hex: '51' } }),
      (it_) => it_.findUnspent(OUT_POINT),
    ],
    [
      'a coin with an endless script',
      result({
        value: 1,
        confirmations: 1,
        coinbase: false,
        scriptPubKey: { hex: '51'.repeat(10_001) },
      }),
      (it_) => it_.findUnspent(OUT_POINT),
    ],
    ['a verdict on two transactions', result([{}, {}]), (it_) => it_.testAccept(RAW)],
    [
      'a verdict that is text',
      result([{ txid: HASH, allowed: 'yes' }]),
      (it_) => it_.testAccept(RAW),
    ],
    ['a fee rate below zero', result({ feerate: -1 }), (it_) => it_.estimateFeeRate(6)],
    [
      'another transaction than the one asked for',
      byMethod({
        getmempoolentry: result({ wtxid: HASH }),
        getrawtransaction: result(bytesToHex(RAW)),
      }),
      (it_) => it_.mempoolTransaction(OUT_POINT.txid),
    ],
    ['a mempool of numbers', result([1]), (it_) => it_.mempoolTransactionIds()],
    ['no JSON', (_, response) => response.end('<html>'), (it_) => it_.tip()],
    ['nothing', (_, response) => response.end(), (it_) => it_.tip()],
    [
      'bytes that are not UTF-8',
      (_, response) => response.end(Uint8Array.of(0x22, 0xff, 0x22)),
      (it_) => it_.tip(),
    ],
    [
      'an answer to another call',
      (_, response) => response.end(JSON.stringify({ result: HASH, error: null, id: 999 })),
      (it_) => it_.tip(),
    ],
    [
      'an error without a code',
      ({ id }, response) => response.end(JSON.stringify({ result: null, error: {}, id })),
      (it_) => it_.tip(),
    ],
    ['an answer beyond its limit', result('0'.repeat(1 << 20)), (it_) => it_.tip()],
    [
      'an answer nested without end',
      (_, response) => response.end('['.repeat(500_000)),
      (it_) => it_.tip(),
    ],
  ]

  it.each(lies)('refuses %s', async (_, script, ask) => {
    await expect(ask(await against(script))).rejects.toBeInstanceOf(L1ProtocolError)
  })

  it('takes no JSON whatsoever for an answer that it is not', async () => {
    let value: unknown
    const asked = await against(({ id }, response) => {
      response.end(JSON.stringify({ result: value, error: null, id }))
    })
    const asks: readonly Ask[] = [
      (it_) => it_.tip(),
      (it_) => it_.header(HASH),
      (it_) => it_.block(HASH),
      (it_) => it_.testAccept(RAW),
      (it_) => it_.mempoolTransaction(OUT_POINT.txid),
    ]
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), fc.constantFrom(...asks), async (json, ask) => {
        value = json
        await expect(ask(asked)).rejects.toBeInstanceOf(L1ProtocolError)
      }),
      { numRuns: 200 },
    )
  })

  it.each([
    ['pruned', -1, 'Block not available (pruned data)'],
    ['not downloaded yet', -1, 'Block not available (not fully downloaded)'],
    ['unknown', -5, 'Block not found'],
  ])('has no block that is %s', async (_, code, message) => {
    const asked = await against(
      byMethod({ getblockheader: goodHeader, getblock: failure(code, message) }),
    )
    expect(await asked.block(HASH)).toBeUndefined()
  })

  it('passes on an error that has no meaning here', async () => {
    const asked = await against(failure(-7, 'out of\n memory'))
    await expect(asked.tip()).rejects.toMatchObject({ code: -7, reason: 'out of  memory' })
    await expect(asked.tip()).rejects.toBeInstanceOf(L1RpcError)
  })

  it('waits while the node is starting', async () => {
    const asked = await against(failure(-28, 'Loading block index…'))
    await expect(asked.tip()).rejects.toMatchObject({ name: 'L1UnavailableError' })
  })

  it.each([
    [-27, 'confirmed'],
    [-26, 'rejected'],
    [-25, 'rejected'],
    [-22, 'rejected'],
  ])('reads code %i of a broadcast as %s', async (code, outcome) => {
    const asked = await against(
      byMethod({
        getmempoolentry: failure(-5, 'no'),
        sendrawtransaction: failure(code, 'because'),
      }),
    )
    expect((await asked.broadcast(RAW)).result).toBe(outcome)
    expect(node!.calls.at(-1)!.params).toEqual([bytesToHex(RAW), 0])
  })

  it('sends again what the mempool holds, and says that it was known', async () => {
    const txid = transactionId(REGTEST_GENESIS_TRANSACTION)
    const asked = await against(
      byMethod({ getmempoolentry: result({ wtxid: txid }), sendrawtransaction: result(txid) }),
    )
    expect(await asked.broadcast(RAW)).toEqual({ result: 'already-known' })
    expect(node!.calls.map((call) => call.method)).toEqual([
      'getmempoolentry',
      'sendrawtransaction',
    ])
  })

  it('converts amounts and rates without losing a satoshi', async () => {
    const coin = { confirmations: 3, coinbase: false, scriptPubKey: { hex: '51' } }
    const amounts = fc.bigInt({ min: 0n, max: 21_000_000n * 100_000_000n })
    let value = '0'
    const asked = await against(({ id }, response) => {
      response.end(
        `{"result":${JSON.stringify({ ...coin, value: 0 }).replace('"value":0', `"value":${value}`)},"error":null,"id":${id}}`,
      )
    })
    await fc.assert(
      fc.asyncProperty(amounts, async (amount) => {
        value = `${amount / 100_000_000n}.${(amount % 100_000_000n).toString().padStart(8, '0')}`
        expect((await asked.findUnspent(OUT_POINT))!.value).toBe(amount)
      }),
      { numRuns: 100 },
    )
  })

  it('never estimates below what the mempool demands', async () => {
    const asked = await against(
      byMethod({
        estimatesmartfee: result({ feerate: 0.00001, blocks: 6 }),
        getmempoolinfo: result({ mempoolminfee: 0.00002345 }),
      }),
    )
    expect(await asked.estimateFeeRate(6)).toBe(2_345)
  })
})
