import { describe, expect, it } from 'vitest'
import { ZERO_BLOCK_HASH } from '../../src/primitives/hashes.ts'
import { makeCounterBlock } from '../../src/simulator/counter-block.ts'
import { CoreHarness } from '../support/core-harness.ts'

describe('certified splits', () => {
  it('one node alone saw the notarization; the others nullified and propose afresh: it follows', () => {
    const h = new CoreHarness({ leadsView: 2 })
    const seen = h.block(0, [1])
    h.receive(h.proposal(0, seen), h.leader(0))
    h.receiveVotes(h.others, 'notarize', 0, seen.hash)
    expect(h.said()).toEqual(['notarize/0', 'finalize/0'])
    const fresh = h.block(1, [2])
    h.receive(h.proposal(1, fresh, { nulls: [h.certificate('nullify', 0)] }), h.leader(1))
    expect(h.said().at(-1)).toBe('notarize/1')
    h.receiveVotes(h.others, 'finalize', 1, fresh.hash)
    expect(h.of('commit')).toMatchObject([{ block: { hash: fresh.hash } }])
  })

  it('one node alone saw the notarization, and leads: it proposes the notarized block', () => {
    const h = new CoreHarness({ leadsView: 1, builds: [7] })
    const seen = h.block(0, [1])
    h.receive(h.proposal(0, seen), h.leader(0))
    h.receiveVotes(h.others, 'notarize', 0, seen.hash)
    h.receiveVotes(h.others, 'nullify', 0)
    expect(h.core.snapshot().view).toBe(1)
    const proposals = h
      .of('broadcast')
      .flatMap(({ message }) => (message.kind === 'propose' ? [message] : []))
    expect(proposals).toHaveLength(1)
    expect(proposals[0]?.leaderVote.blockHash).toBe(seen.hash)
    expect(proposals[0]?.justification.base?.view).toBe(0)
    expect(h.of('build')).toEqual([])
  })

  it('a notarization that arrives while the leader builds binds its proposal', () => {
    const h = new CoreHarness({ leadsView: 1 })
    const seen = h.block(0, [1])
    h.receive(h.proposal(0, seen), h.leader(0))
    h.receiveVotes(h.others, 'nullify', 0)
    expect(h.of('build')).toMatchObject([{ view: 1 }])
    const certificates = [h.certificate('notarize', 0, seen.hash)]
    h.receive({ kind: 'enter', height: 1, view: 1, certificates }, h.others[0])
    const facts = { height: 1, view: 1, proposer: h.self, parentHash: ZERO_BLOCK_HASH }
    h.step({ kind: 'built', height: 1, view: 1, block: makeCounterBlock(facts, [9]) })
    const notarized = h.votesCast().filter((vote) => vote.type === 'notarize' && vote.view === 1)
    expect(notarized.map((vote) => vote.blockHash)).toEqual([seen.hash])
  })

  it('a gap in the justification keeps a leader from proposing until it is filled', () => {
    const h = new CoreHarness({ leadsView: 2, builds: [1] })
    h.receive({ kind: 'enter', height: 1, view: 2, certificates: [h.certificate('nullify', 1)] }, 0)
    expect(h.core.snapshot().view).toBe(2)
    expect(h.said()).toEqual([])
    h.receive({ kind: 'enter', height: 1, view: 2, certificates: [h.certificate('nullify', 0)] }, 0)
    expect(h.said()).toEqual(['notarize/2'])
  })
})
