import { describe, expect, it } from 'vitest'
import { L1_ADDRESS_NETWORKS } from '../../../src/bitcoin/address.ts'
import { transactionId } from '../../../src/bitcoin/transaction.ts'
import type { Block } from '../../../src/chain/block.ts'
import { PLAIN_VERIFICATION } from '../../../src/chain/block-scripts.ts'
import { createPegReports, type PegReports } from '../../../src/cli/node/peg-reports.ts'
import { type ChainService, openChainService } from '../../../src/node/chain-service.ts'
import { toTxid } from '../../../src/primitives/hashes.ts'
import { openChainDatabase } from '../../../src/storage/chain-database.ts'
import { openMemoryStore } from '../../../src/storage/memory-store.ts'
import { memberShare } from '../../federation/peg-world.ts'
import { BatchWorld, TARGET } from '../../federation/releases/batch-world.ts'
import { signAlone } from '../../federation/releases/sign-alone.ts'
import { aUser } from '../../support/chain-world.ts'

interface Observed {
  readonly world: BatchWorld
  readonly chain: ChainService
  readonly reports: PegReports
  readonly blocks: Block[]
  /** Brings the node up to the world's chain; what each block changed. */
  readonly follow: () => Promise<{ minted: number; changed: [number, string][] }[]>
}

/** An observer's chain on disk, fed with the world's blocks. */
async function observed(): Promise<Observed> {
  const world = await BatchWorld.open()
  const blocks: Block[] = []
  const { params } = world
  const database = await openChainDatabase(openMemoryStore(), { chainId: params.chainId })
  const chain = await openChainService(params, database, PLAIN_VERIFICATION)
  const networks = {
    addressNetwork: L1_ADDRESS_NETWORKS.regtest,
    l1AddressNetwork: L1_ADDRESS_NETWORKS.regtest,
  }
  const reports = createPegReports({ node: { chain }, member: undefined, ...networks })
  let next = 0
  const follow = async () => {
    const seen: { minted: number; changed: [number, string][] }[] = []
    for (; next < world.chain.blocks.length; next++) {
      const block = world.chain.blocks[next]!
      await chain.apply(block, Uint8Array.of(1))
      blocks.push(block)
      const changed = reports
        .changedIn(block)
        .map(({ id, status }): [number, string] => [id, status])
      seen.push({ minted: reports.mintedIn(block).length, changed })
    }
    return seen
  }
  await follow()
  return { world, chain, reports, blocks, follow }
}

describe('reports about the peg, out of the chain alone', () => {
  it('tell of each block what it minted, queued, batched and paid', async () => {
    const { world, follow } = await observed()
    const batch = await world.addBatch('alice')
    expect(await follow()).toEqual([
      { minted: 1, changed: [] },
      { minted: 0, changed: [[0, 'queued']] },
      { minted: 0, changed: [[0, 'batched']] },
    ])
    const signed = signAlone(
      world,
      batch,
      [0, 1, 2].map((member) => memberShare(member, world)),
    )
    world.send(signed)
    const [hash] = await world.mine(4)
    await world.confirm(signed, hash!)
    expect(await follow()).toEqual([{ minted: 0, changed: [[0, 'paid']] }])
  })

  it('find a release by number, by burn and by L1 address', async () => {
    const { world, reports, follow } = await observed()
    for (const name of ['alice', 'bob', 'carol']) await world.addBatch(name)
    await follow()
    const all = await reports.releases({ limit: 100 })
    expect(all.map(({ id }) => id)).toEqual([2, 1, 0])
    for (const release of all) {
      expect(await reports.release(release.id)).toEqual(release)
      const burn = { txid: release.burnTxid as never, vout: release.burnVout }
      expect(await reports.release(burn)).toEqual(release)
      expect(await reports.release({ ...burn, vout: 7 })).toBeUndefined()
    }
    expect(await reports.releases({ l1Script: TARGET, limit: 2 })).toHaveLength(2)
    expect(await reports.releases({ l1Script: aUser('x').script, limit: 2 })).toEqual([])
    expect(await reports.release(3)).toBeUndefined()
  })

  it('find minted deposits of a recipient without a member', async () => {
    const { world, reports, follow, blocks } = await observed()
    await world.addBatch('alice')
    await world.addBatch('bob')
    await follow()
    const { script } = aUser('alice')
    const deposits = await reports.deposits({ recipientScript: script, limit: 10 })
    const mint = blocks.find(({ l1Section }) => l1Section.deposits.length > 0)!.transactions[1]!
    expect(deposits).toMatchObject([
      {
        status: 'minted',
        valueSats: 100_000,
        l1Txid: mint.inputs[0]!.prevout.txid,
        mintTxid: transactionId(mint),
        requiredConfirmations: 4,
      },
    ])
    expect(deposits[0]!.confirmations).toBeGreaterThanOrEqual(1)
    expect(await reports.deposits({ recipientScript: aUser('x').script, limit: 10 })).toEqual([])
    expect(await reports.deposits({ limit: 10 })).toEqual([])
    expect((await reports.requestDepositAddress(script)).ok).toBe(false)
  })

  it('show the reserves, and every open batch whatever its age', async () => {
    const { world, reports, follow } = await observed()
    for (const name of ['alice', 'bob']) await world.addBatch(name)
    await follow()
    const reserves = await reports.reserves({ limit: 10 })
    expect(reserves.equation).toMatchObject({ holds: true, reserves: 200_000 })
    expect(reserves.batches.map(({ id, status }) => [id, status])).toEqual([
      [1, 'open'],
      [0, 'open'],
    ])
    const [first] = reserves.coins
    expect(first!.opensAtL1Height - first!.l1Height).toBe(reserves.recovery.delayBlocks)
    const page = await reports.reserves({ limit: 1 })
    expect(page).toMatchObject({ coins: [first], next: `${first!.txid}:${first!.vout}` })
    const { txid, vout } = first!
    const rest = await reports.reserves({ after: { txid: toTxid(txid), vout }, limit: 1 })
    expect(rest).toMatchObject({ coins: reserves.coins.slice(1), next: null })
    const quote = await reports.withdrawQuote(TARGET)
    expect(quote).toMatchObject({ ok: true, value: { minReleaseSats: 10_000 } })
  })
})
