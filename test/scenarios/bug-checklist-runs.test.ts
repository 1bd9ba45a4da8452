/** Rows of the bug checklist (`bug-checklist.test.ts`) that take several validators to show. */

import { describe, expect, it } from 'vitest'
import { simulateConsensus } from '../../src/simulator/consensus-simulation.ts'
import { SimulatedWorld } from '../support/simulated-world.ts'

describe('2 · everybody crashes, and own votes must count again', () => {
  it.each(['notarize', 'nullify', 'finalize'] as const)('after %s', (type) => {
    const world = new SimulatedWorld(4)
    // The fourth is silent for good.
    const three = [0, 1, 2]
    world.start(three)
    let isLost = false
    world.loses = (packet) => {
      isLost ||= packet.label === `vote/${type}`
      return packet.label === `vote/${type}`
    }
    // Everybody votes, nobody hears it, and everybody crashes at once.
    for (const index of three) world.node(index).submit(index)
    world.pass(type === 'finalize' ? 60 : 450)
    expect(isLost).toBe(true)
    for (const index of three) world.node(index).crash()
    world.loses = () => false
    world.start(three)
    for (const index of three) world.node(index).submit(index)
    world.pass(10_000)
    expect(Math.min(...world.heights(three))).toBeGreaterThan(0)
    expect(world.violations()).toEqual([])
  })
})

describe('3 · equivocation after a restart', () => {
  it('does not happen in runs full of crashes', () => {
    const faults = { network: true, crashes: true, disks: true, clocks: false }
    let crashes = 0
    for (let seed = 300; seed < 315; seed++) {
      const options = { seed, validators: 4, faultyMs: 8_000, transactions: 40, byzantine: 0 }
      crashes += simulateConsensus({ ...options, mode: 'safety', faults }).crashes
    }
    expect(crashes).toBeGreaterThan(40)
  })
})

describe('7 · a certified split', () => {
  it('half with the notarization, half with the nullification: heals', () => {
    const world = new SimulatedWorld(7)
    world.start()
    // Finalize votes are lost, and notarize votes reach one half only: the other half nullifies.
    world.loses = ({ label, to }) =>
      label === 'vote/finalize' || (label === 'vote/notarize' && to >= 3) || label === 'enter'
    for (const node of world.nodes) node.submit(node.index)
    world.pass(2_000)
    world.loses = () => false
    world.pass(5_000)
    expect(Math.min(...world.heights())).toBeGreaterThan(0)
    expect(world.violations()).toEqual([])
  })
})

describe('16 · a height that is told before it is durable', () => {
  it('is not: what leaves after a commit waits for it', () => {
    const world = new SimulatedWorld(4)
    world.start()
    for (const node of world.nodes) node.disk.syncMs = [20, 20]
    world.loses = (packet) => {
      if (packet.label !== 'status') return false
      const told = world.node(packet.from)
      const claimed = told.core?.snapshot().height ?? 0
      expect(claimed - told.disk.decided.length).toBeLessThanOrEqual(2)
      return false
    }
    for (let i = 0; i < 10; i++) world.node(i % 4).submit(i)
    world.pass(5_000)
    expect(world.violations()).toEqual([])
  })
})

describe('17 · some sleep while others have work', () => {
  it('a transaction at one node only becomes final, whichever node it is', () => {
    for (let index = 0; index < 4; index++) {
      const world = new SimulatedWorld(4)
      world.start()
      world.pass(1_000)
      world.node(index).submit(7)
      world.pass(5_000)
      expect(world.heights()).toEqual([1, 1, 1, 1])
      expect(world.violations()).toEqual([])
    }
  })

  it('a transaction that comes while its height is decided is not forgotten', () => {
    const world = new SimulatedWorld(4)
    world.start()
    for (let i = 0; i < 40; i++) world.time.after(i * 7, () => world.node(i % 4).submit(i))
    world.pass(8_000)
    expect(world.nodes.map((node) => node.ledger.mempool.size)).toEqual([0, 0, 0, 0])
  })
})

describe('19 · nodes far apart in time', () => {
  it('started over half a minute, they agree within seconds of the third', () => {
    const world = new SimulatedWorld(4)
    for (const [i, atMs] of [0, 8_000, 20_000, 30_000].entries()) {
      world.time.after(atMs, () => {
        world.node(i).start()
        world.node(i).submit(i)
      })
    }
    world.pass(24_000)
    expect(Math.min(...world.heights([0, 1, 2]))).toBeGreaterThan(0)
    world.pass(10_000)
    expect(new Set(world.heights()).size).toBe(1)
    expect(world.violations()).toEqual([])
  })
})

describe('25 · pruning what those behind need', () => {
  it.each([1, 2, 3, 64, 65, 130])('a node that is %i blocks behind catches up', (behind) => {
    const world = new SimulatedWorld(4, { relays: true })
    world.start([0, 1, 2])
    let next = 0
    while (Math.min(...world.heights([0, 1, 2])) < behind) {
      world.node(next % 3).submit(next)
      next++
      world.pass(25)
    }
    world.pass(3_000)
    world.node(3).start()
    world.pass(10_000)
    expect(new Set(world.heights()).size).toBe(1)
  })
})

describe('27 · a slow link while blocks are proposed', () => {
  it('costs no view to the others and no block to the one behind it', () => {
    const world = new SimulatedWorld(4, { relays: true })
    world.start()
    // From 0 to 3 everything takes ten times as long.
    world.delays = ({ from, to }) => (from === 0 && to === 3 ? 60 : 0)
    for (let i = 0; i < 60; i++) world.time.after(i * 50, () => world.node(i % 4).submit(i))
    world.pass(10_000)
    expect(new Set(world.heights()).size).toBe(1)
    expect(Math.max(...world.heights())).toBeGreaterThan(20)
    const views = world.node(0).disk.decided.map(({ certificate }) => certificate.view)
    expect(views.filter((view) => view > 0)).toEqual([])
  })
})
