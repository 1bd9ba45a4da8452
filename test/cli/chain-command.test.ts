import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { encodeHeader, headerHash, REGTEST_GENESIS_HEADER } from '../../src/bitcoin/header.ts'
import { assembleCertificate, encodeCertificate } from '../../src/consensus/certificate.ts'
import { type Statement, voteDigest } from '../../src/consensus/votes.ts'
import { bytesToHex } from '../../src/primitives/bytes.ts'
import { signSchnorr } from '../../src/primitives/secp256k1.ts'
import { CHAIN_ID, ok, RecordedNode, SOME_TXID, VALIDATOR_SECRETS } from './recorded-node.ts'
import { cli, json } from './test-io.ts'

const BLOCK_HASH = headerHash(REGTEST_GENESIS_HEADER)

let node: RecordedNode
beforeEach(async () => {
  node = await RecordedNode.start()
})
afterEach(() => node.stop())

function at(...args: readonly string[]): readonly string[] {
  return [...args, '--api', node.url]
}

const block = {
  id: BLOCK_HASH,
  height: 9,
  version: 0x20000000,
  timestamp: 1_700_000_000,
  tx_count: 2,
  size: 500,
  weight: 1_700,
  merkle_root: SOME_TXID,
  previousblockhash: SOME_TXID,
}

describe('chain', () => {
  test('a block is found by height, by hash, or as the tip', async () => {
    node.answers.set('GET /api/block-height/9', ok(BLOCK_HASH))
    node.answers.set('GET /api/blocks/tip/hash', ok(BLOCK_HASH))
    node.answers.set(`GET /api/block/${BLOCK_HASH}`, ok(block))
    for (const which of [['9'], [BLOCK_HASH], []]) {
      const run = await cli(at('chain', 'block', ...which, '--json'))
      expect(json(run)).toEqual(block)
    }
    expect((await cli(at('chain', 'block', '9'))).stdout).toContain('500 bytes, 1700 WU')
  })

  test('an unknown block or transaction is exit code 3', async () => {
    node.answers.set('GET /api/block-height/99', { status: 404, body: 'Block not found' })
    node.answers.set(`GET /api/tx/${SOME_TXID}`, { status: 404, body: 'Transaction not found' })
    const missing = await cli(at('chain', 'block', '99'))
    expect(missing).toMatchObject({ exitCode: 3, stderr: expect.stringContaining('Block not') })
    const run = await cli(at('chain', 'tx', SOME_TXID, '--json'))
    expect(run.exitCode).toBe(3)
    expect(json(run)).toMatchObject({ error: { code: 'not-found' } })
    expect((await cli(at('chain', 'tx', 'abc'))).exitCode).toBe(2)
    expect((await cli(at('chain', 'block', 'abc'))).exitCode).toBe(2)
  })

  test('a transaction is described', async () => {
    node.answers.set(
      `GET /api/tx/${SOME_TXID}`,
      ok({
        txid: SOME_TXID,
        version: 2,
        locktime: 0,
        size: 200,
        weight: 500,
        fee: 250,
        vin: [
          {
            txid: SOME_TXID,
            vout: 1,
            is_coinbase: false,
            prevout: { value: 1_000, scriptpubkey_address: 'bcrt1pfrom' },
          },
        ],
        vout: [{ value: 750, scriptpubkey_type: 'v1_p2tr', scriptpubkey_address: 'bcrt1pto' }],
        status: { confirmed: true, block_height: 9, block_hash: BLOCK_HASH, block_time: 1 },
      }),
    )
    const run = await cli(at('chain', 'tx', SOME_TXID))
    expect(run.stdout).toContain('final in block 9')
    expect(run.stdout).toContain('bcrt1pfrom')
    expect(run.stdout).toContain('0.00000750 BTC  bcrt1pto')
  })
})

