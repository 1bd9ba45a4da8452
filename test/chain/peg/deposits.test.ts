import { describe, expect, it } from 'vitest'
import { P2A_SCRIPT, p2pkhScript, p2wshScript } from '../../../src/bitcoin/script.ts'
import { type Transaction, type TxOutput, transactionId } from '../../../src/bitcoin/transaction.ts'
import {
  type DepositClaim,
  type DepositProof,
  EMPTY_L1_SECTION,
  type L1Section,
} from '../../../src/chain/l1-section.ts'
import type { ChainParams } from '../../../src/chain/params.ts'
import { getPegBooks } from '../../../src/chain/peg/books.ts'
import { CHANGE_RECIPIENT } from '../../../src/chain/peg/deposit-address.ts'
import { extraHeadersFor, findClaimHeight, mintWindow } from '../../../src/chain/peg/deposits.ts'
import { depositScriptOf } from '../../../src/chain/peg/key-epochs.ts'
import { coinsOf } from '../../../src/chain/state.ts'
import { sats } from '../../../src/primitives/units.ts'
import {
  aKeyEpoch,
  anL1Payment,
  aUser,
  TestChain,
  TestL1,
  testParams,
} from '../../support/chain-world.ts'
import { reseal } from '../block-surgery.ts'

const params = testParams()
const { announcement } = aKeyEpoch(params)
const alice = aUser('alice').script
const bob = aUser('bob').script

function paying(recipient: Uint8Array, value: number | bigint): TxOutput {
  return { value: sats(value), script: depositScriptOf(params, announcement, recipient) }
}
const claimOf = (vout: number, recipient = alice): DepositClaim => ({
  vout,
  keyEpoch: 0,
  recipient,
})

class Peg {
  readonly chain: TestChain
  readonly l1 = new TestL1()

  constructor(chainParams: ChainParams = params) {
    this.chain = new TestChain(chainParams)
    this.chain.extend({ l1Section: { ...EMPTY_L1_SECTION, keyEpochs: [announcement] } })
  }

  /** Mines payments in one L1 block and returns them. */
  pay(...outputs: (readonly TxOutput[])[]): Transaction[] {
    const payments = outputs.map((list, i) =>
      anL1Payment(`payment ${i} at ${this.l1.headers.length}`, list),
    )
    this.l1.mine(payments)
    return payments
  }

  prove(payment: Transaction | undefined, ...claims: DepositClaim[]): DepositProof {
    if (payment === undefined) throw new TypeError('no payment')
    return { ...this.l1.prove(transactionId(payment)), claims }
  }

  section(...deposits: DepositProof[]): L1Section {
    return { ...EMPTY_L1_SECTION, headers: this.chain.headersTo(this.l1), deposits }
  }

  codeOf(...deposits: DepositProof[]): string {
    const built = this.chain.build({ l1Section: this.section(...deposits) })
    return built.ok ? 'ok' : built.error.code
  }
}

