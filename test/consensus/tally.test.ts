import { describe, expect, it } from 'vitest'
import { findContradiction } from '../../src/consensus/evidence.ts'
import { CoreHarness } from '../support/core-harness.ts'

describe('counting', () => {
  it('counts a signer once, whatever its signatures look like', () => {
    const h = new CoreHarness({ leadsView: 0 })
    const [a, b] = h.others as [number, number]
    h.receiveVotes([a, a, b, b, a], 'nullify', 0)
    const again = { ...h.vote(a, 'nullify', 0), signature: new Uint8Array(64).fill(1) }
    h.step({ kind: 'message', from: a, message: { kind: 'vote', vote: again } })
    expect(h.core.snapshot().view).toBe(0)
    expect(h.of('evidence')).toEqual([])
  })

  it('counts only the first of two contradicting votes, and reports them once', () => {
    const h = new CoreHarness()
    const [a, b, c] = h.others as [number, number, number]
    const [one, two] = [h.block(0, [1]).hash, h.block(0, [2]).hash]
    h.receiveVotes([a], 'finalize', 0, one)
    h.receiveVotes([a, a, b, c], 'finalize', 0, two)
    expect(h.of('evidence')).toHaveLength(1)
    expect(h.of('commit')).toEqual([])
    h.receiveVotes([b], 'nullify', 0)
    expect(h.of('evidence').map(({ first, second }) => findContradiction(first, second))).toEqual([
      'double-finalize',
      'nullify-finalize',
    ])
  })

  it('takes notarize with nullify, and different views, for no evidence', () => {
    const h = new CoreHarness()
    const [a] = h.others as [number]
    h.receiveVotes([a], 'notarize', 0, h.block(0, [1]).hash)
    h.receiveVotes([a], 'nullify', 0)
    h.receiveVotes([a], 'notarize', 1, h.block(1, [2]).hash)
    h.receiveVotes([a], 'finalize', 2, h.block(1, [2]).hash)
    expect(h.of('evidence')).toEqual([])
  })

  it('decides by finalize votes of a view far ahead, delivered one by one', () => {
    const h = new CoreHarness()
    const block = h.block(0, [1])
    for (const signer of h.others) h.receiveVotes([signer], 'finalize', 30, block.hash)
    expect(h.of('commit')).toEqual([])
    // The body is missing: those that have voted for it are asked.
    expect(h.of('send').map(({ message }) => message.kind)).toContain('get-block')
    h.receive({ kind: 'block', height: 1, block: block.bytes }, h.others[0])
    expect(h.of('commit')).toMatchObject([{ certificate: { view: 30 } }])
  })

  it('ignores votes too far ahead', () => {
    const h = new CoreHarness()
    const { hash } = h.block(0, [1])
    expect(h.core.wants({ kind: 'vote', vote: h.vote(0, 'nullify', 3) })).toBe(false)
    expect(h.core.wants({ kind: 'vote', vote: h.vote(0, 'finalize', 51, hash) })).toBe(false)
    expect(h.core.wants({ kind: 'vote', vote: h.vote(0, 'finalize', 50, hash) })).toBe(true)
    expect(h.core.wants({ kind: 'vote', vote: h.vote(0, 'nullify', 0, undefined, 3) })).toBe(false)
  })
})
