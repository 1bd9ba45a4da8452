import { beforeAll, describe, expect, it } from 'vitest'
import { transactionId } from '../../../src/bitcoin/transaction.ts'
import { checkChainProof } from '../../../src/chain/verify-proof.ts'
import { checkReservesProof } from '../../../src/chain/verify-reserves-proof.ts'
import { createChainProofs } from '../../../src/cli/node/chain-proofs.ts'
import { concatBytes } from '../../../src/primitives/bytes.ts'
import { chainOf, type FinalBlock, finalBlocks, openChain } from '../../support/certified-chain.ts'
import { testParams } from '../../support/chain-world.ts'

const params = testParams()
let blocks: readonly FinalBlock[]
beforeAll(() => {
  blocks = finalBlocks(params, 6)
})

describe('proofs of a running chain', () => {
  it('wait until the block is on disk, and then hold', async () => {
    const chain = await openChain(params)
    const proofs = createChainProofs(chain)
    const writes = blocks.map(({ block, certificate }) => chain.apply(block, certificate))
    const payment = blocks.at(-1)!.block.transactions[1]!
    const outPoint = { txid: transactionId(payment), vout: 0 }
    const answers = await Promise.all([proofs.coinProof(outPoint), proofs.supplyProof()])
    for (const answer of answers) {
      if (!answer.ok) throw new TypeError(answer.error.code)
      expect(answer.value).toMatchObject({ height: 6, blockHash: chain.state().tip.hash })
      expect(checkChainProof(params, answer.value.proof)).toMatchObject({
        ok: true,
        value: { height: 6, totals: { supply: 10_000_000n } },
      })
    }
    await Promise.all(writes)
  })

  it('of the reserves have their L1 proofs from the blocks that brought them', async () => {
    const chain = await chainOf(params, blocks)
    const answer = await createChainProofs(chain).reservesProof()
    if (!answer.ok) throw new TypeError(answer.error.code)
    const checked = checkReservesProof(params, concatBytes(...answer.value.pieces))
    expect(answer.value.height).toBe(6)
    expect(checked).toMatchObject({
      ok: true,
      value: { block: { height: 6 }, coins: [{ value: 10_000_000n, l1Height: 1 }] },
    })
  })

  it('of the reserves are of the tip, or as old as its coins allow', async () => {
    const all = finalBlocks(params, 7)
    const chain = await chainOf(params, all.slice(0, 6))
    const proofs = createChainProofs(chain)
    const heights = []
    for (const next of [all[6], undefined]) {
      const answer = await proofs.reservesProof()
      heights.push(answer.ok ? answer.value.height : answer.error.code)
      if (next !== undefined) await chain.apply(next.block, next.certificate)
    }
    expect(heights).toEqual([6, 7])
  })

  it('are of no use before block 1', async () => {
    const proofs = createChainProofs(await openChain(params))
    const refused = { ok: false, error: { code: 'proof-unavailable', class: 'premature' } }
    expect(await proofs.supplyProof()).toMatchObject(refused)
    expect(await proofs.reservesProof()).toMatchObject(refused)
  })
})
