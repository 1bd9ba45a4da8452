/** What other people's libraries sign is valid here, and nothing else is: every bit of it counts. */

import { describe, expect, it } from 'vitest'
import { decodeTransaction, transactionSizes } from '../../src/bitcoin/transaction.ts'
import { checkTransaction } from '../../src/chain/check-transaction.ts'
import type { CoinView } from '../../src/chain/coin.ts'
import { connectTransaction } from '../../src/chain/connect-transaction.ts'
import { present } from '../../src/primitives/assert.ts'
import { hexToBytes } from '../../src/primitives/bytes.ts'
import { DecodeError } from '../../src/primitives/codec.ts'
import { sats } from '../../src/primitives/units.ts'
import { BITCOINJS } from './bitcoinjs-client.ts'
import { BITCOINJS_TOOLS, type HandTools, SCURE_TOOLS } from './hand-tools.ts'
import { SCURE } from './scure-client.ts'
import type { ClientLibrary, SpendKind, SpendLocks } from './spend-kind.ts'
import { handMadeKinds } from './witness-recipes.ts'

const VALUE = 50_000n
const TXID = '4e'.repeat(32)
/** Where the locked spends below are mature. */
const HEIGHT = 200

interface Case {
  readonly name: string
  readonly kind: SpendKind
  readonly locks: SpendLocks | undefined
}

function casesOf(library: ClientLibrary): Case[] {
  const kinds = library.kinds.map((kind) => ({ kind, locks: undefined }))
  const locked = [
    { kind: library.relativelyLocked(20), locks: { sequence: 20, lockTime: 0 } },
    { kind: library.absolutelyLocked(150), locks: { sequence: 0xffff_fffe, lockTime: 150 } },
  ]
  return [...kinds, ...locked].map((entry) => ({
    ...entry,
    name: `${library.name}, ${entry.kind.name}`,
  }))
}

/** Every kind of spend there is, from a library's lower parts. */
function handMade(tools: HandTools): Case[] {
  return handMadeKinds(tools).map(({ kind, locks }) => {
    return { kind, locks, name: `${tools.name} by hand, ${kind.name}` }
  })
}

/** The chain's verdict on an encoded transaction: its code, or "valid". */
function verdict(bytes: Uint8Array, kind: SpendKind): string {
  const coins: CoinView = {
    findCoin: ({ txid, vout }) =>
      txid === TXID && vout === 0
        ? {
            value: sats(VALUE),
            script: kind.script,
            height: 100,
            medianTimeBefore: 0,
            origin: 'ordinary',
          }
        : undefined,
  }
  try {
    const transaction = decodeTransaction(bytes)
    const checked = checkTransaction(transaction)
    if (!checked.ok) return checked.error.code
    const connected = connectTransaction(transaction, coins, { height: HEIGHT, medianTimePast: 0 })
    return connected.ok ? 'valid' : connected.error.code
  } catch (error) {
    if (error instanceof DecodeError) return 'cannot be decoded'
    throw error
  }
}

function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
  const byte = bit >> 3
  return bytes.with(byte, present(bytes[byte], 'byte to change') ^ (1 << (bit & 7)))
}

describe('a witness signed by another library', () => {
  it.each([
    ...casesOf(BITCOINJS),
    ...casesOf(SCURE),
    ...handMade(BITCOINJS_TOOLS),
    ...handMade(SCURE_TOOLS),
  ])('counts to the last bit: $name', ({ kind, locks }) => {
    const coin = { txid: TXID, vout: 0, value: VALUE }
    const outputs = [{ script: kind.script, value: VALUE - 1_000n }]
    const bytes = hexToBytes(kind.spend(coin, outputs, locks))
    expect(verdict(bytes, kind)).toBe('valid')

    const { totalBytes, strippedBytes } = transactionSizes(decodeTransaction(bytes))
    // Marker and flag stand at the front, the lock time behind the witness.
    const end = totalBytes - 4
    const start = end - (totalBytes - strippedBytes - 2)
    const words = new Set<string>()
    for (let bit = start * 8; bit < end * 8; bit++) words.add(verdict(flipBit(bytes, bit), kind))
    expect([...words].filter((word) => !REFUSAL.test(word))).toEqual([])
  })
})

/** Core's words, with the name of its script error. */
const REFUSAL = /^(?:cannot be decoded|mandatory-script-verify-flag-failed \([A-Z][A-Z0-9_]+\))$/
