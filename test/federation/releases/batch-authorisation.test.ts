import { describe, expect, it } from 'vitest'
import { authoriseBatch, signingTaskOf } from '../../../federation/releases/batch-authorisation.ts'
import { type Batch, currentVersion } from '../../../src/chain/peg/batches.ts'
import { putReserve, reserveCoins } from '../../../src/chain/peg/reserves.ts'
import { StateOverlay } from '../../../src/chain/state.ts'
import { AssertionError } from '../../../src/primitives/assert.ts'
import { testParams } from '../../support/chain-world.ts'
import { BatchWorld } from './batch-world.ts'

describe('what a member may sign for a batch', () => {
  it('is one digest and one tweak per input of an open batch, the same for every member', async () => {
    const world = await BatchWorld.withBatches(1)
    const [batch] = world.openBatches()
    const { view } = world.chain.state
    const first = authoriseBatch(view, world.params, batch!, 0)
    expect(first?.inputs).toHaveLength(currentVersion(batch!).transaction.inputs.length)
    expect(first).toEqual(authoriseBatch(view, world.params, batch!, 0))
    expect(new Set(first?.inputs.map(({ sighash }) => sighash.length))).toEqual(new Set([32]))
  })

  it('is nothing for a confirmed batch or with the share of another epoch', async () => {
    const world = await BatchWorld.withBatches(1)
    const [batch] = world.openBatches()
    const { view } = world.chain.state
    const status = { kind: 'confirmed', version: 0, l1Height: 120 } as const
    expect(authoriseBatch(view, world.params, { ...batch!, status }, 0)).toBeUndefined()
    expect(authoriseBatch(view, world.params, batch!, 1)).toBeUndefined()
  })

  it('stops when a reserve coin does not pay the address of its own recipient', async () => {
    const world = await BatchWorld.withBatches(1)
    const [batch] = world.openBatches()
    const overlay = new StateOverlay(world.chain.state.view)
    for (const coin of reserveCoins(world.chain.state.view)) {
      putReserve(overlay, {
        ...coin,
        script: world.registration(coin.recipient).script.map((b) => b ^ 1),
      })
    }
    expect(() => authoriseBatch(overlay, world.params, batch!, 0)).toThrow(AssertionError)
  })

  it('is named by chain, batch and transaction', async () => {
    const world = await BatchWorld.withBatches(1)
    const [batch] = world.openBatches()
    const { params } = world
    const task = signingTaskOf(params, batch!)
    const version = currentVersion(batch!)
    const other = { ...version, transaction: { ...version.transaction, lockTime: 1 } }
    const replaced: Batch = { ...batch!, versions: [version, other] }
    const names = [
      task,
      signingTaskOf(params, { ...batch!, id: 1 }),
      signingTaskOf(params, replaced),
      signingTaskOf(testParams(5), batch!),
    ].map(({ batchId }) => batchId)
    expect(new Set(names).size).toBe(4)
    expect([task.version, signingTaskOf(params, replaced).version]).toEqual([0, 1])
  })
})
