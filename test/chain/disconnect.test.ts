/** Over random chains with deposits, payments, burns, batches and confirmations: there and back again. */

import * as fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { p2wpkhScript, withdrawScript } from '../../src/bitcoin/script.ts'
import {
  type OutPoint,
  outPointKey,
  type Transaction,
  type TxOutput,
  transactionId,
} from '../../src/bitcoin/transaction.ts'
import type { Block } from '../../src/chain/block.ts'
import { connectBlock } from '../../src/chain/connect-block.ts'
import { genesisDelta } from '../../src/chain/genesis-state.ts'
import { EMPTY_L1_SECTION, type L1Section } from '../../src/chain/l1-section.ts'
import { currentVersion, openBatches } from '../../src/chain/peg/batches.ts'
import { getPegBooks } from '../../src/chain/peg/books.ts'
import { depositScriptOf } from '../../src/chain/peg/key-epochs.ts'
import {
  decodeDelta,
  type StateDelta,
  type StateKey,
  type StateView,
} from '../../src/chain/state.ts'
import { buildStateTrie } from '../../src/chain/state-trie.ts'
import type { ChainTip } from '../../src/chain/tip.ts'
import type { Hash32 } from '../../src/primitives/hashes.ts'
import { installSecp256k1Backend } from '../../src/primitives/secp256k1.ts'
import { sats } from '../../src/primitives/units.ts'
import { chooseSecp256k1Backend } from '../../src/runtime/secp256k1-backend.ts'
import {
  aKeyEpoch,
  anL1Payment,
  aUser,
  spend,
  TestChain,
  TestL1,
  testParams,
  type User,
} from '../support/chain-world.ts'

beforeAll(() => installSecp256k1Backend(chooseSecp256k1Backend()))

const FEE = 1_000n
const users = ['alice', 'bob', 'proposer'].map(aUser)
const L1_TARGET = p2wpkhScript(new Uint8Array(20).fill(0x11))

/** What happens in one block, as far as there are coins for it. */
interface Doings {
  /** Satoshis of each deposit. */
  readonly deposits: readonly number[]
  readonly payments: readonly ('pay' | 'split' | 'burn' | 'join')[]
  /** Confirms this many open batches on L1. */
  readonly confirms: number
  readonly l1Blocks: number
}

const doings: fc.Arbitrary<Doings> = fc.record({
  deposits: fc.array(fc.integer({ min: 60_000, max: 5_000_000 }), { maxLength: 2 }),
  payments: fc.array(fc.constantFrom('pay', 'split', 'burn', 'join'), { maxLength: 5 }),
  confirms: fc.integer({ min: 0, max: 2 }),
  l1Blocks: fc.integer({ min: 0, max: 2 }),
})

interface OwnedCoin {
  readonly outPoint: OutPoint
  readonly value: bigint
  readonly user: User
}

type Records = Map<StateKey, Uint8Array>

function change(records: Records, delta: StateDelta): void {
  for (const [key, value] of delta.puts) records.set(key, value)
  for (const key of delta.deletes) records.delete(key)
}

function viewOf(records: Records): StateView {
  return {
    get: (key) => records.get(key),
    range: (namespace) =>
      [...records]
        .filter(([key]) => key.startsWith(namespace))
        .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  }
}

async function rootOf(records: Records): Promise<Hash32> {
  async function* all(): AsyncIterable<readonly [StateKey, Uint8Array]> {
    yield* records
  }
  return (await buildStateTrie(all())).root
}

/** A chain that does what it is told, and remembers how to go back. */
class Walk {
  readonly chain = new TestChain(testParams())
  readonly l1 = new TestL1()
  readonly records: Records = new Map(genesisDelta(this.chain.params).puts)
  readonly steps: { block: Block; undo: Uint8Array; before: ChainTip; rootBefore: Hash32 }[] = []
  readonly events = new Set<string>()
  readonly #announcement = aKeyEpoch(this.chain.params).announcement
  #coins: OwnedCoin[] = []
  #deposits = 0

