import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { p2wshScript } from '../../src/bitcoin/script.ts'
import { type Transaction, type TxOutput, transactionId } from '../../src/bitcoin/transaction.ts'
import type { Block } from '../../src/chain/block.ts'
import type { ScriptVerification } from '../../src/chain/block-scripts.ts'
import type { Coin, CoinView } from '../../src/chain/coin.ts'
import { connectBlock } from '../../src/chain/connect-block.ts'
import {
  connectTransaction,
  NO_SCRIPT_CACHE,
  type ScriptCache,
} from '../../src/chain/connect-transaction.ts'
import { createScriptCache, openScriptCache } from '../../src/node/script-cache.ts'
import { INLINE_CHECKS } from '../../src/primitives/check-batch.ts'
import { sha256 } from '../../src/primitives/sha256.ts'
import { sats } from '../../src/primitives/units.ts'
import { reseal } from '../chain/block-surgery.ts'
import { anOutPoint, aUser, mintedWorld, spend, type TestChain } from '../support/chain-world.ts'

const SALT = new Uint8Array(16).fill(7)
const alice = aUser('alice')
const bob = aUser('bob')
const outPoint = anOutPoint('a coin')
const transaction = spend(
  alice,
  [{ outPoint, value: 10_000n }],
  [{ value: sats(9_000n), script: bob.script }],
)
const spent: readonly TxOutput[] = [{ value: sats(10_000n), script: alice.script }]

const withWitness = (of: Transaction, witness: readonly Uint8Array[]): Transaction => ({
  ...of,
  inputs: of.inputs.map((input) => ({ ...input, witness })),
})

function aCoin(value: bigint, script: Uint8Array): Coin {
  return { value: sats(value), script, height: 1, medianTimeBefore: 0, origin: 'ordinary' }
}

const paymentOf = (index: number): Transaction => ({ ...transaction, lockTime: index })

describe('the script cache', () => {
  it('knows exactly what was added', () => {
    const cache = createScriptCache(SALT)
    expect(cache.has(transaction, spent)).toBe(false)
    cache.add(transaction, spent)
    expect(cache.has(transaction, spent)).toBe(true)
    // Equal, but other objects: what counts is what they say.
    expect(cache.has({ ...transaction }, [...spent])).toBe(true)
  })

  it('tells apart whatever a script check depends on', () => {
    const cache = createScriptCache(SALT)
    cache.add(transaction, spent)
    const [output] = spent
    if (output === undefined) throw new TypeError('no output')
    const others: readonly (readonly [Transaction, readonly TxOutput[]])[] = [
      [withWitness(transaction, [new Uint8Array(64)]), spent],
      [{ ...transaction, lockTime: 1 }, spent],
      [{ ...transaction, version: 1 }, spent],
      [{ ...transaction, outputs: [{ value: sats(9_001n), script: alice.script }] }, spent],
      [transaction, [{ ...output, value: sats(10_001n) }]],
      [transaction, [{ ...output, script: bob.script }]],
      [transaction, []],
      [transaction, [output, output]],
      // The same bytes, divided otherwise.
      [transaction, [{ ...output, script: output.script.subarray(0, 33) }]],
    ]
    for (const [tx, outputs] of others) expect(cache.has(tx, outputs)).toBe(false)
    // The same object again after others: nothing of theirs has stuck to it.
    expect(cache.has(transaction, spent)).toBe(true)
  })

  it('cannot be told the bytes of one list of coins as those of another', () => {
    const output = fc.record({
      value: fc.bigInt({ min: 0n, max: 300n }).map(sats),
      script: fc.uint8Array({ maxLength: 3, max: 2 }),
    })
    const list = fc.array(output, { maxLength: 3 })
    fc.assert(
      fc.property(list, list, (a, b) => {
        const cache = createScriptCache(SALT)
        cache.add(transaction, a)
        const isSame =
          a.length === b.length &&
          a.every((one, i) => one.value === b[i]?.value && one.script.join() === b[i].script.join())
        expect(cache.has(transaction, b)).toBe(isSame)
      }),
      { numRuns: 1_000 },
    )
  })

  it('forgets the oldest and stays within its limit', () => {
    const limit = 64
    const cache = createScriptCache(SALT, limit)
    const known = (upTo: number): number[] =>
      Array.from({ length: upTo }, (_, i) => i).filter((i) => cache.has(paymentOf(i), spent))
    for (let i = 0; i < 10 * limit; i++) cache.add(paymentOf(i), spent)
    const kept = known(10 * limit)
    expect(kept.length).toBeLessThanOrEqual(limit)
    expect(kept.length).toBeGreaterThanOrEqual(limit / 2)
    expect(kept).toEqual(Array.from(kept, (_, i) => 10 * limit - kept.length + i))
  })

  it('holds one entry when it may hold no more', () => {
    const cache = createScriptCache(SALT, 1)
    cache.add(paymentOf(1), spent)
    expect(cache.has(paymentOf(1), spent)).toBe(true)
    cache.add(paymentOf(2), spent)
    expect(cache.has(paymentOf(1), spent)).toBe(false)
    expect(cache.has(paymentOf(2), spent)).toBe(true)
  })

  it('is off when the configuration says so', () => {
    const random = { bytes: (length: number) => new Uint8Array(length) }
    expect(openScriptCache(false, random)).toBe(NO_SCRIPT_CACHE)
    const cache = openScriptCache(true, random)
    cache.add(transaction, spent)
    expect(cache.has(transaction, spent)).toBe(true)
  })
})

