import { Transaction as BitcoinJsTransaction } from 'bitcoinjs-lib'
import { describe, expect, test } from 'vitest'
import { p2wshScript, withdrawScript } from '../../src/bitcoin/script.ts'
import { CONSENSUS_FLAGS } from '../../src/bitcoin/script-flags.ts'
import { taprootSighash, witnessV0Sighash } from '../../src/bitcoin/sighash.ts'
import {
  encodeTransaction,
  transactionId,
  transactionVsize,
} from '../../src/bitcoin/transaction.ts'
import { verifyInput } from '../../src/bitcoin/verify-input.ts'
import { bytesToHex, concatBytes } from '../../src/primitives/bytes.ts'
import { hash160 } from '../../src/primitives/sha256.ts'
import { sats } from '../../src/primitives/units.ts'
import type { ScriptKind } from '../../src/wallet/account.ts'
import { dustThreshold, parseFeeRate } from '../../src/wallet/fee-rate.ts'
import { type PaymentPlan, type PaymentRequest, planPayment } from '../../src/wallet/payment.ts'
import { signTransaction } from '../../src/wallet/sign-transaction.ts'
import { signPlan } from '../../src/wallet/wallet.ts'
import { coinsOf, countingRandom, testWallet } from './test-wallet.ts'

const OTHER = p2wshScript(new Uint8Array(32).fill(7))
const KINDS: readonly ScriptKind[] = ['p2tr', 'p2wpkh']

function plan(
  kind: ScriptKind,
  values: readonly number[],
  pay: PaymentRequest['pay'],
  more: Partial<PaymentRequest> = {},
): PaymentPlan {
  const wallet = testWallet(kind)
  return planPayment(
    {
      pay,
      coins: coinsOf(wallet, values),
      scriptKind: kind,
      feeRate: parseFeeRate('2'),
      changeScript: wallet.scripts.derive(1, 0).script,
      ...more,
    },
    countingRandom(),
  )
}

function paying(value: number): PaymentRequest['pay'] {
  return { kind: 'amounts', payees: [{ script: OTHER, value: sats(value) }] }
}

describe.each(KINDS)('a %s payment', (kind) => {
  const planned = plan(kind, [40_000, 35_000, 30_000], paying(80_000))
  const signed = signPlan(planned, testWallet(kind).key, countingRandom())

  test('is accepted by the chain’s own script rules', () => {
    expect(planned.coins).toHaveLength(3)
    for (const index of signed.inputs.keys()) {
      expect(verifyInput(signed, index, planned.coins, CONSENSUS_FLAGS)).toEqual({
        ok: true,
        value: undefined,
      })
    }
  })

  test('signs the same digests that bitcoinjs-lib computes', () => {
    const theirs = BitcoinJsTransaction.fromBuffer(encodeTransaction(signed))
    expect(theirs.getId()).toBe(transactionId(signed))
    for (const [index, coin] of planned.coins.entries()) {
      if (kind === 'p2tr') {
        const digest = theirs.hashForWitnessV1(
          index,
          planned.coins.map(({ script }) => script),
          planned.coins.map(({ value }) => value),
          0,
        )
        expect(taprootSighash(signed, index, planned.coins, 0)).toEqual(Uint8Array.from(digest))
      } else {
        const publicKey = testWallet(kind).scripts.derive(0, coin.index).publicKey
        const code = concatBytes(
          Uint8Array.of(0x76, 0xa9, 0x14),
          hash160(publicKey),
          Uint8Array.of(0x88, 0xac),
        )
        const digest = theirs.hashForWitnessV0(index, code, coin.value, 1)
        expect(witnessV0Sighash(signed, index, code, coin.value, 1)).toEqual(
          Uint8Array.from(digest),
        )
      }
    }
  })

  test('balances, and is not larger than it was paid for', () => {
    const paidOut = signed.outputs.reduce((sum, { value }) => sum + value, 0n)
    const paidIn = planned.coins.reduce((sum, { value }) => sum + value, 0n)
    expect(paidIn - paidOut).toBe(planned.fee)
    expect(transactionVsize(signed)).toBeLessThanOrEqual(planned.vsize)
    expect(transactionVsize(signed)).toBeGreaterThan(planned.vsize - 3)
    expect(planned.fee).toBe(BigInt(planned.vsize * 2))
  })

  test('has its change where the plan says', () => {
    const change = signed.outputs[planned.changeIndex ?? -1]
    expect(change?.value).toBe(planned.change)
    expect(change?.script).toEqual(testWallet(kind).scripts.derive(1, 0).script)
  })
})