  constructor() {
    this.#extend({ ...EMPTY_L1_SECTION, keyEpochs: [this.#announcement] }, [])
  }

  step(plan: Doings): void {
    const section = this.#section(plan)
    const transactions = plan.payments.flatMap((kind) => this.#payment(kind) ?? [])
    this.#extend(section, transactions)
  }

  /** Deposits and confirmations are put on L1 and proved in the same block. */
  #section(plan: Doings): L1Section {
    const { params, state } = this.chain
    const payments = plan.deposits.map((value) => {
      const recipient = this.#user(this.#deposits).script
      const address = depositScriptOf(params, this.#announcement, recipient)
      this.#deposits += 1
      const payment = anL1Payment(`deposit ${this.#deposits}`, [
        { value: sats(value), script: address },
      ])
      return { payment, claims: [{ vout: 0, keyEpoch: 0, recipient }] }
    })
    const confirmed = [...openBatches(state.view)].slice(0, plan.confirms)
    const onL1 = [
      ...payments.map(({ payment }) => payment),
      ...confirmed.map((b) => currentVersion(b).transaction),
    ]
    if (onL1.length > 0) this.l1.mine(onL1)
    for (let i = 0; i < plan.l1Blocks; i++) this.l1.mine()
    if (payments.length > 0) this.events.add('deposit')
    if (confirmed.length > 0) this.events.add('confirmation')
    return {
      ...EMPTY_L1_SECTION,
      headers: this.chain.headersTo(this.l1),
      confirmations: confirmed.map((batch) =>
        this.l1.prove(transactionId(currentVersion(batch).transaction)),
      ),
      deposits: payments.map(({ payment, claims }) => ({
        ...this.l1.prove(transactionId(payment)),
        claims,
      })),
    }
  }

  #user(index: number): User {
    const user = users[index % users.length]
    if (user === undefined) throw new TypeError('no user')
    return user
  }

  #payment(kind: Doings['payments'][number]): Transaction | undefined {
    const coin = this.#coins.shift()
    if (coin === undefined) return undefined
    const other = this.#coins.find(({ user }) => user === coin.user)
    const coins = kind === 'join' && other !== undefined ? [coin, other] : [coin]
    this.#coins = this.#coins.filter((each) => !coins.includes(each))
    const rest = coins.reduce((sum, { value }) => sum + value, 0n) - FEE
    const half = sats(rest / 2n)
    const to = this.#user(this.#coins.length).script
    const minimum = this.chain.params.peg.minReleaseSats
    if (rest <= 2_000n) return undefined
    const outputs: TxOutput[] = [{ value: sats(rest - half), script: to }]
    const canBurn = kind === 'burn' && half >= minimum
    if (canBurn) this.events.add('burn')
    const second = canBurn ? withdrawScript(L1_TARGET) : coin.user.script
    outputs.push({ value: half, script: second })
    const made = kind === 'pay' || kind === 'join' ? [{ value: sats(rest), script: to }] : outputs
    const transaction = spend(coin.user, coins, made)
    // Spendable in the same block already.
    this.#own(transaction)
    return transaction
  }

  #own(transaction: Transaction): void {
    const txid = transactionId(transaction)
    for (const [vout, { value, script }] of transaction.outputs.entries()) {
      const user = users.find((each) => each.script.join() === script.join())
      if (user !== undefined) this.#coins.push({ outPoint: { txid, vout }, value, user })
    }
  }

  #extend(l1Section: L1Section, transactions: readonly Transaction[]): void {
    const { tip, trie } = this.chain.state
    const rootBefore = trie.root
    const batches = getPegBooks(this.chain.state.view).nextBatchId
    const built = this.chain.build({ l1Section, transactions })
    if (!built.ok) throw new TypeError(`not built: ${JSON.stringify(built.error)}`)
    const { delta, undo } = this.chain.apply(built.value)
    change(this.records, delta)
    this.steps.push({ block: built.value, undo, before: tip, rootBefore })
    if (getPegBooks(this.chain.state.view).nextBatchId > batches) this.events.add('batch')
    const [coinbase, mint] = built.value.transactions
    if (l1Section.deposits.length > 0 && mint !== undefined) this.#own(mint)
    // The coinbase's outputs are coins from the next block on.
    if (coinbase !== undefined) this.#own(coinbase)
  }
}