/** A transaction and the coin it finds: as signed, or with one thing changed. */
const attempts = fc
  .record({
    payment: fc.integer({ min: 0, max: 3 }),
    damage: fc.constantFrom('none', 'witness', 'coin value', 'coin script', 'outputs', 'lock time'),
  })
  .map(({ payment, damage }) => {
    const value = 10_000n + BigInt(payment)
    const signed = spend(
      alice,
      [{ outPoint: anOutPoint(`coin ${payment}`), value }],
      [{ value: sats(9_000n), script: bob.script }],
    )
    const coin = aCoin(
      damage === 'coin value' ? value + 1n : value,
      damage === 'coin script' ? bob.script : alice.script,
    )
    const changed: Readonly<Record<string, Transaction>> = {
      witness: withWitness(signed, [new Uint8Array(64).fill(payment + 1)]),
      outputs: { ...signed, outputs: [{ value: sats(9_000n), script: alice.script }] },
      'lock time': { ...signed, lockTime: 3 },
    }
    return { transaction: changed[damage] ?? signed, coin }
  })

describe('with the script cache and without it', () => {
  it('every transaction gets the same verdict, whatever came before', () => {
    const context = { height: 5, medianTimePast: 1_000 }
    const verdict = (tx: Transaction, coins: CoinView, cache?: ScriptCache): string => {
      const result = connectTransaction(tx, coins, context, cache)
      return result.ok ? 'ok' : result.error.code
    }
    const seen = new Set<string>()
    fc.assert(
      fc.property(fc.array(attempts, { minLength: 4, maxLength: 8 }), (list) => {
        const cache = createScriptCache(SALT)
        // Twice: the second time the cache has everything that it will ever have.
        for (const attempt of [...list, ...list]) {
          const coins = { findCoin: () => attempt.coin }
          const plain = verdict(attempt.transaction, coins)
          expect(verdict(attempt.transaction, coins, cache)).toBe(plain)
          expect(cache.has(attempt.transaction, [attempt.coin])).toBe(plain === 'ok')
          seen.add(plain)
        }
      }),
      { numRuns: 60 },
    )
    expect(seen).toEqual(new Set(['ok', 'mandatory-script-verify-flag-failed (SCHNORR_SIG)']))
  })
})

/** Records what it is told to remember. */
function watchedCache(): ScriptCache & { readonly added: Transaction[] } {
  const cache = createScriptCache(SALT)
  const added: Transaction[] = []
  return {
    added,
    has: (tx, outputs) => cache.has(tx, outputs),
    add(tx, outputs) {
      added.push(tx)
      cache.add(tx, outputs)
    },
  }
}

interface Scene {
  readonly chain: TestChain
  /** Valid, one after the other. */
  readonly payments: readonly Transaction[]
  readonly good: Block
}

/** OP_0: a witness script that fails without asking for any signature. */
const FAILING_SCRIPT = Uint8Array.of(0)