describe('chain test-tx', () => {
  const txid = SOME_TXID

  test('says what the node would say, and sends nothing', async () => {
    const tested = [{ txid, wtxid: txid, allowed: true, vsize: 154, fees: { base: 0.000005 } }]
    node.answers.set('POST /api/txs/test', ok(tested))
    const run = await cli(at('chain', 'test-tx', '00ff'))
    expect(run).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('0.00000500 BTC') })
    expect(json(await cli(at('chain', 'test-tx', '00ff', '--json')))).toMatchObject({
      allowed: true,
      transactions: [{ txid, vsize: 154 }],
    })
  })

  test('is exit code 6 when one of them would be refused', async () => {
    const refused = { txid, allowed: false, 'reject-reason': 'dust', 'reject-details': 'dust, 1' }
    node.answers.set('POST /api/txs/test', ok([{ txid, allowed: true }, refused]))
    const run = await cli(at('chain', 'test-tx', '00', '11'))
    expect(run).toMatchObject({ exitCode: 6, stdout: expect.stringContaining('dust, 1') })
    expect((await cli(at('chain', 'test-tx', 'xyz'))).exitCode).toBe(2)
    expect((await cli(at('chain', 'test-tx'))).exitCode).toBe(2)
  })
})

describe('chain verify', () => {
  const statement: Statement = { type: 'finalize', height: 9, view: 1, blockHash: BLOCK_HASH }

  function answer(signers: readonly number[], signed: Statement = statement): object {
    const context = { chainId: CHAIN_ID, epoch: 0 }
    const votes = signers.map((signer) => ({
      ...signed,
      signer,
      signature: signSchnorr(
        voteDigest(context, signed),
        VALIDATOR_SECRETS[signer]!,
        new Uint8Array(32),
      ),
    }))
    return {
      height: 9,
      blockHash: BLOCK_HASH,
      view: 1,
      signers,
      certificate: bytesToHex(encodeCertificate(assembleCertificate(votes, 4))),
      extension: '00',
      header: bytesToHex(encodeHeader(REGTEST_GENESIS_HEADER)),
    }
  }

  test('accepts a quorum of the genesis validators', async () => {
    node.answers.set('GET /v1/handovers', ok({ handovers: [] }))
    node.answers.set('GET /v1/blocks/9/certificate', ok(answer([0, 2, 3])))
    const run = await cli(at('chain', 'verify', '9', '--json'))
    expect(json(run)).toEqual({
      verified: true,
      height: 9,
      blockHash: BLOCK_HASH,
      signers: [0, 2, 3],
      validators: 4,
    })
  })

  test.each([
    ['another height', answer([0, 1, 2], { ...statement, height: 8 })],
    ['a notarization', answer([0, 1, 2], { ...statement, type: 'notarize' })],
    ['another header', { ...answer([0, 1, 2]), header: '00'.repeat(80) }],
    ['too short a header', { ...answer([0, 1, 2]), header: '00' }],
    ['noise', { ...answer([0, 1, 2]), certificate: 'ffff' }],
  ])('%s proves nothing: exit code 9', async (_name, wrong) => {
    node.answers.set('GET /v1/handovers', ok({ handovers: [] }))
    node.answers.set('GET /v1/blocks/9/certificate', ok(wrong))
    const run = await cli(at('chain', 'verify', '9', '--json'))
    expect(run.exitCode).toBe(9)
    expect(json(run)).toMatchObject({ error: { code: 'bad-certificate' } })
  })
})

