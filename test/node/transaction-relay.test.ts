import { describe, expect, it } from 'vitest'
import { P2A_SCRIPT } from '../../src/bitcoin/script.ts'
import { taprootSighash } from '../../src/bitcoin/sighash.ts'
import {
  encodeTransaction,
  type OutPoint,
  type Transaction,
  type TxOutput,
  transactionId,
} from '../../src/bitcoin/transaction.ts'
import { decodeMessage, encodeMessage } from '../../src/consensus/messages.ts'
import { createMempool } from '../../src/mempool/mempool.ts'
import { createTransactionRelay } from '../../src/node/transaction-relay.ts'
import { signSchnorr } from '../../src/primitives/secp256k1.ts'
import { sats } from '../../src/primitives/units.ts'
import { aUser, testParams } from '../support/chain-world.ts'
import { NetworkHub } from '../support/memory-network.ts'
import { COIN_SATS, fundingPeg, NodeWorld } from '../support/node-world.ts'
import { VirtualWorldTime } from '../support/virtual-runtime.ts'

const params = testParams()
const peg = fundingPeg(params)

/** A relay on the chain of a node whose time stands still, and somebody who listens. */
async function relayWorld() {
  const world = new NodeWorld(params, peg)
  await world.start()
  const payments = Array.from({ length: 12 }, () => world.payment())
  const coins: readonly OutPoint[] = [world.coin(), world.coin()]
  const { chain } = world.seat(0).node
  const time = new VirtualWorldTime()
  const hub = new NetworkHub(time)
  const network = hub.create('me')
  const mempool = createMempool()
  const relay = createTransactionRelay(chain, mempool, network, time.runtime('relay'))
  const heard: string[][] = []
  const other = hub.create('other')
  other.onGossip('transactions', (_from, payload) => {
    const message = decodeMessage(payload)
    if (message.kind === 'transactions') heard.push(message.transactions.map(String))
    return 'ignore'
  })
  await network.start()
  relay.start()
  return { time, hub, network, other, mempool, relay, heard, payments, coins }
}

const alice = aUser('alice')
const ANCHOR_SATS = 240n

interface Spent {
  readonly outPoint: OutPoint
  readonly output: TxOutput
}

/** Version 3; anchors need no signature. */
function spendAll(spent: readonly Spent[], outputs: readonly TxOutput[]): Transaction {
  const unsigned: Transaction = {
    version: 3,
    inputs: spent.map(({ outPoint }) => ({
      prevout: outPoint,
      scriptSig: new Uint8Array(),
      sequence: 0xffff_fffd,
      witness: [],
    })),
    outputs,
    lockTime: 0,
  }
  const coins = spent.map(({ output }) => output)
  const inputs = unsigned.inputs.map((input, index) => {
    if (coins[index]?.script === P2A_SCRIPT) return input
    const digest = taprootSighash(unsigned, index, coins, 0) ?? never()
    return { ...input, witness: [signSchnorr(digest, alice.secret, new Uint8Array(32))] }
  })
  return { ...unsigned, inputs }
}

/** As Lightning's commitments without fee: a parent with an anchor, and a child that pays for both. */
function family(coins: readonly OutPoint[], fee = 2_000n): [Transaction, Transaction] {
  const [coin = never(), payer = never()] = coins
  const output = { value: sats(COIN_SATS), script: alice.script }
  const anchor = { value: sats(ANCHOR_SATS), script: P2A_SCRIPT }
  const parent = spendAll(
    [{ outPoint: coin, output }],
    [{ value: sats(COIN_SATS - ANCHOR_SATS), script: alice.script }, anchor],
  )
  const child = spendAll(
    [
      { outPoint: { txid: transactionId(parent), vout: 1 }, output: anchor },
      { outPoint: payer, output },
    ],
    [{ value: sats(COIN_SATS + ANCHOR_SATS - fee), script: alice.script }],
  )
  return [parent, child]
}

const bytesOf = (transactions: readonly Transaction[]): readonly Uint8Array[] =>
  transactions.map(encodeTransaction)

