import { describe, expect, it } from 'vitest'
import { type TxOutput, transactionId } from '../../src/bitcoin/transaction.ts'
import type { Block } from '../../src/chain/block.ts'
import { checkBinding } from '../../src/chain/connect-block.ts'
import type { BlockExtension } from '../../src/chain/extension.ts'
import { EMPTY_L1_SECTION } from '../../src/chain/l1-section.ts'
import { toBlockHash, toHash32, toTxid } from '../../src/primitives/hashes.ts'
import { sats } from '../../src/primitives/units.ts'
import { anL1Payment, aUser, mintedWorld, spend, type TestChain } from '../support/chain-world.ts'
import { grind, reseal, type Surgery } from './block-surgery.ts'

const alice = aUser('alice')
const bob = aUser('bob')
const world = mintedWorld(1_000_000n)
const { chain } = world
const payment = spend(alice, [world.coin], [{ value: sats(999_000), script: bob.script }])
const built = chain.build({ transactions: [payment] })
if (!built.ok) throw new TypeError(`not built: ${built.error.code}`)
const block: Block = built.value
const { extension, header } = block

function codeOf(altered: Block, on: TestChain = chain): string {
  const checked = on.check(altered)
  return checked.ok ? 'ok' : checked.error.code
}
const sealed = (surgery: Surgery): string => codeOf(reseal(block, surgery))
const says = (part: Partial<BlockExtension>): string => sealed({ extension: part })

const paying = (value: number): TxOutput => ({ value: sats(value), script: bob.script })

