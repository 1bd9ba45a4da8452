import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import {
  type BitcoinBlock,
  decodeBitcoinBlock,
  encodeBitcoinBlock,
} from '../../../federation/l1/block-codec.ts'
import { L1StoreError } from '../../../federation/l1/l1-error.ts'
import { buildRegtestBlock, regtestSubsidy } from '../../../federation/l1/regtest-block.ts'
import { type RegtestBlock, RegtestChain } from '../../../federation/l1/regtest-chain.ts'
import { decodeRegtestRecord } from '../../../federation/l1/regtest-records.ts'
import { verifyProofOfWork } from '../../../src/bitcoin/header.ts'
import { p2pkhScript } from '../../../src/bitcoin/script.ts'
import { type Transaction, transactionId } from '../../../src/bitcoin/transaction.ts'
import { DecodeError } from '../../../src/primitives/codec.ts'
import type { AppendLog, Clock } from '../../../src/runtime/runtime.ts'
import { openAppendLog } from '../../../src/storage/append-log.ts'
import { signSpend, sweep, WALLET_SCRIPT, type WalletCoin } from './taproot-spender.ts'

const clock: Clock = { nowMs: () => 1_700_000_000_000, monotonicMs: () => 0 }

async function chainOf(height: number): Promise<RegtestChain> {
  const chain = new RegtestChain({ clock })
  await chain.mine(height, WALLET_SCRIPT)
  return chain
}

function rewardAt(chain: RegtestChain, height: number): WalletCoin {
  const [coinbase] = chain.blockAt(height)!.block.transactions
  const outPoint = { txid: transactionId(coinbase!), vout: 0 }
  return { outPoint, value: coinbase!.outputs[0]!.value }
}

/** A block on top of `parent`, made outside of the chain. */
function blockOn(
  chain: RegtestChain,
  parent: RegtestBlock,
  more: { transactions?: readonly Transaction[]; fees?: bigint; extraNonce?: number } = {},
): BitcoinBlock {
  return buildRegtestBlock({
    height: parent.height + 1,
    previousHash: parent.hash,
    time: chain.medianTimePast(parent) + 1,
    script: WALLET_SCRIPT,
    fees: more.fees ?? 0n,
    transactions: more.transactions ?? [],
    extraNonce: more.extraNonce ?? 77,
  })
}

