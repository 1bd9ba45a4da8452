import { describe, expect, it } from 'vitest'
import { grownDelayMs } from '../../src/consensus/timers.ts'
import { CoreHarness } from '../support/core-harness.ts'

const proposeDelays = (h: CoreHarness): [number, number][] =>
  h
    .of('timer')
    .flatMap(({ timer, view, afterMs }) =>
      timer === 'propose' ? [[view, afterMs] as [number, number]] : [],
    )

describe('delays', () => {
  it('grow once per f + 1 views, up to a cap', () => {
    const views = [0, 1, 2, 3, 4, 5]
    expect(views.map((view) => grownDelayMs(800, view, 1))).toEqual([
      800, 800, 1200, 1200, 1800, 1800,
    ])
    expect(views.map((view) => grownDelayMs(800, view, 2))).toEqual([
      800, 800, 800, 1200, 1200, 1200,
    ])
    expect(grownDelayMs(800, 1_000_000, 1)).toBe(10_000)
    expect(grownDelayMs(20_000, 50, 1)).toBe(20_000)
  })

  it('of a silent leader are zero in the first f + 1 views only', () => {
    const h = new CoreHarness({ leadsView: 3 })
    h.nowMs += 5_000
    h.step({ kind: 'work', present: true })
    // A vote, whoever brings it, is a sign of life.
    h.receiveVotes([h.leader(1), h.leader(0), h.leader(2)], 'nullify', 0)
    h.receiveVotes(h.others, 'nullify', 1)
    expect(proposeDelays(h)).toEqual([
      [0, 0],
      [1, 200],
      [2, 300],
    ])
  })

  it('shrink for a leader that misses its views, and recover when it is notarized', () => {
    const h = new CoreHarness({ leadsView: 3 })
    h.receiveVotes(h.others, 'nullify', 0)
    expect(h.core.snapshot().peers[h.leader(0)]?.missed).toBe(1)
    const block = h.block(1, [1])
    const certificates = [h.certificate('notarize', 0, block.hash)]
    h.receive({ kind: 'enter', height: 1, view: 1, certificates }, h.others[0])
    expect(h.core.snapshot().peers[h.leader(0)]?.missed).toBe(0)
  })
})
