import { describe, expect, it } from 'vitest'
import type { Block } from '../../src/chain/block.ts'
import { EVIDENCE_AGE_MAX } from '../../src/chain/params.ts'
import type { Evidence } from '../../src/consensus/evidence.ts'
import type { ChainService } from '../../src/node/chain-service.ts'
import { type EvidencePool, openEvidencePool } from '../../src/node/evidence-pool.ts'
import { certify, openChain } from '../support/certified-chain.ts'
import { TestChain, testParams } from '../support/chain-world.ts'
import { doubleVote } from '../support/double-votes.ts'
import { VirtualWorldTime } from '../support/virtual-runtime.ts'

const params = testParams()
const proof = (height: number, signer: number): Evidence => doubleVote(params, { height, signer })
const places = (evidence: readonly Evidence[]): string[] =>
  evidence.map(({ first }) => `${first.height}:${first.signer}`)

class Place {
  readonly time = new VirtualWorldTime()
  readonly chain: ChainService
  pool: EvidencePool
  /** Added to the height of the chain, for what takes long. */
  heightsLater = 0
  readonly #growing = new TestChain(params)

  constructor(chain: ChainService, pool: EvidencePool) {
    this.chain = chain
    this.pool = pool
  }

  get log() {
    return this.time.runtime('pool').log
  }

  get later(): ChainService {
    const { chain } = this
    return {
      ...chain,
      params: chain.params,
      database: chain.database,
      state: () => {
        const state = chain.state()
        const height = state.tip.height + this.heightsLater
        return { ...state, tip: { ...state.tip, height } }
      },
    }
  }

  async grow(evidence: readonly Evidence[] = []): Promise<Block> {
    const block = this.#growing.extend({ evidence })
    await this.chain.apply(block, certify(params, block))
    this.pool.applied(block)
    return block
  }

  async reopen(): Promise<void> {
    await this.pool.settled()
    this.pool = await openEvidencePool(this.later, this.log)
  }
}

async function aPlace(): Promise<Place> {
  const chain = await openChain(params)
  const log = new VirtualWorldTime().runtime('pool').log
  const place = new Place(chain, await openEvidencePool(chain, log))
  await place.reopen()
  return place
}

describe('the pool of evidence', () => {
  it('takes what is new, one for a validator and height', async () => {
    const { pool } = await aPlace()
    expect(pool.add(proof(1, 3))).toBe(true)
    expect(pool.add(proof(1, 3))).toBe(false)
    expect(pool.wants(doubleVote(params, { height: 1, signer: 3, view: 9 }))).toBe(false)
    expect(pool.wants(proof(1, 2))).toBe(true)
    expect(pool.wants(proof(0, 3))).toBe(true)
    expect(places(pool.waiting())).toEqual(['1:3'])
  })

  it('takes nothing that is too far ahead to be judged, or about nobody', async () => {
    const { pool } = await aPlace()
    expect(pool.wants(proof(2, 0))).toBe(true)
    expect(pool.wants(proof(3, 0))).toBe(false)
    expect(pool.wants(proof(2 ** 50, 0))).toBe(false)
    expect(pool.wants(proof(1, params.validators.length))).toBe(false)
  })

  it('gives a block as much as it may carry, in order, each validator in its turn', async () => {
    const place = await aPlace()
    for (let i = 0; i < 4; i++) await place.grow()
    const { pool } = place
    for (const height of [1, 2, 3, 4, 5]) pool.add(proof(height, 3))
    pool.add(proof(5, 0))
    // A block of height 5 may not carry it.
    pool.add(proof(6, 1))
    expect(places(pool.select())).toEqual(['1:3', '2:3', '3:3', '5:0'])
    await place.grow(pool.select())
    expect(places(pool.select())).toEqual(['4:3', '5:3', '6:1'])
  })

  it('holds a few of each validator, so that one leaves the others their room', async () => {
    const place = await aPlace()
    for (let i = 0; i < 10; i++) await place.grow()
    const taken = Array.from({ length: 10 }, (_, height) => place.pool.add(proof(height, 3)))
    expect(taken.filter(Boolean)).toHaveLength(8)
    expect(place.pool.add(proof(1, 2))).toBe(true)
  })

  it('comes back from the disk without what blocks have carried meanwhile', async () => {
    const place = await aPlace()
    const { database } = place.chain
    await place.grow()
    place.pool.add(proof(1, 3))
    place.pool.add(proof(2, 0))
    await place.reopen()
    expect(places(place.pool.waiting())).toEqual(['2:0', '1:3'])
    await place.grow([proof(1, 3)])
    // A write that was under way when the block came.
    await database.evidence.keep(proof(1, 3))
    await place.reopen()
    expect(places(place.pool.waiting())).toEqual(['2:0'])
    await place.pool.settled()
    expect(places(await database.evidence.waiting())).toEqual(['2:0'])
    expect(place.pool.wants(proof(1, 3))).toBe(false)
  })

  it('forgets what no block may carry any more', async () => {
    const place = await aPlace()
    await place.grow()
    place.pool.add(proof(1, 3))
    place.pool.add(proof(2, 3))
    place.heightsLater = EVIDENCE_AGE_MAX - 2
    await place.grow()
    expect(places(place.pool.waiting())).toEqual(['2:3'])
    await place.pool.settled()
    expect(places(await place.chain.database.evidence.waiting())).toEqual(['2:3'])
    expect(place.pool.wants(proof(1, 3))).toBe(false)
  })

  it('tells of evidence once, also of what a block brings', async () => {
    const place = await aPlace()
    place.pool.add(proof(0, 3))
    await place.grow([proof(0, 2), proof(0, 3)])
    expect(place.time.logLines.map(({ message, data }) => [message, data])).toEqual([
      ['a validator contradicted itself', { validator: 3, height: 0, kind: 'double-notarize' }],
      ['a validator contradicted itself', { validator: 2, height: 0, kind: 'double-notarize' }],
    ])
  })
})