describe('deposits', () => {
  it('are minted together, in the order of L1, to whom they were for', () => {
    const peg = new Peg()
    const [first, second] = peg.pay(
      [paying(alice, 20_000), { value: sats(5), script: bob }, paying(bob, 30_000)],
      [paying(bob, 40_000)],
    )
    const block = peg.chain.extend({
      l1Section: peg.section(
        peg.prove(first, claimOf(0), claimOf(2, bob)),
        peg.prove(second, claimOf(0, bob)),
      ),
    })
    const mint = block.transactions[1]
    expect(mint?.outputs).toEqual([
      { value: 20_000n, script: alice },
      { value: 30_000n, script: bob },
      { value: 40_000n, script: bob },
    ])
    expect(mint?.inputs.map((input) => input.prevout.vout)).toEqual([0, 2, 0])
    const { totals } = getPegBooks(peg.chain.state.view)
    expect(totals).toMatchObject({ supply: 90_000n, reserves: 90_000n })
    const outPoint = { txid: transactionId(first!), vout: 2 }
    expect(findClaimHeight(peg.chain.state.view, outPoint)).toBe(2)
    const coin = coinsOf(peg.chain.state.view).findCoin({ txid: transactionId(mint!), vout: 2 })
    expect(coin).toMatchObject({ origin: 'mint', script: bob })
  })

  it('are claimed in ascending order, each once', () => {
    const peg = new Peg()
    const [first, second] = peg.pay(
      [paying(alice, 20_000), paying(alice, 20_000)],
      [paying(alice, 20_000)],
    )
    peg.pay([paying(alice, 20_000)])
    expect(peg.codeOf(peg.prove(second, claimOf(0)), peg.prove(first, claimOf(0)))).toBe(
      'deposit-order',
    )
    expect(peg.codeOf(peg.prove(first, claimOf(1), claimOf(0)))).toBe('deposit-order')
    expect(peg.codeOf(peg.prove(first, claimOf(0), claimOf(0)))).toBe('deposit-order')
    const once = peg.prove(first, claimOf(0))
    expect(peg.codeOf(once, once)).toBe('deposit-order')
    expect(peg.codeOf(once, peg.prove(first, claimOf(1)), peg.prove(second, claimOf(0)))).toBe('ok')
  })

  it('are minted once and for ever', () => {
    const peg = new Peg()
    const [payment] = peg.pay([paying(alice, 20_000), paying(alice, 15_000)])
    peg.chain.extend({ l1Section: peg.section(peg.prove(payment, claimOf(0))) })
    expect(peg.codeOf(peg.prove(payment, claimOf(0)))).toBe('deposit-already-minted')
    expect(peg.codeOf(peg.prove(payment, claimOf(0), claimOf(1)))).toBe('deposit-already-minted')
    expect(peg.codeOf(peg.prove(payment, claimOf(1)))).toBe('ok')
  })

  it('are what they claim to be', () => {
    const peg = new Peg()
    const [payment] = peg.pay([
      paying(alice, 20_000),
      { value: sats(50_000), script: bob },
      paying(alice, 0),
    ])
    expect(peg.codeOf(peg.prove(payment))).toBe('deposit-without-claim')
    expect(peg.codeOf(peg.prove(payment, claimOf(3)))).toBe('deposit-output-missing')
    expect(peg.codeOf(peg.prove(payment, claimOf(0xffff_ffff)))).toBe('deposit-output-missing')
    expect(peg.codeOf(peg.prove(payment, claimOf(0, bob)))).toBe('deposit-address')
    expect(peg.codeOf(peg.prove(payment, claimOf(1, bob)))).toBe('deposit-address')
    expect(peg.codeOf(peg.prove(payment, { ...claimOf(0), keyEpoch: 1 }))).toBe('deposit-key-epoch')
    expect(peg.codeOf(peg.prove(payment, claimOf(0), claimOf(2)))).toBe('deposit-of-nothing')
  })

  it.each([
    ['P2PKH', p2pkhScript(new Uint8Array(20))],
    ['an anchor', P2A_SCRIPT],
    ['OP_RETURN', Uint8Array.of(0x6a)],
  ])('pay nobody by way of %s', (_name, recipient) => {
    const peg = new Peg()
    const [payment] = peg.pay([paying(recipient, 20_000)])
    expect(peg.codeOf(peg.prove(payment, claimOf(0, recipient)))).toBe('deposit-recipient')
  })

  it('can be for a script', () => {
    const peg = new Peg()
    const recipient = p2wshScript(new Uint8Array(32))
    const [payment] = peg.pay([paying(recipient, 20_000)])
    expect(peg.codeOf(peg.prove(payment, claimOf(0, recipient)))).toBe('ok')
  })

  it('add up to the minimum for one address, and for no other', () => {
    const peg = new Peg()
    const [payment] = peg.pay([
      paying(alice, 5_000),
      paying(alice, 4_999),
      paying(alice, 1),
      paying(bob, 9_999),
    ])
    const claims = [0, 1, 2].map((vout) => claimOf(vout))
    expect(peg.codeOf(peg.prove(payment, ...claims.slice(0, 2)))).toBe('deposit-below-minimum')
    expect(peg.codeOf(peg.prove(payment, ...claims))).toBe('ok')
    expect(peg.codeOf(peg.prove(payment, ...claims, claimOf(3, bob)))).toBe('deposit-below-minimum')
  })

  it('are at most 500 in a block, counted before the work', () => {
    const peg = new Peg()
    const [payment] = peg.pay([paying(alice, 20_000)])
    const repeated = Array.from({ length: 251 }, () => claimOf(0))
    const proof = peg.prove(payment, ...repeated)
    expect(peg.codeOf(proof, proof)).toBe('deposit-count')
  })

  it('wait for more headers when they are large, and for a hundred from a coinbase', () => {
    const chainParams = {
      ...params,
      peg: { ...params.peg, depositTiers: [{ aboveSats: sats(50_000), extraHeaders: 2 }] },
    }
    const peg = new Peg(chainParams)
    const [small, large] = peg.pay([paying(alice, 50_000)], [paying(alice, 50_001)])
    expect(peg.codeOf(peg.prove(small, claimOf(0)))).toBe('ok')
    expect(peg.codeOf(peg.prove(large, claimOf(0)))).toBe('deposit-immature')
    peg.l1.mine()
    expect(peg.codeOf(peg.prove(large, claimOf(0)))).toBe('deposit-immature')
    peg.l1.mine()
    expect(peg.codeOf(peg.prove(large, claimOf(0)))).toBe('ok')
    expect(extraHeadersFor(chainParams, sats(1), 1)).toBe(0)
    expect(extraHeadersFor(chainParams, sats(1), 0)).toBe(100 - params.peg.l1Depth)
    const deep = { ...params, peg: { ...params.peg, l1Depth: 200 } }
    expect(extraHeadersFor(deep, sats(1), 0)).toBe(0)
  })

  it('are not minted when the recovery keys could take them back, now or soon', () => {
    const { recovery } = params.peg
    const delayed = (delayBlocks: number): ChainParams => ({
      ...params,
      peg: { ...params.peg, recovery: { ...recovery, delayBlocks } },
    })
    expect([1, 4, 21, 4_320].map((delayBlocks) => mintWindow({ delayBlocks }))).toEqual([
      0, 3, 15, 3_240,
    ])
    const chainParams = delayed(21)
    const peg = new Peg(chainParams)
    const script = depositScriptOf(chainParams, announcement, alice)
    const [payment, other] = peg.pay(
      [{ value: sats(20_000), script }],
      [{ value: sats(20_000), script }],
    )
    for (let i = 0; i < 15; i++) peg.l1.mine()
    expect(peg.codeOf(peg.prove(payment, claimOf(0)))).toBe('ok')
    peg.chain.extend({ l1Section: peg.section(peg.prove(payment, claimOf(0))) })
    peg.l1.mine()
    expect(peg.codeOf(peg.prove(other, claimOf(0)))).toBe('deposit-expired')
  })

  it('cannot bring the reserves above all the bitcoin there is', () => {
    const peg = new Peg({ ...params, peg: { ...params.peg, depositTiers: [] } })
    const [first, second] = peg.pay(
      [paying(alice, 21e14 - 10_000)],
      [paying(alice, 10_001), paying(alice, 10_000)],
    )
    const all = peg.prove(first, claimOf(0))
    expect(peg.codeOf(all, peg.prove(second, claimOf(0)))).toBe('deposit-beyond-supply')
    expect(peg.codeOf(all, peg.prove(second, claimOf(1)))).toBe('ok')
  })

  it('need the key first; the announcement may stand in the same block', () => {
    const chain = new TestChain(params)
    const l1 = new TestL1()
    const payment = anL1Payment('early', [paying(alice, 20_000)])
    l1.mine([payment])
    const deposits = [{ ...l1.prove(transactionId(payment)), claims: [claimOf(0)] }]
    const section = { ...EMPTY_L1_SECTION, headers: chain.headersTo(l1), deposits }
    expect(chain.build({ l1Section: section })).toMatchObject({
      error: { code: 'deposit-key-epoch' },
    })
    const together = { ...section, keyEpochs: [announcement] }
    expect(chain.build({ l1Section: together }).ok).toBe(true)
  })
})

