import { describe, expect, it } from 'vitest'
import { makeCounterBlock } from '../../src/simulator/counter-block.ts'
import { CoreHarness } from '../support/core-harness.ts'

const work = { kind: 'work', present: true } as const

describe('voting rules', () => {
  it('notarizes once in a view, whatever the leader proposes next', () => {
    const h = new CoreHarness()
    h.receive(h.proposal(0, h.block(0, [1])), h.leader(0))
    h.receive(h.proposal(0, h.block(0, [2])), h.leader(0))
    expect(h.said().filter((said) => said === 'notarize/0')).toHaveLength(1)
    // The second proposal convicts the leader, and nothing more is expected of it.
    expect(h.of('evidence')).toHaveLength(1)
    expect(h.said()).toContain('nullify/0')
  })

  it('does not nullify what it has finalized, and still leaves the view', () => {
    const h = new CoreHarness()
    const block = h.block(0, [1])
    h.receive(h.proposal(0, block), h.leader(0))
    h.receiveVotes(h.others, 'notarize', 0, block.hash)
    h.timer('finalize', 0)
    expect(h.said()).not.toContain('nullify/0')
    expect(h.core.snapshot().view).toBe(1)
  })

  it('does not finalize what it has nullified', () => {
    const h = new CoreHarness()
    const block = h.block(0, [1])
    h.step(work)
    h.timer('propose', 0)
    h.receive(h.proposal(0, block), h.leader(0))
    h.receiveVotes(h.others, 'notarize', 0, block.hash)
    expect(h.said()).toEqual(['nullify/0'])
  })

  it('refuses a proposal without justification, from another than the leader, or of another body', () => {
    const h = new CoreHarness({ leadsView: 3 })
    const block = h.block(2, [1])
    h.receive(h.proposal(2, block), h.leader(2))
    h.receive(h.proposal(2, block, { nulls: [h.certificate('nullify', 1)] }), h.leader(2))
    const notLeader = h.vote(h.leader(1), 'notarize', 0, block.hash)
    h.receive({ ...h.proposal(0, h.block(0)), leaderVote: notLeader }, h.leader(1))
    h.receive({ ...h.proposal(0, h.block(0)), block: block.bytes }, h.leader(0))
    expect(h.core.snapshot()).toMatchObject({ view: 0, active: false, bodies: 0 })
    expect(h.said()).toEqual([])
  })

  it('takes a fresh block only in its own view and of its own proposer', () => {
    const h = new CoreHarness({ leadsView: 2 })
    const misplaced = h.block(1, [1])
    h.receive(h.proposal(0, misplaced), h.leader(0))
    expect(h.said()).toEqual(['nullify/0'])
  })

  it('nullifies an invalid proposal at once, and one on another parent without asking', () => {
    const invalid = new CoreHarness({ verdict: 'invalid' })
    invalid.receive(invalid.proposal(0, invalid.block(0, [1])), invalid.leader(0))
    expect(invalid.said()).toEqual(['nullify/0'])
    const h = new CoreHarness({ verdict: 'none' })
    const facts = { height: 1, view: 0, proposer: h.leader(0), parentHash: h.block(0, [9]).hash }
    h.receive(h.proposal(0, makeCounterBlock(facts, [])), h.leader(0))
    expect(h.said()).toEqual(['nullify/0'])
    expect(h.of('validate')).toEqual([])
  })

  it('waits while a verdict is pending, asks again, and takes the answer when it comes', () => {
    const h = new CoreHarness({ verdict: 'pending' })
    const block = h.block(0, [1])
    h.receive(h.proposal(0, block), h.leader(0))
    expect(h.said()).toEqual([])
    h.timer('propose', 0)
    expect(h.said()).toEqual([])
    h.timer('retransmit', 0)
    expect(h.of('validate')).toHaveLength(2)
    h.step({ kind: 'block-ready', hash: block.hash, fresh: true, verdict: 'valid' })
    expect(h.said()).toEqual(['notarize/0'])
  })

  it('asks for hard validity alone when a notarized block is proposed again', () => {
    const h = new CoreHarness({ leadsView: 2, verdict: 'none' })
    const block = h.block(0, [1])
    const base = h.certificate('notarize', 0, block.hash)
    h.receive(h.proposal(1, block, { base, nulls: [] }), h.leader(1))
    expect(h.of('validate').map((effect) => effect.fresh)).toEqual([false])
    h.step({ kind: 'block-ready', hash: block.hash, fresh: false, verdict: 'valid' })
    expect(h.said()).toEqual(['notarize/1', 'finalize/0'])
  })

  it('halts on a notarized and on a final block that is invalid here, for good', () => {
    const notarized = new CoreHarness({ verdict: 'invalid' })
    const block = notarized.block(0, [1])
    const base = notarized.certificate('notarize', 0, block.hash)
    notarized.receive(notarized.proposal(1, block, { base, nulls: [] }), notarized.leader(1))
    expect(notarized.of('halt')).toHaveLength(1)
    const h = new CoreHarness({ verdict: 'invalid', leadsView: 2 })
    h.receive(h.proposal(1, block, { base, nulls: [] }), h.leader(1))
    h.step({ kind: 'decided', block, certificate: h.certificate('finalize', 0, block.hash) })
    expect(h.of('halt')).toHaveLength(1)
    expect(h.of('commit')).toEqual([])
    expect(h.step(work)).toEqual([])
  })

  it('abstains where the sign guard refuses, without asking again', () => {
    let asked = 0
    const refuse = (): undefined => {
      asked++
      return undefined
    }
    const h = new CoreHarness({ sign: refuse })
    h.receive(h.proposal(0, h.block(0, [1])), h.leader(0))
    h.timer('retransmit', 0)
    expect(asked).toBe(1)
    expect(h.records.filter((record) => record.kind === 'vote')).toEqual([])
  })

  it('signs nothing below the height it may vote from', () => {
    const h = new CoreHarness({ voteFromHeight: 2 })
    const block = h.block(0, [1])
    h.receive(h.proposal(0, block), h.leader(0))
    h.timer('notarize', 0)
    expect(h.said()).toEqual([])
    h.receiveVotes(h.others, 'finalize', 0, block.hash)
    expect(h.of('commit')).toHaveLength(1)
  })
})
