import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type BitcoinL1,
  L1_GENESIS,
  type L1BlockSummary,
} from '../../../federation/l1/bitcoin-l1.ts'
import { createBitcoindL1 } from '../../../federation/l1/bitcoind.ts'
import { L1UnavailableError, L1WrongNetworkError } from '../../../federation/l1/l1-error.ts'
import { findL1TransactionProof } from '../../../federation/l1/proofs.ts'
import { decodeHeader, headerHash } from '../../../src/bitcoin/header.ts'
import { verifyMerkleProof } from '../../../src/bitcoin/merkle.ts'
import { decodeTransaction, transactionId } from '../../../src/bitcoin/transaction.ts'
import { type BlockHash, toBlockHash, toTxid } from '../../../src/primitives/hashes.ts'
import { L1_WORLDS, type L1World, runtime } from './l1-worlds.ts'
import { signSpend, sweep, WALLET_SCRIPT, type WalletCoin } from './taproot-spender.ts'

const NOWHERE = { txid: toTxid('77'.repeat(32)), vout: 0 }
const MATURE_BLOCKS = 20

function change(value: bigint): { value: bigint; script: Uint8Array } {
  return { value, script: WALLET_SCRIPT }
}

function spendTwice(coin: WalletCoin): Uint8Array {
  return signSpend({ coins: [coin, coin], outputs: [change(coin.value)] }).raw
}

