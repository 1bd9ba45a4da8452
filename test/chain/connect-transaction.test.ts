import { schnorr } from '@noble/curves/secp256k1.js'
import { describe, expect, it } from 'vitest'
import { p2wshScript } from '../../src/bitcoin/script.ts'
import { taprootSighash } from '../../src/bitcoin/sighash.ts'
import { outPointKey, type Transaction } from '../../src/bitcoin/transaction.ts'
import type { Coin } from '../../src/chain/coin.ts'
import {
  connectTransaction,
  type ScriptCache,
  type SpendContext,
} from '../../src/chain/connect-transaction.ts'
import { MAX_BLOCK_SIGOPS } from '../../src/chain/params.ts'
import { sha256 } from '../../src/primitives/sha256.ts'
import { sats } from '../../src/primitives/units.ts'
import { anOutPoint, aUser } from '../support/chain-world.ts'

const alice = aUser('alice')
const coin: Coin = {
  value: sats(10_000),
  script: alice.script,
  height: 100,
  medianTimeBefore: 1_700_000_000,
  origin: 'ordinary',
}
const prevout = anOutPoint('coin')
const here: SpendContext = { height: 110, medianTimePast: 1_700_010_000 }

interface Terms {
  readonly version?: number
  readonly sequence?: number
  readonly lockTime?: number
  readonly value?: bigint
}

function signed(terms: Terms = {}): Transaction {
  const unsigned: Transaction = {
    version: terms.version ?? 2,
    inputs: [
      {
        prevout,
        scriptSig: new Uint8Array(),
        sequence: terms.sequence ?? 0xffff_ffff,
        witness: [],
      },
    ],
    outputs: [{ value: sats(terms.value ?? 9_000n), script: alice.script }],
    lockTime: terms.lockTime ?? 0,
  }
  const digest = taprootSighash(unsigned, 0, [coin], 0)
  if (digest === undefined) throw new TypeError('no digest')
  const witness = [schnorr.sign(digest, alice.secret, new Uint8Array(32))]
  return { ...unsigned, inputs: unsigned.inputs.map((input) => ({ ...input, witness })) }
}

function connect(
  transaction: Transaction,
  context: SpendContext = here,
  cache?: ScriptCache,
  coins: readonly Coin[] = [coin],
): ReturnType<typeof connectTransaction> {
  const byKey = new Map(
    coins.map((each, i) => [outPointKey(transaction.inputs[i]?.prevout ?? prevout), each]),
  )
  const view = { findCoin: (at: typeof prevout) => byKey.get(outPointKey(at)) }
  return connectTransaction(transaction, view, context, cache)
}

function codeOf(transaction: Transaction, context: SpendContext = here): string {
  const connected = connect(transaction, context)
  return connected.ok ? 'ok' : connected.error.code
}

describe('a transaction against the coins it spends', () => {
  it('pays what is left over as fee', () => {
    const connected = connect(signed())
    expect(connected).toMatchObject({ ok: true, value: { fee: 1_000n, spent: [coin], sigops: 1 } })
    expect(codeOf(signed({ value: 10_000n }))).toBe('ok')
    expect(codeOf(signed({ value: 10_001n }))).toBe('bad-txns-in-belowout')
  })

  it('is worth asking for when a coin is missing', () => {
    expect(connect(signed(), here, undefined, [])).toMatchObject({
      ok: false,
      error: { code: 'bad-txns-inputs-missingorspent', class: 'missing' },
    })
  })

  it('names the script error of a bad signature', () => {
    const good = signed()
    const bad = { ...good, outputs: [{ ...coin, value: sats(1) }] }
    expect(codeOf(bad)).toBe('mandatory-script-verify-flag-failed (SCHNORR_SIG)')
  })

  it('runs no script for more signature operations than a block may hold', () => {
    // 20 for each CHECKMULTISIG without a constant before it.
    const script = new Uint8Array(MAX_BLOCK_SIGOPS / 20 + 1).fill(0xae)
    const spending = { ...signed(), inputs: [{ ...signed().inputs[0]!, witness: [script] }] }
    const at = { ...coin, script: p2wshScript(sha256(script)) }
    const refused = connect(spending, here, undefined, [at])
    expect(refused).toMatchObject({ ok: false, error: { code: 'bad-txns-too-many-sigops' } })
    const shorter = script.subarray(1)
    const atLimit = { ...spending, inputs: [{ ...spending.inputs[0]!, witness: [shorter] }] }
    const run = connect(atLimit, here, undefined, [{ ...at, script: p2wshScript(sha256(shorter)) }])
    expect(run.ok ? '' : run.error.code).toContain('mandatory-script-verify-flag-failed')
  })

  it('trusts the cache for scripts, and for nothing else', () => {
    const added: Transaction[] = []
    const cache: ScriptCache = { has: () => true, add: (each) => added.push(each) }
    const unsigned = { ...signed(), inputs: [{ ...signed().inputs[0]!, witness: [] }] }
    expect(connect(unsigned, here, cache).ok).toBe(true)
    expect(added).toEqual([])
    expect(connect(signed({ value: 10_001n }), here, cache).ok).toBe(false)
  })
})

const locked = (lockTime: number): string => codeOf(signed({ lockTime, sequence: 0 }))
const relative = (sequence: number): string => codeOf(signed({ sequence }))

describe('the lock time', () => {
  it('of a height passes in the next block (Bitcoin: nLockTime < height)', () => {
    expect([locked(109), locked(110), locked(111)]).toEqual([
      'ok',
      'bad-txns-nonfinal',
      'bad-txns-nonfinal',
    ])
  })

  it('of a time is compared with the median time past (BIP113)', () => {
    expect([locked(1_700_009_999), locked(1_700_010_000)]).toEqual(['ok', 'bad-txns-nonfinal'])
    // 500,000,000 is the first time, 499,999,999 the last height.
    expect([locked(500_000_000), locked(499_999_999)]).toEqual(['ok', 'bad-txns-nonfinal'])
  })

  it('says nothing when every input is final', () => {
    expect(codeOf(signed({ lockTime: 0xffff_ffff, sequence: 0xffff_ffff }))).toBe('ok')
    expect(connect(signed({ lockTime: 0xffff_ffff, sequence: 0xffff_fffe }))).toMatchObject({
      ok: false,
      error: { code: 'bad-txns-nonfinal', class: 'premature' },
    })
  })
})

describe('the relative lock (BIP68)', () => {
  it('of blocks counts from the coin’s block', () => {
    expect([relative(0), relative(10), relative(11)]).toEqual(['ok', 'ok', 'non-BIP68-final'])
  })

  it('of time counts 512 seconds from the median before the coin’s block', () => {
    const lock = signed({ sequence: 0x0040_0000 + 2 })
    const at = (medianTimePast: number): string => codeOf(lock, { ...here, medianTimePast })
    expect([at(1_700_001_023), at(1_700_001_024)]).toEqual(['non-BIP68-final', 'ok'])
  })

  it('looks at 16 bits and the type, at nothing else', () => {
    expect(codeOf(signed({ sequence: 0x7fbf_0000 }))).toBe('ok')
    expect(codeOf(signed({ sequence: 0x0001_000b }))).toBe('non-BIP68-final')
  })

  it('is off with the top bit, and for version 1', () => {
    expect(codeOf(signed({ sequence: 0x8000_ffff }))).toBe('ok')
    expect(codeOf(signed({ sequence: 0xffff, version: 1 }))).toBe('ok')
  })

  it('reads the version as unsigned', () => {
    expect(codeOf(signed({ sequence: 0xffff, version: 0x8000_0001 }))).toBe('non-BIP68-final')
  })
})