describe('the embedded regtest chain', () => {
  it('halves the subsidy every 150 blocks', async () => {
    expect(regtestSubsidy(149)).toBe(5_000_000_000n)
    expect(regtestSubsidy(150)).toBe(2_500_000_000n)
    expect(regtestSubsidy(150 * 64)).toBe(0n)
    const chain = await chainOf(151)
    expect(rewardAt(chain, 149).value).toBe(5_000_000_000n)
    expect(rewardAt(chain, 150).value).toBe(2_500_000_000n)
  })

  it('keeps times rising when the clock stands still', async () => {
    const chain = await chainOf(40)
    for (let height = 12; height <= 40; height++) {
      const block = chain.blockAt(height)!
      expect(block.block.header.time).toBeGreaterThan(chain.medianTimePast(block.parent!))
      expect(verifyProofOfWork(block.block.header)).toBe(true)
    }
  })

  it.each([-1, 0.5, 10_001])('refuses to mine %d blocks', async (count) => {
    await expect(new RegtestChain({ clock }).mine(count, WALLET_SCRIPT)).rejects.toThrow(RangeError)
  })

  it('lets a coinbase be spent in the hundredth block after its own', async () => {
    const chain = await chainOf(99)
    const spend = sweep(rewardAt(chain, 1), 1_000n)
    expect(chain.mempool.add(spend.transaction)).toMatchObject({
      error: { code: 'bad-txns-premature-spend-of-coinbase' },
    })
    await chain.mine(1, WALLET_SCRIPT)
    expect(chain.mempool.add(spend.transaction).ok).toBe(true)
    await chain.mine(1, WALLET_SCRIPT)
    expect(chain.coins.findCoin({ txid: spend.txid, vout: 0 })).toMatchObject({ height: 101 })
    expect(rewardAt(chain, 101).value).toBe(5_000_001_000n)
  })

  it('follows the longest chain, and the first seen of two as long', async () => {
    const chain = await chainOf(3)
    const fork = chain.blockAt(2)!
    const tip = chain.tip()
    const rival = await chain.submit(blockOn(chain, fork))
    expect(rival.ok && chain.isInBestChain(rival.value)).toBe(false)
    expect(chain.tip()).toBe(tip)
    const above = await chain.submit(blockOn(chain, rival.ok ? rival.value : tip))
    expect(above.ok && chain.tip() === above.value).toBe(true)
    expect(chain.isInBestChain(tip)).toBe(false)
  })

  it('takes a whole branch back when one of its blocks turns out invalid', async () => {
    const chain = await chainOf(103)
    const before = chain.tip()
    const coins = chain.coins.size
    const fork = chain.blockAt(101)!
    const spend = sweep(rewardAt(chain, 1), 1_000n, { spoilt: true })
    const greedy = blockOn(chain, fork, { transactions: [spend.transaction], fees: 1_000n })
    // Its scripts are looked at only when its chain is about to become the best one.
    const side = await chain.submit(greedy)
    const second = await chain.submit(blockOn(chain, (side as { value: RegtestBlock }).value))
    const third = blockOn(chain, (second as { value: RegtestBlock }).value)
    expect(await chain.submit(third)).toMatchObject({
      error: { code: 'mandatory-script-verify-flag-failed (SCHNORR_SIG)' },
    })
    expect(chain.tip()).toBe(before)
    expect(chain.coins.size).toBe(coins)
    expect(await chain.submit(greedy)).toMatchObject({ error: { code: 'duplicate-invalid' } })
  })

  it('names what is wrong with a block', async () => {
    const chain = await chainOf(101)
    const tip = chain.tip()
    const good = blockOn(chain, tip)
    const [coinbase] = good.transactions
    const spend = sweep(rewardAt(chain, 1), 1_000n).transaction
    const withHeader = (change: Partial<BitcoinBlock['header']>): BitcoinBlock => {
      for (let nonce = 0; ; nonce++) {
        const header = { ...good.header, ...change, nonce }
        if (verifyProofOfWork(header)) return { ...good, header }
      }
    }
    const unworked = { ...good.header, nonce: 0 }
    while (verifyProofOfWork({ ...unworked })) unworked.nonce += 1
    const height = chain.tip().height
    const cases: readonly (readonly [string, BitcoinBlock])[] = [
      ['high-hash', { ...good, header: unworked }],
      ['bad-diffbits', withHeader({ bits: 0x207f_fffe })],
      ['time-too-old', withHeader({ time: chain.medianTimePast(tip) })],
      ['bad-version', withHeader({ version: 3 })],
      ['prev-blk-not-found', withHeader({ previousHash: good.header.merkleRoot as never })],
      ['bad-cb-multiple', { ...good, transactions: [coinbase!, coinbase!] }],
      ['bad-cb-missing', { ...good, transactions: [spend] }],
      ['bad-cb-height', { ...blockOn(chain, { ...tip, height: 7 }) }],
      ['bad-cb-amount', blockOn(chain, tip, { fees: 1n })],
      ['bad-cb-amount', blockOn(chain, tip, { transactions: [spend], fees: 1_001n })],
      ['bad-witness-merkle-match', { ...good, transactions: [coinbase!, spend] }],
      [
        'bad-txns-inputs-missingorspent',
        blockOn(chain, tip, { transactions: [spend, spend], fees: 2_000n }),
      ],
    ]
    for (const [code, block] of cases) {
      expect(await chain.submit(block), code).toMatchObject({ error: { code } })
      expect(chain.tip().height).toBe(height)
    }
    expect(await chain.submit(good)).toMatchObject({ ok: true })
    expect(await chain.submit(good)).toMatchObject({ error: { code: 'duplicate' } })
  })

  it('reorganises on demand, with the transactions or without', async () => {
    const chain = await chainOf(105)
    const kept = sweep(rewardAt(chain, 1), 1_000n)
    const lost = sweep(rewardAt(chain, 2), 1_000n)
    chain.mempool.add(kept.transaction)
    await chain.mine(2, WALLET_SCRIPT)
    const tip = chain.tip()
    const mined = await chain.reorganise(2, { script: WALLET_SCRIPT, transactions: 'return' })
    expect(mined).toHaveLength(3)
    expect(chain.tip()).toMatchObject({ hash: mined[2], height: 108 })
    expect(chain.isInBestChain(tip)).toBe(false)
    expect(chain.coins.findCoin({ txid: kept.txid, vout: 0 })).toMatchObject({ height: 106 })

    chain.mempool.add(lost.transaction)
    await chain.mine(1, WALLET_SCRIPT)
    await chain.reorganise(1, { script: WALLET_SCRIPT, transactions: 'forget' })
    expect(chain.coins.findCoin({ txid: lost.txid, vout: 0 })).toBeUndefined()
    expect(chain.mempool.entries()).toEqual([])
    const depths = [0, -1, 0.5, 111]
    for (const depth of depths) {
      const asked = chain.reorganise(depth, { script: WALLET_SCRIPT, transactions: 'return' })
      await expect(asked).rejects.toThrow(RangeError)
    }
  })

  it('takes an invalidated block back when told to', async () => {
    const chain = await chainOf(5)
    const tip = chain.tip()
    await chain.invalidate(chain.blockAt(4)!.hash)
    expect(chain.tip().height).toBe(3)
    await chain.reconsider(tip.parent!.hash)
    expect(chain.tip()).toBe(tip)
    await expect(chain.invalidate(chain.blockAt(0)!.hash)).rejects.toThrow(RangeError)
  })

  it('pays to legacy scripts but cannot spend them', async () => {
    const chain = await chainOf(101)
    const coin = rewardAt(chain, 1)
    const script = p2pkhScript(new Uint8Array(20))
    const paid = signSpend({ coins: [coin], outputs: [{ value: coin.value - 1_000n, script }] })
    expect(chain.mempool.add(paid.transaction).ok).toBe(true)
    const outPoint = { txid: paid.txid, vout: 0 }
    const back = sweep({ outPoint, value: coin.value - 1_000n }, 1_000n)
    expect(chain.mempool.add(back.transaction)).toMatchObject({
      error: { code: 'unsupported-script' },
    })
  })

  it('keeps unconfirmed chains to 25 transactions', async () => {
    const chain = await chainOf(101)
    let coin = rewardAt(chain, 1)
    for (let i = 0; i < 25; i++) {
      const { transaction, txid } = sweep(coin, 1_000n)
      expect(chain.mempool.add(transaction).ok).toBe(true)
      coin = { outPoint: { txid, vout: 0 }, value: coin.value - 1_000n }
    }
    expect(chain.mempool.add(sweep(coin, 1_000n).transaction)).toMatchObject({
      error: { code: 'too-long-mempool-chain' },
    })
    await chain.mine(1, WALLET_SCRIPT)
    expect(chain.tip().block.transactions).toHaveLength(26)
    expect(chain.mempool.entries()).toEqual([])
  })

  it('does not let a transaction replace its own ancestor', async () => {
    const chain = await chainOf(101)
    const coin = rewardAt(chain, 1)
    const first = sweep(coin, 1_000n)
    chain.mempool.add(first.transaction)
    const child = { outPoint: { txid: first.txid, vout: 0 }, value: coin.value - 1_000n }
    const outputs = [{ value: coin.value, script: WALLET_SCRIPT }]
    const both = signSpend({ coins: [coin, child], outputs })
    expect(chain.mempool.add(both.transaction)).toMatchObject({
      error: { code: 'bad-txns-spends-conflicting-tx' },
    })
  })

  it('tells of a new tip once, after it is stored', async () => {
    const stored: number[] = []
    const log: AppendLog = {
      recovered: [],
      append: (records) => Promise.resolve(void stored.push(records.length)),
      rewrite: () => Promise.resolve(),
      close: () => Promise.resolve(),
    }
    const chain = new RegtestChain({ clock, log })
    const seen: number[] = []
    const stop = chain.onTip((tip) => {
      expect(stored).not.toEqual([])
      seen.push(tip.height)
    })
    await chain.mine(3, WALLET_SCRIPT)
    stop()
    await chain.mine(1, WALLET_SCRIPT)
    expect(seen).toEqual([3])
    expect(stored).toEqual([3, 1])
  })
})

