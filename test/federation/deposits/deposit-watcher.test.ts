import { describe, expect, it } from 'vitest'
import { type DepositBook, openDepositBook } from '../../../federation/deposits/deposit-book.ts'
import type { SeenDeposit } from '../../../federation/deposits/deposit-records.ts'
import {
  createDepositWatcher,
  type DepositWatcher,
  LOOK_BACK_BLOCKS,
} from '../../../federation/deposits/deposit-watcher.ts'
import { scanBlock } from '../../../federation/deposits/scan-block.ts'
import { L1UnavailableError } from '../../../federation/l1/l1-error.ts'
import { encodeTransactionWithoutWitness, transactionId } from '../../../src/bitcoin/transaction.ts'
import { bytesToHex } from '../../../src/primitives/bytes.ts'
import { sats } from '../../../src/primitives/units.ts'
import { anL1Payment, aUser } from '../../support/chain-world.ts'
import { WALLET_SCRIPT } from '../l1/taproot-spender.ts'
import { PegWorld, seen } from '../peg-world.ts'

interface Watch {
  readonly world: PegWorld
  readonly book: DepositBook
  readonly watcher: DepositWatcher
  readonly reported: SeenDeposit[]
  readonly catchUp: () => Promise<void>
}

function watcherOf(world: PegWorld, book: DepositBook, reported: SeenDeposit[]): DepositWatcher {
  const { clock, log } = world.runtime
  return createDepositWatcher({
    l1: world.l1.port,
    book,
    startHeight: 0,
    clock,
    log,
    isOwn: () => false,
    onSeen: (deposit) => reported.push(deposit),
  })
}

async function watching(): Promise<Watch> {
  const world = await PegWorld.open()
  const book = await world.openBook()
  const reported: SeenDeposit[] = []
  const watcher = watcherOf(world, book, reported)
  return {
    world,
    book,
    watcher,
    reported,
    catchUp: async () => {
      while ((await watcher.scan(world.l1Tip.height)) === 'more');
    },
  }
}

const alice = aUser('alice').script
const bob = aUser('bob').script
const values = (deposits: Iterable<SeenDeposit>): number[] =>
  [...deposits].map(({ value }) => Number(value))

describe('scanning a block', () => {
  it('finds every output to a watched address, with its place, and no output of nothing', async () => {
    const world = await PegWorld.closed()
    const to = world.registration(alice)
    const paying = anL1Payment('two', [
      { value: sats(5_000), script: to.script },
      { value: sats(1), script: WALLET_SCRIPT },
      { value: sats(7_000), script: to.script },
      { value: sats(0), script: to.script },
    ])
    const found = scanBlock(
      [anL1Payment('other', [{ value: sats(9), script: WALLET_SCRIPT }]), paying],
      77,
      new Map([[bytesToHex(to.script), to]]),
      () => false,
    )
    expect(found.map(({ outPoint, value }) => [outPoint.vout, Number(value)])).toEqual([
      [0, 5_000],
      [2, 7_000],
    ])
    expect(found[0]).toMatchObject({ l1Height: 77, position: 1, recipient: alice, keyEpoch: 0 })
  })
})