describe('the transaction relay', () => {
  it('tells in one message what came together', async () => {
    const { time, other, relay, heard, payments } = await relayWorld()
    await other.start()
    for (const payment of payments) expect(relay.submit(payment).ok).toBe(true)
    await time.pass(100)
    expect(heard).toEqual([bytesOf(payments).map(String)])
  })

  it('keeps trying until somebody has heard it', async () => {
    const { time, other, relay, heard, payments, mempool } = await relayWorld()
    for (const payment of payments.slice(0, 2)) relay.submit(payment)
    await time.pass(5_000)
    const [first, second] = payments
    if (first === undefined || second === undefined) throw new TypeError('no payments')
    mempool.remove(transactionId(first))
    await other.start()
    await time.pass(2_000)
    expect(heard).toEqual([bytesOf([second]).map(String)])
  })

  it('repeats what has waited for long', async () => {
    const { time, other, relay, heard, payments } = await relayWorld()
    await other.start()
    relay.submit(payments[0] ?? never())
    await time.pass(29_000)
    expect(heard).toHaveLength(1)
    await time.pass(62_000)
    expect(heard.length).toBeGreaterThan(1)
    expect(heard.length).toBeLessThan(5)
  })

  it('passes gossip on when something in it is new', async () => {
    const { time, hub, other, mempool, payments } = await relayWorld()
    await other.start()
    const third = hub.create('third')
    const passed: number[] = []
    third.onGossip('transactions', () => {
      passed.push(time.nowMs)
      return 'ignore'
    })
    await third.start()
    hub.cut('other', 'third')
    const message = encodeMessage({ kind: 'transactions', transactions: bytesOf(payments) })
    await other.publish('transactions', message)
    await time.pass(50)
    expect(mempool.size).toBe(12)
    expect(passed).toHaveLength(1)
    // The same again is nothing new.
    await other.publish('transactions', message)
    await time.pass(50)
    expect(passed).toHaveLength(1)
    expect(hub.rejections).toEqual([])
  })

  it('keeps no message for the sake of one transaction of it', async () => {
    const { time, other, mempool, payments } = await relayWorld()
    await other.start()
    const message = encodeMessage({ kind: 'transactions', transactions: bytesOf(payments) })
    await other.publish('transactions', message)
    await time.pass(50)
    for (const payment of payments) {
      const { transaction } = mempool.find(transactionId(payment)) ?? never()
      const kept = transaction.outputs.map(({ script }) => script.buffer.byteLength)
      expect(Math.max(...kept)).toBeLessThanOrEqual(encodeTransaction(payment).length)
    }
  })

  it('refuses what is valid under no state at the first such transaction', async () => {
    const { relay, mempool, payments } = await relayWorld()
    const [first, second, third] = payments
    const forged = { ...(second ?? never()), lockTime: 1 }
    const batch = bytesOf([first ?? never(), forged, third ?? never()])
    expect(relay.receiveDirect(batch)).toBe('reject')
    expect(mempool.size).toBe(1)
    expect(relay.receiveDirect([Uint8Array.of(1, 2, 3)])).toBe('reject')
    expect(relay.receiveDirect(bytesOf([first ?? never()]))).toBe('ignore')
  })

  it('sends a parent without fee with the child that pays for it, and tries them together', async () => {
    const { time, other, relay, mempool, heard, coins } = await relayWorld()
    await other.start()
    const [parent, child] = family(coins)
    expect(relay.submit(parent)).toMatchObject({ error: { code: 'min relay fee not met' } })
    expect(relay.submitPackage([parent, child])).toMatchObject({
      ok: true,
      value: { members: [{ kind: 'accepted' }, { kind: 'accepted' }] },
    })
    await time.pass(100)
    expect(heard).toEqual([bytesOf([parent, child]).map(String)])
    expect(relay.oldest().map(String)).toEqual(bytesOf([parent, child]).map(String))

    for (const txid of mempool.ids()) mempool.remove(txid)
    expect(relay.receiveDirect(bytesOf([parent]))).toBe('ignore')
    expect(mempool.size).toBe(0)
    expect(relay.receiveDirect(bytesOf([parent, child]))).toBe('accept')
    expect(mempool.ids()).toEqual([parent, child].map(transactionId))
    // Both are remembered.
    expect(relay.receiveDirect(bytesOf([parent, child]))).toBe('ignore')
  })

  it('sends the parent again with every child that replaces the one before', async () => {
    const { time, other, relay, heard, coins } = await relayWorld()
    await other.start()
    const [parent, child] = family(coins)
    relay.submitPackage([parent, child])
    await time.pass(100)
    const [, better] = family(coins, 5_000n)
    expect(relay.submit(better).ok).toBe(true)
    await time.pass(100)
    expect(heard.at(-1)).toEqual(bytesOf([parent, better]).map(String))
  })

  it('says in a dry run what it would say', async () => {
    const { relay, mempool, payments } = await relayWorld()
    const [first, second] = payments
    const outcome = relay.dryRun([first ?? never(), second ?? never()])
    expect(outcome.members.map(({ kind }) => kind)).toEqual(['accepted', 'accepted'])
    expect(mempool.size).toBe(0)
  })

  it('offers one message of the oldest', async () => {
    const { relay, payments } = await relayWorld()
    for (const payment of payments) relay.submit(payment)
    expect(relay.oldest().map(String)).toEqual(bytesOf(payments).map(String))
  })

  it('leaves nothing running', async () => {
    const { time, relay, payments } = await relayWorld()
    relay.submit(payments[0] ?? never())
    relay.stop()
    relay.submit(payments[1] ?? never())
    await time.pass(100)
    expect(time.timerCount).toBe(0)
  })
})

function never(): never {
  throw new TypeError('missing')
}
