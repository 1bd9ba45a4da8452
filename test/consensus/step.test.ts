import { describe, expect, it } from 'vitest'
import type { Effect } from '../../src/consensus/events-and-effects.ts'
import { CoreHarness } from '../support/core-harness.ts'

const work = { kind: 'work', present: true } as const

function viewWithEverything(): Effect[] {
  const h = new CoreHarness()
  const block = h.block(0, [1])
  h.receive(h.proposal(0, block), h.leader(0))
  h.receiveVotes(h.others, 'notarize', 0, block.hash)
  h.timer('finalize', 0)
  h.receiveVotes(h.others, 'nullify', 1)
  return h.effects
}

describe('the good case', () => {
  it('a leader with work builds, journals the block and its vote, and proposes', () => {
    const h = new CoreHarness({ leadsView: 0, builds: [1] })
    const kinds = h.step(work).map((effect) => effect.kind)
    expect(h.said()).toEqual(['notarize/0'])
    const proposedAt = h.effects.findIndex(
      (effect) => effect.kind === 'broadcast' && effect.message.kind === 'propose',
    )
    const before = h.of('persist', h.effects.slice(0, proposedAt)).map(({ record }) => record.kind)
    expect(before).toEqual(['block', 'vote'])
    expect(kinds).toContain('build')
  })

  it('a follower validates, notarizes, finalizes and commits, journaling before each vote', () => {
    const h = new CoreHarness()
    const block = h.block(0, [1])
    h.receive(h.proposal(0, block), h.leader(0))
    expect(h.said()).toEqual(['notarize/0'])
    expect(h.records.map((record) => record.kind)).toEqual(['block', 'vote'])
    h.receiveVotes(h.others, 'notarize', 0, block.hash)
    expect(h.said()).toEqual(['notarize/0', 'finalize/0'])
    expect(h.records.map((record) => record.kind)).toEqual(['block', 'vote', 'certificate', 'vote'])
    h.receiveVotes(h.others, 'finalize', 0, block.hash)
    expect(h.of('commit')).toMatchObject([{ height: 1, block: { hash: block.hash } }])
    expect(h.core.snapshot()).toMatchObject({ height: 2, view: 0, active: false, bodies: 0 })
  })

  it('a node that only follows commits and says nothing', () => {
    const h = new CoreHarness({ follower: true })
    const block = h.block(0, [1])
    const certificate = h.certificate('finalize', 0, block.hash)
    h.step({ kind: 'decided', block, certificate })
    expect(h.of('commit')).toHaveLength(1)
    expect([...h.of('broadcast'), ...h.of('send'), ...h.of('persist')]).toEqual([])
  })

  it('one validator alone makes blocks', () => {
    const h = new CoreHarness({ validators: 1, leadsView: 0, builds: [1] })
    h.step(work)
    expect(h.of('commit')).toMatchObject([{ height: 1 }])
  })

  it('holds the next proposal back until the least interval has passed', () => {
    const h = new CoreHarness({ leadsView: 0, validators: 1, builds: [1], minBlockIntervalMs: 100 })
    h.step(work)
    h.nowMs += 30
    h.step(work)
    expect(h.of('commit')).toHaveLength(1)
    expect(h.of('timer').findLast((effect) => effect.timer === 'batch')?.afterMs).toBe(70)
    h.nowMs += 70
    h.timer('batch', 0, 2)
    expect(h.of('commit')).toHaveLength(2)
  })

  it('the same events give the same effects', () => {
    expect(viewWithEverything()).toEqual(viewWithEverything())
  })
})

