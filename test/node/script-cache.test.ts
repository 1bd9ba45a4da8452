import { describe, expect, it } from 'vitest'
import type { Transaction, TxOutput } from '../../src/bitcoin/transaction.ts'
import { connectTransaction } from '../../src/chain/connect-transaction.ts'
import { createScriptCache } from '../../src/node/script-cache.ts'
import { sats } from '../../src/primitives/units.ts'
import { anOutPoint, aUser, spend } from '../support/chain-world.ts'

const alice = aUser('alice')
const outPoint = anOutPoint('a coin')
const transaction = spend(
  alice,
  [{ outPoint, value: 10_000n }],
  [{ value: sats(9_000n), script: aUser('bob').script }],
)
const spent: readonly TxOutput[] = [{ value: sats(10_000n), script: alice.script }]

const withWitness = (witness: readonly Uint8Array[]): Transaction => ({
  ...transaction,
  inputs: transaction.inputs.map((input) => ({ ...input, witness })),
})

describe('the script cache', () => {
  it('knows exactly what was added', () => {
    const cache = createScriptCache()
    expect(cache.has(transaction, spent)).toBe(false)
    cache.add(transaction, spent)
    expect(cache.has(transaction, spent)).toBe(true)
  })

  it('tells apart whatever a script check depends on', () => {
    const cache = createScriptCache()
    cache.add(transaction, spent)
    const [output] = spent
    if (output === undefined) throw new TypeError('no output')
    const others: readonly (readonly [Transaction, readonly TxOutput[]])[] = [
      [withWitness([new Uint8Array(64)]), spent],
      [{ ...transaction, lockTime: 1 }, spent],
      [{ ...transaction, version: 1 }, spent],
      [{ ...transaction, outputs: [{ value: sats(9_001n), script: alice.script }] }, spent],
      [transaction, [{ ...output, value: sats(10_001n) }]],
      [transaction, [{ ...output, script: aUser('bob').script }]],
      [transaction, []],
      [transaction, [output, output]],
      // The same bytes, divided otherwise.
      [transaction, [{ ...output, script: output.script.subarray(0, 33) }]],
    ]
    for (const [tx, outputs] of others) expect(cache.has(tx, outputs)).toBe(false)
  })

  it('changes no verdict', () => {
    const cache = createScriptCache()
    const coin = {
      value: sats(10_000n),
      script: alice.script,
      height: 1,
      medianTimeBefore: 0,
      origin: 'ordinary',
    } as const
    const coins = { findCoin: () => coin }
    const context = { height: 5, medianTimePast: 1_000 }
    const verdict = (tx: Transaction, withCache: boolean): string => {
      const result = connectTransaction(tx, coins, context, withCache ? cache : undefined)
      return result.ok ? 'ok' : result.error.code
    }
    const forged = withWitness([new Uint8Array(64).fill(1)])
    for (let round = 0; round < 2; round++) {
      for (const tx of [transaction, forged]) expect(verdict(tx, true)).toBe(verdict(tx, false))
    }
    expect(cache.has(transaction, [coin])).toBe(true)
    expect(cache.has(forged, [coin])).toBe(false)
  })
})