const walks = fc.array(doings, { minLength: 3, maxLength: 7 })

describe('a chain', () => {
  it('goes back over every block to the very records and root that were there', async () => {
    const seen = new Set<string>()
    await fc.assert(
      fc.asyncProperty(walks, async (plans) => {
        const walk = new Walk()
        const { chain, records, steps } = walk
        const snapshots: Records[] = [new Map(genesisDelta(chain.params).puts)]
        for (const plan of plans) {
          snapshots.push(new Map(records))
          walk.step(plan)
        }
        for (const event of walk.events) seen.add(event)
        expect(await rootOf(records)).toBe(chain.state.trie.root)

        const { trie } = chain.state
        const forward = trie.root
        for (const { block, undo, rootBefore } of steps.toReversed()) {
          expect(trie.root).toBe(block.extension.stateRoot)
          const back = decodeDelta(undo)
          trie.apply(trie.prepare(back))
          change(records, back)
          expect(trie.root).toBe(rootBefore)
          expect(trie.size).toBe(records.size)
          expect(records).toEqual(snapshots.pop())
        }

        // And forth again, on a state that has been there and back.
        for (const { block, before } of steps) {
          const state = { tip: before, view: viewOf(records), trie }
          const connected = connectBlock(chain.params, state, block)
          if (!connected.ok) throw new TypeError(connected.error.code)
          trie.apply(connected.value.trie)
          change(records, connected.value.delta)
        }
        expect(trie.root).toBe(forward)
        expect(await rootOf(records)).toBe(forward)
      }),
      { numRuns: 25, seed: 5 },
    )
    expect(seen).toEqual(new Set(['deposit', 'burn', 'batch', 'confirmation']))
  }, 60_000)

  it('is changed by no block that is refused', () => {
    fc.assert(
      fc.property(walks, fc.nat(), (plans, at) => {
        const walk = new Walk()
        for (const plan of plans) walk.step(plan)
        const { chain, records } = walk
        const { root, size } = chain.state.trie
        const before = [...records].map(([key, value]) => `${key} ${value.join()}`)
        // A block of the past connects to nothing here, and neither does one with another root.
        const old = walk.steps[at % walk.steps.length]
        if (old === undefined) throw new TypeError('no block')
        expect(connectBlock(chain.params, chain.state, old.block).ok).toBe(false)
        const next = chain.build({})
        if (!next.ok) throw new TypeError(next.error.code)
        const extension = { ...next.value.extension, stateRoot: chain.params.chainId }
        const wrong = connectBlock(chain.params, chain.state, { ...next.value, extension })
        expect(wrong).toMatchObject({ ok: false, error: { code: 'bad-state-root' } })
        expect([chain.state.trie.root, chain.state.trie.size]).toEqual([root, size])
        expect([...records].map(([key, value]) => `${key} ${value.join()}`)).toEqual(before)
        expect(chain.check(next.value).ok).toBe(true)
      }),
      { numRuns: 5, seed: 6 },
    )
  })

  it('never gives one coin twice', () => {
    const walk = new Walk()
    const plan: Doings = {
      deposits: [1_000_000, 200_000],
      payments: ['split', 'join', 'pay', 'burn', 'split'],
      confirms: 1,
      l1Blocks: 1,
    }
    for (let i = 0; i < 6; i++) walk.step(plan)
    const made = walk.steps.flatMap(({ block }) =>
      block.transactions.flatMap((transaction) =>
        transaction.outputs.map((_, vout) =>
          outPointKey({ txid: transactionId(transaction), vout }),
        ),
      ),
    )
    expect(new Set(made).size).toBe(made.length)
  })
})
