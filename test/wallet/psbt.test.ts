import { Psbt } from 'bitcoinjs-lib'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { p2wshScript, withdrawScript } from '../../src/bitcoin/script.ts'
import { CONSENSUS_FLAGS } from '../../src/bitcoin/script-flags.ts'
import { transactionId } from '../../src/bitcoin/transaction.ts'
import { verifyInput } from '../../src/bitcoin/verify-input.ts'
import { sats } from '../../src/primitives/units.ts'
import { accountKey, type ScriptKind } from '../../src/wallet/account.ts'
import { parseFeeRate } from '../../src/wallet/fee-rate.ts'
import { mnemonicSeed } from '../../src/wallet/mnemonic.ts'
import { type PaymentPlan, planPayment } from '../../src/wallet/payment.ts'
import { exportPsbt, finalTransaction, readPsbt, signPsbt } from '../../src/wallet/psbt.ts'
import { coinsOf, countingRandom, testWallet, WORDS } from './test-wallet.ts'

const OTHER = p2wshScript(new Uint8Array(32).fill(7))

function plan(kind: ScriptKind): PaymentPlan {
  const wallet = testWallet(kind)
  return planPayment(
    {
      pay: { kind: 'amounts', payees: [{ script: OTHER, value: sats(60_000) }] },
      coins: coinsOf(wallet, [40_000, 35_000]),
      scriptKind: kind,
      feeRate: parseFeeRate('2'),
      changeScript: wallet.scripts.derive(1, 0).script,
    },
    countingRandom(),
  )
}

describe.each(['p2tr', 'p2wpkh'] as const)('a %s PSBT', (kind) => {
  const wallet = testWallet(kind)
  const options = { key: wallet.key, random: countingRandom() }

  test('goes out, is signed, and comes back as a valid transaction', () => {
    const planned = plan(kind)
    const exported = exportPsbt(planned, wallet.scripts)
    expect(readPsbt(exported, wallet.scripts)).toMatchObject({ feeSats: planned.fee })
    const signed = signPsbt(exported, wallet.scripts, options)
    expect(signed.signedInputs).toBe(2)
    const transaction = signed.transaction
    if (transaction === undefined) expect.unreachable()
    expect(transactionId(transaction)).toBe(transactionId(planned.transaction))
    for (const index of transaction.inputs.keys()) {
      expect(verifyInput(transaction, index, planned.coins, CONSENSUS_FLAGS).ok).toBe(true)
    }
    expect(transactionId(finalTransaction(signed.base64))).toBe(transactionId(transaction))
  })

  test('is readable by bitcoinjs-lib, with the derivation of every key', () => {
    const psbt = Psbt.fromBase64(exportPsbt(plan(kind), wallet.scripts))
    const [input] = psbt.data.inputs
    const derivation = input?.tapBip32Derivation ?? input?.bip32Derivation
    expect(derivation?.[0]?.path).toMatch(/^m\/8[46]'\/1'\/0'\/0\/[01]$/)
    expect(psbt.inputCount).toBe(2)
  })

  test('of another wallet is left alone', () => {
    const stranger = accountKey(mnemonicSeed(WORDS, 'other'), kind, 1)
    const psbt = Psbt.fromBase64(exportPsbt(plan(kind), wallet.scripts))
    for (const input of psbt.data.inputs) {
      delete input.tapBip32Derivation
      delete input.bip32Derivation
    }
    expect(() =>
      signPsbt(psbt.toBase64(), wallet.scripts, {
        key: { kind, account: stranger },
        random: countingRandom(),
      }),
    ).toThrow(expect.objectContaining({ code: 'not-ours' }))
  })
})

test('a PSBT that pays a withdraw output survives the trip', () => {
  const wallet = testWallet('p2tr')
  const script = withdrawScript(wallet.scripts.derive(0, 5).script)
  const planned = planPayment(
    {
      pay: { kind: 'everything', script },
      coins: coinsOf(wallet, [40_000]),
      scriptKind: 'p2tr',
      feeRate: parseFeeRate('1'),
      changeScript: OTHER,
    },
    countingRandom(),
  )
  const read = readPsbt(exportPsbt(planned, wallet.scripts), wallet.scripts)
  expect(read.transaction.outputs[0]?.script).toEqual(script)
})

test('an unsigned PSBT is not a transaction', () => {
  expect(() => finalTransaction(exportPsbt(plan('p2tr'), testWallet('p2tr').scripts))).toThrow(
    expect.objectContaining({ code: 'bad-psbt' }),
  )
})

test('noise is refused as such', () => {
  const { scripts } = testWallet('p2tr')
  fc.assert(
    fc.property(fc.base64String({ maxLength: 400 }), (text) => {
      expect(() => readPsbt(`cHNidP8B${text}`, scripts)).toThrow(
        expect.objectContaining({ name: 'WalletError' }),
      )
    }),
    { numRuns: 100 },
  )
})