describe.each(L1_WORLDS)('L1 as $name', ({ isAvailable, isRemote, start }) => {
  let world: L1World
  let l1: BitcoinL1
  let coins: WalletCoin[]

  beforeAll(async () => {
    if (!isAvailable) return
    world = await start()
    l1 = world.l1
    await world.mine(100 + MATURE_BLOCKS)
    coins = []
    for (let height = 1; height <= MATURE_BLOCKS; height++) coins.push(await rewardAt(height))
  })
  afterAll(() => (isAvailable ? world.stop() : undefined))

  const it_ = it.skipIf(!isAvailable)
  const itRemote = it.skipIf(!isAvailable || !isRemote)

  async function blockAt(height: number): Promise<BlockHash> {
    return (await l1.blockHashAt(height))!
  }

  async function rewardAt(height: number): Promise<WalletCoin> {
    const block = await l1.block(await blockAt(height))
    const [coinbase] = block!.transactions
    return {
      outPoint: { txid: transactionId(coinbase!), vout: 0 },
      value: coinbase!.outputs[0]!.value,
    }
  }

  it_('starts from the network’s block 0', async () => {
    await l1.checkNetwork()
    expect(await l1.blockHashAt(0)).toBe(L1_GENESIS.regtest)
    expect((await l1.block(L1_GENESIS.regtest))!.transactions).toHaveLength(1)
  })

  it_('answers for its tip, its blocks and their headers', async () => {
    const tip = await l1.tip()
    expect(headerHash(decodeHeader(tip.header))).toBe(tip.hash)
    expect(await l1.blockHashAt(tip.height)).toBe(tip.hash)
    expect(await l1.blockHashAt(tip.height + 1)).toBeUndefined()
    const below = await l1.header(await blockAt(tip.height - 2))
    expect(below).toMatchObject({ height: tip.height - 2, inBestChain: true, confirmations: 3 })
    const block = await l1.block(tip.hash)
    expect(block).toMatchObject({ hash: tip.hash, height: tip.height, header: tip.header })
    const unknown = toBlockHash('12'.repeat(32))
    expect(await l1.header(unknown)).toBeUndefined()
    expect(await l1.block(unknown)).toBeUndefined()
  })

  it_('tells of new tips, the present one first', async () => {
    const seen: L1BlockSummary[] = []
    const waits: { height: number; resolve: () => void }[] = []
    const stop = l1.onBlock((tip) => {
      seen.push(tip)
      for (const wait of waits) if (tip.height >= wait.height) wait.resolve()
    })
    const reached = (height: number): Promise<void> => {
      const { promise, resolve } = Promise.withResolvers<undefined>()
      waits.push({ height, resolve: () => resolve(undefined) })
      if (seen.some((tip) => tip.height >= height)) resolve(undefined)
      return promise
    }
    const before = await l1.tip()
    await reached(before.height)
    const [mined] = await world.mine(1)
    await reached(before.height + 1)
    stop()
    expect(seen.map((tip) => tip.hash)).toEqual([before.hash, mined])
  })

  it_('finds unspent outputs in the chain, and in the mempool when asked', async () => {
    const coin = coins.pop()!
    const found = await l1.findUnspent(coin.outPoint)
    expect(found).toMatchObject({ value: coin.value, script: WALLET_SCRIPT, coinbase: true })
    expect(found!.confirmations).toBeGreaterThan(100)
    expect(await l1.findUnspent(NOWHERE)).toBeUndefined()

    const spend = sweep(coin, 1_000n)
    expect(await l1.broadcast(spend.raw)).toEqual({ result: 'accepted' })
    const output = { txid: spend.txid, vout: 0 }
    expect(await l1.findUnspent(coin.outPoint)).toBeDefined()
    expect(await l1.findUnspent(output)).toBeUndefined()
    expect(await l1.findUnspent(coin.outPoint, { includeMempool: true })).toBeUndefined()
    expect(await l1.findUnspent(output, { includeMempool: true })).toEqual({
      value: coin.value - 1_000n,
      script: WALLET_SCRIPT,
      confirmations: 0,
      coinbase: false,
    })
    await world.mine(1)
    expect(await l1.findUnspent(coin.outPoint)).toBeUndefined()
    expect(await l1.findUnspent(output)).toMatchObject({ confirmations: 1, coinbase: false })
  })

  it_('accepts a taproot spend, idempotently, until it is confirmed', async () => {
    const spend = sweep(coins.pop()!, 2_000n)
    expect(await l1.testAccept(spend.raw)).toEqual({ allowed: true })
    expect(await l1.isInMempool(spend.txid)).toBe(false)
    expect(await l1.broadcast(spend.raw)).toEqual({ result: 'accepted' })
    expect(await l1.broadcast(spend.raw)).toEqual({ result: 'already-known' })
    expect(await l1.testAccept(spend.raw)).toEqual({
      allowed: false,
      reason: 'txn-already-in-mempool',
    })
    expect(await l1.isInMempool(spend.txid)).toBe(true)
    expect(await l1.mempoolTransactionIds()).toEqual([spend.txid])
    expect(transactionId((await l1.mempoolTransaction(spend.txid))!)).toBe(spend.txid)

    const [hash] = await world.mine(1)
    expect(await l1.broadcast(spend.raw)).toEqual({ result: 'confirmed' })
    expect(await l1.isInMempool(spend.txid)).toBe(false)
    expect(await l1.mempoolTransaction(spend.txid)).toBeUndefined()
    const block = (await l1.block(hash!))!
    expect(block.transactions.map(transactionId)).toContain(spend.txid)

    const proof = findL1TransactionProof(block, spend.txid)!
    expect(proof.l1Height).toBe(block.height)
    expect(transactionId(decodeTransaction(proof.transaction))).toBe(spend.txid)
    const { merkleRoot } = decodeHeader(block.header)
    expect(verifyMerkleProof(spend.txid, proof.merkle, merkleRoot)).toBe(true)
    expect(findL1TransactionProof(block, NOWHERE.txid)).toBeUndefined()
  })

  it_('says why it refuses a transaction', async () => {
    const coin = coins.at(-1)!
    const tip = await l1.tip()
    const young = await rewardAt(tip.height)
    const cases: readonly (readonly [string, RegExp, Uint8Array])[] = [
      ['a bad signature', /script-verify-flag-failed/, sweep(coin, 1_000n, { spoilt: true }).raw],
      ['too low a fee', /^min relay fee not met/, sweep(coin, 10n).raw],
      ['no such input', /missing/, sweep({ outPoint: NOWHERE, value: 9_000n }, 1_000n).raw],
      ['a young coinbase', /premature-spend-of-coinbase/, sweep(young, 1_000n).raw],
      ['more out than in', /in-belowout/, sweep(coin, -1_000n).raw],
      [
        'dust',
        /^dust/,
        signSpend({ coins: [coin], outputs: [change(coin.value - 2_000n), change(329n)] }).raw,
      ],
      ['a height to come', /non-final/, sweep(coin, 1_000n, { lockTime: tip.height + 1 }).raw],
      ['a young coin (BIP68)', /non-BIP68-final/, sweep(coin, 1_000n, { sequence: 0xffff }).raw],
      ['a version to come', /^version/, sweep(coin, 1_000n, { version: 4 }).raw],
      ['two spends of one coin', /inputs-duplicate/, spendTwice(coin)],
      ['bytes that are no transaction', /decode failed/, new Uint8Array(9)],
    ]
    for (const [what, reason, raw] of cases) {
      const verdict = await l1.testAccept(raw)
      expect(verdict.allowed, what).toBe(false)
      expect(verdict.reason, what).toMatch(reason)
      const outcome = await l1.broadcast(raw)
      expect(outcome.result, what).toBe('rejected')
      expect(outcome.reason, what).toMatch(reason)
    }
    expect(await l1.mempoolTransactionIds()).toEqual([])
  })

  it_('keeps time locks to the block (BIP65’s and BIP68’s edge)', async () => {
    const coin = coins.pop()!
    const { height } = await l1.tip()
    const confirmations = (await l1.findUnspent(coin.outPoint))!.confirmations
    const next = { sequence: confirmations, lockTime: height }
    expect(await l1.testAccept(sweep(coin, 1_000n, next).raw)).toEqual({ allowed: true })
    const later = { sequence: confirmations + 1 }
    expect((await l1.testAccept(sweep(coin, 1_000n, later).raw)).reason).toBe('non-BIP68-final')
  })

  it_('replaces a transaction by one that pays enough more', async () => {
    const coin = coins.pop()!
    const first = sweep(coin, 1_000n)
    const child = sweep(
      { outPoint: { txid: first.txid, vout: 0 }, value: coin.value - 1_000n },
      500n,
    )
    for (const { raw } of [first, child]) await l1.broadcast(raw)
    const stingy = await l1.broadcast(sweep(coin, 1_500n).raw)
    expect(stingy.result).toBe('rejected')
    expect(stingy.reason).toMatch(/^insufficient fee/)
    const better = sweep(coin, 2_000n)
    expect(await l1.broadcast(better.raw)).toEqual({ result: 'accepted' })
    expect(await l1.mempoolTransactionIds()).toEqual([better.txid])
    const [hash] = await world.mine(1)
    expect((await l1.block(hash!))!.transactions).toHaveLength(2)
    expect((await l1.broadcast(first.raw)).result).toBe('rejected')
  })

  it_('reorganises: the old block leaves the best chain, its transaction comes back', async () => {
    const coin = coins.pop()!
    const spend = sweep(coin, 1_000n)
    await l1.broadcast(spend.raw)
    const [doomed, above] = await world.mine(2)
    const height = (await l1.header(doomed!))!.height
    expect(await l1.isInMempool(spend.txid)).toBe(false)

    await world.invalidate(doomed!)
    expect((await l1.tip()).height).toBe(height - 1)
    expect(await l1.isInMempool(spend.txid)).toBe(true)
    const rivals = [await world.mineEmpty(), await world.mineEmpty(), await world.mineEmpty()]
    expect(await l1.tip()).toMatchObject({ hash: rivals[2], height: height + 2 })
    expect(await l1.blockHashAt(height)).toBe(rivals[0])
    for (const hash of [doomed!, above!]) {
      expect(await l1.header(hash)).toMatchObject({ inBestChain: false, confirmations: 0 })
      expect((await l1.block(hash))!.hash).toBe(hash)
    }
    expect(await l1.findUnspent({ txid: spend.txid, vout: 0 })).toBeUndefined()
    expect(await l1.findUnspent(coin.outPoint)).toBeDefined()

    // A rival spend makes the returned transaction impossible for good.
    const rival = sweep(coin, 50_000n)
    expect(await l1.broadcast(rival.raw)).toEqual({ result: 'accepted' })
    await world.mine(1)
    expect((await l1.broadcast(spend.raw)).result).toBe('rejected')
  })

  it_('has no estimate without a fee market', async () => {
    expect(await l1.estimateFeeRate(6)).toBeUndefined()
  })

  itRemote('names a node of another network', async () => {
    const { url, cookiePath } = world.remote!
    const wrong = createBitcoindL1({ network: 'mainnet', url, cookiePath }, runtime)
    await expect(wrong.checkNetwork()).rejects.toMatchObject({
      name: 'L1WrongNetworkError',
      expectedGenesis: L1_GENESIS.mainnet,
      actualGenesis: L1_GENESIS.regtest,
    })
    await expect(wrong.checkNetwork()).rejects.toBeInstanceOf(L1WrongNetworkError)
    await wrong.close()
  })

  itRemote('answers nothing once it is closed', async () => {
    const { url, cookiePath } = world.remote!
    const other = createBitcoindL1({ network: 'regtest', url, cookiePath }, runtime)
    await other.tip()
    await other.close()
    await expect(other.tip()).rejects.toBeInstanceOf(L1UnavailableError)
  })
})
