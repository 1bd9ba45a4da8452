import { describe, expect, it } from 'vitest'
import { encodeMessage } from '../../src/consensus/messages.ts'
import { CoreHarness } from '../support/core-harness.ts'

describe('repair', () => {
  const full = { notarize: new Uint8Array(1), nullify: new Uint8Array(1), finalize: [] }
  const lacksAll = { ...full, hasProposal: false, hasNotarization: false }

  it('sends a peer exactly what it says it lacks, once per half interval', () => {
    const h = new CoreHarness()
    const block = h.block(0, [1])
    const peer = h.leader(2)
    h.receive(h.proposal(0, block), h.leader(0))
    const status = { kind: 'status', height: 1, view: 0, detail: lacksAll } as const
    const sent = h.of('send', h.receive(status, peer)).map(({ message }) => message.kind)
    expect(sent.toSorted()).toEqual(['propose', 'vote', 'vote'])
    expect(h.of('send', h.receive(status, peer))).toEqual([])
    h.nowMs += 60
    const has = { ...lacksAll, notarize: new Uint8Array([0b1111]), hasProposal: true }
    expect(h.of('send', h.receive({ ...status, detail: has }, peer))).toEqual([])
  })

  it('moves a peer that is behind in views, and a peer that is behind in heights', () => {
    const h = new CoreHarness()
    h.receiveVotes(h.others, 'nullify', 0)
    const peer = h.leader(2)
    const status = { kind: 'status', height: 1, view: 0, detail: lacksAll } as const
    const enter = h.of('send', h.receive(status, peer)).map(({ message }) => message)
    expect(enter).toMatchObject([{ kind: 'enter', view: 1, certificates: [{ type: 'nullify' }] }])
    const block = h.block(0, [1])
    h.step({ kind: 'decided', block, certificate: h.certificate('finalize', 0, block.hash) })
    const decided = h.of('send', h.receive(status, peer)).map(({ message }) => message.kind)
    expect(decided).toEqual(['decided'])
  })

  it('takes a height for a hint and believes nothing', () => {
    const h = new CoreHarness()
    const effects = h.receive({ kind: 'status', height: 1_000_000, view: 9 }, h.others[0])
    expect(h.of('catch-up', effects)).toMatchObject([{ height: 1_000_000 }])
    expect(h.core.snapshot().height).toBe(1)
    expect(
      h.of('catch-up', h.receive({ kind: 'status', height: 2, view: 0 }, h.others[1])),
    ).toEqual([])
  })

  it('answers nobody but validators', () => {
    const h = new CoreHarness()
    h.receive(h.proposal(0, h.block(0, [1])), h.leader(0))
    const status = { kind: 'status', height: 1, view: 0, detail: lacksAll } as const
    expect(h.of('send', h.receive(status))).toEqual([])
  })

  it('answers stay within a frame', () => {
    const h = new CoreHarness()
    const certificates = Array.from({ length: 60 }, (_, view) => h.certificate('nullify', view))
    h.receive({ kind: 'enter', height: 1, view: 60, certificates }, h.others[0])
    expect(h.core.snapshot().view).toBe(60)
    for (const { message } of h.of('broadcast')) {
      expect(encodeMessage(message).length).toBeLessThan(65_536)
    }
  })
})
