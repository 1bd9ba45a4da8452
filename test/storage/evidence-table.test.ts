import { expect, it } from 'vitest'
import type { Evidence } from '../../src/consensus/evidence.ts'
import { toHash32 } from '../../src/primitives/hashes.ts'
import { openChainDatabase } from '../../src/storage/chain-database.ts'
import { MemoryDisk, openMemoryStore } from '../../src/storage/memory-store.ts'
import { testParams } from '../support/chain-world.ts'
import { doubleVote } from '../support/double-votes.ts'
import { ChainOfBlocks } from './chain-of-blocks.ts'

const params = testParams()
const chainId = toHash32('77'.repeat(32))
const proof = (height: number, signer: number): Evidence => doubleVote(params, { height, signer })

it('keeps what waits through a crash, until a block carries it or it is forgotten', async () => {
  const disk = new MemoryDisk()
  const before = await openChainDatabase(openMemoryStore(disk), { chainId })
  const waiting = [proof(1, 3), proof(2, 0), proof(256, 1), proof(256, 255)]
  for (const one of waiting.toReversed()) await before.evidence.keep(one)
  disk.crash()
  const database = await openChainDatabase(openMemoryStore(disk), { chainId })
  expect(await database.evidence.waiting()).toEqual(waiting)
  const chain = new ChainOfBlocks()
  await database.commit(chain.genesis())
  await database.commit(chain.next({ evidence: [proof(1, 3)] }))
  expect(await database.evidence.waiting()).toEqual(waiting.slice(1))
  await database.evidence.forget([
    { height: 256, signer: 1 },
    { height: 9, signer: 9 },
  ])
  expect(await database.evidence.waiting()).toEqual([proof(2, 0), proof(256, 255)])
})

it('lists what blocks carry from the newest down, from any place on', async () => {
  const database = await openChainDatabase(openMemoryStore(), { chainId })
  const chain = new ChainOfBlocks()
  await database.commit(chain.genesis())
  expect(await database.evidence.recorded({ limit: 9 })).toEqual([])
  await database.commit(chain.next({ evidence: [proof(0, 2), proof(1, 0)] }))
  await database.commit(chain.next({ evidence: [proof(0, 1), proof(1, 3)] }))
  const all = [
    { evidence: proof(1, 3), blockHeight: 2 },
    { evidence: proof(1, 0), blockHeight: 1 },
    { evidence: proof(0, 2), blockHeight: 1 },
    { evidence: proof(0, 1), blockHeight: 2 },
  ]
  expect(await database.evidence.recorded({ limit: 9 })).toEqual(all)
  expect(await database.evidence.recorded({ limit: 2 })).toEqual(all.slice(0, 2))
  const before = { height: 1, signer: 0 }
  expect(await database.evidence.recorded({ before, limit: 1 })).toEqual([all[2]])
  expect(await database.evidence.recorded({ before: { height: 0, signer: 0 }, limit: 9 })).toEqual(
    [],
  )
})
