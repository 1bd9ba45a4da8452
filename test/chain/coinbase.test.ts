import { describe, expect, it } from 'vitest'
import { P2A_SCRIPT, withdrawScript } from '../../src/bitcoin/script.ts'
import type { Transaction, TxInput } from '../../src/bitcoin/transaction.ts'
import {
  buildCoinbase,
  checkCoinbase,
  coinbaseValue,
  heightScript,
} from '../../src/chain/coinbase.ts'
import { bytesToHex } from '../../src/primitives/bytes.ts'
import { toHash32 } from '../../src/primitives/hashes.ts'
import { sats } from '../../src/primitives/units.ts'
import { anL1Payment, aUser } from '../support/chain-world.ts'

const payee = aUser('payee').script
const extensionHash = toHash32('ab'.repeat(32))
const other = anL1Payment('other', [{ value: sats(1), script: payee }])
const HEIGHT = 1_000
const coinbase = buildCoinbase({
  height: HEIGHT,
  fees: sats(500),
  payoutScript: payee,
  extensionHash,
  others: [other],
})

function codeOf(
  altered: Partial<Transaction>,
  others: readonly Transaction[] = [other],
  height = HEIGHT,
): string {
  const checked = checkCoinbase([{ ...coinbase, ...altered }, ...others], height, extensionHash)
  return checked.ok ? 'ok' : checked.error.code
}

function input(part: Partial<TxInput>): Partial<Transaction> {
  return { inputs: coinbase.inputs.map((each) => ({ ...each, ...part })) }
}

const [payout, witness, extension] = coinbase.outputs
if (payout === undefined || witness === undefined || extension === undefined) {
  throw new TypeError('three outputs wanted')
}

const paying = (script: Uint8Array, value: number): string =>
  codeOf({ outputs: [{ value: sats(value), script }, witness, extension] })

describe('a coinbase', () => {
  it('is what is built', () => {
    expect(codeOf({})).toBe('ok')
    expect(coinbaseValue(coinbase)).toBe(500n)
    expect(bytesToHex(extension.script)).toBe(`6a23ca5e20${extensionHash}`)
    expect(bytesToHex(witness.script)).toMatch(/^6a24aa21a9ed[0-9a-f]{64}$/)
  })

  it('pays nobody when there are no fees', () => {
    const content = { height: 7, fees: sats(0), payoutScript: payee, extensionHash, others: [] }
    const free = buildCoinbase(content)
    expect(free.outputs).toHaveLength(2)
    expect(checkCoinbase([free], 7, extensionHash).ok).toBe(true)
  })

  it('comes first and alone', () => {
    expect(checkCoinbase([], HEIGHT, extensionHash)).toMatchObject({ ok: false })
    expect(checkCoinbase([other], HEIGHT, extensionHash)).toMatchObject({
      error: { code: 'bad-cb-missing' },
    })
    expect(codeOf({}, [coinbase])).toBe('bad-cb-multiple')
  })

  it('names the height (BIP34) and locks itself to it (BIP54)', () => {
    expect(codeOf({}, [other], HEIGHT + 1)).toBe('bad-cb-height')
    expect(codeOf(input({ scriptSig: Uint8Array.of(2, 0xe8, 0x03, 0) }))).toBe('bad-cb-height')
    expect(codeOf({ lockTime: HEIGHT })).toBe('bad-cb-locktime')
    expect(codeOf(input({ sequence: 0xffff_ffff }))).toBe('bad-cb-sequence')
    expect(codeOf({ version: 1 })).toBe('bad-cb-version')
  })

  it('carries exactly the reserved witness', () => {
    for (const items of [[], [new Uint8Array(31)], [new Uint8Array(32), new Uint8Array()]]) {
      expect(codeOf(input({ witness: items }))).toBe('bad-witness-nonce-size')
    }
    expect(codeOf(input({ witness: [new Uint8Array(32).fill(1)] }))).toBe('bad-witness-nonce-size')
  })

  it('commits to the other transactions’ witnesses', () => {
    const witnessed = {
      ...other,
      inputs: other.inputs.map((each) => ({ ...each, witness: [new Uint8Array(1)] })),
    }
    expect(codeOf({}, [witnessed])).toBe('bad-witness-merkle-match')
    expect(codeOf({}, [])).toBe('bad-witness-merkle-match')
  })

  it('ends with the two commitments, in their order, worth nothing', () => {
    expect(codeOf({ outputs: [payout, extension, witness] })).toBe('bad-witness-merkle-match')
    expect(codeOf({ outputs: [witness, extension, payout] })).toBe('bad-witness-merkle-match')
    expect(codeOf({ outputs: [payout, witness] })).toBe('bad-witness-merkle-match')
    expect(codeOf({ outputs: [] })).toBe('bad-witness-merkle-match')
    const dear = { ...extension, value: sats(1) }
    expect(codeOf({ outputs: [payout, witness, dear] })).toBe('bad-extension-commitment')
    expect(codeOf({ outputs: [payout, extension, witness, extension] })).toBe('bad-cb-output')
  })

  it('pays only what everybody can spend', () => {
    expect(paying(payee, 1)).toBe('ok')
    expect(paying(payee, 0)).toBe('bad-cb-output')
    expect(paying(P2A_SCRIPT, 1)).toBe('bad-cb-output')
    expect(paying(withdrawScript(payee), 20_000)).toBe('bad-cb-output')
    expect(paying(Uint8Array.of(0x6a), 0)).toBe('bad-cb-output')
  })

  it('writes heights as script numbers of at least two bytes', () => {
    const written = [1, 16, 17, 127, 128, 255, 256, 32_767, 32_768, 0xffff_ffff].map((height) =>
      bytesToHex(heightScript(height)),
    )
    expect(written).toEqual([
      '5100',
      '6000',
      '0111',
      '017f',
      '028000',
      '02ff00',
      '020001',
      '02ff7f',
      '03008000',
      '05ffffffff00',
    ])
  })
})