describe('a block', () => {
  it('connects as it was built, and resealed without a change', () => {
    expect(codeOf(block)).toBe('ok')
    expect(sealed({})).toBe('ok')
    expect(chain.check(block)).toMatchObject({ value: { outcome: { fees: 1_000n } } })
  })

  it('has this chain’s version, target and proof of work', () => {
    expect(sealed({ header: { version: 1 } })).toBe('bad-version')
    expect(sealed({ header: { bits: 0x207f_fffe } })).toBe('bad-diffbits')
    expect(sealed({ header: { bits: 0 } })).toBe('bad-diffbits')
    let nonce = 0
    while (grind({ ...header, nonce }).nonce === nonce) nonce += 1
    expect(codeOf({ ...block, header: { ...header, nonce } })).toBe('high-hash')
  })

  it('binds its transactions to the header', () => {
    const other = grind({ ...header, merkleRoot: toTxid('11'.repeat(32)) })
    expect(codeOf({ ...block, header: other })).toBe('bad-txnmrklroot')
    expect(codeOf({ ...block, transactions: block.transactions.slice(0, 1) })).toBe(
      'bad-txnmrklroot',
    )
    expect(codeOf({ ...block, transactions: [] })).toBe('bad-txnmrklroot')
  })

  it('is not taken for a body with the same root (CVE-2012-2459)', () => {
    const [coinbase, ...rest] = reseal(block, {
      others: [payment, anL1Payment('x', [])],
    }).transactions
    if (coinbase === undefined) throw new TypeError('no coinbase')
    const three = [coinbase, ...rest]
    const doubled = [...three, ...three.slice(-1)]
    const both = [three, doubled].map((transactions) =>
      checkBinding({ ...reseal(block, { others: rest }), transactions }),
    )
    expect(both[0]?.ok).toBe(true)
    expect(both[1]).toMatchObject({ error: { code: 'bad-txns-duplicate' } })
  })

  it('binds witnesses, extension and L1 section', () => {
    const stripped = {
      ...payment,
      inputs: payment.inputs.map((each) => ({ ...each, witness: [] })),
    }
    expect(transactionId(stripped)).toBe(transactionId(payment))
    const [coinbase] = block.transactions
    if (coinbase === undefined) throw new TypeError('no coinbase')
    expect(codeOf({ ...block, transactions: [coinbase, stripped] })).toBe(
      'bad-witness-merkle-match',
    )
    const viewed = { ...extension, view: extension.view + 1 }
    expect(codeOf({ ...block, extension: viewed })).toBe('bad-extension-commitment')
    const more = { ...EMPTY_L1_SECTION, headers: [new Uint8Array(80)] }
    expect(codeOf({ ...block, l1Section: more })).toBe('bad-l1-section')
  })

  it('follows its parent: hash, height, time', () => {
    const stranger = toBlockHash('22'.repeat(32))
    const orphan = chain.check(reseal(block, { header: { previousHash: stranger } }))
    expect(orphan).toMatchObject({ error: { code: 'bad-prevblk', class: 'missing' } })
    expect(says({ height: extension.height + 1 })).toBe('bad-height')
    expect(says({ timeMs: chain.state.tip.timeMs })).toBe('time-too-old')
    expect(says({ timeMs: Number.MAX_SAFE_INTEGER })).toBe('bad-time')
    expect(sealed({ header: { time: header.time + 1 } })).toBe('bad-time')
    expect(sealed({ header: { time: header.time - 1 } })).toBe('bad-time')
  })

  it('names a proposer, the parameters and the validators of this chain', () => {
    const wrong = toHash32('33'.repeat(32))
    expect(says({ proposer: chain.params.validators.length - 1 })).toBe('ok')
    expect(says({ proposer: chain.params.validators.length })).toBe('bad-proposer')
    expect(says({ paramsHash: wrong })).toBe('bad-params-hash')
    expect(says({ validatorSetHash: wrong })).toBe('bad-validator-set')
    expect(says({ nextValidatorSetHash: wrong })).toBe('bad-validator-set')
  })

  it('keeps the L1 fee rate within its bounds', () => {
    const { feeRateFloor, feeRateCeiling } = chain.params.peg
    const codes = [feeRateFloor - 1, feeRateFloor, feeRateCeiling, feeRateCeiling + 1].map(
      (feeRate) => says({ feeRate }),
    )
    expect(codes).toEqual(['bad-fee-rate', 'ok', 'ok', 'bad-fee-rate'])
  })

  it('weighs at most 1,000,000', () => {
    const data = { value: sats(0), script: new Uint8Array(249_000).fill(0x6a) }
    const heavy = (bytes: number): string =>
      sealed({
        others: [anL1Payment('heavy', [{ ...data, script: data.script.subarray(0, bytes) }])],
      })
    expect(heavy(249_000)).not.toBe('bad-blk-weight')
    expect(heavy(248_000 + 1_000)).toBe('bad-txns-inputs-missingorspent')
    const two = anL1Payment('too heavy', [
      data,
      { ...data, script: new Uint8Array(1_000).fill(0x6a) },
    ])
    expect(sealed({ others: [two] })).toBe('bad-blk-weight')
  })

  it('pays exactly its fees', () => {
    expect(sealed({ payouts: [paying(1_000)] })).toBe('ok')
    expect(sealed({ payouts: [paying(400), paying(600)] })).toBe('ok')
    expect(sealed({ payouts: [paying(1_001)] })).toBe('bad-cb-amount')
    expect(sealed({ payouts: [paying(999)] })).toBe('bad-cb-amount')
    expect(sealed({ payouts: [] })).toBe('bad-cb-amount')
    const most = Array.from({ length: 3 }, () => paying(21e14))
    expect(sealed({ payouts: most })).toBe('bad-cb-amount')
  })

  it.each(['supply', 'pendingReleases', 'feeReserve', 'inFlightFees', 'reserves'] as const)(
    'states the peg’s %s as it is',
    (total) => {
      const totals = { ...extension.totals, [total]: sats(extension.totals[total] + 1n) }
      expect(says({ totals })).toBe('bad-peg-totals')
    },
  )

  it('commits to the L1 header and the state it leads to', () => {
    expect(says({ l1Height: extension.l1Height + 1 })).toBe('bad-l1-anchor')
    expect(says({ l1Hash: toBlockHash('44'.repeat(32)) })).toBe('bad-l1-anchor')
    expect(says({ stateRoot: toHash32('55'.repeat(32)) })).toBe('bad-state-root')
  })

  it('takes every transaction once, parents first', () => {
    const [vout] = [0]
    const coin = { outPoint: { txid: transactionId(payment), vout }, value: 999_000n }
    const child = spend(bob, [coin], [{ value: sats(999_000), script: alice.script }])
    expect(sealed({ others: [child, payment] })).toBe('bad-txns-inputs-missingorspent')
    expect(sealed({ others: [payment, child, payment] })).toBe('bad-txns-inputs-missingorspent')
    expect(sealed({ others: [payment, child] })).toBe('bad-state-root')
    expect(chain.build({ transactions: [payment, child] }).ok).toBe(true)
  })

  it('has a mint only where deposits give one', () => {
    expect(sealed({ others: [world.mint, payment] })).toBe('bad-txns-inputs-missingorspent')
  })

  it('is not built from content that no other node could take', () => {
    const headers = Array.from({ length: 2_017 }, () => new Uint8Array(80))
    const l1Section = { ...EMPTY_L1_SECTION, headers }
    expect(chain.build({ l1Section })).toMatchObject({ error: { code: 'bad-l1-section-size' } })
    const feeRate = chain.params.peg.feeRateCeiling + 1
    expect(chain.build({ feeRate })).toMatchObject({ error: { code: 'bad-fee-rate' } })
    expect(chain.build({ timeMs: 1 })).toMatchObject({ error: { code: 'time-too-old' } })
  })
})
