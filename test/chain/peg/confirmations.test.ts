import { describe, expect, it } from 'vitest'
import { p2wpkhScript, withdrawScript } from '../../../src/bitcoin/script.ts'
import { type Transaction, transactionId } from '../../../src/bitcoin/transaction.ts'
import { EMPTY_L1_SECTION, type L1Section } from '../../../src/chain/l1-section.ts'
import {
  type Batch,
  currentVersion,
  findBatch,
  openBatches,
} from '../../../src/chain/peg/batches.ts'
import { getPegBooks, isSolvent } from '../../../src/chain/peg/books.ts'
import { CHANGE_RECIPIENT } from '../../../src/chain/peg/deposit-address.ts'
import { depositScriptOf } from '../../../src/chain/peg/key-epochs.ts'
import { findRelease } from '../../../src/chain/peg/releases.ts'
import { isFederationScript, reserveCoins } from '../../../src/chain/peg/reserves.ts'
import { sats } from '../../../src/primitives/units.ts'
import {
  aKeyEpoch,
  anL1Payment,
  aUser,
  type MintedWorld,
  mintedWorld,
  spend,
  testParams,
} from '../../support/chain-world.ts'

const params = testParams()
const { announcement } = aKeyEpoch(params)
const alice = aUser('alice')
const carol = aUser('carol')
const target = p2wpkhScript(new Uint8Array(20).fill(7))
const depositAddress = (recipient: Uint8Array): Uint8Array =>
  depositScriptOf(params, announcement, recipient)

function burning(world: MintedWorld, l1Script: Uint8Array, value: bigint): Transaction {
  return spend(
    alice,
    [world.coin],
    [
      { value: sats(value), script: withdrawScript(l1Script) },
      { value: sats(world.coin.value - value), script: alice.script },
    ],
  )
}

/** A minted coin, part of it burned, and the open batch that pays it. */
function withBatch(l1Script: Uint8Array, value = 400_000n): MintedWorld & { batch: Batch } {
  const world = mintedWorld(1_000_000n, params)
  world.chain.extend({ transactions: [burning(world, l1Script, value)] })
  world.chain.extend()
  const [batch] = [...openBatches(world.chain.state.view)]
  if (batch === undefined) throw new TypeError('no batch')
  return { ...world, batch }
}

function section(world: MintedWorld, part: Partial<L1Section>): L1Section {
  return { ...EMPTY_L1_SECTION, headers: world.chain.headersTo(world.l1), ...part }
}

function codeOf(world: MintedWorld, part: Partial<L1Section>): string {
  const built = world.chain.build({ l1Section: section(world, part) })
  return built.ok ? 'ok' : built.error.code
}

describe('a burn', () => {
  it('cannot ask for the federation’s change address, even before there is change', () => {
    const world = mintedWorld(1_000_000n, params)
    const toChange = burning(world, depositAddress(CHANGE_RECIPIENT), 400_000n)
    expect(world.chain.build({ transactions: [toChange] })).toMatchObject({
      error: { code: 'burn-to-federation' },
    })
  })

  it('cannot ask for a deposit address that was minted from, even after its coin is spent', () => {
    const world = withBatch(target)
    const address = depositAddress(alice.script)
    expect(isFederationScript(world.chain.state.view, address)).toBe(true)
    world.l1.mine([currentVersion(world.batch).transaction])
    const confirmations = [world.l1.prove(transactionId(currentVersion(world.batch).transaction))]
    world.chain.extend({ l1Section: section(world, { confirmations }) })
    expect([...reserveCoins(world.chain.state.view)].map((coin) => coin.recipient)).toEqual([
      CHANGE_RECIPIENT,
    ])
    expect(isFederationScript(world.chain.state.view, address)).toBe(true)
    expect(isFederationScript(world.chain.state.view, target)).toBe(false)
  })

  it('is at least the minimum', () => {
    const world = mintedWorld(1_000_000n, params)
    const codes = [9_999n, 10_000n].map((value) => {
      const built = world.chain.build({ transactions: [burning(world, target, value)] })
      return built.ok ? 'ok' : built.error.code
    })
    expect(codes).toEqual(['burn-below-minimum', 'ok'])
  })
})