describe('federation', () => {
  test('members and key epochs are shown', async () => {
    const answer = {
      epoch: 0,
      setHash: SOME_TXID,
      nextEpoch: 1,
      threshold: 3,
      members: [0, 1].map((index) => ({
        index,
        publicKey: '0a'.repeat(32),
        online: index === 0,
        self: index === 0,
      })),
      keyEpochs: [
        {
          epoch: 0,
          groupKey: `02${SOME_TXID}`,
          threshold: 3,
          state: 'active',
          members: ['0a'.repeat(32)],
          announcedHeight: 4,
          activatedHeight: 4,
          coins: 1,
          coinsSats: 951_500,
        },
      ],
      pending: null,
      waitingChange: null,
    }
    node.answers.set('GET /v1/federation', ok(answer))
    const run = await cli(at('federation', 'members'))
    expect(run.stdout).toContain('1 of 2 members online, 3 sign')
    expect(run.stdout).toContain('(this node)')
    expect(json(await cli(at('federation', 'members', '--json')))).toEqual(answer)
  })

  const coin = {
    txid: SOME_TXID,
    vout: 0,
    valueSats: 951_500,
    keyEpoch: 0,
    l1Height: 104,
    inBatch: null,
    opensAtL1Height: 4_424,
  }
  const equation = {
    supply: 900_000,
    pendingReleases: 50_000,
    feeReserve: 1_000,
    inFlightFees: 500,
    reserves: 951_500,
    holds: true,
  }
  const recovery = { delayBlocks: 4_320, threshold: 2, keys: [] }
  const page = { height: 42, equation, next: null, recovery, batches: [] }

  test('reserves are added up here, and the node’s word is not taken', async () => {
    node.answers.set('GET /v1/reserves?limit=1000', ok({ ...page, coins: [coin] }))
    const run = await cli(at('federation', 'reserves', '--json'))
    expect(json(run)).toMatchObject({ verified: true, equation: { supply: 900_000 } })
    node.answers.set(
      'GET /v1/reserves?limit=1000',
      ok({ ...page, equation: { ...equation, supply: 900_001 }, coins: [coin] }),
    )
    const broken = await cli(at('federation', 'reserves', '--json'))
    expect(broken.exitCode).toBe(9)
    expect(json(broken)).toMatchObject({ error: { code: 'not-solvent' } })
  })

  test('reserves show every version of a batch under way, and when the recovery keys come', async () => {
    const batch = {
      id: 7,
      kind: 'payment',
      txid: '2'.repeat(64),
      versions: [
        { txid: '1'.repeat(64), feeSats: 300, feeRateSatsPerKvb: 1_500 },
        { txid: '2'.repeat(64), feeSats: 600, feeRateSatsPerKvb: 3_000 },
      ],
      status: 'open',
      keyEpoch: 0,
      releases: [4, 5],
      feeSats: 600,
      signed: true,
    }
    const done = { ...batch, id: 6, status: 'confirmed' }
    const answer = { ...page, coins: [coin], batches: [batch, done] }
    node.answers.set('GET /v1/reserves?limit=1000', ok(answer))
    const { stdout } = await cli(at('federation', 'reserves'))
    expect(stdout).toMatch(/^7 +payment +2 +0 +1 of 2 +1.5 sat\/vB +300 sat +replaced +1{64}$/m)
    expect(stdout).toMatch(/^7 +payment +2 +0 +2 of 2 +3 sat\/vB +600 sat +signed +2{64}$/m)
    expect(stdout).toMatch(/^recovery keys +none before L1 block 4424$/m)
    expect(stdout).not.toMatch(/^6 /m)
  })

  test('reserves of many pages are those of one block, or none', async () => {
    const half = { ...coin, valueSats: 475_750 }
    const other = { ...half, vout: 1 }
    const next = `${half.txid}:0`
    node.answers.set('GET /v1/reserves?limit=1000', ok({ ...page, coins: [half], next }))
    const second = `GET /v1/reserves?limit=1000&after=${encodeURIComponent(next)}`
    node.answers.set(second, ok({ ...page, coins: [other] }))
    const run = await cli(at('federation', 'reserves', '--json'))
    expect(json(run)).toMatchObject({ verified: true, coins: [{ vout: 0 }, { vout: 1 }] })
    node.answers.set(second, ok({ ...page, height: 43, coins: [other] }))
    const moving = await cli(at('federation', 'reserves', '--json'))
    expect(json(moving)).toMatchObject({ error: { code: 'reserves-moving' } })
  })

  test('coins that do not add up to the reserves are exit code 9 as well', async () => {
    const short = { ...coin, valueSats: 951_499 }
    node.answers.set('GET /v1/reserves?limit=1000', ok({ ...page, coins: [short] }))
    expect((await cli(at('federation', 'reserves'))).exitCode).toBe(9)
  })
})