test('a changed amount breaks a taproot signature: it commits to every input’s value', () => {
  const planned = plan('p2tr', [40_000, 35_000], paying(70_000))
  const signed = signPlan(planned, testWallet('p2tr').key, countingRandom())
  const lied = planned.coins.map(({ script, value }, i) => ({
    script,
    value: i === 1 ? sats(1) : value,
  }))
  expect(verifyInput({ ...signed }, 0, lied, CONSENSUS_FLAGS).ok).toBe(false)
})

test('replaceability is signalled unless refused', () => {
  expect(plan('p2tr', [40_000], paying(10_000)).transaction.inputs[0]?.sequence).toBe(0xfffffffd)
  const final = plan('p2tr', [40_000], paying(10_000), { replaceable: false })
  expect(final.transaction.inputs[0]?.sequence).toBe(0xfffffffe)
})

test('spending everything leaves no change and exactly the fee', () => {
  const planned = plan('p2tr', [40_000, 200, 50_000], { kind: 'everything', script: OTHER })
  expect(planned.coins).toHaveLength(3)
  expect(planned.transaction.outputs).toEqual([{ script: OTHER, value: planned.paid }])
  expect(planned.paid + planned.fee).toBe(90_200n)
  const signed = signPlan(planned, testWallet('p2tr').key, countingRandom())
  expect(planned.fee).toBe(BigInt(transactionVsize(signed) * 2))
})

test('spending everything of nothing is refused', () => {
  const pay = { kind: 'everything', script: OTHER } as const
  expect(() => plan('p2tr', [], pay)).toThrow(
    expect.objectContaining({ code: 'insufficient-funds' }),
  )
  expect(() => plan('p2tr', [110], pay)).toThrow(
    expect.objectContaining({ code: 'insufficient-funds' }),
  )
})

test('dust thresholds are Bitcoin Core’s', () => {
  expect(dustThreshold(testWallet('p2tr').scripts.derive(0, 0).script)).toBe(330n)
  expect(dustThreshold(testWallet('p2wpkh').scripts.derive(0, 0).script)).toBe(294n)
  expect(dustThreshold(OTHER)).toBe(330n)
  expect(dustThreshold(Uint8Array.of(0x51, 0x02, 0x4e, 0x73))).toBe(240n)
  expect(dustThreshold(Uint8Array.of(0x6a, 0x01, 0x00))).toBe(0n)
})

test('dust is refused before anything is signed', () => {
  expect(() => plan('p2tr', [40_000], paying(329))).toThrow(
    expect.objectContaining({ code: 'dust' }),
  )
})

test('a withdraw output is paid like any other', () => {
  const script = withdrawScript(testWallet('p2tr').scripts.derive(0, 3).script)
  const planned = plan('p2tr', [90_000], {
    kind: 'amounts',
    payees: [{ script, value: sats(50_000) }],
  })
  expect(planned.transaction.outputs.map((output) => bytesToHex(output.script))).toContain(
    bytesToHex(script),
  )
})

test('a key path that does not give the spent script is refused', () => {
  const wallet = testWallet('p2tr')
  const planned = plan('p2tr', [40_000], paying(10_000))
  const options = { key: wallet.key, random: countingRandom() }
  expect(() =>
    signTransaction(planned.transaction, planned.coins, [{ branch: 0, index: 9 }], options),
  ).toThrow(expect.objectContaining({ code: 'not-ours' }))
})
