import { expect, it } from 'vitest'
import { getPegBooks } from '../../../src/chain/peg/books.ts'
import { createFederationReports } from '../../../src/cli/node/federation-reports.ts'
import { certify, openChain } from '../../support/certified-chain.ts'
import { testParams } from '../../support/chain-world.ts'
import { ChangingChain } from '../../support/changing-chain.ts'
import type { Crew } from '../../support/member-changes.ts'

const params = testParams()
const founders: Crew = { epoch: 0, threshold: 3, members: [0, 1, 2, 3] }
const five: Crew = { epoch: 1, threshold: 3, members: [0, 1, 2, 3, 4] }

it('shows the coins of every key after every block, together the reserves', async () => {
  const world = new ChangingChain(params)
  const last = world.change(founders, five).extension.height
  for (let sweeps = 0; sweeps < 3; sweeps++) world.release()
  const chain = await openChain(params)
  const reports = createFederationReports({
    node: { chain, links: { connectedKeys: () => [] } },
    member: undefined,
    membership: { submit: async () => ({ ok: true, value: undefined }), change: () => undefined },
    publicKey: undefined,
  })
  const ofOldKey: number[] = []
  for (const block of world.blocks) {
    const { height } = block.extension
    const crew = height <= last ? founders : five
    await chain.apply(block, certify(params, block, { crew, signers: [0, 1, 2, 3] }))
    const { keyEpochs } = reports.federation()
    const shown = keyEpochs.reduce((sum, { coinsSats }) => sum + BigInt(coinsSats), 0n)
    expect(shown).toBe(getPegBooks(chain.state().view).totals.reserves)
    expect(reports.federation().keyEpochs).toEqual(keyEpochs)
    ofOldKey.push(keyEpochs.find(({ epoch }) => epoch === 0)?.coins ?? 0)
  }
  expect(Math.max(...ofOldKey)).toBeGreaterThan(0)
  expect(reports.federation()).toMatchObject({ epoch: 1, pending: null, waitingChange: null })
})
