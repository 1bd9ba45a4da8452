import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { p2wpkhScript, withdrawScript } from '../../src/bitcoin/script.ts'
import { transactionId } from '../../src/bitcoin/transaction.ts'
import { type Block, decodeBlock, encodeBlock } from '../../src/chain/block.ts'
import { checkBinding, connectBlock } from '../../src/chain/connect-block.ts'
import { EMPTY_L1_SECTION } from '../../src/chain/l1-section.ts'
import { currentVersion, openBatches } from '../../src/chain/peg/batches.ts'
import { depositScriptOf } from '../../src/chain/peg/key-epochs.ts'
import { DecodeError } from '../../src/primitives/codec.ts'
import { sats } from '../../src/primitives/units.ts'
import { reseal } from '../chain/block-surgery.ts'
import {
  aKeyEpoch,
  anL1Payment,
  aUser,
  spend,
  TestChain,
  TestL1,
  testParams,
} from '../support/chain-world.ts'

interface Case {
  readonly name: string
  readonly chain: TestChain
  readonly block: Block
}

/** One block of each kind, on the state that it belongs to. */
function casesOfThePeg(): readonly Case[] {
  const params = testParams()
  const { announcement } = aKeyEpoch(params)
  const alice = aUser('alice')
  const l1 = new TestL1()
  const chain = new TestChain(params)
  const cases: Case[] = []
  const extend = (name: string, part: Parameters<TestChain['build']>[0]): void => {
    const built = chain.build(part)
    if (!built.ok) throw new TypeError(`${name}: ${built.error.code}`)
    const before = new TestChain(params)
    for (const { block } of cases) before.apply(block)
    cases.push({ name, chain: before, block: built.value })
    chain.apply(built.value)
  }

  extend('a key epoch', { l1Section: { ...EMPTY_L1_SECTION, keyEpochs: [announcement] } })
  const script = depositScriptOf(params, announcement, alice.script)
  const deposit = anL1Payment('deposit', [{ value: sats(5_000_000n), script }])
  l1.mine([deposit])
  for (let n = 0; n < 8; n++) l1.mine()
  extend('headers and a deposit', {
    l1Section: {
      ...EMPTY_L1_SECTION,
      headers: chain.headersTo(l1),
      deposits: [
        {
          ...l1.prove(transactionId(deposit)),
          claims: [{ vout: 0, keyEpoch: 0, recipient: alice.script }],
        },
      ],
    },
  })
  const mint = cases.at(-1)?.block.transactions[1]
  if (mint === undefined) throw new TypeError('no mint')
  const minted = { outPoint: { txid: transactionId(mint), vout: 0 }, value: 5_000_000n }
  const target = withdrawScript(p2wpkhScript(new Uint8Array(20).fill(7)))
  const burn = spend(
    alice,
    [minted],
    [
      { value: sats(2_000_000n), script: target },
      { value: sats(2_999_000n), script: alice.script },
    ],
  )
  extend('a burn', { transactions: [burn] })
  extend('a batch', {})
  const [batch] = openBatches(chain.state.view)
  if (batch === undefined) throw new TypeError('no batch')
  l1.mine([currentVersion(batch).transaction])
  for (let n = 0; n < 4; n++) l1.mine()
  extend('a confirmation', {
    l1Section: {
      ...EMPTY_L1_SECTION,
      headers: chain.headersTo(l1),
      confirmations: [l1.prove(transactionId(currentVersion(batch).transaction))],
    },
  })
  return cases
}

function decodeOrUndefined(bytes: Uint8Array): Block | undefined {
  try {
    return decodeBlock(bytes)
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

/**
 * Every validator checks what the leader sends: one exception here would stop all of them at once. The
 * block is bent at random, then sealed again, so that the rules behind the commitments see it.
 */
describe.each(casesOfThePeg())('a hostile leader bends a block with $name', ({ chain, block }) => {
  const original = encodeBlock(block)

  it('which is refused, and nothing is thrown', () => {
    const change = fc.record({
      at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      value: fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xfd, 0xff), fc.nat(255)),
    })
    let judged = 0
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const bytes = original.slice()
        for (const { at, value } of changes) bytes[Math.floor(at * bytes.length)] = value
        const bent = decodeOrUndefined(bytes)
        if (bent === undefined) return
        judged += 1
        checkBinding(bent)
        const sealed = reseal(bent, {})
        if (checkBinding(sealed).ok) connectBlock(chain.params, chain.state, sealed)
      }),
      { numRuns: 300 },
    )
    expect(judged).toBeGreaterThan(50)
    expect(chain.check(block).ok).toBe(true)
  })
})