/** A block of two payments on a chain with a minted coin; the second goes to `script`. */
function aScene(script = bob.script): Scene {
  const { chain, coin } = mintedWorld(1_000_000n)
  const first = spend(alice, [coin], [{ value: sats(900_000n), script: alice.script }])
  const second = spend(
    alice,
    [{ outPoint: { txid: transactionId(first), vout: 0 }, value: 900_000n }],
    [{ value: sats(800_000n), script }],
  )
  const built = chain.build({ transactions: [first, second] })
  if (!built.ok) throw new TypeError(built.error.code)
  return { chain, payments: [first, second], good: built.value }
}

function connect(scene: Scene, block: Block, cache: ScriptCache): string {
  const verification: ScriptVerification = { cache, batches: INLINE_CHECKS }
  const { chain } = scene
  const connected = connectBlock(chain.params, chain.state, block, verification)
  return connected.ok ? `ok ${connected.value.trie.root}` : connected.error.code
}

/** The block with its transactions changed behind the coinbase. */
function withBody(
  scene: Scene,
  change: (payments: readonly Transaction[]) => Transaction[],
): Block {
  return reseal(scene.good, { others: change(scene.payments) })
}

describe('a block with the script cache and without it', () => {
  it('gets the same verdict, and a valid one is remembered', () => {
    const scene = aScene()
    const cache = watchedCache()
    const verdict = connect(scene, scene.good, NO_SCRIPT_CACHE)
    expect(verdict).toMatch(/^ok /)
    expect(connect(scene, scene.good, cache)).toBe(verdict)
    expect(cache.added).toEqual(scene.payments)
    expect(connect(scene, scene.good, cache)).toBe(verdict)
    expect(cache.added).toEqual(scene.payments)
  })

  it('that has a bad signature leaves nothing bad behind, wherever it stands', () => {
    const scene = aScene()
    for (const guilty of [0, 1]) {
      const cache = watchedCache()
      const block = withBody(scene, (payments) =>
        payments.map((payment, i) =>
          i === guilty ? withWitness(payment, [new Uint8Array(64).fill(3)]) : payment,
        ),
      )
      const verdict = connect(scene, block, NO_SCRIPT_CACHE)
      expect(verdict).toBe('mandatory-script-verify-flag-failed (SCHNORR_SIG)')
      for (let round = 0; round < 3; round++) expect(connect(scene, block, cache)).toBe(verdict)
      const bad = block.transactions[1 + guilty]
      expect(cache.added).not.toContain(bad)
    }
  })

  it('that fails in a script without any signature leaves nothing bad behind either', () => {
    const scene = aScene(p2wshScript(sha256(FAILING_SCRIPT)))
    const [, second] = scene.payments
    if (second === undefined) throw new TypeError('no payment')
    const failing: Transaction = {
      version: 2,
      inputs: [
        {
          prevout: { txid: transactionId(second), vout: 0 },
          scriptSig: new Uint8Array(),
          sequence: 0,
          witness: [FAILING_SCRIPT],
        },
      ],
      outputs: [{ value: sats(700_000n), script: bob.script }],
      lockTime: 0,
    }
    const block = withBody(scene, (payments) => [...payments, failing])
    const cache = watchedCache()
    const verdict = connect(scene, block, NO_SCRIPT_CACHE)
    expect(verdict).toBe('mandatory-script-verify-flag-failed (EVAL_FALSE)')
    for (let round = 0; round < 3; round++) expect(connect(scene, block, cache)).toBe(verdict)
    expect(cache.added).not.toContain(failing)
    // Nor does a bad signature before it become good by it, or the other way round.
    const both = withBody(scene, ([first, ...rest]) => [
      ...(first === undefined ? [] : [withWitness(first, [new Uint8Array(64)])]),
      ...rest,
      failing,
    ])
    const empty = watchedCache()
    const expected = connect(scene, both, NO_SCRIPT_CACHE)
    expect(expected).toBe('mandatory-script-verify-flag-failed (SCHNORR_SIG)')
    expect(connect(scene, both, empty)).toBe(expected)
    expect(empty.added).toEqual([])
  })

  it('finds no comfort in the same payment that passed with another witness', () => {
    const scene = aScene()
    const cache = watchedCache()
    connect(scene, scene.good, cache)
    const block = withBody(scene, (payments) =>
      payments.map((payment) => withWitness(payment, [new Uint8Array(64).fill(9)])),
    )
    expect(block.transactions.map(transactionId).slice(1)).toEqual(
      scene.payments.map(transactionId),
    )
    expect(connect(scene, block, cache)).toBe(connect(scene, block, NO_SCRIPT_CACHE))
  })
})