describe('the mint transaction', () => {
  it('is the one that the deposits give, to the byte', () => {
    const peg = new Peg()
    const [payment] = peg.pay([paying(alice, 20_000)])
    const built = peg.chain.build({ l1Section: peg.section(peg.prove(payment, claimOf(0))) })
    if (!built.ok) throw new TypeError('not built')
    const [, mint] = built.value.transactions
    if (mint === undefined) throw new TypeError('nothing minted')
    const codeWith = (others: readonly Transaction[]): string => {
      const checked = peg.chain.check(reseal(built.value, { others }))
      return checked.ok ? 'ok' : checked.error.code
    }
    expect(codeWith([mint])).toBe('ok')
    expect(codeWith([])).toBe('bad-mint')
    expect(codeWith([payment!, mint])).toBe('bad-mint')
    expect(codeWith([{ ...mint, lockTime: 1 }])).toBe('bad-mint')
    expect(codeWith([{ ...mint, outputs: [{ value: sats(20_001), script: alice }] }])).toBe(
      'bad-mint',
    )
    const witness = [new Uint8Array(1)]
    expect(
      codeWith([{ ...mint, inputs: mint.inputs.map((input) => ({ ...input, witness })) }]),
    ).toBe('bad-mint')
    expect(codeWith([mint, mint])).toBe('bad-txns-inputs-missingorspent')
  })

  it('of gifts add to the fee reserve and mint nothing, alone or among others', () => {
    const peg = new Peg()
    const [gift, both] = peg.pay(
      [paying(CHANGE_RECIPIENT, 20_000)],
      [paying(alice, 30_000), paying(CHANGE_RECIPIENT, 40_000)],
    )
    const empty = new Uint8Array()
    const alone = peg.chain.extend({
      l1Section: peg.section(peg.prove(gift, claimOf(0, empty))),
    })
    expect(alone.transactions).toHaveLength(1)
    expect(getPegBooks(peg.chain.state.view).totals).toMatchObject({
      supply: 0n,
      feeReserve: 20_000n,
      reserves: 20_000n,
    })
    expect(peg.codeOf(peg.prove(gift, claimOf(0, empty)))).toBe('deposit-already-minted')
    const block = peg.chain.extend({
      l1Section: peg.section(peg.prove(both, claimOf(0), claimOf(1, empty))),
    })
    expect(block.transactions[1]?.outputs).toEqual([{ value: 30_000n, script: alice }])
    const { totals } = getPegBooks(peg.chain.state.view)
    expect(totals).toMatchObject({ supply: 30_000n, feeReserve: 60_000n, reserves: 90_000n })
  })
})
