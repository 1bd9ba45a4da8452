import { beforeAll, describe, expect, it } from 'vitest'
import { transactionId } from '../../../src/bitcoin/transaction.ts'
import { checkChainProof } from '../../../src/chain/verify-proof.ts'
import { createChainProofs } from '../../../src/cli/node/chain-proofs.ts'
import { type FinalBlock, finalBlocks, openChain } from '../../support/certified-chain.ts'
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

  it('are of no use before block 1', async () => {
    const proofs = createChainProofs(await openChain(params))
    const refused = { ok: false, error: { code: 'proof-unavailable', class: 'premature' } }
    expect(await proofs.supplyProof()).toMatchObject(refused)
  })
})
