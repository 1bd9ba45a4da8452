import { describe, expect, it } from 'vitest'
import { p2wpkhScript, withdrawScript } from '../../../src/bitcoin/script.ts'
import { transactionId } from '../../../src/bitcoin/transaction.ts'
import { decodeBlock, encodeBlock } from '../../../src/chain/block.ts'
import { EMPTY_L1_SECTION } from '../../../src/chain/l1-section.ts'
import { dustLimit, signedVsize } from '../../../src/chain/peg/batch-transaction.ts'
import { currentVersion, openBatches } from '../../../src/chain/peg/batches.ts'
import { getPegBooks, isSolvent } from '../../../src/chain/peg/books.ts'
import { depositScriptOf } from '../../../src/chain/peg/key-epochs.ts'
import { findRelease } from '../../../src/chain/peg/releases.ts'
import { reserveCoins } from '../../../src/chain/peg/reserves.ts'
import { coinsOf } from '../../../src/chain/state.ts'
import { sats } from '../../../src/primitives/units.ts'
import {
  aKeyEpoch,
  anL1Payment,
  aUser,
  type MintedWorld,
  mintedWorld,
  spend,
  TestChain,
  TestL1,
  testParams,
} from '../../support/chain-world.ts'

const params = testParams()
const { announcement } = aKeyEpoch(params)
const afterMint = (value: bigint): MintedWorld => mintedWorld(value, params)
const alice = aUser('alice')
const bob = aUser('bob')
const l1Target = p2wpkhScript(new Uint8Array(20).fill(7))

describe('the peg, all the way round', () => {
  it('mints, pays on, burns, batches and confirms, and the books agree at every block', () => {
    const { chain, l1, mint } = afterMint(100_000_000n)
    expect(getPegBooks(chain.state.view).totals.supply).toBe(100_000_000n)

    const minted = { outPoint: { txid: transactionId(mint), vout: 0 }, value: 100_000_000n }
    const pay = spend(alice, [minted], [{ value: sats(99_999_000n), script: bob.script }])
    chain.extend({ transactions: [pay] })

    const paid = { outPoint: { txid: transactionId(pay), vout: 0 }, value: 99_999_000n }
    const burn = spend(
      bob,
      [paid],
      [
        { value: sats(40_000_000n), script: withdrawScript(l1Target) },
        { value: sats(59_998_000n), script: bob.script },
      ],
    )
    chain.extend({ transactions: [burn] })
    const burned = getPegBooks(chain.state.view).totals
    expect(burned.supply).toBe(60_000_000n)
    expect(burned.pendingReleases).toBe(40_000_000n)
    expect([...openBatches(chain.state.view)]).toEqual([])

    chain.extend()
    const [batch] = [...openBatches(chain.state.view)]
    if (batch === undefined) throw new TypeError('no batch')
    const [payment, ...change] = currentVersion(batch).transaction.outputs
    const { fee: charged } = findRelease(chain.state.view, 0) ?? { fee: 0n }
    const { fee } = currentVersion(batch)
    expect(payment?.value).toBe(40_000_000n - charged)
    // Few coins, much change: it is split.
    expect(change).toHaveLength(4)
    const returned = change.reduce((sum, { value }) => sum + value, 0n)
    expect(returned).toBe(60_000_000n + charged - fee)
    expect(fee).toBe(BigInt(signedVsize(currentVersion(batch).transaction)))
    expect(fee).toBeLessThan(charged)
    expect(findRelease(chain.state.view, 0)?.stage.kind).toBe('batched')

    l1.mine([currentVersion(batch).transaction])
    chain.extend({
      l1Section: {
        ...EMPTY_L1_SECTION,
        headers: chain.headersTo(l1),
        confirmations: [l1.prove(transactionId(currentVersion(batch).transaction))],
      },
    })
    const { totals } = getPegBooks(chain.state.view)
    expect(totals).toMatchObject({ supply: 60_000_000n, pendingReleases: 0n, inFlightFees: 0n })
    expect(totals.reserves).toBe(60_000_000n + charged - fee)
    expect(isSolvent(totals)).toBe(true)
    expect(findRelease(chain.state.view, 0)?.stage.kind).toBe('paid')
    expect([...reserveCoins(chain.state.view)]).toHaveLength(4)
  })

  it('refuses to mint a deposit twice', () => {
    const { chain, l1, deposit } = afterMint(50_000n)
    const again = chain.build({
      l1Section: {
        ...EMPTY_L1_SECTION,
        headers: chain.headersTo(l1),
        deposits: [
          {
            ...l1.prove(transactionId(deposit)),
            claims: [{ vout: 0, keyEpoch: 0, recipient: alice.script }],
          },
        ],
      },
    })
    expect(again).toMatchObject({ ok: false, error: { code: 'deposit-already-minted' } })
  })

  it('refuses a recipient that the address does not commit to', () => {
    const chain = new TestChain(params)
    const l1 = new TestL1()
    chain.extend({ l1Section: { ...EMPTY_L1_SECTION, keyEpochs: [announcement] } })
    const address = depositScriptOf(params, announcement, alice.script)
    const deposit = anL1Payment('for alice', [{ value: sats(50_000n), script: address }])
    l1.mine([deposit])
    const stolen = chain.build({
      l1Section: {
        ...EMPTY_L1_SECTION,
        headers: chain.headersTo(l1),
        deposits: [
          {
            ...l1.prove(transactionId(deposit)),
            claims: [{ vout: 0, keyEpoch: 0, recipient: bob.script }],
          },
        ],
      },
    })
    expect(stolen).toMatchObject({ ok: false, error: { code: 'deposit-address' } })
  })

  it('pays out everything there is', () => {
    const { chain, mint } = afterMint(100_000n)
    const minted = { outPoint: { txid: transactionId(mint), vout: 0 }, value: 100_000n }
    const burn = spend(
      alice,
      [minted],
      [{ value: sats(100_000n), script: withdrawScript(l1Target) }],
    )
    chain.extend({ transactions: [burn] })
    chain.extend()
    const [batch] = [...openBatches(chain.state.view)]
    expect(batch?.releaseIds).toEqual([0])
    const { totals } = getPegBooks(chain.state.view)
    expect(totals.supply).toBe(0n)
    expect(isSolvent(totals)).toBe(true)
  })

  it('pays all but what L1 would call dust', () => {
    const { chain, mint } = afterMint(100_000n)
    const minted = { outPoint: { txid: transactionId(mint), vout: 0 }, value: 100_000n }
    const burn = spend(
      alice,
      [minted],
      [
        { value: sats(99_900n), script: withdrawScript(l1Target) },
        { value: sats(100n), script: alice.script },
      ],
    )
    chain.extend({ transactions: [burn] })
    chain.extend()
    const [batch] = [...openBatches(chain.state.view)]
    const change = batch?.versions[0]?.transaction.outputs[1]
    const { feeReserve } = getPegBooks(chain.state.view).totals
    expect(change?.value).toBe(100n + feeReserve)
    expect(change?.value).toBeGreaterThanOrEqual(dustLimit(change?.script ?? new Uint8Array()))
  })

  it('keeps what a release cannot be paid from in the queue', () => {
    const { chain, mint } = afterMint(100_000n)
    const minted = { outPoint: { txid: transactionId(mint), vout: 0 }, value: 100_000n }
    const burn = spend(
      alice,
      [minted],
      [
        { value: sats(40_000n), script: withdrawScript(l1Target) },
        { value: sats(60_000n), script: alice.script },
      ],
    )
    chain.extend({ transactions: [burn] })
    chain.extend()
    const change = { outPoint: { txid: transactionId(burn), vout: 1 }, value: 60_000n }
    const second = spend(
      alice,
      [change],
      [{ value: sats(60_000n), script: withdrawScript(l1Target) }],
    )
    chain.extend({ transactions: [second] })
    chain.extend()
    expect(findRelease(chain.state.view, 1)?.stage.kind).toBe('queued')
    expect(isSolvent(getPegBooks(chain.state.view).totals)).toBe(true)
  })

  it('refuses a burn below the minimum', () => {
    const { chain, mint } = afterMint(100_000n)
    const minted = { outPoint: { txid: transactionId(mint), vout: 0 }, value: 100_000n }
    const burn = spend(
      alice,
      [minted],
      [
        { value: sats(9_999n), script: withdrawScript(l1Target) },
        { value: sats(90_001n), script: alice.script },
      ],
    )
    const built = chain.build({ transactions: [burn] })
    expect(built).toMatchObject({ ok: false, error: { code: 'burn-below-minimum' } })
  })
})