describe('timers', () => {
  it('of another view or height do nothing, however many there are', () => {
    const h = new CoreHarness({ leadsView: 3 })
    h.step(work)
    h.receiveVotes(h.others, 'nullify', 0)
    const before = h.said().length
    for (const timer of ['propose', 'notarize', 'finalize'] as const) {
      for (const [view, height] of [
        [0, 1],
        [2, 1],
        [1, 2],
        [1, 0],
      ] as const)
        h.timer(timer, view, height)
    }
    h.timer('finalize', 1) // nothing is notarized here
    expect(h.said()).toHaveLength(before)
    h.timer('notarize', 1)
    h.timer('propose', 1)
    h.timer('notarize', 1)
    expect(h.said().slice(before)).toEqual(['nullify/1'])
  })

  it('of a height that is decided do not reach into the next one', () => {
    const h = new CoreHarness()
    const block = h.block(0, [1])
    h.step({ kind: 'decided', block, certificate: h.certificate('finalize', 0, block.hash) })
    h.step(work)
    h.timer('propose', 0, 1)
    h.timer('notarize', 0, 1)
    expect(h.said()).toEqual([])
  })
})

describe('height change', () => {
  it('leaves nothing of the old height behind, and starts with what waited for the new one', () => {
    const h = new CoreHarness()
    const first = h.block(0, [1])
    h.receive(h.proposal(0, first), h.leader(0))
    h.receiveVotes(h.others, 'notarize', 0, first.hash)
    // The last vote that decides comes with votes for the next height already waiting.
    const [a, b] = h.others as [number, number]
    for (const signer of [a, b]) {
      h.receive({ kind: 'vote', vote: h.vote(signer, 'nullify', 1, undefined, 2) }, signer)
    }
    expect(h.core.snapshot().bufferedMessages).toBe(2)
    h.receiveVotes(h.others, 'finalize', 0, first.hash)
    expect(h.core.snapshot()).toMatchObject({
      height: 2,
      view: 0,
      parentHash: first.hash,
      bodies: 0,
      bufferedMessages: 0,
      // f + 1 distinct signers woke it
      active: true,
    })
    const certificates = h.records.filter((record) => record.kind === 'certificate')
    expect(certificates.every((record) => record.height === 1)).toBe(true)
  })

  it('bounds what waits for the next height', () => {
    const h = new CoreHarness()
    const [a] = h.others as [number]
    for (let view = 0; view < 100; view++) {
      h.receive({ kind: 'vote', vote: h.vote(a, 'nullify', view, undefined, 2) }, a)
    }
    expect(h.core.snapshot().bufferedMessages).toBe(8)
  })

  it('keeps at most a few bodies that nothing refers to', () => {
    const h = new CoreHarness({ leadsView: 3, verdict: 'none' })
    for (let i = 0; i < 40; i++) h.receive(h.proposal(0, h.block(0, [i])), h.leader(0))
    expect(h.core.snapshot().bodies).toBeLessThanOrEqual(8)
  })
})

describe('idle', () => {
  it('starts no timer but the retransmit one and votes on nothing', () => {
    const h = new CoreHarness()
    expect(h.of('timer').map((effect) => effect.timer)).toEqual(['retransmit'])
    h.timer('retransmit', 0)
    h.timer('retransmit', 0)
    h.timer('propose', 0)
    expect(h.said()).toEqual([])
    expect(h.of('share-transactions')).toEqual([])
  })

  it('is not disturbed by f validators, and is by f + 1', () => {
    const h = new CoreHarness()
    const [a, b] = h.others as [number, number]
    h.receiveVotes([a], 'nullify', 0)
    h.receiveVotes([a], 'nullify', 1)
    expect(h.core.snapshot().active).toBe(false)
    h.receiveVotes([b], 'nullify', 0)
    expect(h.core.snapshot().active).toBe(true)
  })

  it('work at one node alone is shared when nothing comes of it', () => {
    const h = new CoreHarness()
    h.step(work)
    h.timer('retransmit', 0)
    h.timer('retransmit', 0)
    expect(h.of('share-transactions')).toHaveLength(1)
  })

  it('is asleep again after a commit until the driver finds that there is still work', () => {
    const h = new CoreHarness()
    h.step(work)
    const block = h.block(0, [1])
    h.step({ kind: 'decided', block, certificate: h.certificate('finalize', 0, block.hash) })
    expect(h.core.snapshot()).toMatchObject({ height: 2, active: false })
    h.step(work)
    expect(h.core.snapshot().active).toBe(true)
  })
})