describe('a confirmation', () => {
  it('pays the releases, takes the coins and books the change, once', () => {
    const world = withBatch(target)
    const { chain, l1, batch } = world
    const l1Height = l1.mine([currentVersion(batch).transaction])
    const proof = l1.prove(transactionId(currentVersion(batch).transaction))
    expect(codeOf(world, { confirmations: [proof, proof] })).toBe('confirmation-of-no-open-batch')
    chain.extend({ l1Section: section(world, { confirmations: [proof] }) })
    const { view } = chain.state
    expect(findBatch(view, batch.id)).toMatchObject({
      status: { kind: 'confirmed', version: 0, l1Height },
    })
    expect(findRelease(view, 0)?.stage).toMatchObject({ kind: 'paid', batchId: batch.id, l1Height })
    expect([...openBatches(view)]).toEqual([])
    const { totals } = getPegBooks(view)
    expect(totals).toMatchObject({ pendingReleases: 0n, inFlightFees: 0n })
    expect(totals.reserves).toBe(600_000n + totals.feeReserve)
    expect(isSolvent(totals)).toBe(true)
    expect(codeOf(world, { confirmations: [proof] })).toBe('confirmation-of-no-open-batch')
  })

  it('is of a batch, in a block that is known, and proved', () => {
    const world = withBatch(target)
    const { l1, batch } = world
    const other = anL1Payment('no batch', [{ value: sats(1_000), script: target }])
    l1.mine([currentVersion(batch).transaction, other])
    const proof = l1.prove(transactionId(currentVersion(batch).transaction))
    expect(codeOf(world, { confirmations: [l1.prove(transactionId(other))] })).toBe(
      'confirmation-of-no-open-batch',
    )
    expect(codeOf(world, { confirmations: [proof], headers: [] })).toBe('l1-proof-header-unknown')
    const elsewhere = { ...proof, merkle: { ...proof.merkle, position: 2 } }
    expect(codeOf(world, { confirmations: [elsewhere] })).toBe('l1-proof-merkle')
    expect(codeOf(world, { confirmations: [proof] })).toBe('ok')
  })

  it('in one block with a deposit of what the batch paid keeps the books', () => {
    // Carol withdraws to a deposit address of hers that the chain has not seen.
    const world = withBatch(depositAddress(carol.script))
    const { chain, l1, batch } = world
    l1.mine([currentVersion(batch).transaction])
    const proof = l1.prove(transactionId(currentVersion(batch).transaction))
    const deposits = [{ ...proof, claims: [{ vout: 0, keyEpoch: 0, recipient: carol.script }] }]
    const before = getPegBooks(chain.state.view).totals
    const block = chain.extend({ l1Section: section(world, { confirmations: [proof], deposits }) })
    const paid = currentVersion(batch).transaction.outputs[0]?.value ?? 0n
    expect(block.transactions[1]?.outputs).toEqual([{ value: paid, script: carol.script }])
    const { totals } = getPegBooks(chain.state.view)
    expect(totals.supply).toBe(before.supply + paid)
    expect(totals.reserves).toBe(600_000n + paid + totals.feeReserve)
    expect(isSolvent(totals)).toBe(true)
  })

  it('may also come after that deposit', () => {
    const world = withBatch(depositAddress(carol.script))
    const { chain, l1, batch } = world
    l1.mine([currentVersion(batch).transaction])
    const proof = l1.prove(transactionId(currentVersion(batch).transaction))
    const deposits = [{ ...proof, claims: [{ vout: 0, keyEpoch: 0, recipient: carol.script }] }]
    chain.extend({ l1Section: section(world, { deposits }) })
    chain.extend({ l1Section: section(world, { confirmations: [proof] }) })
    const { totals } = getPegBooks(chain.state.view)
    expect(isSolvent(totals)).toBe(true)
    const paid = currentVersion(batch).transaction.outputs[0]?.value ?? 0n
    expect(totals.reserves).toBe(600_000n + paid + totals.feeReserve)
  })

  it('makes no deposit of the change', () => {
    const world = withBatch(target)
    world.l1.mine([currentVersion(world.batch).transaction])
    const proof = world.l1.prove(transactionId(currentVersion(world.batch).transaction))
    const claims = [{ vout: 1, keyEpoch: 0, recipient: CHANGE_RECIPIENT }]
    expect(codeOf(world, { deposits: [{ ...proof, claims }] })).toBe('deposit-recipient')
  })
})
