import { describe, expect, it } from 'vitest'
import { evidenceView } from '../../../src/api/schemas.ts'
import { blockHash } from '../../../src/chain/block.ts'
import { createEvidenceReports } from '../../../src/cli/node/evidence-reports.ts'
import { type Evidence, readEvidence } from '../../../src/consensus/evidence.ts'
import { concatBytes, hexToBytes } from '../../../src/primitives/bytes.ts'
import { decodeAll } from '../../../src/primitives/codec.ts'
import { MemoryDisk, openMemoryStore } from '../../../src/storage/memory-store.ts'
import { certify, openChain } from '../../support/certified-chain.ts'
import { TestChain, testParams } from '../../support/chain-world.ts'
import { doubleVote } from '../../support/double-votes.ts'

const params = testParams()
const proof = (height: number, signer: number): Evidence => doubleVote(params, { height, signer })

describe('evidence as the API shows it', () => {
  it('is what blocks carry and what waits, newest first, page by page, each once', async () => {
    const chain = await openChain(params)
    const growing = new TestChain(params)
    const blocks = [
      growing.extend({ evidence: [proof(1, 2)] }),
      growing.extend({ evidence: [proof(1, 3), proof(2, 0)] }),
      growing.extend(),
    ]
    for (const block of blocks) await chain.apply(block, certify(params, block))
    const waiting = [proof(4, 1), proof(2, 0), proof(1, 0)]
    const reports = createEvidenceReports({ chain, evidence: { waiting: () => waiting } })
    const all = await reports.evidence({ limit: 100 })
    const [first, second] = blocks.map((block) => ({
      height: block.extension.height,
      hash: blockHash(block),
    }))
    expect(all.map(({ height, validator, block }) => [height, validator, block])).toEqual([
      [4, 1, null],
      [2, 0, second],
      [1, 3, second],
      [1, 2, first],
      [1, 0, null],
    ])
    for (const view of all) {
      expect(evidenceView.safeParse(view).error).toBeUndefined()
      const bytes = concatBytes(...view.votes.map(hexToBytes))
      expect(decodeAll(bytes, readEvidence)).toEqual(proof(view.height, view.validator))
      expect(view.publicKey).toBe(params.validators[view.validator])
    }
    const paged = [...(await reports.evidence({ limit: 2 }))]
    for (let last = paged.at(-1); last !== undefined && paged.length < all.length; ) {
      const before = { height: last.height, signer: last.validator }
      paged.push(...(await reports.evidence({ before, limit: 2 })))
      last = paged.at(-1)
    }
    expect(paged).toEqual(all)
    expect(params.validators.map((key) => chain.offencesOf(key))).toEqual([1, 0, 1, 1])
  })

  it('is counted anew out of the state when a chain is opened', async () => {
    const disk = new MemoryDisk()
    const store = openMemoryStore(disk)
    const chain = await openChain(params, store)
    const block = new TestChain(params).extend({ evidence: [proof(0, 3), proof(1, 3)] })
    await chain.apply(block, certify(params, block))
    await store.close()
    const reopened = await openChain(params, openMemoryStore(disk))
    expect(reopened.offencesOf(params.validators[3]!)).toBe(2)
    expect(reopened.state().trie.root).toBe(block.extension.stateRoot)
  })
})