describe('the stored regtest chain', () => {
  const directories: string[] = []
  afterEach(async () => {
    for (const directory of directories.splice(0)) await rm(directory, { recursive: true })
  })

  it('goes on after a restart, reorganisations included', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'causeway-regtest-'))
    directories.push(directory)
    const path = join(directory, 'blocks.log')
    const log = await openAppendLog(path)
    const chain = new RegtestChain({ clock, log })
    await chain.mine(105, WALLET_SCRIPT)
    const spend = sweep(rewardAt(chain, 1), 1_000n)
    chain.mempool.add(spend.transaction)
    await chain.mine(2, WALLET_SCRIPT)
    await chain.reorganise(2, { script: WALLET_SCRIPT, transactions: 'return' })
    await chain.invalidate(chain.tip().hash)
    await log.close()

    const reopened = await openAppendLog(path)
    const again = new RegtestChain({ clock, log: reopened })
    expect(again.tip().hash).toBe(chain.tip().hash)
    expect(again.coins.size).toBe(chain.coins.size)
    expect(again.coins.findCoin({ txid: spend.txid, vout: 0 })).toMatchObject({ height: 106 })
    await again.mine(1, WALLET_SCRIPT)
    expect(again.tip().height).toBe(chain.tip().height + 1)
    await reopened.close()
  })

  it('refuses records that make no chain', async () => {
    const chain = await chainOf(2)
    const orphan = Uint8Array.of(1, ...encodeBitcoinBlock(chain.tip().block))
    for (const record of [orphan, Uint8Array.of(9), new Uint8Array(0)]) {
      const log: AppendLog = {
        recovered: [record],
        append: () => Promise.resolve(),
        rewrite: () => Promise.resolve(),
        close: () => Promise.resolve(),
      }
      expect(() => new RegtestChain({ clock, log })).toThrow(L1StoreError)
    }
  })
})