describe('the deposit watcher', () => {
  it('finds payments block by block and reports each once', async () => {
    const { world, book, reported, catchUp } = await watching()
    const to = world.registration(alice)
    await book.register(to, 'asked')
    await catchUp()
    const txid = await world.pay(
      { value: 20_000n, script: to.script },
      { value: 30_000n, script: to.script },
    )
    await catchUp()
    await catchUp()
    expect(values(reported)).toEqual([20_000, 30_000])
    expect(reported[0]).toMatchObject({ outPoint: { txid, vout: 0 }, l1Height: 111, position: 1 })
    expect(book.cursor()).toEqual(world.l1Tip)
  })

  it('reads nothing but the tip while nobody has registered', async () => {
    const { world, watcher } = await watching()
    expect(await watcher.scan(world.l1Tip.height)).toBe('done')
    expect(world.l1.blocksRead).toBe(1)
  })

  it('catches up after days in steps, and after a crash in the middle counts nothing twice', async () => {
    const { world, book, watcher, reported, catchUp } = await watching()
    const to = world.registration(alice)
    await book.register(to, 'asked')
    await catchUp()
    await world.pay({ value: 20_000n, script: to.script })
    await world.mine(120)
    await world.pay({ value: 30_000n, script: to.script })
    expect(await watcher.scan(world.l1Tip.height)).toBe('more')
    // Another process opens the same book.
    const again = watcherOf(world, await world.openBook(), reported)
    while ((await again.scan(world.l1Tip.height)) === 'more');
    expect(values(reported)).toEqual([20_000, 30_000])
  })

  it('says that it is stuck when L1 lacks a block, and goes on when it is back', async () => {
    const { world, book, watcher, reported, catchUp } = await watching()
    await book.register(world.registration(alice), 'asked')
    await catchUp()
    await world.pay({ value: 20_000n, script: world.registration(alice).script })
    world.l1.prunedTo = 111
    expect(await watcher.scan(world.l1Tip.height)).toBe('stuck')
    world.l1.isDown = true
    await expect(watcher.scan(world.l1Tip.height)).rejects.toThrow(L1UnavailableError)
    Object.assign(world.l1, { isDown: false, prunedTo: -1 })
    expect(await watcher.scan(world.l1Tip.height)).toBe('done')
    expect(reported).toHaveLength(1)
  })

  it('passes over what L1 has pruned meanwhile, says so, and finds what comes after', async () => {
    const { world, book, watcher, reported, catchUp } = await watching()
    const to = world.registration(alice)
    await book.register(to, 'asked')
    await catchUp()
    const lost = await world.pay({ value: 20_000n, script: to.script })
    await world.mine(320)
    await world.pay({ value: 30_000n, script: to.script })
    world.l1.prunedTo = 300
    await catchUp()
    expect(values(reported)).toEqual([30_000])
    expect(book.cursor()).toEqual(world.l1Tip)
    expect(watcher.problem()).toContain('between 111 and 300')
    expect(await watcher.claim({ txid: lost, vout: 0 }, [to])).toBe('block-unavailable')
    const calls = world.l1.blocksRead
    await catchUp()
    expect(world.l1.blocksRead).toBe(calls)
    await world.mine(2 * LOOK_BACK_BLOCKS)
    await catchUp()
    expect(watcher.problem()).toBeUndefined()
  })

  it('keeps the proof of what it sees until that is minted', async () => {
    const { world, book, catchUp } = await watching()
    const to = world.registration(alice)
    await book.register(to, 'asked')
    await catchUp()
    const outputs = [20_000n, 30_000n].map((value) => ({ value, script: to.script }))
    const txid = await world.pay(...outputs)
    await catchUp()
    const { block } = world.l1Chain.tip()
    expect(book.findProof(txid, 111)).toEqual({
      l1Height: 111,
      transaction: encodeTransactionWithoutWitness(block.transactions[1]!),
      merkle: { position: 1, branch: [transactionId(block.transactions[0]!)] },
    })
    expect(book.findProof(txid, 110)).toBeUndefined()
    await book.settle([{ txid, vout: 0 }])
    expect(book.findProof(txid, 111)).toBeDefined()
    expect((await world.openBook()).findProof(txid, 111)).toBeDefined()
    await book.settle([{ txid, vout: 1 }])
    expect(book.findProof(txid, 111)).toBeUndefined()
  })

  it('drops proofs of what was minted while it was closed, and of what L1 took back', async () => {
    const { world, book, catchUp } = await watching()
    const to = world.registration(alice)
    await book.register(to, 'asked')
    await catchUp()
    const txid = await world.pay({ value: 20_000n, script: to.script })
    await catchUp()
    const opened = await openDepositBook(world.store, { isMinted: () => true })
    expect(opened.findProof(txid, 111)).toBeUndefined()
    const gone = await world.pay({ value: 30_000n, script: to.script })
    await catchUp()
    expect(book.findProof(gone, 112)).toBeDefined()
    await world.l1Chain.reorganise(1, { script: WALLET_SCRIPT, transactions: 'forget' })
    await world.mine()
    await catchUp()
    expect(book.findProof(gone, 112)).toBeUndefined()
  })

  it('finds a payment moved by a reorganisation of blocks that it had passed over', async () => {
    const { world, book, watcher, catchUp } = await watching()
    // Nobody has registered: of these blocks the last is read, and no other.
    const to = world.registration(alice)
    const txid = await world.pay({ value: 20_000n, script: to.script })
    await world.mine(3)
    await catchUp()
    await book.register(to, 'asked')
    while ((await watcher.lookBack()) === 'more');
    expect([...book.waiting.values()].map(({ l1Height }) => l1Height)).toEqual([111])
    // It moves to a block below the one that had been read.
    await world.l1Chain.invalidate(world.l1Chain.blockAt(111)!.hash)
    for (const _ of [111, 112]) await world.l1Chain.mineExactly(WALLET_SCRIPT, [])
    await world.mine(3)
    expect(world.l1Chain.blockAt(113)!.block.transactions.map(transactionId)).toContain(txid)
    const before = world.l1.blocksRead
    await catchUp()
    expect([...book.waiting.values()].map(({ l1Height }) => l1Height)).toEqual([113])
    // Not everything from the beginning.
    expect(world.l1.blocksRead - before).toBeLessThanOrEqual(LOOK_BACK_BLOCKS + 10)
    expect(book.cursor()).toEqual(world.l1Tip)
  })

  it('looks again for a deposit that was not where it had been seen', async () => {
    const { world, book, watcher, catchUp } = await watching()
    const to = world.registration(alice)
    await book.register(to, 'asked')
    await catchUp()
    while ((await watcher.lookBack()) === 'more');
    const txid = await world.pay({ value: 20_000n, script: to.script })
    await catchUp()
    await book.record([seen(to, { txid, value: 20_000n, l1Height: 109 })], undefined)
    await book.misplaced({ txid, vout: 0 })
    await book.misplaced({ txid, vout: 7 })
    expect(book.waiting.size).toBe(0)
    world.runtime.advance(60_000)
    while ((await watcher.lookBack()) === 'more');
    expect([...book.waiting.values()].map(({ l1Height }) => l1Height)).toEqual([111])
  })

  it('follows a reorganisation of any depth: moved deposits move, double-spent ones go', async () => {
    const { world, book, catchUp } = await watching()
    const [toAlice, toBob] = [world.registration(alice), world.registration(bob)]
    await book.register(toAlice, 'asked')
    await book.register(toBob, 'asked')
    await catchUp()
    await world.pay({ value: 20_000n, script: toAlice.script })
    await world.mine(30)
    await catchUp()
    expect([...book.waiting.values()].map(({ l1Height }) => l1Height)).toEqual([111])
    await world.l1Chain.reorganise(31, { script: WALLET_SCRIPT, transactions: 'forget' })
    await world.pay({ value: 40_000n, script: toBob.script })
    await catchUp()
    expect(values(book.waiting.values())).toEqual([40_000])
    await world.l1Chain.reorganise(2, { script: WALLET_SCRIPT, transactions: 'return' })
    await catchUp()
    expect([...book.waiting.values()].map(({ l1Height }) => l1Height)).toEqual([142])
    expect(book.cursor()).toEqual(world.l1Tip)
  })

  it('forgets nothing because its L1 node is behind for a while', async () => {
    const { world, book, watcher, catchUp } = await watching()
    await book.register(world.registration(alice), 'asked')
    await catchUp()
    await world.pay({ value: 20_000n, script: world.registration(alice).script })
    await catchUp()
    expect(await watcher.scan(world.l1Tip.height - 5)).toBe('done')
    expect(book.waiting.size).toBe(1)
    expect(book.cursor()).toEqual(world.l1Tip)
  })

  it('looks back over recent blocks for a payment that came before its registration', async () => {
    const { world, book, watcher, reported, catchUp } = await watching()
    await world.pay({ value: 20_000n, script: world.registration(alice).script })
    await world.mine(LOOK_BACK_BLOCKS - 1)
    await catchUp()
    await book.register(world.registration(alice), 'heard')
    while ((await watcher.lookBack()) === 'more');
    expect(values(reported)).toEqual([20_000])
    expect(book.awaitingLookBack()).toEqual([])
  })

  it('looks back from where it was when it was told, however long it then was stopped', async () => {
    const { world, book, reported, catchUp } = await watching()
    await world.pay({ value: 20_000n, script: world.registration(alice).script })
    await world.mine(LOOK_BACK_BLOCKS - 1)
    await catchUp()
    await book.register(world.registration(alice), 'heard')
    // It ended before it looked back, and the chain of L1 went on.
    await world.mine(200)
    const again = watcherOf(world, await world.openBook(), reported)
    while ((await again.scan(world.l1Tip.height)) === 'more');
    while ((await again.lookBack()) === 'more');
    expect(values(reported)).toEqual([20_000])
  })

  it('reads the past once for a thousand registrations, and not at once again', async () => {
    const { world, book, watcher, reported, catchUp } = await watching()
    await world.pay({ value: 20_000n, script: world.registration(alice).script })
    await world.mine(LOOK_BACK_BLOCKS + 20)
    await catchUp()
    for (let n = 0; n < 20; n++) {
      await book.register(world.registration(aUser(`flood ${n}`).script), 'heard')
    }
    const before = world.l1.blocksRead
    while ((await watcher.lookBack()) === 'more');
    expect(world.l1.blocksRead - before).toBe(LOOK_BACK_BLOCKS)
    await book.register(world.registration(bob), 'heard')
    expect(await watcher.lookBack()).toBe('done')
    expect(world.l1.blocksRead - before).toBe(LOOK_BACK_BLOCKS)
    world.runtime.advance(60_000)
    while ((await watcher.lookBack()) === 'more');
    expect(world.l1.blocksRead - before).toBe(2 * LOOK_BACK_BLOCKS)
    // Older than that: somebody has to name it.
    expect(reported).toEqual([])
  })

  it('finds a deposit of any age that somebody names, and nothing else', async () => {
    const { world, book, watcher, reported } = await watching()
    const [toAlice, toBob] = [world.registration(alice), world.registration(bob)]
    const txid = await world.pay({ value: 20_000n, script: toAlice.script })
    await world.mine(200)
    expect(await watcher.claim({ txid, vout: 0 }, [toBob])).toBe('not-found')
    expect(await watcher.claim({ txid, vout: 1 }, [toAlice])).toBe('not-found')
    expect(await watcher.claim({ txid, vout: 9 }, [toAlice])).toBe('not-found')
    expect(world.l1.blocksRead).toBe(0)
    expect(await watcher.claim({ txid, vout: 0 }, [toBob, toAlice])).toBe('found')
    expect(world.l1.blocksRead).toBe(1)
    expect(reported[0]).toMatchObject({ l1Height: 111, value: 20_000n })
    expect(book.registrations.has(bytesToHex(toAlice.script))).toBe(true)
  })

  it('does not take an unconfirmed payment, and says when the block is pruned', async () => {
    const { world, watcher } = await watching()
    const to = world.registration(alice)
    const txid = world.send(world.payment([{ value: 20_000n, script: to.script }]))
    expect(await watcher.claim({ txid, vout: 0 }, [to])).toBe('not-found')
    await world.mine()
    world.l1.prunedTo = 111
    expect(await watcher.claim({ txid, vout: 0 }, [to])).toBe('block-unavailable')
  })
})