describe('a block', () => {
  it('survives encoding', () => {
    const { chain } = afterMint(100_000n)
    const block = chain.extend()
    expect(encodeBlock(decodeBlock(encodeBlock(block)))).toEqual(encodeBlock(block))
  })

  it('pays its fees in the coinbase, which the next block may spend', () => {
    const { chain, mint } = afterMint(100_000n)
    const minted = { outPoint: { txid: transactionId(mint), vout: 0 }, value: 100_000n }
    const pay = spend(alice, [minted], [{ value: sats(90_000n), script: bob.script }])
    const block = chain.extend({ transactions: [pay], payoutScript: bob.script })
    const coinbase = block.transactions[0]
    if (coinbase === undefined) throw new TypeError('no coinbase')
    const fees = { outPoint: { txid: transactionId(coinbase), vout: 0 }, value: 10_000n }
    const again = spend(bob, [fees], [{ value: sats(9_000n), script: alice.script }])
    chain.extend({ transactions: [again] })
    const kept = coinsOf(chain.state.view).findCoin({ txid: transactionId(again), vout: 0 })
    expect(kept?.value).toBe(9_000n)
  })

  it('is refused when its totals, its state root or its certificate of work are altered', () => {
    const { chain } = afterMint(100_000n)
    const built = chain.build()
    if (!built.ok) throw new TypeError('not built')
    const { value: block } = built
    const extension = { ...block.extension, feeRate: block.extension.feeRate + 1 }
    expect(chain.check({ ...block, extension })).toMatchObject({
      ok: false,
      error: { code: 'bad-extension-commitment' },
    })
    const header = { ...block.header, time: block.header.time + 1 }
    expect(chain.check({ ...block, header }).ok).toBe(false)
  })
})