describe('decoding a Bitcoin block', () => {
  it('returns what was encoded', async () => {
    const chain = await chainOf(101)
    chain.mempool.add(sweep(rewardAt(chain, 1), 1_000n).transaction)
    await chain.mine(1, WALLET_SCRIPT)
    const { block } = chain.tip()
    expect(encodeBitcoinBlock(decodeBitcoinBlock(encodeBitcoinBlock(block)))).toEqual(
      encodeBitcoinBlock(block),
    )
  })

  it('throws DecodeError alone, whatever the bytes', async () => {
    const bytes = encodeBitcoinBlock((await chainOf(1)).tip().block)
    const damaged = fc
      .tuple(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }))
      .map(([at, flip]) => bytes.map((byte, i) => (i === at ? byte ^ flip : byte)))
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), damaged), (input) => {
        for (const decode of [decodeBitcoinBlock, decodeRegtestRecord]) {
          try {
            decode(input)
          } catch (error) {
            expect(error).toBeInstanceOf(DecodeError)
          }
        }
      }),
    )
  })

  it('refuses a list with a repeated tail (CVE-2012-2459)', async () => {
    const chain = await chainOf(103)
    for (const height of [1, 2]) {
      chain.mempool.add(sweep(rewardAt(chain, height), 1_000n).transaction)
    }
    await chain.mine(1, WALLET_SCRIPT)
    const { header, transactions } = chain.tip().block
    const mutated = { header, transactions: [...transactions, transactions[2]!] }
    expect(transactions).toHaveLength(3)
    expect(() => decodeBitcoinBlock(encodeBitcoinBlock(mutated))).toThrow(DecodeError)
  })
})
